//! Logs that are over, on SQLite.

use lienthong_domain::time::Timestamp;
use rusqlite::{OptionalExtension, Row};

use crate::audit::SealedRecord;
use crate::audit::store::{ClosedLog, DROPPED_AT_A_TIME};
use crate::storage::StoreError;
use crate::storage::keys::shard_file;
use crate::storage::sqlite::Sqlite;

pub(super) async fn closed(database: &Sqlite) -> Result<Vec<ClosedLog>, StoreError> {
    database
        .readers
        .read(|connection| {
            let sql = "SELECT shard, size, root, closed_at, dropped_at FROM audit_closed ORDER BY shard";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_map([], closed_log)?.collect::<Result<_, _>>()?)
        })
        .await
}

pub(super) async fn close(database: &Sqlite, log: ClosedLog, record: SealedRecord) -> Result<(), StoreError> {
    database
        .writer
        .write(move |transaction| {
            let sql = "INSERT INTO audit_closed (shard, size, root, closed_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
            let row = (&log.shard, log.size.cast_signed(), log.root, log.closed_at.micros());
            if transaction.connection.prepare_cached(sql)?.execute(row)? == 1 {
                transaction.audit(record.clone());
            }
            Ok(())
        })
        .await
}

pub(super) async fn begin_to_drop(database: &Sqlite, log: ClosedLog, record: SealedRecord) -> Result<(), StoreError> {
    database
        .writer
        .write(move |transaction| {
            let sql =
                "UPDATE audit_closed SET dropped_at = ?2, drop_record = ?3 WHERE shard = ?1 AND dropped_at IS NULL";
            let row = (&log.shard, log.dropped_at.map(|at| at.micros()), record.id.as_bytes());
            if transaction.connection.prepare_cached(sql)?.execute(row)? == 1 {
                // The key of its pseudonyms is destroyed, and nobody is to miss it.
                let key = shard_file(&log.shard);
                transaction.connection.execute("DELETE FROM key_check WHERE name = ?1", [key])?;
                transaction.audit(record.clone());
            }
            Ok(())
        })
        .await
}

pub(super) async fn drop_records(database: &Sqlite, shard: &str) -> Result<bool, StoreError> {
    let shard = shard.to_owned();
    database
        .writer
        .write(move |transaction| {
            let connection = transaction.connection;
            let sql = "DELETE FROM audit_record WHERE shard = ?1 AND idx < \
                       (SELECT min(idx) FROM audit_record WHERE shard = ?1) + ?2";
            if connection.prepare_cached(sql)?.execute((&shard, DROPPED_AT_A_TIME))? > 0 {
                return Ok(true);
            }
            let rest = DROPPED_TOO.iter().map(|sql| connection.prepare_cached(sql)?.execute([&shard]));
            let removed: usize = rest.sum::<rusqlite::Result<_>>()?;
            Ok(removed > 0)
        })
        .await
}

pub(super) async fn dropped(database: &Sqlite, shard: &str) -> Result<Option<(ClosedLog, uuid::Uuid)>, StoreError> {
    let shard = shard.to_owned();
    database
        .readers
        .read(move |connection| {
            let sql = "SELECT shard, size, root, closed_at, dropped_at, drop_record FROM audit_closed \
                       WHERE shard = ?1 AND dropped_at IS NOT NULL";
            let row = |row: &Row<'_>| Ok((closed_log(row)?, uuid::Uuid::from_bytes(row.get(5)?)));
            Ok(connection.prepare_cached(sql)?.query_row([shard], row).optional()?)
        })
        .await
}

/// What goes with the records.
const DROPPED_TOO: &[&str] = &[
    "DELETE FROM audit_tile WHERE shard = ?1",
    "DELETE FROM audit_zone WHERE shard = ?1",
    "DELETE FROM audit_head WHERE shard = ?1",
    "DELETE FROM audit_checkpoint WHERE shard = ?1 AND size < (SELECT max(size) FROM audit_checkpoint WHERE shard = ?1)",
    "DELETE FROM audit_anchor WHERE shard = ?1 AND kind = 'timestamp' AND size < \
     (SELECT max(size) FROM audit_anchor AS newer WHERE newer.shard = ?1 AND newer.kind = 'timestamp' AND newer.name = audit_anchor.name)",
];

/// Of the columns shard, size, root, closed_at, dropped_at.
fn closed_log(row: &Row<'_>) -> rusqlite::Result<ClosedLog> {
    Ok(ClosedLog {
        shard: row.get(0)?,
        size: row.get::<_, i64>(1)?.cast_unsigned(),
        root: row.get(2)?,
        closed_at: Timestamp::from_micros(row.get(3)?),
        dropped_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros),
    })
}
