//! Linked files on PostgreSQL.

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use super::{Claimed, LinkStore, Row, Settle, Settled, linked};
use crate::audit::SealedRecord;
use crate::inbox::links::{LinkStatus, LinkedFile};
use crate::storage::StoreError;
use crate::storage::postgres::{Postgres, Transaction};

/// The store on PostgreSQL.
pub(super) struct PostgresLinks {
    database: Postgres,
}

impl PostgresLinks {
    pub(super) fn new(database: Postgres) -> Self {
        Self { database }
    }
}

#[async_trait]
impl LinkStore for PostgresLinks {
    async fn claim(&self, now: Timestamp, again_at: Timestamp, limit: usize) -> Result<Vec<Claimed>, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let sql = linked!(
            ", i.portal, i.national_code, i.agency_id FROM linked_file f JOIN inbox_item i ON i.id = f.item_id \
             WHERE f.status = 'waiting' AND f.next_at <= $1 ORDER BY f.next_at LIMIT $2 FOR UPDATE OF f SKIP LOCKED"
        );
        let rows = transaction.query(sql, &[&now.micros(), &(limit.cast_signed() as i64)]).await?;
        let mut claimed = Vec::new();
        for row in rows {
            let mut file = row_of(&row).read()?;
            (file.attempts, file.next_at) = (file.attempts + 1, again_at);
            let sql = "UPDATE linked_file SET attempts = $3, next_at = $4 WHERE item_id = $1 AND n = $2";
            transaction.execute(sql, &[&file.item, &file.n, &file.attempts, &again_at.micros()]).await?;
            claimed.push(Claimed { file, portal: row.get(12), national_code: row.get(13), agency_id: row.get(14) });
        }
        transaction.commit().await?;
        Ok(claimed)
    }

    async fn settle(&self, end: Settle) -> Result<bool, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let (item, n, attempts) = (end.item, end.n, end.attempts);
        let settled = match &end.to {
            Settled::Kept(kept) => {
                let sql = "UPDATE linked_file SET status = 'kept', reason = NULL, file_id = $4, media_type = $5, bytes = $6, \
                           sha256 = $7 WHERE item_id = $1 AND n = $2 AND attempts = $3 AND status = 'waiting' RETURNING body_id";
                let digest = kept.sha256.as_slice();
                transaction
                    .query(sql, &[&item, &n, &attempts, &kept.file, &kept.media_type, &kept.bytes, &digest])
                    .await?
            }
            Settled::Again { at, reason } => {
                let sql = "UPDATE linked_file SET next_at = $4, reason = $5 \
                           WHERE item_id = $1 AND n = $2 AND attempts = $3 AND status = 'waiting' RETURNING body_id";
                transaction.query(sql, &[&item, &n, &attempts, &at.micros(), &reason.as_str()]).await?
            }
            Settled::Refused(reason) => {
                let sql = "UPDATE linked_file SET status = 'refused', reason = $4 \
                           WHERE item_id = $1 AND n = $2 AND attempts = $3 AND status = 'waiting' RETURNING body_id";
                transaction.query(sql, &[&item, &n, &attempts, &reason.as_str()]).await?
            }
        };
        let Some(row) = settled.first() else { return Ok(false) };
        if let Settled::Kept(kept) = &end.to {
            let body: Uuid = row.get(0);
            let sql = "INSERT INTO kept_file (id, body_id, is_gone) VALUES ($1, $2, false)";
            transaction.execute(sql, &[&kept.file, &body]).await?;
        }
        transaction.audit(end.record.clone());
        transaction.commit().await?;
        Ok(true)
    }

    async fn of_item(&self, item: Uuid) -> Result<Vec<LinkedFile>, StoreError> {
        let sql = linked!(" FROM linked_file f WHERE f.item_id = $1 ORDER BY f.n");
        self.database.query(sql, &[&item]).await?.iter().map(|row| row_of(row).read()).collect()
    }

    async fn list(&self, status: LinkStatus, after: (Uuid, i64), limit: usize) -> Result<Vec<LinkedFile>, StoreError> {
        let sql = linked!(
            " FROM linked_file f WHERE f.status = $1 AND (f.item_id, f.n) > ($2, $3) ORDER BY f.item_id, f.n LIMIT $4"
        );
        let limit = limit.cast_signed() as i64;
        let rows = self.database.query(sql, &[&status.as_str(), &after.0, &after.1, &limit]).await?;
        rows.iter().map(|row| row_of(row).read()).collect()
    }

    async fn count(&self, status: LinkStatus) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM linked_file WHERE status = $1";
        let rows = self.database.query(sql, &[&status.as_str()]).await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0)).cast_unsigned())
    }

    async fn open_again(&self, item: Option<Uuid>, now: Timestamp, record: SealedRecord) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let sql = "UPDATE linked_file SET status = 'waiting', next_at = $2, since_at = $2 \
                   WHERE status = 'refused' AND ($1::uuid IS NULL OR item_id = $1)";
        let opened = transaction.execute(sql, &[&item, &now.micros()]).await?;
        transaction.audit(record);
        transaction.commit().await?;
        Ok(usize::try_from(opened).unwrap_or(usize::MAX))
    }
}

fn row_of(row: &tokio_postgres::Row) -> Row {
    Row {
        item: row.get(0),
        n: row.get(1),
        body: row.get(2),
        status: row.get(3),
        attempts: row.get(4),
        next_at: row.get(5),
        since_at: row.get(6),
        reason: row.get(7),
        file: row.get(8),
        media_type: row.get(9),
        bytes: row.get(10),
        sha256: row.get(11),
    }
}
