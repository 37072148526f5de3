//! Dossiers (hồ sơ thủ tục hành chính): what a local one-stop system says about one, and what may follow what.

mod code;
mod fee;
mod owner;
mod paper;
mod record;
mod report;
mod state;
mod status_map;
mod step;
mod supplement;
mod transition;
mod words;

pub use code::DossierCode;
pub use fee::{Fee, FeeCollection, FeeKind};
pub use owner::{IdentityDocument, IdentityKind, IdentityNumber, Owner, OwnerKind, TaxCode};
pub use paper::{OtherPaper, PaperForm, ResultPaper, SubmittedPaper};
pub use record::{Channel, Database, Dossier, OnlinePayment, ReturnMethod, SubmissionPlace};
pub use report::StatusReport;
pub use state::DossierState;
pub use status_map::{LocalStatus, MappedState, StatusMap, StatusMapEntry, StatusMapMistake};
pub use step::Step;
pub use supplement::Supplement;
pub use transition::{Edge, TABLE, edge};
pub use words::{OfficerName, Summary};
