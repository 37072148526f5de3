//! What shared sessions need of a store.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

use crate::replicas::Leadership;
use crate::storage::{Database, StoreError};

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSession {
    pub number: i64,
    pub sealed: Vec<u8>,
    /// By the store's clock; negative if that was set back.
    pub age_ms: i64,
}

/// The store of shared sessions.
#[async_trait]
pub trait UpstreamSessionStore: Send + Sync {
    async fn newest(&self, name: &str) -> Result<Option<KeptSession>, StoreError>;

    /// Keeps a session and returns its number, greater than those before it; `None`, and nothing is kept, if the named
    /// lease is no longer held so.
    async fn keep(
        &self,
        name: &str,
        lease: &str,
        held: Leadership,
        sealed: Vec<u8>,
        age_ms: i64,
    ) -> Result<Option<i64>, StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn UpstreamSessionStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteUpstreamSessions::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresUpstreamSessions::new(database.clone())),
    }
}
