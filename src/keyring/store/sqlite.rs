//! Keys on SQLite.

use async_trait::async_trait;
use rusqlite::Connection;
use uuid::Uuid;

use super::{KeyStore, ReplicaKeys, WrappedBody, WrappedTokenKey};
use crate::audit::SealedRecord;
use crate::storage::StoreError;
use crate::storage::generations::Generation;
use crate::storage::sqlite::{Sqlite, now_micros};

/// The topic's store on SQLite.
pub(super) struct SqliteKeys {
    database: Sqlite,
}

impl SqliteKeys {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }
}

#[async_trait]
impl KeyStore for SqliteKeys {
    async fn take_into_use(
        &self,
        generation: Generation,
        record: SealedRecord,
    ) -> Result<Option<ReplicaKeys>, StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                let lacking = replicas(transaction.connection)?.into_iter().find(|replica| !replica.has(generation.key));
                if lacking.is_some() {
                    return Ok(lacking);
                }
                let sql = "INSERT INTO key_generation (name, used_from, public_key) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
                let row = (generation.key.to_string(), generation.used_from.micros(), generation.public);
                if transaction.connection.prepare_cached(sql)?.execute(row)? != 1 {
                    return Err(StoreError::Conflict);
                }
                transaction.audit(record.clone());
                Ok(None)
            })
            .await
    }

    async fn retire(&self, generation: Generation, record: SealedRecord) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                let Generation { key, used_from, retired_at, public } = &generation;
                let sql = "INSERT INTO key_generation (name, used_from, retired_at, public_key) VALUES (?1, ?2, ?3, ?4) \
                           ON CONFLICT (name) DO UPDATE SET retired_at = excluded.retired_at, public_key = excluded.public_key \
                           WHERE retired_at IS NULL";
                let row = (key.to_string(), used_from.micros(), retired_at.map(|at| at.micros()), public);
                if transaction.connection.prepare_cached(sql)?.execute(row)? != 1 {
                    return Err(StoreError::Conflict);
                }
                transaction.connection.prepare_cached("DELETE FROM key_check WHERE name = ?1")?.execute([key.file()])?;
                transaction.audit(record.clone());
                Ok(())
            })
            .await
    }

    async fn tell(&self, keys: ReplicaKeys) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                transaction
                    .connection
                    .prepare_cached("UPDATE replica SET keys = ?2, contents_key = ?3 WHERE id = ?1")?
                    .execute((keys.id.as_bytes(), &keys.keys, keys.contents_key))?;
                Ok(())
            })
            .await
    }

    async fn replicas(&self) -> Result<Vec<ReplicaKeys>, StoreError> {
        self.database.readers.read(replicas).await
    }

    async fn bodies(&self, after: Uuid, limit: usize) -> Result<Vec<WrappedBody>, StoreError> {
        self.database
            .readers
            .read(move |connection| {
                let sql = "SELECT id, key_id, wrapped_key FROM body WHERE id > ?1 ORDER BY id LIMIT ?2";
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map((after.as_bytes(), limit.cast_signed() as i64), |row| {
                    Ok(WrappedBody { id: Uuid::from_bytes(row.get(0)?), key: row.get(1)?, wrapped: row.get(2)? })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn wrap(&self, bodies: Vec<(WrappedBody, i64, Vec<u8>)>) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                let sql = "UPDATE body SET key_id = ?3, wrapped_key = ?4 WHERE id = ?1 AND wrapped_key = ?2";
                let mut statement = transaction.connection.prepare_cached(sql)?;
                for (body, key, wrapped) in &bodies {
                    statement.execute((body.id.as_bytes(), &body.wrapped, key, wrapped))?;
                }
                Ok(())
            })
            .await
    }

    async fn token_keys(&self) -> Result<Vec<WrappedTokenKey>, StoreError> {
        self.database
            .readers
            .read(|connection| {
                let mut statement = connection.prepare_cached("SELECT kid, sealed FROM token_key ORDER BY kid")?;
                let rows =
                    statement.query_map([], |row| Ok(WrappedTokenKey { name: row.get(0)?, wrapped: row.get(1)? }))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn seal_token_key(&self, key: WrappedTokenKey, wrapped: Vec<u8>) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                transaction
                    .connection
                    .prepare_cached("UPDATE token_key SET sealed = ?3 WHERE kid = ?1 AND sealed = ?2")?
                    .execute((&key.name, &key.wrapped, &wrapped))?;
                Ok(())
            })
            .await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        // One writes at a time.
        self.database.writer.write(|_| Ok(())).await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.database.writer.empty_log().await
    }
}

fn replicas(connection: &Connection) -> Result<Vec<ReplicaKeys>, StoreError> {
    let sql = "SELECT id, coalesce(keys, ''), contents_key FROM replica WHERE expires_at > ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([now_micros()], |row| {
        Ok(ReplicaKeys { id: Uuid::from_bytes(row.get(0)?), keys: row.get(1)?, contents_key: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
