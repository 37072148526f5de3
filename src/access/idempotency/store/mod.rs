//! What idempotency needs of a store.

pub mod postgres;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;

use super::{Key, KeyedReply};
use crate::storage::{Database, StoreError};

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReply {
    pub fingerprint: [u8; 32],
    pub status: u16,
    /// Empty: it is not stored, but there was one.
    pub reply: Vec<u8>,
}

/// The store of kept answers.
#[async_trait]
pub trait ReplyStore: Send + Sync {
    async fn find(&self, client_id: &str, key: &Key) -> Result<Option<KeptReply>, StoreError>;

    /// `Conflict` if the key has an answer already.
    async fn keep(&self, reply: KeyedReply) -> Result<(), StoreError>;

    /// Deletes up to 1,000 answers stored before `before`; returns how many.
    async fn forget(&self, before: Timestamp) -> Result<usize, StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn ReplyStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteReplies::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresReplies::new(database.clone())),
    }
}
