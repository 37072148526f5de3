//! What this topic needs of a store.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use super::Target;
use crate::audit::SealedRecord;
use crate::storage::{Database, StoreError};

/// A content that was accepted, with the outbox item that sends it, or the inbox item that waits with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Also the id of the record that tells of it.
    pub body: Uuid,
    pub item: Uuid,
    pub dossier: String,
    /// Normalised.
    pub agency: String,
    /// It has still to be delivered, or somebody has to decide about it.
    pub is_open: bool,
}

/// One content that goes, and the record that says so.
#[derive(Debug, Clone)]
pub struct Erasure {
    pub content: Content,
    pub record: SealedRecord,
    /// Takes the place of the content's own digest, by which a guess could be tried.
    pub digest: [u8; 32],
}

/// The topic's store.
#[async_trait]
pub trait ErasureStore: Send + Sync {
    /// The contents that are there. Looks through the whole outbox and inbox.
    async fn find(&self, target: &Target) -> Result<Vec<Content>, StoreError>;

    /// Removes contents that are there, each with its record; returns how many were. `Conflict`, and nothing is removed, if
    /// one is open again.
    async fn erase(&self, erasures: Vec<Erasure>) -> Result<usize, StoreError>;

    /// Up to `limit` contents that were accepted before this time and are open no more, oldest first.
    async fn settled_before(&self, before: Timestamp, limit: usize) -> Result<Vec<Content>, StoreError>;

    /// Removes contents as [`Self::erase`] does, and the outbox items that sent them.
    async fn drop_settled(&self, erasures: Vec<Erasure>) -> Result<(), StoreError>;

    /// Removes what was erased from the engine's own log, too. SQLite: when this returns, its files have nothing of it.
    /// PostgreSQL keeps old row versions, its log, archives and standbys for a while: what is left there opens only with the
    /// key that wrapped it (docs/operations/erasure.md).
    async fn scrub(&self) -> Result<(), StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn ErasureStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteErasure::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresErasure::new(database.clone())),
    }
}

/// The least id that is given at this time: ids are time-ordered (UUIDv7).
fn first_id_at(time: Timestamp) -> Uuid {
    let millis = u64::try_from(time.micros() / 1000).unwrap_or(0);
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    Uuid::from_bytes(bytes)
}
