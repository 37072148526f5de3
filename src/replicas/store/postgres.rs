//! Replicas on PostgreSQL, by the server's clock.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::ReplicaStore;
use crate::storage::postgres::Postgres;
use crate::storage::{NEWEST_SCHEMA, StoreError};

/// The store of replicas on PostgreSQL.
pub(super) struct PostgresReplicas {
    database: Postgres,
}

impl PostgresReplicas {
    pub(super) fn new(database: Postgres) -> Self {
        Self { database }
    }
}

fn micros(lease: Duration) -> i64 {
    i64::try_from(lease.as_micros()).unwrap_or(i64::MAX)
}

#[async_trait]
impl ReplicaStore for PostgresReplicas {
    async fn join(&self, id: Uuid, lease: Duration) -> Result<(), StoreError> {
        // A program that was paused while a newer one migrated must not go on with a schema that it does not know.
        let sql = "INSERT INTO replica (id, schema, expires_at) SELECT $1::uuid, $2::bigint, now_micros() + $3::bigint \
                   WHERE NOT EXISTS (SELECT 1 FROM migration WHERE number > $2 AND NOT is_additive)";
        match self.database.execute(sql, &[&id, &NEWEST_SCHEMA, &micros(lease)]).await? {
            1 => Ok(()),
            _ => Err(StoreError::Failed(
                "this database was migrated to a schema that this program cannot work with: run the newer program"
                    .into(),
            )),
        }
    }

    async fn renew(&self, id: Uuid, lease: Duration) -> Result<bool, StoreError> {
        let sql = "UPDATE replica SET expires_at = now_micros() + $2 WHERE id = $1 AND expires_at > now_micros()";
        Ok(self.database.execute(sql, &[&id, &micros(lease)]).await? == 1)
    }

    async fn leave(&self, id: Uuid) -> Result<(), StoreError> {
        self.database.execute("DELETE FROM replica WHERE id = $1", &[&id]).await.map(drop)
    }

    async fn bury(&self) -> Result<usize, StoreError> {
        let buried = self.database.execute("DELETE FROM replica WHERE expires_at <= now_micros()", &[]).await?;
        Ok(usize::try_from(buried).unwrap_or(usize::MAX))
    }

    async fn alive(&self) -> Result<Vec<Uuid>, StoreError> {
        let sql = "SELECT id FROM replica WHERE expires_at > now_micros() ORDER BY id";
        Ok(self.database.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn hold(&self, name: &str, id: Uuid) -> Result<Option<i64>, StoreError> {
        // The row of the lease is locked by whoever acts under it, so that it changes hands only between two acts.
        let sql = "INSERT INTO lease AS held (name, holder, epoch) \
                   SELECT $1::text, $2::uuid, 1 WHERE $2 IN (SELECT id FROM replica WHERE expires_at > now_micros()) \
                   ON CONFLICT (name) DO UPDATE SET epoch = held.epoch + (held.holder <> excluded.holder)::int, \
                   holder = excluded.holder WHERE held.holder = excluded.holder \
                   OR held.holder NOT IN (SELECT id FROM replica WHERE expires_at > now_micros()) RETURNING epoch";
        Ok(self.database.query(sql, &[&name, &id]).await?.first().map(|row| row.get(0)))
    }

    async fn release(&self, name: &str, id: Uuid) -> Result<(), StoreError> {
        let sql = "UPDATE lease SET holder = $3 WHERE name = $1 AND holder = $2";
        self.database.execute(sql, &[&name, &id, &Uuid::nil()]).await.map(drop)
    }
}
