//! The audit log on PostgreSQL. Records become durable with what they record, without a place; the leader gives them their
//! places in the order in which they became visible. A place, once given, is never given again.

mod closed;

use std::collections::HashMap;

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;

use super::{
    Anchor, AnchorKind, AuditStore, ClosedLog, LogReader, PlacedRecord, Publication, SignedHead, UnsignedHead,
    frontier_of, hash_of, hashes_of,
};
use crate::audit::log::Tile;
use crate::audit::names;
use crate::audit::zone::Zone;
use crate::audit::{Frontier, Hash, SealedRecord, leaf_hash};
use crate::replicas::Leadership;
use crate::storage::StoreError;
use crate::storage::postgres::{Batch, Drain, Postgres, Transaction, column};

/// Also those whose head was removed, and those whose records wait for their places. One look for each shard, however many checkpoints it has.
const SHARDS: &str = "WITH RECURSIVE signed (shard) AS (SELECT min(shard) FROM audit_checkpoint UNION ALL \
     SELECT (SELECT min(shard) FROM audit_checkpoint WHERE shard > signed.shard) FROM signed WHERE signed.shard IS NOT NULL) \
     SELECT shard FROM audit_head UNION SELECT shard FROM signed WHERE shard IS NOT NULL UNION SELECT shard FROM audit_pending ORDER BY shard";

/// The log's store on PostgreSQL.
pub(super) struct PostgresAudit {
    database: Postgres,
    append: Drain<Append>,
}

impl PostgresAudit {
    pub(super) fn new(database: Postgres) -> Self {
        Self { append: database.drain(Append), database }
    }
}

struct Append;

#[async_trait]
impl Batch for Append {
    type Write = SealedRecord;
    type Done = ();

    fn keys<'a>(&self, _: &'a SealedRecord) -> Vec<&'a str> {
        Vec::new()
    }

    async fn write(
        &self,
        transaction: &Transaction<'_>,
        writes: &[SealedRecord],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        writes.iter().for_each(|record| transaction.audit(record.clone()));
        Ok(column(writes, |_| Ok(())))
    }
}

/// A record that is to be given a place.
struct Pending {
    seq: i64,
    shard: String,
    leaf_hash: crate::audit::Hash,
}

/// A shard's tree as it was found, and as it grows.
struct Head {
    size_before: i64,
    frontier: Frontier,
}

