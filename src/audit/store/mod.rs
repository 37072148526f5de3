//! What the audit log needs of a store.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

use super::{Frontier, Hash, SealedRecord};
use crate::replicas::Leadership;
use crate::storage::{Database, StoreError};

/// A record with its place in the tree of its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedRecord {
    pub index: u64,
    pub leaf_hash: Hash,
    /// What was hashed, byte for byte.
    pub bytes: Vec<u8>,
}

/// The log's store. Records of what changes something are written by the store that changes it, in its transaction.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Writes a record of its own, for what changes nothing: a refusal, a body that is about to be shown.
    async fn append(&self, record: SealedRecord) -> Result<(), StoreError>;

    /// The same for what operators do: while requests are refused for want of room, this goes on.
    async fn append_always(&self, record: SealedRecord) -> Result<(), StoreError>;

    /// Gives durable records their places in the tree, up to `most` of them and only under this leadership; returns how
    /// many. Where places are given as records are written there is never one left.
    async fn place(&self, leadership: Leadership, most: usize) -> Result<usize, StoreError>;

    /// Records that are durable and have no place yet.
    async fn unplaced(&self) -> Result<u64, StoreError>;

    /// Shards that have records.
    async fn shards(&self) -> Result<Vec<String>, StoreError>;

    /// Size and frontier of a shard's tree; `None` if it has no record with a place.
    async fn head(&self, shard: &str) -> Result<Option<Frontier>, StoreError>;

    /// Up to `limit` records of a shard from this index on.
    async fn records(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<PlacedRecord>, StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn AuditStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteAudit::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresAudit::new(database.clone())),
    }
}

fn hash_of(bytes: &[u8]) -> Result<Hash, StoreError> {
    bytes.try_into().map_err(|_| StoreError::Failed("a leaf hash of the audit log is damaged".into()))
}

fn frontier_of(size: i64, bytes: &[u8]) -> Result<Frontier, StoreError> {
    Frontier::from_bytes(size.cast_unsigned(), bytes)
        .ok_or_else(|| StoreError::Failed("the head of the audit log is damaged".into()))
}
