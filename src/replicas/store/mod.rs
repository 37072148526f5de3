//! What replicas need of a store. Time is the store's own, so that replicas need not agree on theirs.

mod postgres;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::storage::{Database, StoreError};

/// The store of replicas and leases.
#[async_trait]
pub trait ReplicaStore: Send + Sync {
    /// Adds a replica, alive for `lease`. Where only one process can serve the store, all others are removed.
    async fn join(&self, id: Uuid, lease: Duration) -> Result<(), StoreError>;

    /// `false` if the replica's time was over: it was given up, and must not act any more under this id.
    async fn renew(&self, id: Uuid, lease: Duration) -> Result<bool, StoreError>;

    /// Ends a replica before its time: what it held is free at once.
    async fn leave(&self, id: Uuid) -> Result<(), StoreError>;

    /// Removes replicas whose time is over; returns how many.
    async fn bury(&self) -> Result<usize, StoreError>;

    /// Replicas that are alive.
    async fn alive(&self) -> Result<Vec<Uuid>, StoreError>;

    /// Takes the named lease if it is free or its holder has gone, or keeps it. Returns its epoch while `id` holds it;
    /// the epoch is greater for each new holder.
    async fn hold(&self, name: &str, id: Uuid) -> Result<Option<i64>, StoreError>;

    /// Gives the named lease up, if `id` holds it.
    async fn release(&self, name: &str, id: Uuid) -> Result<(), StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn ReplicaStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteReplicas::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresReplicas::new(database.clone())),
    }
}