#[async_trait]
impl LogReader for PostgresAudit {
    async fn shards(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.database.query(SHARDS, &[]).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn head(&self, shard: &str) -> Result<Option<Frontier>, StoreError> {
        let found = self.database.query("SELECT size, frontier FROM audit_head WHERE shard = $1", &[&shard]).await?;
        found.first().map(|row| frontier_of(row.get(0), row.get(1))).transpose()
    }

    async fn records(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<PlacedRecord>, StoreError> {
        let sql =
            "SELECT idx, at, leaf_hash, record FROM audit_record WHERE shard = $1 AND idx >= $2 ORDER BY idx LIMIT $3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.database.query(sql, &[&shard, &from.cast_signed(), &limit]).await?;
        let place = |row: &tokio_postgres::Row| {
            let index: i64 = row.get(0);
            Ok(PlacedRecord {
                index: index.cast_unsigned(),
                at: Timestamp::from_micros(row.get(1)),
                leaf_hash: hash_of(row.get(2))?,
                bytes: row.get(3),
            })
        };
        rows.iter().map(place).collect()
    }

    async fn signed(&self, shard: &str) -> Result<Option<SignedHead>, StoreError> {
        let sql = "SELECT size, signed_at, note FROM audit_checkpoint WHERE shard = $1 ORDER BY size DESC LIMIT 1";
        Ok(self.database.query(sql, &[&shard]).await?.first().map(|row| signed_head(row, 0)))
    }

    async fn checkpoints(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<SignedHead>, StoreError> {
        let sql =
            "SELECT size, signed_at, note FROM audit_checkpoint WHERE shard = $1 AND size >= $2 ORDER BY size LIMIT $3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.database.query(sql, &[&shard, &from.cast_signed(), &limit]).await?;
        Ok(rows.iter().map(|row| signed_head(row, 0)).collect())
    }

    async fn witnessed(&self, shard: &str, index: u64) -> Result<Option<SignedHead>, StoreError> {
        let sql = "SELECT size, signed_at, note FROM audit_checkpoint WHERE shard = $1 AND size > $2 AND witnessed = 1 \
                   ORDER BY size LIMIT 1";
        let found = self.database.query(sql, &[&shard, &index.cast_signed()]).await?;
        Ok(found.first().map(|row| signed_head(row, 0)))
    }

    async fn anchors(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<Anchor>, StoreError> {
        let sql = "SELECT kind, name, size, at, note, token FROM audit_anchor WHERE shard = $1 AND size >= $2 \
                   ORDER BY size, kind, name LIMIT $3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.database.query(sql, &[&shard, &from.cast_signed(), &limit]).await?.iter().map(anchor).collect()
    }

    async fn dropped(&self, shard: &str) -> Result<Option<(ClosedLog, uuid::Uuid)>, StoreError> {
        closed::dropped(&self.database, shard).await
    }

    async fn tile(&self, shard: &str, tile: Tile) -> Result<Vec<Hash>, StoreError> {
        if tile.level == 0 {
            let leaves = tile.leaves();
            let sql = "SELECT leaf_hash FROM audit_record WHERE shard = $1 AND idx >= $2 AND idx < $3 ORDER BY idx";
            let range = (leaves.start.cast_signed(), leaves.end.cast_signed());
            let rows = self.database.query(sql, &[&shard, &range.0, &range.1]).await?;
            return rows.iter().map(|row| hash_of(row.get(0))).collect();
        }
        let sql = "SELECT hashes FROM audit_tile WHERE shard = $1 AND level = $2 AND number = $3";
        let (level, number) = (i64::from(tile.level), tile.number.cast_signed());
        let rows = self.database.query(sql, &[&shard, &level, &number]).await?;
        rows.first().map_or(Ok(Vec::new()), |row| hashes_of(row.get(0), tile.width))
    }

    async fn zones(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<Zone>, StoreError> {
        let sql = "SELECT number, first_at, last_at, terms FROM audit_zone WHERE shard = $1 AND number >= $2 \
                   ORDER BY number LIMIT $3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.database.query(sql, &[&shard, &from.cast_signed(), &limit]).await?;
        let zone = |row: &tokio_postgres::Row| Zone {
            number: row.get::<_, i64>(0).cast_unsigned(),
            first_at: Timestamp::from_micros(row.get(1)),
            last_at: Timestamp::from_micros(row.get(2)),
            terms: row.get(3),
        };
        Ok(rows.iter().map(zone).collect())
    }
}

#[async_trait]
impl AuditStore for PostgresAudit {
    async fn append(&self, record: SealedRecord) -> Result<(), StoreError> {
        self.append.accept(record).await
    }

    async fn append_always(&self, record: SealedRecord) -> Result<(), StoreError> {
        self.append.write(record).await
    }

    async fn place(&self, leadership: Leadership, most: usize) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        if !still_leads(&transaction, leadership).await? {
            return Err(StoreError::NotApplicable);
        }
        let pending = pending(&transaction, most).await?;
        if pending.is_empty() {
            return Ok(0);
        }
        let mut heads = heads(&transaction, &pending).await?;
        let mut places = Vec::with_capacity(pending.len());
        for record in &pending {
            let head =
                heads.entry(&record.shard).or_insert_with(|| Head { size_before: 0, frontier: Frontier::default() });
            places.push(head.frontier.append(record.leaf_hash).cast_signed());
        }
        move_records(&transaction, &column(&pending, |record| record.seq), &places).await?;
        store_heads(&transaction, &heads, leadership.epoch).await?;
        transaction.commit().await?;
        Ok(pending.len())
    }

    async fn unplaced(&self) -> Result<u64, StoreError> {
        let rows = self.database.query("SELECT count(*) FROM audit_pending", &[]).await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0).cast_unsigned()))
    }

    async fn unsigned(&self) -> Result<Vec<UnsignedHead>, StoreError> {
        let sql = "SELECT head.shard, head.size, head.frontier, signed.size, signed.signed_at, signed.note, \
                   (SELECT max(number) FROM audit_continuation WHERE shard = head.shard) FROM audit_head AS head LEFT JOIN audit_checkpoint AS signed ON signed.shard = head.shard \
                   AND signed.size = (SELECT max(size) FROM audit_checkpoint WHERE shard = head.shard) \
                   WHERE signed.size IS DISTINCT FROM head.size ORDER BY head.shard";
        let head = |row: &tokio_postgres::Row| {
            let is_signed = row.get::<_, Option<i64>>(3).is_some();
            Ok(UnsignedHead {
                shard: row.get(0),
                number: number_of(row.get(6))?,
                frontier: frontier_of(row.get(1), row.get(2)).ok(),
                signed: is_signed.then(|| signed_head(row, 3)),
            })
        };
        self.database.query(sql, &[]).await?.iter().map(head).collect()
    }

    async fn anchored(&self, shard: &str) -> Result<u64, StoreError> {
        let sql = "SELECT greatest((SELECT max(size) FROM audit_checkpoint WHERE shard = $1 AND witnessed = 1), \
                   (SELECT max(size) FROM audit_anchor WHERE shard = $1 AND kind = 'timestamp'), 0)";
        let found = self.database.query(sql, &[&shard]).await?;
        Ok(found.first().map_or(0, |row| row.get::<_, i64>(0).cast_unsigned()))
    }

    async fn signed_before(&self, shard: &str, time: Timestamp) -> Result<Option<SignedHead>, StoreError> {
        let sql = "SELECT size, signed_at, note FROM audit_checkpoint WHERE shard = $1 AND signed_at < $2 \
                   ORDER BY signed_at DESC, size DESC LIMIT 1";
        Ok(self.database.query(sql, &[&shard, &time.micros()]).await?.first().map(|row| signed_head(row, 0)))
    }

    async fn newest_anchor(&self, shard: &str, kind: AnchorKind, name: &str) -> Result<Option<Anchor>, StoreError> {
        let sql = "SELECT kind, name, size, at, note, token FROM audit_anchor WHERE shard = $1 AND kind = $2 AND name = $3 \
                   ORDER BY size DESC LIMIT 1";
        self.database.query(sql, &[&shard, &kind.as_str(), &name]).await?.first().map(anchor).transpose()
    }

    async fn anchor(&self, shard: &str, anchor: Anchor, record: SealedRecord) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let sql = "INSERT INTO audit_anchor (shard, kind, name, size, at, note, token) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                   ON CONFLICT DO NOTHING";
        let Anchor { kind, name, size, at, note, token } = &anchor;
        let (kind, size, at) = (kind.as_str(), size.cast_signed(), at.micros());
        if transaction.execute(sql, &[&shard, &kind, name, &size, &at, note, token]).await? == 1 {
            transaction.audit(record);
        }
        transaction.commit().await
    }

