//! Shared sessions on PostgreSQL.

use async_trait::async_trait;

use super::{KeptSession, UpstreamSessionStore};
use crate::replicas::Leadership;
use crate::storage::StoreError;
use crate::storage::postgres::Postgres;

/// The store of shared sessions on PostgreSQL.
pub(super) struct PostgresUpstreamSessions {
    database: Postgres,
}

impl PostgresUpstreamSessions {
    pub(super) fn new(database: Postgres) -> Self {
        Self { database }
    }
}

#[async_trait]
impl UpstreamSessionStore for PostgresUpstreamSessions {
    async fn newest(&self, name: &str) -> Result<Option<KeptSession>, StoreError> {
        let sql = "SELECT number, sealed, (now_micros() - since) / 1000 FROM upstream_session WHERE name = $1";
        let found = self.database.query(sql, &[&name]).await?;
        let of = |row: &tokio_postgres::Row| KeptSession { number: row.get(0), sealed: row.get(1), age_ms: row.get(2) };
        Ok(found.first().map(of))
    }

    async fn keep(
        &self,
        name: &str,
        lease: &str,
        held: Leadership,
        sealed: Vec<u8>,
        age_ms: i64,
    ) -> Result<Option<i64>, StoreError> {
        // The row of the lease stays locked: it does not change hands before the session is kept.
        let sql = "WITH held AS (SELECT 1 FROM lease JOIN replica ON replica.id = lease.holder \
                   WHERE lease.name = $2 AND holder = $3 AND epoch = $4 AND expires_at > now_micros() FOR SHARE OF lease) \
                   INSERT INTO upstream_session AS old (name, number, sealed, since) \
                   SELECT $1::text, 1, $5::bytea, now_micros() - $6::bigint * 1000 FROM held \
                   ON CONFLICT (name) DO UPDATE SET number = old.number + 1, sealed = excluded.sealed, \
                   since = excluded.since RETURNING number";
        let kept = self.database.query(sql, &[&name, &lease, &held.holder, &held.epoch, &sealed, &age_ms]).await?;
        Ok(kept.first().map(|row| row.get(0)))
    }
}
