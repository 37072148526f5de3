//! What this topic needs of a store.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::audit::SealedRecord;
use crate::storage::generations::{Generation, KeyName};
use crate::storage::{Database, StoreError};

/// The keys that a living replica has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaKeys {
    pub id: Uuid,
    /// Names with one space between.
    pub keys: String,
    /// The number of the key under which it wraps contents; `None` until it has told.
    pub contents_key: Option<i64>,
}

impl ReplicaKeys {
    pub fn has(&self, name: KeyName) -> bool {
        self.keys.split(' ').any(|known| known == name.to_string())
    }
}

/// A body's own key, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedBody {
    pub id: Uuid,
    /// The number of the key under which it is.
    pub key: i64,
    pub wrapped: Vec<u8>,
}

/// A key that signs tokens, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedTokenKey {
    pub name: String,
    pub wrapped: Vec<u8>,
}

/// The topic's store.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Takes a key into use, with the record that says so, if every living replica has it; one that has not, if there is one. None
    /// joins meanwhile. `Conflict` if it was in use before.
    async fn take_into_use(
        &self,
        generation: Generation,
        record: SealedRecord,
    ) -> Result<Option<ReplicaKeys>, StoreError>;

    /// Retires a key, with the record that says so.
    async fn retire(&self, generation: Generation, record: SealedRecord) -> Result<(), StoreError>;

    /// What this replica has.
    async fn tell(&self, keys: ReplicaKeys) -> Result<(), StoreError>;

    /// The keys of all living replicas.
    async fn replicas(&self) -> Result<Vec<ReplicaKeys>, StoreError>;

    /// Up to `limit` bodies whose id is greater than `after`, in the order of their ids.
    async fn bodies(&self, after: Uuid, limit: usize) -> Result<Vec<WrappedBody>, StoreError>;

    /// Puts new wraps, under the key of this number, in the place of those that are there still.
    async fn wrap(&self, bodies: Vec<(WrappedBody, i64, Vec<u8>)>) -> Result<(), StoreError>;

    async fn token_keys(&self) -> Result<Vec<WrappedTokenKey>, StoreError>;

    /// Puts a new wrap in the place of this one, if it is there still.
    async fn seal_token_key(&self, key: WrappedTokenKey, wrapped: Vec<u8>) -> Result<(), StoreError>;

    /// Returns when no transaction is under way any more that began before.
    async fn settle(&self) -> Result<(), StoreError>;

    /// Removes what was written over from the engine's own log, as far as that can be done.
    async fn scrub(&self) -> Result<(), StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn KeyStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteKeys::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresKeys::new(database.clone())),
    }
}
