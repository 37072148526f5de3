//! The national side, simulated on the wire, against which the gateway is tested.
//! It must never import another crate of the workspace: the other side's field names are written down here a second time.

mod settings;

mod counters;
mod digest;
mod dossiers;
mod faults;
mod files;
mod ledger;
mod locks;
mod operation;
mod outgoing;
mod plain;
mod portal;
mod sessions;

mod admin;
mod server;
mod wire;

pub use counters::{Counters, OperationCounters, Reason};
pub use dossiers::HeldDossier;
pub use faults::{FaultKind, FaultPlan, OperationFaults};
pub use files::{FileContent, FileHabit, OutgoingFile, SentFile};
pub use ledger::{Effect, LedgerEntry};
pub use operation::Operation;
pub use outgoing::{
    AnswerKind, Attempt, Cut, Hold, Outgoing, OutgoingKind, Prefix, ProvinceAnswer, ProvinceSettings, SendingFaults,
    SendingState, SentMessage,
};
pub use plain::plain;
pub use portal::born::PortalBorn;
pub use portal::catalogue::CatalogueProcedure;
pub use server::Sandbox;
pub use settings::{DstcodePlacement, ExtraProcedure, PortalSettings, Settings, SuccessCode};
