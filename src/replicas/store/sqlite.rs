//! Replicas on SQLite: one process serves the file, so whoever joins is the only one.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::OptionalExtension;
use uuid::Uuid;

use super::ReplicaStore;
use crate::storage::sqlite::{Sqlite, now_micros};
use crate::storage::{NEWEST_SCHEMA, StoreError};

/// The store of replicas on SQLite.
pub(super) struct SqliteReplicas {
    database: Sqlite,
}

impl SqliteReplicas {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }
}

fn until(lease: Duration) -> i64 {
    now_micros().saturating_add(i64::try_from(lease.as_micros()).unwrap_or(i64::MAX))
}

#[async_trait]
impl ReplicaStore for SqliteReplicas {
    async fn join(&self, id: Uuid, lease: Duration) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                let connection = transaction.connection;
                connection.prepare_cached("DELETE FROM replica")?.execute([])?;
                connection
                    .prepare_cached("INSERT INTO replica (id, schema, expires_at) VALUES (?1, ?2, ?3)")?
                    .execute((id.as_bytes(), NEWEST_SCHEMA, until(lease)))?;
                Ok(())
            })
            .await
    }

    async fn renew(&self, id: Uuid, lease: Duration) -> Result<bool, StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                let renewed = transaction
                    .connection
                    .prepare_cached("UPDATE replica SET expires_at = ?2 WHERE id = ?1 AND expires_at > ?3")?
                    .execute((id.as_bytes(), until(lease), now_micros()))?;
                Ok(renewed == 1)
            })
            .await
    }

    async fn leave(&self, id: Uuid) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                transaction.connection.prepare_cached("DELETE FROM replica WHERE id = ?1")?.execute([id.as_bytes()])?;
                Ok(())
            })
            .await
    }

    async fn bury(&self) -> Result<usize, StoreError> {
        self.database
            .writer
            .write(|transaction| {
                Ok(transaction
                    .connection
                    .prepare_cached("DELETE FROM replica WHERE expires_at <= ?1")?
                    .execute([now_micros()])?)
            })
            .await
    }

    async fn alive(&self) -> Result<Vec<Uuid>, StoreError> {
        self.database
            .readers
            .read(|connection| {
                let mut statement =
                    connection.prepare_cached("SELECT id FROM replica WHERE expires_at > ?1 ORDER BY id")?;
                let rows = statement.query_map([now_micros()], |row| Ok(Uuid::from_bytes(row.get(0)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn hold(&self, name: &str, id: Uuid) -> Result<Option<i64>, StoreError> {
        let name = name.to_owned();
        self.database
            .writer
            .write(move |transaction| {
                Ok(transaction
                    .connection
                    .prepare_cached(
                        "INSERT INTO lease (name, holder, epoch) \
                         SELECT ?1, ?2, 1 WHERE ?2 IN (SELECT id FROM replica WHERE expires_at > ?3) \
                         ON CONFLICT (name) DO UPDATE SET epoch = epoch + (holder != excluded.holder), \
                         holder = excluded.holder WHERE holder = excluded.holder \
                         OR holder NOT IN (SELECT id FROM replica WHERE expires_at > ?3) RETURNING epoch",
                    )?
                    .query_row((&name, id.as_bytes(), now_micros()), |row| row.get(0))
                    .optional()?)
            })
            .await
    }

    async fn release(&self, name: &str, id: Uuid) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.database
            .writer
            .write(move |transaction| {
                transaction
                    .connection
                    .prepare_cached("UPDATE lease SET holder = ?3 WHERE name = ?1 AND holder = ?2")?
                    .execute((&name, id.as_bytes(), Uuid::nil().as_bytes()))?;
                Ok(())
            })
            .await
    }
}