    async fn witness(&self, shard: &str, before: &SignedHead, note: Vec<u8>) -> Result<bool, StoreError> {
        let sql = "UPDATE audit_checkpoint SET note = $4, witnessed = 1 WHERE shard = $1 AND size = $2 AND note = $3";
        let size = before.size.cast_signed();
        Ok(self.database.execute(sql, &[&shard, &size, &before.note, &note]).await? == 1)
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
        let sizes: Vec<i64> = sizes.into_iter().map(u64::cast_signed).collect();
        let sql = "DELETE FROM audit_checkpoint WHERE shard = $1 AND size = ANY($2)";
        self.database.execute(sql, &[&shard, &sizes]).await.map(drop)
    }

    async fn number(&self, shard: &str) -> Result<u32, StoreError> {
        let sql = "SELECT max(number) FROM audit_continuation WHERE shard = $1";
        let found = self.database.query(sql, &[&shard]).await?;
        found.first().map_or(Ok(names::FIRST), |row| number_of(row.get(0)))
    }

    async fn signed_as(&self, shard: &str, number: u32) -> Result<Option<SignedHead>, StoreError> {
        // Up to where the next name begins.
        let sql = "SELECT size, signed_at, note FROM audit_checkpoint WHERE shard = $1 AND size <= \
                   coalesce((SELECT signed_before FROM audit_continuation WHERE shard = $1 AND number > $2 ORDER BY number \
                   LIMIT 1), 9223372036854775807) ORDER BY size DESC LIMIT 1";
        let found = self.database.query(sql, &[&shard, &i64::from(number)]).await?;
        Ok(found.first().map(|row| signed_head(row, 0)).filter(|signed| signed.is_named(number)))
    }

