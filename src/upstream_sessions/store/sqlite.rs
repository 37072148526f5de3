//! Shared sessions on SQLite.

use async_trait::async_trait;
use rusqlite::OptionalExtension;

use super::{KeptSession, UpstreamSessionStore};
use crate::replicas::Leadership;
use crate::storage::StoreError;
use crate::storage::sqlite::{Sqlite, now_micros};

/// The store of shared sessions on SQLite.
pub(super) struct SqliteUpstreamSessions {
    database: Sqlite,
}

impl SqliteUpstreamSessions {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }
}

#[async_trait]
impl UpstreamSessionStore for SqliteUpstreamSessions {
    async fn newest(&self, name: &str) -> Result<Option<KeptSession>, StoreError> {
        let name = name.to_owned();
        self.database
            .readers
            .read(move |connection| {
                Ok(connection
                    .prepare_cached("SELECT number, sealed, since FROM upstream_session WHERE name = ?1")?
                    .query_row([name], |row| {
                        let age_ms = (now_micros() - row.get::<_, i64>(2)?) / 1000;
                        Ok(KeptSession { number: row.get(0)?, sealed: row.get(1)?, age_ms })
                    })
                    .optional()?)
            })
            .await
    }

    async fn keep(
        &self,
        name: &str,
        lease: &str,
        held: Leadership,
        sealed: Vec<u8>,
        age_ms: i64,
    ) -> Result<Option<i64>, StoreError> {
        let (name, lease) = (name.to_owned(), lease.to_owned());
        self.database
            .writer
            .write(move |transaction| {
                Ok(transaction
                    .connection
                    .prepare_cached(
                        "INSERT INTO upstream_session (name, number, sealed, since) SELECT ?1, 1, ?2, ?3 \
                         WHERE EXISTS (SELECT 1 FROM lease JOIN replica ON replica.id = lease.holder \
                         WHERE lease.name = ?4 AND holder = ?5 AND epoch = ?6 AND expires_at > ?7) \
                         ON CONFLICT (name) DO UPDATE SET number = number + 1, sealed = excluded.sealed, \
                         since = excluded.since RETURNING number",
                    )?
                    .query_row(
                        rusqlite::params![
                            name,
                            sealed,
                            now_micros() - age_ms * 1000,
                            lease,
                            held.holder.as_bytes(),
                            held.epoch,
                            now_micros()
                        ],
                        |row| row.get(0),
                    )
                    .optional()?)
            })
            .await
    }
}
