//! Linked files on SQLite.

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use rusqlite::Connection;
use uuid::Uuid;

use super::{Claimed, LinkStore, Row, Settle, Settled, linked};
use crate::audit::SealedRecord;
use crate::inbox::links::{LinkStatus, LinkedFile};
use crate::storage::StoreError;
use crate::storage::sqlite::{Sqlite, Transaction};

/// The store on SQLite.
pub(super) struct SqliteLinks {
    database: Sqlite,
}

impl SqliteLinks {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }
}

#[async_trait]
impl LinkStore for SqliteLinks {
    async fn claim(&self, now: Timestamp, again_at: Timestamp, limit: usize) -> Result<Vec<Claimed>, StoreError> {
        let claim = move |transaction: &mut Transaction<'_>| {
            let connection = transaction.connection;
            let sql = linked!(
                ", i.portal, i.national_code, i.agency_id FROM linked_file f JOIN inbox_item i ON i.id = f.item_id \
                 WHERE f.status = 'waiting' AND f.next_at <= ?1 ORDER BY f.next_at LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map((now.micros(), limit.cast_signed()), |row| {
                Ok((row_of(row)?, row.get(12)?, row.get(13)?, row.get(14)?))
            })?;
            let mut claimed = Vec::new();
            for row in rows {
                let (row, portal, national_code, agency_id) = row?;
                let mut file = row.read()?;
                (file.attempts, file.next_at) = (file.attempts + 1, again_at);
                connection
                    .prepare_cached("UPDATE linked_file SET attempts = ?3, next_at = ?4 WHERE item_id = ?1 AND n = ?2")?
                    .execute((file.item.as_bytes(), file.n, file.attempts, again_at.micros()))?;
                claimed.push(Claimed { file, portal, national_code, agency_id });
            }
            Ok(claimed)
        };
        self.database.writer.write(claim).await
    }

    async fn settle(&self, end: Settle) -> Result<bool, StoreError> {
        self.database.writer.write(move |transaction| settle(transaction, &end)).await
    }

    async fn of_item(&self, item: Uuid) -> Result<Vec<LinkedFile>, StoreError> {
        let read = move |connection: &Connection| {
            let sql = linked!(" FROM linked_file f WHERE f.item_id = ?1 ORDER BY f.n");
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([item.as_bytes()], row_of)?;
            rows.map(|row| row?.read()).collect()
        };
        self.database.readers.look_up(read).await
    }

    async fn list(&self, status: LinkStatus, after: (Uuid, i64), limit: usize) -> Result<Vec<LinkedFile>, StoreError> {
        let read = move |connection: &Connection| {
            let sql = linked!(
                " FROM linked_file f WHERE f.status = ?1 AND (f.item_id, f.n) > (?2, ?3) ORDER BY f.item_id, f.n LIMIT ?4"
            );
            let mut statement = connection.prepare_cached(sql)?;
            let parameters = (status.as_str(), after.0.as_bytes(), after.1, limit.cast_signed());
            let rows = statement.query_map(parameters, row_of)?;
            rows.map(|row| row?.read()).collect()
        };
        self.database.readers.read(read).await
    }

    async fn count(&self, status: LinkStatus) -> Result<u64, StoreError> {
        let read = move |connection: &Connection| {
            let sql = "SELECT count(*) FROM linked_file WHERE status = ?1";
            let count: i64 = connection.prepare_cached(sql)?.query_row([status.as_str()], |row| row.get(0))?;
            Ok(count.cast_unsigned())
        };
        self.database.readers.read(read).await
    }

    async fn open_again(&self, item: Option<Uuid>, now: Timestamp, record: SealedRecord) -> Result<usize, StoreError> {
        let open = move |transaction: &mut Transaction<'_>| {
            let sql = "UPDATE linked_file SET status = 'waiting', next_at = ?2, since_at = ?2 \
                       WHERE status = 'refused' AND (?1 IS NULL OR item_id = ?1)";
            let item = item.map(|item| item.as_bytes().to_vec());
            let opened = transaction.connection.prepare_cached(sql)?.execute((item, now.micros()))?;
            transaction.audit(record.clone());
            Ok(opened)
        };
        self.database.writer.write(open).await
    }
}

fn settle(transaction: &mut Transaction<'_>, end: &Settle) -> Result<bool, StoreError> {
    let connection = transaction.connection;
    let key = (end.item.as_bytes(), end.n, end.attempts);
    let settled = match &end.to {
        Settled::Kept(kept) => {
            let sql = "UPDATE linked_file SET status = 'kept', reason = NULL, file_id = ?4, media_type = ?5, bytes = ?6, sha256 = ?7 \
                       WHERE item_id = ?1 AND n = ?2 AND attempts = ?3 AND status = 'waiting'";
            let what = (kept.file.as_bytes(), &kept.media_type, kept.bytes, kept.sha256);
            connection.prepare_cached(sql)?.execute((key.0, key.1, key.2, what.0, what.1, what.2, what.3))?
        }
        Settled::Again { at, reason } => connection
            .prepare_cached(
                "UPDATE linked_file SET next_at = ?4, reason = ?5 \
                 WHERE item_id = ?1 AND n = ?2 AND attempts = ?3 AND status = 'waiting'",
            )?
            .execute((key.0, key.1, key.2, at.micros(), reason.as_str()))?,
        Settled::Refused(reason) => connection
            .prepare_cached(
                "UPDATE linked_file SET status = 'refused', reason = ?4 \
                 WHERE item_id = ?1 AND n = ?2 AND attempts = ?3 AND status = 'waiting'",
            )?
            .execute((key.0, key.1, key.2, reason.as_str()))?,
    };
    if settled == 0 {
        return Ok(false);
    }
    if let Settled::Kept(kept) = &end.to {
        connection
            .prepare_cached(
                "INSERT INTO kept_file (id, body_id, is_gone) SELECT ?3, body_id, 0 FROM linked_file WHERE item_id = ?1 AND n = ?2",
            )?
            .execute((key.0, key.1, kept.file.as_bytes()))?;
    }
    transaction.audit(end.record.clone());
    Ok(true)
}

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        item: Uuid::from_bytes(row.get(0)?),
        n: row.get(1)?,
        body: Uuid::from_bytes(row.get(2)?),
        status: row.get(3)?,
        attempts: row.get(4)?,
        next_at: row.get(5)?,
        since_at: row.get(6)?,
        reason: row.get(7)?,
        file: row.get::<_, Option<[u8; 16]>>(8)?.map(Uuid::from_bytes),
        media_type: row.get(9)?,
        bytes: row.get(10)?,
        sha256: row.get(11)?,
    })
}