    async fn go_on_as(&self, shard: &str, number: u32, record: SealedRecord) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        // Whoever signs the shard at this time waits here, or has signed before.
        transaction.query("SELECT 1 FROM audit_head WHERE shard = $1 FOR UPDATE", &[&shard]).await?;
        let sql = "INSERT INTO audit_continuation (shard, number, signed_before) SELECT $1, $2, \
                   coalesce((SELECT max(size) FROM audit_checkpoint WHERE shard = $1), 0) \
                   WHERE NOT EXISTS (SELECT 1 FROM audit_continuation WHERE shard = $1 AND number >= $2)";
        if transaction.execute(sql, &[&shard, &i64::from(number)]).await? != 1 {
            return Err(StoreError::Conflict);
        }
        transaction.audit(record);
        transaction.commit().await
    }

    async fn publish(&self, leadership: Leadership, publication: Publication) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        if !still_leads(&transaction, leadership).await? {
            return Err(StoreError::NotApplicable);
        }
        let Publication { shard, after, signed, tiles, zones } = &publication;
        // Whoever signs the same shard at this time waits here, and sees then what was signed.
        transaction.query("SELECT 1 FROM audit_head WHERE shard = $1 FOR UPDATE", &[shard]).await?;
        let sql = "INSERT INTO audit_checkpoint (shard, size, signed_at, note) SELECT $1, $2, $3, $4 \
                   WHERE (SELECT max(size) FROM audit_checkpoint WHERE shard = $1) IS NOT DISTINCT FROM $5";
        let (size, after) = (signed.size.cast_signed(), after.map(u64::cast_signed));
        if transaction.execute(sql, &[shard, &size, &signed.at.micros(), &signed.note, &after]).await? != 1 {
            return Err(StoreError::NotApplicable);
        }
        let sql = "INSERT INTO audit_tile (shard, level, number, hashes) \
                   SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) \
                   ON CONFLICT (shard, level, number) DO UPDATE SET hashes = excluded.hashes";
        let levels = column(tiles, |(tile, _)| i64::from(tile.level));
        let numbers = column(tiles, |(tile, _)| tile.number.cast_signed());
        let hashes = column(tiles, |(_, hashes)| hashes.concat());
        transaction.execute(sql, &[shard, &levels, &numbers, &hashes]).await?;
        let sql = "INSERT INTO audit_zone (shard, number, first_at, last_at, terms) \
                   SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[]) \
                   ON CONFLICT (shard, number) DO UPDATE SET first_at = excluded.first_at, last_at = excluded.last_at, \
                   terms = excluded.terms";
        let numbers = column(zones, |zone| zone.number.cast_signed());
        let (first, last) = (column(zones, |zone| zone.first_at.micros()), column(zones, |zone| zone.last_at.micros()));
        let terms = column(zones, |zone| zone.terms.as_slice());
        transaction.execute(sql, &[shard, &numbers, &first, &last, &terms]).await?;
        transaction.commit().await
    }
}

fn number_of(found: Option<i64>) -> Result<u32, StoreError> {
    found.map_or(Ok(names::FIRST), |number| u32::try_from(number).map_err(StoreError::failed))
}

/// Of the columns kind, name, size, at, note, token.
fn anchor(row: &tokio_postgres::Row) -> Result<Anchor, StoreError> {
    Ok(Anchor {
        kind: AnchorKind::parse(row.get(0))?,
        name: row.get(1),
        size: row.get::<_, i64>(2).cast_unsigned(),
        at: Timestamp::from_micros(row.get(3)),
        note: row.get(4),
        token: row.get(5),
    })
}

/// Of the columns size, signed_at, note from this one on.
fn signed_head(row: &tokio_postgres::Row, at: usize) -> SignedHead {
    SignedHead {
        size: row.get::<_, i64>(at).cast_unsigned(),
        at: Timestamp::from_micros(row.get(at + 1)),
        note: row.get(at + 2),
    }
}

