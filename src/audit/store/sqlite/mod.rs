//! The audit log on SQLite: the one writer gives each record its place as it writes it.

mod closed;

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use rusqlite::{OptionalExtension, Row};

use super::{
    Anchor, AnchorKind, AuditStore, ClosedLog, LogReader, PlacedRecord, Publication, SignedHead, UnsignedHead,
    frontier_of, hashes_of,
};
use crate::audit::log::Tile;
use crate::audit::names;
use crate::audit::zone::Zone;
use crate::audit::{Frontier, Hash, SealedRecord};
use crate::replicas::Leadership;
use crate::storage::StoreError;
use crate::storage::sqlite::Sqlite;

/// The log's store on SQLite.
pub(super) struct SqliteAudit {
    database: Sqlite,
}

impl SqliteAudit {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }

    /// One checkpoint: its size, signed_at, note.
    async fn one(
        &self,
        sql: &'static str,
        parameters: impl rusqlite::Params + Send + 'static,
    ) -> Result<Option<SignedHead>, StoreError> {
        self.database
            .readers
            .read(move |connection| {
                Ok(connection.prepare_cached(sql)?.query_row(parameters, |row| signed_head(row, 0)).optional()?)
            })
            .await
    }
}

#[async_trait]
impl LogReader for SqliteAudit {
    async fn shards(&self) -> Result<Vec<String>, StoreError> {
        self.database
            .readers
            .read(|connection| {
                let mut statement = connection.prepare_cached(SHARDS)?;
                Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn head(&self, shard: &str) -> Result<Option<Frontier>, StoreError> {
        let shard = shard.to_owned();
        let found: Option<(i64, Vec<u8>)> = self
            .database
            .readers
            .read(move |connection| {
                Ok(connection
                    .prepare_cached("SELECT size, frontier FROM audit_head WHERE shard = ?1")?
                    .query_row([shard], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?)
            })
            .await?;
        found.map(|(size, bytes)| frontier_of(size, &bytes)).transpose()
    }

    async fn records(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<PlacedRecord>, StoreError> {
        let shard = shard.to_owned();
        let sql =
            "SELECT idx, at, leaf_hash, record FROM audit_record WHERE shard = ?1 AND idx >= ?2 ORDER BY idx LIMIT ?3";
        let place = |row: &Row<'_>| -> rusqlite::Result<PlacedRecord> {
            Ok(PlacedRecord {
                index: row.get::<_, i64>(0)?.cast_unsigned(),
                at: Timestamp::from_micros(row.get(1)?),
                leaf_hash: row.get(2)?,
                bytes: row.get(3)?,
            })
        };
        self.database
            .readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query((shard, from.cast_signed(), limit.cast_signed() as i64))?;
                let mut records = Vec::new();
                while let Some(row) = rows.next()? {
                    records.push(place(row)?);
                }
                Ok(records)
            })
            .await
    }

    async fn signed(&self, shard: &str) -> Result<Option<SignedHead>, StoreError> {
        let sql = "SELECT size, signed_at, note FROM audit_checkpoint WHERE shard = ?1 ORDER BY size DESC LIMIT 1";
        self.one(sql, (shard.to_owned(),)).await
    }

    async fn checkpoints(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<SignedHead>, StoreError> {
        let shard = shard.to_owned();
        let sql =
            "SELECT size, signed_at, note FROM audit_checkpoint WHERE shard = ?1 AND size >= ?2 ORDER BY size LIMIT ?3";
        self.database
            .readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(sql)?;
                let range = (shard, from.cast_signed(), limit.cast_signed() as i64);
                let rows = statement.query_map(range, |row| signed_head(row, 0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn witnessed(&self, shard: &str, index: u64) -> Result<Option<SignedHead>, StoreError> {
        self.one(
            "SELECT size, signed_at, note FROM audit_checkpoint WHERE shard = ?1 AND size > ?2 AND witnessed = 1 \
             ORDER BY size LIMIT 1",
            (shard.to_owned(), index.cast_signed()),
        )
        .await
    }

    async fn anchors(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<Anchor>, StoreError> {
        let shard = shard.to_owned();
        let sql = "SELECT kind, name, size, at, note, token FROM audit_anchor WHERE shard = ?1 AND size >= ?2 \
                   ORDER BY size, kind, name LIMIT ?3";
        self.database
            .readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query((shard, from.cast_signed(), limit.cast_signed() as i64))?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(anchor(row)?);
                }
                Ok(found)
            })
            .await
    }

    async fn dropped(&self, shard: &str) -> Result<Option<(ClosedLog, uuid::Uuid)>, StoreError> {
        closed::dropped(&self.database, shard).await
    }

    async fn tile(&self, shard: &str, tile: Tile) -> Result<Vec<Hash>, StoreError> {
        let shard = shard.to_owned();
        if tile.level == 0 {
            let leaves = tile.leaves();
            let (from, to) = (leaves.start.cast_signed(), leaves.end.cast_signed());
            let sql = "SELECT leaf_hash FROM audit_record WHERE shard = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx";
            let read = move |connection: &rusqlite::Connection| {
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query((shard, from, to))?;
                let mut hashes = Vec::with_capacity(tile.width);
                while let Some(row) = rows.next()? {
                    hashes.push(row.get(0)?);
                }
                Ok(hashes)
            };
            return self.database.readers.read(read).await;
        }
        let sql = "SELECT hashes FROM audit_tile WHERE shard = ?1 AND level = ?2 AND number = ?3";
        let read = move |connection: &rusqlite::Connection| {
            let number = tile.number.cast_signed();
            let found: Option<Vec<u8>> =
                connection.prepare_cached(sql)?.query_row((shard, tile.level, number), |row| row.get(0)).optional()?;
            Ok(found.unwrap_or_default())
        };
        hashes_of(&self.database.readers.read(read).await?, tile.width)
    }

    async fn zones(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<Zone>, StoreError> {
        let shard = shard.to_owned();
        let sql = "SELECT number, first_at, last_at, terms FROM audit_zone WHERE shard = ?1 AND number >= ?2 \
                   ORDER BY number LIMIT ?3";
        let zone = |row: &Row<'_>| {
            Ok(Zone {
                number: row.get::<_, i64>(0)?.cast_unsigned(),
                first_at: Timestamp::from_micros(row.get(1)?),
                last_at: Timestamp::from_micros(row.get(2)?),
                terms: row.get(3)?,
            })
        };
        self.database
            .readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map((shard, from.cast_signed(), limit.cast_signed() as i64), zone)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

#[async_trait]
impl AuditStore for SqliteAudit {
    async fn append(&self, record: SealedRecord) -> Result<(), StoreError> {
        self.database
            .writer
            .accept(move |transaction| {
                transaction.audit(record.clone());
                Ok(())
            })
            .await
    }

    async fn append_always(&self, record: SealedRecord) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                transaction.audit(record.clone());
                Ok(())
            })
            .await
    }

    async fn place(&self, _: Leadership, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn unplaced(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn unsigned(&self) -> Result<Vec<UnsignedHead>, StoreError> {
        let sql = "SELECT head.shard, head.size, head.frontier, signed.size, signed.signed_at, signed.note, \
                   (SELECT max(number) FROM audit_continuation WHERE shard = head.shard) FROM audit_head AS head LEFT JOIN audit_checkpoint AS signed ON signed.shard = head.shard \
                   AND signed.size = (SELECT max(size) FROM audit_checkpoint WHERE shard = head.shard) \
                   WHERE signed.size IS NOT head.size ORDER BY head.shard";
        self.database
            .readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query([])?;
                let mut heads = Vec::new();
                while let Some(row) = rows.next()? {
                    let frontier = frontier_of(row.get(1)?, &row.get::<_, Vec<u8>>(2)?).ok();
                    let is_signed = row.get::<_, Option<i64>>(3)?.is_some();
                    let signed = is_signed.then(|| signed_head(row, 3)).transpose()?;
                    let number = row.get::<_, Option<u32>>(6)?.unwrap_or(names::FIRST);
                    heads.push(UnsignedHead { shard: row.get(0)?, number, frontier, signed });
                }
                Ok(heads)
            })
            .await
    }

    async fn anchored(&self, shard: &str) -> Result<u64, StoreError> {
        let shard = shard.to_owned();
        let sql = "SELECT max(coalesce((SELECT max(size) FROM audit_checkpoint WHERE shard = ?1 AND witnessed = 1), 0), \
                   coalesce((SELECT max(size) FROM audit_anchor WHERE shard = ?1 AND kind = 'timestamp'), 0))";
        self.database
            .readers
            .read(move |connection| {
                let size: i64 = connection.prepare_cached(sql)?.query_row([shard], |row| row.get(0))?;
                Ok(size.cast_unsigned())
            })
            .await
    }

    async fn signed_before(&self, shard: &str, time: Timestamp) -> Result<Option<SignedHead>, StoreError> {
        let sql = "SELECT size, signed_at, note FROM audit_checkpoint WHERE shard = ?1 AND signed_at < ?2 \
                   ORDER BY signed_at DESC, size DESC LIMIT 1";
        self.one(sql, (shard.to_owned(), time.micros())).await
    }

    async fn newest_anchor(&self, shard: &str, kind: AnchorKind, name: &str) -> Result<Option<Anchor>, StoreError> {
        let (shard, name) = (shard.to_owned(), name.to_owned());
        let sql = "SELECT kind, name, size, at, note, token FROM audit_anchor WHERE shard = ?1 AND kind = ?2 AND name = ?3 \
                   ORDER BY size DESC LIMIT 1";
        self.database
            .readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query((shard, kind.as_str(), name))?;
                rows.next()?.map(anchor).transpose()
            })
            .await
    }

    async fn anchor(&self, shard: &str, anchor: Anchor, record: SealedRecord) -> Result<(), StoreError> {
        let shard = shard.to_owned();
        self.database
            .writer
            .write(move |transaction| {
                let sql = "INSERT INTO audit_anchor (shard, kind, name, size, at, note, token) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
                let Anchor { kind, name, size, at, note, token } = &anchor;
                let row = (&shard, kind.as_str(), name, size.cast_signed(), at.micros(), note, token);
                if transaction.connection.prepare_cached(sql)?.execute(row)? == 1 {
                    transaction.audit(record.clone());
                }
                Ok(())
            })
            .await
    }

    async fn witness(&self, shard: &str, before: &SignedHead, note: Vec<u8>) -> Result<bool, StoreError> {
        let (shard, before) = (shard.to_owned(), before.clone());
        self.database
            .writer
            .write(move |transaction| {
                let sql =
                    "UPDATE audit_checkpoint SET note = ?4, witnessed = 1 WHERE shard = ?1 AND size = ?2 AND note = ?3";
                let row = (&shard, before.size.cast_signed(), &before.note, &note);
                Ok(transaction.connection.prepare_cached(sql)?.execute(row)? == 1)
            })
            .await
    }

    async fn closed(&self) -> Result<Vec<ClosedLog>, StoreError> {
        closed::closed(&self.database).await
    }

    async fn close(&self, log: ClosedLog, record: SealedRecord) -> Result<(), StoreError> {
        closed::close(&self.database, log, record).await
    }

    async fn begin_to_drop(&self, log: ClosedLog, record: SealedRecord) -> Result<(), StoreError> {
        closed::begin_to_drop(&self.database, log, record).await
    }

    async fn drop_records(&self, shard: &str) -> Result<bool, StoreError> {
        closed::drop_records(&self.database, shard).await
    }

    async fn forget_checkpoints(&self, shard: &str, sizes: Vec<u64>) -> Result<(), StoreError> {
        let shard = shard.to_owned();
        self.database
            .writer
            .write(move |transaction| {
                let sql = "DELETE FROM audit_checkpoint WHERE shard = ?1 AND size = ?2";
                let mut statement = transaction.connection.prepare_cached(sql)?;
                sizes.iter().try_for_each(|size| statement.execute((&shard, size.cast_signed())).map(drop))?;
                Ok(())
            })
            .await
    }

    async fn number(&self, shard: &str) -> Result<u32, StoreError> {
        let shard = shard.to_owned();
        self.database
            .readers
            .read(move |connection| {
                let sql = "SELECT max(number) FROM audit_continuation WHERE shard = ?1";
                let number: Option<u32> = connection.prepare_cached(sql)?.query_row([shard], |row| row.get(0))?;
                Ok(number.unwrap_or(names::FIRST))
            })
            .await
    }

    async fn signed_as(&self, shard: &str, number: u32) -> Result<Option<SignedHead>, StoreError> {
        let found = self.one(SIGNED_AS, (shard.to_owned(), number)).await?;
        Ok(found.filter(|signed| signed.is_named(number)))
    }

    async fn go_on_as(&self, shard: &str, number: u32, record: SealedRecord) -> Result<(), StoreError> {
        let shard = shard.to_owned();
        self.database
            .writer
            .write(move |transaction| {
                let changed = transaction.connection.prepare_cached(GO_ON_AS)?.execute((&shard, number))?;
                if changed != 1 {
                    return Err(StoreError::Conflict);
                }
                transaction.audit(record.clone());
                Ok(())
            })
            .await
    }

    async fn publish(&self, _: Leadership, publication: Publication) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                let connection = transaction.connection;
                let Publication { shard, after, signed, tiles, zones } = &publication;
                let newest: Option<i64> = connection
                    .prepare_cached("SELECT max(size) FROM audit_checkpoint WHERE shard = ?1")?
                    .query_row([shard], |row| row.get(0))?;
                if newest != after.map(u64::cast_signed) {
                    return Err(StoreError::NotApplicable);
                }
                connection
                    .prepare_cached("INSERT INTO audit_checkpoint (shard, size, signed_at, note) VALUES (?1, ?2, ?3, ?4)")?
                    .execute((shard, signed.size.cast_signed(), signed.at.micros(), &signed.note))?;
                for (tile, hashes) in tiles {
                    connection
                        .prepare_cached("INSERT OR REPLACE INTO audit_tile (shard, level, number, hashes) VALUES (?1, ?2, ?3, ?4)")?
                        .execute((shard, tile.level, tile.number.cast_signed(), hashes.concat()))?;
                }
                for zone in zones {
                    connection
                        .prepare_cached(
                            "INSERT OR REPLACE INTO audit_zone (shard, number, first_at, last_at, terms) VALUES (?1, ?2, ?3, ?4, ?5)",
                        )?
                        .execute((
                            shard,
                            zone.number.cast_signed(),
                            zone.first_at.micros(),
                            zone.last_at.micros(),
                            &zone.terms,
                        ))?;
                }
                Ok(())
            })
            .await
    }
}

