//! Logs that are over, on PostgreSQL.

use lienthong_domain::time::Timestamp;

use crate::audit::SealedRecord;
use crate::audit::store::{ClosedLog, DROPPED_AT_A_TIME, hash_of};
use crate::storage::StoreError;
use crate::storage::keys::shard_file;
use crate::storage::postgres::{Postgres, Transaction};

pub(super) async fn closed(database: &Postgres) -> Result<Vec<ClosedLog>, StoreError> {
    let sql = "SELECT shard, size, root, closed_at, dropped_at FROM audit_closed ORDER BY shard";
    database.query(sql, &[]).await?.iter().map(closed_log).collect()
}

pub(super) async fn close(database: &Postgres, log: ClosedLog, record: SealedRecord) -> Result<(), StoreError> {
    let mut connection = database.connection().await?;
    let transaction = Transaction::begin(&mut connection).await?;
    let sql = "INSERT INTO audit_closed (shard, size, root, closed_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let (size, root, at) = (log.size.cast_signed(), log.root.as_slice(), log.closed_at.micros());
    if transaction.execute(sql, &[&log.shard, &size, &root, &at]).await? == 1 {
        transaction.audit(record);
    }
    transaction.commit().await
}

pub(super) async fn begin_to_drop(database: &Postgres, log: ClosedLog, record: SealedRecord) -> Result<(), StoreError> {
    let mut connection = database.connection().await?;
    let transaction = Transaction::begin(&mut connection).await?;
    let sql = "UPDATE audit_closed SET dropped_at = $2, drop_record = $3 WHERE shard = $1 AND dropped_at IS NULL";
    let (at, id) = (log.dropped_at.map(|at| at.micros()), record.id.as_bytes().as_slice());
    if transaction.execute(sql, &[&log.shard, &at, &id]).await? == 1 {
        // The key of its pseudonyms is destroyed, and nobody is to miss it.
        transaction.execute("DELETE FROM key_check WHERE name = $1", &[&shard_file(&log.shard)]).await?;
        transaction.audit(record);
    }
    transaction.commit().await
}

pub(super) async fn drop_records(database: &Postgres, shard: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM audit_record WHERE shard = $1 AND idx < \
               (SELECT min(idx) FROM audit_record WHERE shard = $1) + $2";
    if database.execute(sql, &[&shard, &DROPPED_AT_A_TIME]).await? > 0 {
        return Ok(true);
    }
    let mut removed = 0;
    for sql in DROPPED_TOO {
        removed += database.execute(sql, &[&shard]).await?;
    }
    Ok(removed > 0)
}

pub(super) async fn dropped(database: &Postgres, shard: &str) -> Result<Option<(ClosedLog, uuid::Uuid)>, StoreError> {
    let sql = "SELECT shard, size, root, closed_at, dropped_at, drop_record FROM audit_closed \
               WHERE shard = $1 AND dropped_at IS NOT NULL";
    let found = database.query(sql, &[&shard]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let id = uuid::Uuid::from_slice(row.get(5)).map_err(StoreError::failed)?;
    Ok(Some((closed_log(row)?, id)))
}

/// What goes with the records.
const DROPPED_TOO: &[&str] = &[
    "DELETE FROM audit_tile WHERE shard = $1",
    "DELETE FROM audit_zone WHERE shard = $1",
    "DELETE FROM audit_head WHERE shard = $1",
    "DELETE FROM audit_checkpoint WHERE shard = $1 AND size < (SELECT max(size) FROM audit_checkpoint WHERE shard = $1)",
    "DELETE FROM audit_anchor WHERE shard = $1 AND kind = 'timestamp' AND size < \
     (SELECT max(size) FROM audit_anchor AS newer WHERE newer.shard = $1 AND newer.kind = 'timestamp' AND newer.name = audit_anchor.name)",
];

/// Of the columns shard, size, root, closed_at, dropped_at.
fn closed_log(row: &tokio_postgres::Row) -> Result<ClosedLog, StoreError> {
    Ok(ClosedLog {
        shard: row.get(0),
        size: row.get::<_, i64>(1).cast_unsigned(),
        root: hash_of(row.get(2))?,
        closed_at: Timestamp::from_micros(row.get(3)),
        dropped_at: row.get::<_, Option<i64>>(4).map(Timestamp::from_micros),
    })
}
