//! Kept answers on SQLite.

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use rusqlite::OptionalExtension;

use super::{KeptReply, ReplyStore};
use crate::access::idempotency::{Key, KeyedReply};
use crate::storage::StoreError;
use crate::storage::sqlite::{Sqlite, Transaction};

/// Keeps the answer. `Conflict` if the key has one already: someone else was faster.
pub fn keep(transaction: &mut Transaction<'_>, reply: &KeyedReply) -> Result<(), StoreError> {
    let inserted = transaction
        .connection
        .prepare_cached(
            "INSERT INTO idempotency (client_id, key, fingerprint, status, reply, stored_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute((
            &reply.client_id,
            reply.key.as_str(),
            reply.fingerprint,
            reply.status,
            &reply.reply,
            reply.stored_at.micros(),
        ))?;
    if inserted == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// The store of kept answers on SQLite.
pub struct SqliteReplies {
    database: Sqlite,
}

impl SqliteReplies {
    pub fn new(database: Sqlite) -> Self {
        Self { database }
    }
}

#[async_trait]
impl ReplyStore for SqliteReplies {
    async fn find(&self, client_id: &str, key: &Key) -> Result<Option<KeptReply>, StoreError> {
        let (client_id, key) = (client_id.to_owned(), key.as_str().to_owned());
        self.database
            .readers
            .look_up(move |connection| {
                Ok(connection
                    .prepare_cached(
                        "SELECT fingerprint, status, reply FROM idempotency WHERE client_id = ?1 AND key = ?2",
                    )?
                    .query_row((client_id, key), |row| {
                        Ok(KeptReply { fingerprint: row.get(0)?, status: row.get(1)?, reply: row.get(2)? })
                    })
                    .optional()?)
            })
            .await
    }

    async fn keep(&self, reply: KeyedReply) -> Result<(), StoreError> {
        self.database.writer.write(move |transaction| keep(transaction, &reply)).await
    }

    async fn forget(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                Ok(transaction
                    .connection
                    .prepare_cached(
                        "DELETE FROM idempotency WHERE (client_id, key) IN \
                         (SELECT client_id, key FROM idempotency WHERE stored_at < ?1 LIMIT 1000)",
                    )?
                    .execute([before.micros()])?)
            })
            .await
    }
}
