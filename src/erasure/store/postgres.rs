//! Erasure on PostgreSQL. Rows are gone at once; what the server keeps of them elsewhere opens only with the key that
//! wrapped their own.

use std::collections::HashSet;

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Content, Erasure, ErasureStore, first_id_at};
use crate::erasure::Target;
use crate::storage::StoreError;
use crate::storage::postgres::{Postgres, Transaction, column};

/// The topic's store on PostgreSQL.
pub(super) struct PostgresErasure {
    database: Postgres,
}

impl PostgresErasure {
    pub(super) fn new(database: Postgres) -> Self {
        Self { database }
    }
}

#[async_trait]
impl ErasureStore for PostgresErasure {
    async fn find(&self, target: &Target) -> Result<Vec<Content>, StoreError> {
        let rows = match target {
            Target::Dossier(code) => {
                // The dossier by all its codes: a message of the portal knows it by the nation's, and what tells the portal, too.
                let sql = "WITH dossier_code (code) AS (SELECT CAST($1 AS TEXT) \
                           UNION SELECT national_code FROM inbox_item WHERE local_code = $1 \
                           UNION SELECT local_code FROM inbox_item WHERE national_code = $1 AND local_code IS NOT NULL) \
                           SELECT body_id, id, lane, agency_id, is_open FROM outbox \
                           WHERE lane IN (SELECT code FROM dossier_code) \
                           AND EXISTS (SELECT 1 FROM body WHERE body.id = body_id) UNION ALL \
                           SELECT body_id, id, national_code, agency_id, status IN ('waiting', 'conflict') FROM inbox_item \
                           WHERE national_code IN (SELECT code FROM dossier_code) \
                           AND EXISTS (SELECT 1 FROM body WHERE body.id = body_id) ORDER BY 2";
                self.database.query(sql, &[code]).await?
            }
            Target::Record(id) => {
                let sql = "SELECT body_id, id, lane, agency_id, is_open FROM outbox WHERE body_id = $1 \
                           AND EXISTS (SELECT 1 FROM body WHERE body.id = body_id) UNION ALL \
                           SELECT body_id, id, national_code, agency_id, status IN ('waiting', 'conflict') FROM inbox_item \
                           WHERE body_id = $1 AND EXISTS (SELECT 1 FROM body WHERE body.id = body_id)";
                self.database.query(sql, &[id]).await?
            }
        };
        Ok(rows.iter().map(content_of).collect())
    }

    async fn erase(&self, erasures: Vec<Erasure>) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let erased = erase(&transaction, &erasures).await?;
        transaction.commit().await?;
        Ok(erased)
    }

    async fn settled_before(&self, before: Timestamp, limit: usize) -> Result<Vec<Content>, StoreError> {
        let sql = "SELECT body_id, id, lane, agency_id, is_open FROM outbox WHERE id < $1 AND NOT is_open ORDER BY id LIMIT $2";
        let (first, most) = (first_id_at(before), i64::try_from(limit).unwrap_or(i64::MAX));
        let mut found: Vec<Content> =
            self.database.query(sql, &[&first, &most]).await?.iter().map(content_of).collect();
        let sql = "SELECT body_id, id, national_code, agency_id, false FROM inbox_item WHERE id < $1 \
                   AND has_content AND status IN ('acknowledged', 'rejected') ORDER BY id LIMIT $2";
        let left = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
        found.extend(self.database.query(sql, &[&first, &left]).await?.iter().map(content_of));
        Ok(found)
    }

    async fn drop_settled(&self, erasures: Vec<Erasure>) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        erase(&transaction, &erasures).await?;
        let items = column(&erasures, |erasure| erasure.content.item);
        transaction.execute("DELETE FROM outbox WHERE id = ANY($1)", &[&items]).await?;
        transaction.commit().await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The items' rows are locked first: whoever opens one again waits, and then finds that its content is gone.
async fn erase(transaction: &Transaction<'_>, erasures: &[Erasure]) -> Result<usize, StoreError> {
    let items = column(erasures, |erasure| erasure.content.item);
    let sql = "SELECT is_open FROM outbox WHERE id = ANY($1) ORDER BY id FOR UPDATE";
    if transaction.query(sql, &[&items]).await?.iter().any(|row| row.get(0)) {
        return Err(StoreError::Conflict);
    }
    // A message that was decided stays decided.
    let sql = "SELECT 1 FROM inbox_item WHERE id = ANY($1) AND status IN ('waiting', 'conflict') LIMIT 1";
    if !transaction.query(sql, &[&items]).await?.is_empty() {
        return Err(StoreError::Conflict);
    }
    let bodies = column(erasures, |erasure| erasure.content.body);
    transaction.execute("UPDATE inbox_item SET has_content = false WHERE id = ANY($1)", &[&items]).await?;
    // First: whoever has just fetched one has then named its file, or finds nothing to name.
    transaction.execute("DELETE FROM linked_file WHERE body_id = ANY($1)", &[&bodies]).await?;
    transaction.execute("UPDATE kept_file SET is_gone = true WHERE body_id = ANY($1)", &[&bodies]).await?;
    let removed = transaction.query("DELETE FROM body WHERE id = ANY($1) RETURNING id", &[&bodies]).await?;
    let removed: HashSet<Uuid> = removed.iter().map(|row| row.get(0)).collect();
    let erased: Vec<&Erasure> = erasures.iter().filter(|erasure| removed.contains(&erasure.content.body)).collect();
    let codes = column(erased.iter().copied(), |erasure| erasure.content.dossier.as_str());
    let bodies = column(erased.iter().copied(), |erasure| erasure.content.body);
    let digests = column(erased.iter().copied(), |erasure| erasure.digest.as_slice());
    let sql = "UPDATE dossier SET digest = erased.digest \
               FROM unnest($1::text[], $2::uuid[], $3::bytea[]) AS erased (code, body_id, digest) \
               WHERE dossier.code = erased.code AND dossier.body_id = erased.body_id";
    transaction.execute(sql, &[&codes, &bodies, &digests]).await?;
    erased.iter().for_each(|erasure| transaction.audit(erasure.record.clone()));
    Ok(erased.len())
}

fn content_of(row: &Row) -> Content {
    Content { body: row.get(0), item: row.get(1), dossier: row.get(2), agency: row.get(3), is_open: row.get(4) }
}
