//! Kept answers on PostgreSQL.

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use std::collections::HashSet;

use super::{KeptReply, ReplyStore};
use crate::access::idempotency::{Key, KeyedReply};
use crate::storage::StoreError;
use crate::storage::postgres::{Batch, Drain, Postgres, Transaction, column};

/// Keeps the answers, and returns the keys of those that were kept. A key that has one already is left out: someone else
/// was faster. Two replies of one key do not come together (see [`Batch::keys`]).
pub async fn keep(
    transaction: &Transaction<'_>,
    replies: &[&KeyedReply],
) -> Result<HashSet<(String, String)>, StoreError> {
    let sql = "INSERT INTO idempotency (client_id, key, fingerprint, status, reply, stored_at) \
               SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bigint[]) \
               ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING client_id, key";
    let replies = || replies.iter().copied();
    let clients = column(replies(), |reply| reply.client_id.as_str());
    let keys = column(replies(), |reply| reply.key.as_str());
    let fingerprints = column(replies(), |reply| reply.fingerprint.as_slice());
    let statuses = column(replies(), |reply| i64::from(reply.status));
    let bodies = column(replies(), |reply| reply.reply.as_slice());
    let times = column(replies(), |reply| reply.stored_at.micros());
    let kept = transaction.query(sql, &[&clients, &keys, &fingerprints, &statuses, &bodies, &times]).await?;
    Ok(kept.iter().map(|row| (row.get(0), row.get(1))).collect())
}

struct Keep;

#[async_trait]
impl Batch for Keep {
    type Write = KeyedReply;
    type Done = ();

    fn keys<'a>(&self, write: &'a KeyedReply) -> Vec<&'a str> {
        vec![write.key.as_str()]
    }

    async fn write(
        &self,
        transaction: &Transaction<'_>,
        writes: &[KeyedReply],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let kept = keep(transaction, &writes.iter().collect::<Vec<_>>()).await?;
        let is_kept = |reply: &KeyedReply| kept.contains(&(reply.client_id.clone(), reply.key.as_str().to_owned()));
        Ok(column(writes, |reply| if is_kept(reply) { Ok(()) } else { Err(StoreError::Conflict) }))
    }
}

/// The store of kept answers on PostgreSQL.
pub struct PostgresReplies {
    database: Postgres,
    keep: Drain<Keep>,
}

impl PostgresReplies {
    pub fn new(database: Postgres) -> Self {
        Self { keep: database.drain(Keep), database }
    }
}

#[async_trait]
impl ReplyStore for PostgresReplies {
    async fn find(&self, client_id: &str, key: &Key) -> Result<Option<KeptReply>, StoreError> {
        let sql = "SELECT fingerprint, status, reply FROM idempotency WHERE client_id = $1 AND key = $2";
        let found = self.database.query(sql, &[&client_id, &key.as_str()]).await?;
        found.first().map(kept_of).transpose()
    }

    async fn keep(&self, reply: KeyedReply) -> Result<(), StoreError> {
        self.keep.write(reply).await
    }

    async fn forget(&self, before: Timestamp) -> Result<usize, StoreError> {
        let sql = "DELETE FROM idempotency WHERE (client_id, key) IN \
                   (SELECT client_id, key FROM idempotency WHERE stored_at < $1 LIMIT 1000)";
        let forgotten = self.database.execute(sql, &[&before.micros()]).await?;
        Ok(usize::try_from(forgotten).unwrap_or(usize::MAX))
    }
}

fn kept_of(row: &tokio_postgres::Row) -> Result<KeptReply, StoreError> {
    let fingerprint: &[u8] = row.get(0);
    Ok(KeptReply {
        fingerprint: fingerprint.try_into().map_err(StoreError::failed)?,
        status: u16::try_from(row.get::<_, i64>(1)).map_err(StoreError::failed)?,
        reply: row.get(2),
    })
}
