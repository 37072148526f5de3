//! What webhooks need of a store. Of the waiting notices of a lane only the first has a time at which it is due; ending it gives the next
//! one that time.

pub mod postgres;
pub mod sqlite;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use super::{EventKind, NewEvent, Notice, NoticeReason, NoticeStatus};
use crate::audit::SealedRecord;
use crate::storage::{Database, StoreError};

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    Delivered,
    Again { at: Timestamp, reason: NoticeReason },
    Dead(NoticeReason),
}

/// The end of a call.
#[derive(Debug, Clone)]
pub struct Settle {
    pub endpoint: String,
    pub event: Uuid,
    /// Which call it was: another one has taken its place if the number is another.
    pub attempts: i64,
    pub to: Called,
    pub http_status: Option<i64>,
    /// The endpoint is called no more.
    pub disables: bool,
    pub record: SealedRecord,
    pub now: Timestamp,
}

/// Which notices are called again.
#[derive(Debug, Clone, Default)]
pub struct Again {
    pub endpoint: Option<String>,
    pub event: Option<Uuid>,
    /// Also those that were delivered, if they changed since then; otherwise only those that were given up.
    pub delivered_since: Option<Timestamp>,
}

/// The store of events and notices. Writing an event is a part of another topic's transaction: `sqlite::note`, `postgres::note`.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// Events that have happened by now, the earliest first.
    async fn events(&self, now: Timestamp, limit: usize) -> Result<Vec<NewEvent>, StoreError>;

    /// Notices in the place of these events, in this order, at the end of their lanes.
    async fn replace(&self, events: Vec<Uuid>, notices: Vec<Notice>) -> Result<(), StoreError>;

    /// Notices of this endpoint that are due, the longest due first. Each counts as a call, and is due again at `again_at` whatever
    /// becomes of it.
    async fn claim(
        &self,
        endpoint: String,
        now: Timestamp,
        again_at: Timestamp,
        limit: usize,
    ) -> Result<Vec<Notice>, StoreError>;

    /// `false` if the call is no longer the last one: then nothing is written.
    async fn settle(&self, end: Settle) -> Result<bool, StoreError>;

    /// Has notices called again, from their first call on. Returns how many.
    async fn open_again(&self, again: Again, now: Timestamp, record: SealedRecord) -> Result<usize, StoreError>;

    /// Those that stand so, the latest first.
    async fn list(
        &self,
        endpoint: Option<String>,
        status: NoticeStatus,
        limit: usize,
    ) -> Result<Vec<Notice>, StoreError>;

    /// How many stand so, by endpoint. Of delivered ones it takes long.
    async fn counts(&self, status: NoticeStatus) -> Result<BTreeMap<String, u64>, StoreError>;

    /// Endpoints that are not called, and since when.
    async fn disabled(&self) -> Result<Vec<(String, Timestamp)>, StoreError>;

    /// `false` if it was not disabled.
    async fn enable(&self, endpoint: String, record: SealedRecord) -> Result<bool, StoreError>;

    /// Deletes notices to which nothing has happened since then; at most `limit`. Returns how many.
    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn WebhookStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteWebhooks::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresWebhooks::new(database.clone())),
    }
}

/// The status is written out: there is an index of those that wait, and one of those that were given up.
const fn count_sql(status: NoticeStatus) -> &'static str {
    match status {
        NoticeStatus::Waiting => {
            "SELECT endpoint, count(*) FROM webhook_notice WHERE status = 'waiting' GROUP BY endpoint"
        }
        NoticeStatus::Dead => "SELECT endpoint, count(*) FROM webhook_notice WHERE status = 'dead' GROUP BY endpoint",
        NoticeStatus::Delivered => {
            "SELECT endpoint, count(*) FROM webhook_notice WHERE status = 'delivered' GROUP BY endpoint"
        }
    }
}

/// Columns of a whole notice, in the order in which both engines read them.
macro_rules! notices {
    ($rest:literal) => {
        concat!(
            "SELECT endpoint, event_id, client_id, agency_id, lane, kind, payload, status, attempts, next_at, since_at, reason, ",
            "http_status, updated_at FROM webhook_notice ",
            $rest
        )
    };
}
use notices;

/// A row of such columns.
struct Row {
    endpoint: String,
    event: Uuid,
    client_id: String,
    agency_id: String,
    lane: String,
    kind: String,
    payload: String,
    status: String,
    attempts: i64,
    next_at: Option<i64>,
    since_at: i64,
    reason: Option<String>,
    http_status: Option<i64>,
    updated_at: i64,
}

impl Row {
    fn read(self) -> Result<Notice, StoreError> {
        let reason = self.reason.as_deref().map(NoticeReason::parse).transpose();
        Ok(Notice {
            endpoint: self.endpoint,
            event: self.event,
            client_id: self.client_id,
            agency_id: self.agency_id,
            lane: self.lane,
            kind: kind_of(&self.kind)?,
            payload: self.payload,
            status: status_of(&self.status)?,
            attempts: self.attempts,
            next_at: self.next_at.map(Timestamp::from_micros),
            since_at: Timestamp::from_micros(self.since_at),
            reason: reason.map_err(|_| unknown("reason"))?,
            http_status: self.http_status,
            updated_at: Timestamp::from_micros(self.updated_at),
        })
    }
}

/// A row of `event`.
struct EventRow {
    id: Uuid,
    kind: String,
    agency_id: String,
    lane: String,
    subject: Uuid,
    data: String,
    at: i64,
}

impl EventRow {
    fn read(self) -> Result<NewEvent, StoreError> {
        Ok(NewEvent {
            id: self.id,
            kind: kind_of(&self.kind)?,
            agency_id: self.agency_id,
            lane: self.lane,
            subject: self.subject,
            data: serde_json::from_str(&self.data).map_err(StoreError::failed)?,
            at: Timestamp::from_micros(self.at),
        })
    }
}

fn unknown(what: &str) -> StoreError {
    StoreError::Failed(format!("webhooks: unknown {what}"))
}

fn kind_of(text: &str) -> Result<EventKind, StoreError> {
    EventKind::parse(text).map_err(|_| unknown("kind"))
}

fn status_of(text: &str) -> Result<NoticeStatus, StoreError> {
    NoticeStatus::parse(text).map_err(|_| unknown("status"))
}