/// Whether this leadership still stands. Its row stays locked: nobody takes it over before this transaction has ended.
async fn still_leads(transaction: &Transaction<'_>, leadership: Leadership) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM lease JOIN replica ON replica.id = lease.holder \
               WHERE lease.name = 'leader' AND lease.holder = $1 AND lease.epoch = $2 AND expires_at > now_micros() \
               FOR SHARE OF lease";
    Ok(!transaction.query(sql, &[&leadership.holder, &leadership.epoch]).await?.is_empty())
}

/// The first records without a place. Of two writes of one dossier the later one has the greater number, and is not
/// visible without the earlier one. Each leaf is hashed again from the stored bytes.
async fn pending(transaction: &Transaction<'_>, most: usize) -> Result<Vec<Pending>, StoreError> {
    let sql = "SELECT seq, shard, leaf_hash, record FROM audit_pending ORDER BY seq LIMIT $1";
    let rows = transaction.query(sql, &[&i64::try_from(most).unwrap_or(i64::MAX)]).await?;
    let read = |row: &tokio_postgres::Row| {
        let (seq, stored) = (row.get(0), hash_of(row.get(2))?);
        if leaf_hash(row.get(3)) != stored {
            return Err(StoreError::Failed(format!("audit_pending {seq}: the record is not the one that was hashed")));
        }
        Ok(Pending { seq, shard: row.get(1), leaf_hash: stored })
    };
    rows.iter().map(read).collect()
}

async fn heads<'a>(
    transaction: &Transaction<'_>,
    pending: &'a [Pending],
) -> Result<HashMap<&'a str, Head>, StoreError> {
    let shards = column(pending, |record| record.shard.as_str());
    let sql = "SELECT shard, size, frontier FROM audit_head WHERE shard = ANY($1) FOR UPDATE";
    let mut heads = HashMap::new();
    for row in transaction.query(sql, &[&shards]).await? {
        let (shard, size): (&str, i64) = (row.get(0), row.get(1));
        let Some(record) = pending.iter().find(|record| record.shard == shard) else { continue };
        heads.insert(record.shard.as_str(), Head { size_before: size, frontier: frontier_of(size, row.get(2))? });
    }
    Ok(heads)
}

async fn move_records(transaction: &Transaction<'_>, seqs: &Vec<i64>, places: &Vec<i64>) -> Result<(), StoreError> {
    let sql = "WITH moved AS (DELETE FROM audit_pending USING unnest($1::bigint[], $2::bigint[]) AS placed (seq, idx) \
               WHERE audit_pending.seq = placed.seq RETURNING shard, idx, id, at, leaf_hash, record) \
               INSERT INTO audit_record (shard, idx, id, at, leaf_hash, record) SELECT * FROM moved";
    let moved = transaction.execute(sql, &[seqs, places]).await?;
    if moved == seqs.len() as u64 { Ok(()) } else { Err(StoreError::Failed("audit records have vanished".into())) }
}

/// Moves each head from what was read to what is now there; a head that someone else has moved is an error.
async fn store_heads(transaction: &Transaction<'_>, heads: &HashMap<&str, Head>, epoch: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit_head AS old (shard, size, frontier, epoch) \
               SELECT shard, size, frontier, $4 FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS new (shard, size, frontier) \
               ON CONFLICT (shard) DO UPDATE SET size = excluded.size, frontier = excluded.frontier, epoch = excluded.epoch \
               WHERE old.epoch <= excluded.epoch \
               AND old.size = (SELECT before FROM unnest($1::text[], $5::bigint[]) AS b (shard, before) WHERE b.shard = old.shard)";
    let shards: Vec<&str> = heads.keys().copied().collect();
    let sizes: Vec<i64> = heads.values().map(|head| head.frontier.size().cast_signed()).collect();
    let frontiers: Vec<Vec<u8>> = heads.values().map(|head| head.frontier.to_bytes()).collect();
    let before: Vec<i64> = heads.values().map(|head| head.size_before).collect();
    let changed = transaction.execute(sql, &[&shards, &sizes, &frontiers, &epoch, &before]).await?;
    if changed == heads.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::Failed("the head of the audit log was moved by someone else".into()))
    }
}