/// Also those whose head was removed. One look for each shard, however many checkpoints it has.
const SHARDS: &str = "WITH RECURSIVE signed (shard) AS (SELECT min(shard) FROM audit_checkpoint UNION ALL \
     SELECT (SELECT min(shard) FROM audit_checkpoint WHERE shard > signed.shard) FROM signed WHERE signed.shard IS NOT NULL) \
     SELECT shard FROM audit_head UNION SELECT shard FROM signed WHERE shard IS NOT NULL ORDER BY shard";

/// Up to where the next name begins.
const SIGNED_AS: &str = "SELECT size, signed_at, note FROM audit_checkpoint WHERE shard = ?1 AND size <= \
     coalesce((SELECT signed_before FROM audit_continuation WHERE shard = ?1 AND number > ?2 ORDER BY number LIMIT 1), \
     9223372036854775807) ORDER BY size DESC LIMIT 1";
const GO_ON_AS: &str = "INSERT INTO audit_continuation (shard, number, signed_before) SELECT ?1, ?2, \
     coalesce((SELECT max(size) FROM audit_checkpoint WHERE shard = ?1), 0) \
     WHERE NOT EXISTS (SELECT 1 FROM audit_continuation WHERE shard = ?1 AND number >= ?2)";

/// Of the columns kind, name, size, at, note, token.
fn anchor(row: &Row<'_>) -> Result<Anchor, StoreError> {
    let kind: String = row.get(0)?;
    Ok(Anchor {
        kind: AnchorKind::parse(&kind)?,
        name: row.get(1)?,
        size: row.get::<_, i64>(2)?.cast_unsigned(),
        at: Timestamp::from_micros(row.get(3)?),
        note: row.get(4)?,
        token: row.get(5)?,
    })
}

/// Of the columns size, signed_at, note from this one on.
fn signed_head(row: &Row<'_>, at: usize) -> rusqlite::Result<SignedHead> {
    Ok(SignedHead {
        size: row.get::<_, i64>(at)?.cast_unsigned(),
        at: Timestamp::from_micros(row.get(at + 1)?),
        note: row.get(at + 2)?,
    })
}
