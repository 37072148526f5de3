//! What the outbox needs of a store.

mod rows;
mod sqlite;

use async_trait::async_trait;
use lienthong_domain::port::Presence;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use sqlite::{SqliteOutbox, enqueue, enqueue_full_state};

use super::{Claimed, Item, Learned, OperationView, Problem, Status};
use crate::storage::StoreError;

/// How a claimed item goes on. Written only if the lease is still held (`fence`).
#[derive(Debug, Clone)]
pub struct Settlement {
    pub id: Uuid,
    pub fence: i64,
    /// What was done, for the audit log.
    pub operation: &'static str,
    pub to: Status,
    pub due_at: Option<Timestamp>,
    pub problem: Option<Problem>,
    pub learned: Learned,
    pub now: Timestamp,
}

/// An operator's decision on an item that waits for one.
#[derive(Debug, Clone)]
pub struct Decision {
    pub id: Uuid,
    pub to: Status,
    /// Why, in the operator's words; the sender sees them.
    pub words: Option<String>,
    pub now: Timestamp,
}

/// What the other side is known to hold of a lane, and what still waits in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneView {
    pub presence: Option<Presence>,
    pub acknowledged_revision: Option<i64>,
    pub acknowledged_at: Option<Timestamp>,
    pub open_items: i64,
    pub head: Option<(Status, Option<Problem>)>,
}

/// How many open items stand where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub by_status: Vec<(Status, i64)>,
}

/// The outbox's store.
#[async_trait]
pub trait OutboxStore: Send + Sync {
    /// Takes up to `limit` heads that are due: items to send become `sending`, items of unknown outcome keep their
    /// status; both get a new fence and a lease. Expired leases become `unknown` and are not returned.
    async fn claim(&self, now: Timestamp, lease_ms: i64, limit: usize) -> Result<Vec<Claimed>, StoreError>;

    /// Writes what came of a claimed item; `false` if its lease was lost in the meantime and nothing was written.
    async fn settle(&self, settlement: Settlement) -> Result<bool, StoreError>;

    /// Nobody else serves this store: every lease is an orphan. What was being sent is of unknown outcome and looked
    /// into from `look_up_at` on. Returns how many leases were taken back.
    async fn take_back_leases(&self, now: Timestamp, look_up_at: Timestamp) -> Result<usize, StoreError>;

    async fn decide(&self, decision: Decision) -> Result<Item, StoreError>;

    async fn body(&self, id: Uuid) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError>;

    async fn operation(&self, id: Uuid) -> Result<Option<OperationView>, StoreError>;

    async fn item(&self, id: Uuid) -> Result<Option<Item>, StoreError>;

    async fn lane(&self, route: &'static str, lane: String) -> Result<LaneView, StoreError>;

    /// Items that wait for an operator, oldest first.
    async fn waiting(&self, limit: usize) -> Result<Vec<Item>, StoreError>;

    async fn counts(&self) -> Result<Counts, StoreError>;

    /// When the next head is due, if any is.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;
}
