//! Keys on PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{KeyStore, ReplicaKeys, WrappedBody, WrappedTokenKey};
use crate::audit::SealedRecord;
use crate::storage::StoreError;
use crate::storage::generations::Generation;
use crate::storage::postgres::{Postgres, Transaction, column};

/// The topic's store on PostgreSQL.
pub(super) struct PostgresKeys {
    database: Postgres,
}

impl PostgresKeys {
    pub(super) fn new(database: Postgres) -> Self {
        Self { database }
    }
}

#[async_trait]
impl KeyStore for PostgresKeys {
    async fn take_into_use(
        &self,
        generation: Generation,
        record: SealedRecord,
    ) -> Result<Option<ReplicaKeys>, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        // Nobody joins meanwhile.
        transaction.execute("LOCK TABLE replica IN SHARE ROW EXCLUSIVE MODE", &[]).await?;
        let replicas = transaction.query(REPLICAS, &[]).await?;
        let lacking = replicas.iter().map(replica).find(|replica| !replica.has(generation.key));
        if lacking.is_some() {
            return Ok(lacking);
        }
        let sql = "INSERT INTO key_generation (name, used_from, public_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let Generation { key, used_from, public, .. } = &generation;
        let public = public.as_ref().map(<[u8; 32]>::as_slice);
        if transaction.execute(sql, &[&key.to_string(), &used_from.micros(), &public]).await? != 1 {
            return Err(StoreError::Conflict);
        }
        transaction.audit(record);
        transaction.commit().await?;
        Ok(None)
    }

    async fn retire(&self, generation: Generation, record: SealedRecord) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let Generation { key, used_from, retired_at, public } = &generation;
        let sql = "INSERT INTO key_generation AS old (name, used_from, retired_at, public_key) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (name) DO UPDATE SET retired_at = excluded.retired_at, public_key = excluded.public_key \
                   WHERE old.retired_at IS NULL";
        let (retired_at, public) = (retired_at.map(|at| at.micros()), public.as_ref().map(<[u8; 32]>::as_slice));
        if transaction.execute(sql, &[&key.to_string(), &used_from.micros(), &retired_at, &public]).await? != 1 {
            return Err(StoreError::Conflict);
        }
        transaction.execute("DELETE FROM key_check WHERE name = $1", &[&key.file()]).await?;
        transaction.audit(record);
        transaction.commit().await
    }

    async fn tell(&self, keys: ReplicaKeys) -> Result<(), StoreError> {
        let sql = "UPDATE replica SET keys = $2, contents_key = $3 WHERE id = $1";
        self.database.execute(sql, &[&keys.id, &keys.keys, &keys.contents_key]).await.map(drop)
    }

    async fn replicas(&self) -> Result<Vec<ReplicaKeys>, StoreError> {
        Ok(self.database.query(REPLICAS, &[]).await?.iter().map(replica).collect())
    }

    async fn bodies(&self, after: Uuid, limit: usize) -> Result<Vec<WrappedBody>, StoreError> {
        let sql = "SELECT id, key_id, wrapped_key FROM body WHERE id > $1 ORDER BY id LIMIT $2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let body = |row: &tokio_postgres::Row| WrappedBody { id: row.get(0), key: row.get(1), wrapped: row.get(2) };
        Ok(self.database.query(sql, &[&after, &limit]).await?.iter().map(body).collect())
    }

    async fn wrap(&self, bodies: Vec<(WrappedBody, i64, Vec<u8>)>) -> Result<(), StoreError> {
        let sql = "UPDATE body SET key_id = anew.key_id, wrapped_key = anew.wrapped_key \
                   FROM unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::bytea[]) AS anew (id, before, key_id, wrapped_key) \
                   WHERE body.id = anew.id AND body.wrapped_key = anew.before";
        let (ids, before) =
            (column(&bodies, |(body, ..)| body.id), column(&bodies, |(body, ..)| body.wrapped.as_slice()));
        let (keys, wrapped) =
            (column(&bodies, |(_, key, _)| *key), column(&bodies, |(.., wrapped)| wrapped.as_slice()));
        self.database.execute(sql, &[&ids, &before, &keys, &wrapped]).await.map(drop)
    }

    async fn token_keys(&self) -> Result<Vec<WrappedTokenKey>, StoreError> {
        let rows = self.database.query("SELECT kid, sealed FROM token_key ORDER BY kid", &[]).await?;
        Ok(rows.iter().map(|row| WrappedTokenKey { name: row.get(0), wrapped: row.get(1) }).collect())
    }

    async fn seal_token_key(&self, key: WrappedTokenKey, wrapped: Vec<u8>) -> Result<(), StoreError> {
        let sql = "UPDATE token_key SET sealed = $3 WHERE kid = $1 AND sealed = $2";
        self.database.execute(sql, &[&key.name, &key.wrapped, &wrapped]).await.map(drop)
    }

    async fn settle(&self) -> Result<(), StoreError> {
        // Those of all replicas: a transaction that stands still is ended by the server after storage.postgres.statement_timeout_ms.
        let now = self.database.query("SELECT pg_current_xact_id()::text", &[]).await?;
        let Some(now) = now.first().map(|row| row.get::<_, String>(0)) else { return Err(StoreError::NotApplicable) };
        loop {
            let sql = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::numeric > $1::text::numeric";
            let is_over: bool = self.database.query(sql, &[&now]).await?.first().is_some_and(|row| row.get(0));
            if is_over {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

const REPLICAS: &str =
    "SELECT id, coalesce(keys, ''), contents_key FROM replica WHERE expires_at > now_micros() ORDER BY id";

fn replica(row: &tokio_postgres::Row) -> ReplicaKeys {
    ReplicaKeys { id: row.get(0), keys: row.get(1), contents_key: row.get(2) }
}
