//! What the outbox needs of a store.

/// A statement over whole items: the columns that both engines read, in their order, and what is asked of the rows.
macro_rules! items {
    ($rest:literal) => {
        concat!(
            "SELECT id, operation_id, client_id, agency_id, route, lane, kind, ordinal, body_id, status, attempts, ",
            "lost_leases, fence, due_at, first_tried_at, problem, accepted_at, updated_at, position, traceparent ",
            "FROM outbox WHERE ",
            $rest
        )
    };
}

pub mod postgres;
mod rows;
pub mod sqlite;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::port::Presence;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Claimed, Item, Learned, OperationView, Problem, Status};
use crate::audit::Recorder;
use crate::storage::bodies::Bodies;
use crate::storage::{Database, StoreError};
use crate::webhooks::Listening;

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
    /// status; both get a new fence and a lease of `holder`. Expired leases become `unknown` and are not returned.
    async fn claim(
        &self,
        holder: Uuid,
        now: Timestamp,
        lease_ms: i64,
        limit: usize,
    ) -> Result<Vec<Claimed>, StoreError>;

    /// Writes what came of a claimed item; `false` if its lease was lost in the meantime and nothing was written.
    async fn settle(&self, settlement: Settlement) -> Result<bool, StoreError>;

    /// Takes back the leases of replicas that are no longer alive: what was being sent is of unknown outcome and looked
    /// into from `look_up_at` on. Returns how many; at most 10,000 at a time.
    async fn take_back(&self, now: Timestamp, look_up_at: Timestamp) -> Result<usize, StoreError>;

    /// Gives up the leases of a living replica that it never learned of, because the answer to its claim was lost:
    /// nothing of them was sent. Those `in_flight` stay. Returns how many.
    async fn release(&self, holder: Uuid, in_flight: HashSet<Uuid>, now: Timestamp) -> Result<usize, StoreError>;

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

/// The store on the deployment's engine.
pub fn open(
    database: &Database,
    bodies: &Arc<Bodies>,
    recorder: &Arc<Recorder>,
    listening: &Arc<Listening>,
) -> Arc<dyn OutboxStore> {
    let (bodies, recorder, listening) = (Arc::clone(bodies), Arc::clone(recorder), Arc::clone(listening));
    match database {
        Database::Sqlite(database) => {
            Arc::new(sqlite::SqliteOutbox::new(database.clone(), bodies, recorder, listening))
        }
        Database::Postgres(database) => {
            Arc::new(postgres::PostgresOutbox::new(database.clone(), bodies, recorder, listening))
        }
    }
}
