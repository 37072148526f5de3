//! Keys on PostgreSQL.

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
    async fn take_into_use(&self, generation: Generation, record: SealedRecord) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let sql = "INSERT INTO key_generation (name, used_from, public_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let Generation { key, used_from, public, .. } = &generation;
        let public = public.as_ref().map(<[u8; 32]>::as_slice);
        if transaction.execute(sql, &[&key.to_string(), &used_from.micros(), &public]).await? != 1 {
            return Err(StoreError::Conflict);
        }
        transaction.audit(record);
        transaction.commit().await
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
        let sql =
            "SELECT id, coalesce(keys, ''), contents_key FROM replica WHERE expires_at > now_micros() ORDER BY id";
        let keys =
            |row: &tokio_postgres::Row| ReplicaKeys { id: row.get(0), keys: row.get(1), contents_key: row.get(2) };
        Ok(self.database.query(sql, &[]).await?.iter().map(keys).collect())
    }

    async fn wrapped_by(&self, key: i64, after: Uuid, limit: usize) -> Result<Vec<WrappedBody>, StoreError> {
        let sql = "SELECT id, wrapped_key FROM body WHERE id > $1 AND key_id = $2 ORDER BY id LIMIT $3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let body = |row: &tokio_postgres::Row| WrappedBody { id: row.get(0), wrapped: row.get(1) };
        Ok(self.database.query(sql, &[&after, &key, &limit]).await?.iter().map(body).collect())
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

    async fn scrub(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
