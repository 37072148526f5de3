//! Every call that must not be lost: enqueued in the transaction that made it necessary, sent in order within its lane,
//! retried, looked up when its outcome is unknown, parked when only a person can decide.

mod announce;
mod delivery;
pub mod http;
mod item;
mod judge;
mod narrate;
mod retry;
mod status;
pub mod store;
mod worker;

pub use delivery::{Attempt, Delivery, Learned};
pub use item::{Claimed, Item, NewItem, OperationView, Problem};
pub use retry::RetrySchedule;
pub use status::{Status, TRANSITIONS, may_follow};
pub use worker::{InFlight, Worker, WorkerSettings};

/// What goes to the portal, whichever topic enqueues it.
pub mod portal {
    /// The route.
    pub const ROUTE: &str = "dossier-portal";
    /// Kinds of items: a full state, a step, and where a dossier stands that was born on the portal.
    pub const SYNC: &str = "dossier.sync";
    pub const STEP: &str = "dossier.step";
    pub const REPORT: &str = "dossier.report";
}
