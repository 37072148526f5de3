//! Tampering with the database.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lienthong::audit::{Frontier, Hash, leaf_hash};
use rusqlite::{Connection, params};

use super::Expected;
use super::log::Original;

type Tamper = fn(&Path, &Original, &mut fastrand::Rng) -> Result<Expected>;

/// What everyone can find.
pub(super) const CLASSES: &[(&str, Tamper)] = &[
    ("a bit of a record", |file, log, rng| {
        let (db, index) = (Connection::open(file)?, rng.u64(0..log.size));
        flip(&db, "audit_record", "record", index, rng)?;
        Ok(Expected::Exactly(index))
    }),
    ("a bit of a leaf hash", |file, log, rng| {
        let (db, index) = (Connection::open(file)?, rng.u64(0..log.size));
        flip(&db, "audit_record", "leaf_hash", index, rng)?;
        Ok(Expected::Exactly(index))
    }),
    ("a record together with its hash", |file, log, rng| {
        let (db, index) = (Connection::open(file)?, rng.u64(0..log.size));
        rewrite(&db, index)?;
        Ok(Expected::From(index))
    }),
    ("a record, its hash, and all tiles and the head made anew", |file, log, rng| {
        let (db, index) = (Connection::open(file)?, rng.u64(0..log.size));
        rewrite(&db, index)?;
        make_anew(&db)?;
        Ok(Expected::From(index))
    }),
    ("many records", |file, log, rng| {
        let (db, first) = (Connection::open(file)?, rng.u64(0..log.size));
        for index in first..log.size {
            flip(&db, "audit_record", "record", index, rng)?;
        }
        Ok(Expected::Exactly(first))
    }),
    ("a record removed", |file, log, rng| {
        let (db, index) = (Connection::open(file)?, rng.u64(0..log.size));
        db.execute("DELETE FROM audit_record WHERE idx = ?1", [index as i64])?;
        Ok(Expected::Exactly(index))
    }),
    ("the last records removed", |file, log, rng| {
        let (db, first) = (Connection::open(file)?, log.size - rng.u64(1..300));
        db.execute("DELETE FROM audit_record WHERE idx >= ?1", [first as i64])?;
        Ok(Expected::From(first))
    }),
    ("the last records removed, and the head put back", |file, log, rng| {
        let (db, first) = (Connection::open(file)?, log.size - rng.u64(1..300));
        db.execute("DELETE FROM audit_record WHERE idx >= ?1", [first as i64])?;
        put_head_back(&db)?;
        Ok(Expected::From(first))
    }),
    ("all records removed, and all that is made of them", |file, _, _| {
        let everything =
            "DELETE FROM audit_record; DELETE FROM audit_head; DELETE FROM audit_tile; DELETE FROM audit_zone";
        Connection::open(file)?.execute_batch(everything)?;
        Ok(Expected::Exactly(0))
    }),
    ("a record removed and the gap closed", |file, log, rng| {
        let (db, index) = (Connection::open(file)?, rng.u64(0..log.size - 1));
        db.execute("DELETE FROM audit_record WHERE idx = ?1", [index as i64])?;
        renumber(&db, index + 1, -1)?;
        Ok(Expected::From(index))
    }),
    ("the first record removed and the gap closed", |file, _, _| {
        let db = Connection::open(file)?;
        db.execute("DELETE FROM audit_record WHERE idx = 0", [])?;
        renumber(&db, 1, -1)?;
        Ok(Expected::From(0))
    }),
    ("a record put in between", |file, log, rng| {
        let (db, index) = (Connection::open(file)?, rng.u64(0..log.size));
        renumber(&db, index, 1)?;
        db.execute(
            "INSERT INTO audit_record SELECT shard, ?1, id, at, leaf_hash, record FROM audit_record WHERE idx = ?2",
            params![index as i64, (index + 1) as i64],
        )?;
        rewrite(&db, index)?;
        Ok(Expected::From(index))
    }),
    ("a record twice", |file, log, rng| {
        let (db, index) = (Connection::open(file)?, rng.u64(0..log.size - 1));
        renumber(&db, index + 1, 1)?;
        db.execute(
            "INSERT INTO audit_record SELECT shard, idx + 1, id, at, leaf_hash, record FROM audit_record WHERE idx = ?1",
            [index as i64],
        )?;
        Ok(Expected::From(index + 1))
    }),
    ("a record at the end that the head does not know", |file, log, _| {
        let db = Connection::open(file)?;
        db.execute(
            "INSERT INTO audit_record SELECT shard, ?1, id, at, leaf_hash, record FROM audit_record WHERE idx = 0",
            [log.size as i64],
        )?;
        Ok(Expected::Something)
    }),
    ("two neighbours swapped", |file, log, rng| {
        let (db, index) = (Connection::open(file)?, rng.u64(0..log.size - 1));
        swap(&db, index, index + 1)?;
        Ok(Expected::From(index))
    }),
    ("two records swapped", |file, log, rng| {
        let (db, one, other) = (Connection::open(file)?, rng.u64(0..700), rng.u64(700..log.size));
        swap(&db, one, other)?;
        Ok(Expected::From(one))
    }),
    ("the bytes of two records swapped", |file, log, rng| {
        let (db, one, other) = (Connection::open(file)?, rng.u64(0..700), rng.u64(700..log.size));
        db.execute(
            "UPDATE audit_record AS a SET record = (SELECT record FROM audit_record AS b WHERE b.idx = CASE a.idx WHEN ?1 \
             THEN ?2 ELSE ?1 END) WHERE idx IN (?1, ?2)",
            params![one as i64, other as i64],
        )?;
        Ok(Expected::Exactly(one))
    }),
    ("all numbers moved by one", |file, _, _| {
        renumber(&Connection::open(file)?, 0, 1)?;
        Ok(Expected::Exactly(0))
    }),
    ("all records under another shard", |file, _, _| {
        Connection::open(file)?.execute("UPDATE audit_record SET shard = shard || '-old'", [])?;
        Ok(Expected::Exactly(0))
    }),
    ("an outcome rewritten in its JSON", |file, log, rng| {
        let (db, index) = (Connection::open(file)?, rng.u64(0..log.size));
        let mut record = record(&db, index)?;
        let at = record.windows(8).position(|word| word == b"accepted").context("no outcome")?;
        record[at..at + 8].copy_from_slice(b"rejected");
        db.execute("UPDATE audit_record SET record = ?1 WHERE idx = ?2", params![record, index as i64])?;
        Ok(Expected::Exactly(index))
    }),
    ("a bit of a tile", |file, _, rng| {
        let db = Connection::open(file)?;
        let hashes: Vec<u8> = db.query_row("SELECT hashes FROM audit_tile", [], |row| row.get(0))?;
        db.execute("UPDATE audit_tile SET hashes = ?1", [flipped(hashes, rng)])?;
        Ok(Expected::Something)
    }),
    ("a tile removed", |file, _, _| {
        Connection::open(file)?.execute("DELETE FROM audit_tile", [])?;
        Ok(Expected::Something)
    }),
    ("a tile cut off", |file, _, rng| {
        let hashes = rng.i64(0..5) * 32;
        Connection::open(file)?.execute("UPDATE audit_tile SET hashes = substr(hashes, 1, ?1)", [hashes])?;
        Ok(Expected::Something)
    }),
    ("a bit of the head's hashes", |file, _, rng| {
        let db = Connection::open(file)?;
        let frontier: Vec<u8> = db.query_row("SELECT frontier FROM audit_head", [], |row| row.get(0))?;
        db.execute("UPDATE audit_head SET frontier = ?1", [flipped(frontier, rng)])?;
        Ok(Expected::Something)
    }),
    ("the head's size", |file, log, rng| {
        // Of as many hashes: otherwise it cannot be read at all.
        let other = (1..u64::MAX).map(|n| log.size + n).filter(|size| size.count_ones() == log.size.count_ones());
        let size = other.take(50).nth(rng.usize(0..50)).context("no such size")?;
        Connection::open(file)?.execute("UPDATE audit_head SET size = ?1", [size as i64])?;
        Ok(Expected::Something)
    }),
    ("the head removed", |file, _, _| {
        Connection::open(file)?.execute("DELETE FROM audit_head", [])?;
        Ok(Expected::Something)
    }),
    ("a bit of a checkpoint", |file, log, rng| {
        let (db, size) = (Connection::open(file)?, log.signed[rng.usize(0..log.signed.len())]);
        let sql = "SELECT note FROM audit_checkpoint WHERE size = ?1";
        let note: Vec<u8> = db.query_row(sql, [size as i64], |row| row.get(0))?;
        let changed = params![flipped(note, rng), size as i64];
        db.execute("UPDATE audit_checkpoint SET note = ?1 WHERE size = ?2", changed)?;
        Ok(Expected::Something)
    }),
    ("a checkpoint under another size", |file, log, rng| {
        let size = log.signed[rng.usize(0..log.signed.len())];
        Connection::open(file)?
            .execute("UPDATE audit_checkpoint SET size = size + 100000 WHERE size = ?1", [size as i64])?;
        Ok(Expected::Something)
    }),
    ("a checkpoint in the place of another", |file, log, rng| {
        let db = Connection::open(file)?;
        let (one, other) = (log.signed[rng.usize(0..10)], log.signed[rng.usize(10..20)]);
        let sql =
            "UPDATE audit_checkpoint SET note = (SELECT note FROM audit_checkpoint WHERE size = ?1) WHERE size = ?2";
        db.execute(sql, params![one as i64, other as i64])?;
        Ok(Expected::Something)
    }),
    ("a checkpoint of another's key", |file, log, rng| {
        let (db, size) = (Connection::open(file)?, log.signed[rng.usize(0..log.signed.len())]);
        let sql = "SELECT note FROM audit_checkpoint WHERE size = ?1";
        let note: Vec<u8> = db.query_row(sql, [size as i64], |row| row.get(0))?;
        let note = resigned(&note, rng)?;
        db.execute("UPDATE audit_checkpoint SET note = ?1 WHERE size = ?2", params![note, size as i64])?;
        Ok(Expected::Something)
    }),
];

/// What only a checkpoint shows that was kept elsewhere: done by whoever has the key, or with an old state that was sound.
pub(super) const HIDDEN: &[(&str, Tamper)] = &[
    ("the state of yesterday put back", |file, log, _| {
        std::fs::copy(&log.yesterday, file)?;
        Ok(Expected::Exactly(900))
    }),
    ("the state of yesterday put back, and gone on with to the same size", |file, log, _| {
        std::fs::copy(&log.yesterday, file)?;
        log.go_on(file, log.size - 900)?;
        Ok(Expected::UpTo(900))
    }),
    ("the state of yesterday put back, and gone on with to more", |file, log, rng| {
        std::fs::copy(&log.yesterday, file)?;
        log.go_on(file, log.size - 900 + rng.u64(1..200))?;
        Ok(Expected::UpTo(900))
    }),
    ("a fork from its middle on, signed by the key", |file, log, rng| {
        let db = Connection::open(file)?;
        let first = log.signed[rng.usize(0..log.signed.len() - 1)];
        db.execute("DELETE FROM audit_record WHERE idx >= ?1", [first as i64])?;
        db.execute("DELETE FROM audit_checkpoint WHERE size > ?1", [first as i64])?;
        put_head_back(&db)?;
        make_anew(&db)?;
        drop(db);
        log.go_on(file, log.size - first)?;
        Ok(Expected::UpTo(first))
    }),
    ("everything removed, begun again and signed by the key", |file, log, _| {
        let db = Connection::open(file)?;
        for table in ["audit_record", "audit_checkpoint", "audit_tile", "audit_zone", "audit_head"] {
            db.execute(&format!("DELETE FROM {table}"), [])?;
        }
        drop(db);
        log.go_on(file, log.size)?;
        Ok(Expected::UpTo(0))
    }),
];

/// A write-ahead log that is not whole is taken for one that ended there: the state is an older one, if it is sound at all.
pub(super) const PERHAPS: &[(&str, Tamper)] = &[
    ("the write-ahead log removed", |file, log, _| {
        std::fs::copy(&log.with_wal, file)?;
        Ok(Expected::Something)
    }),
    ("a bit of the write-ahead log", |file, log, rng| {
        let wal = with_wal(file, log)?;
        let length = std::fs::metadata(&wal)?.len();
        flip_in_file(&wal, rng.u64(32..length / 2), rng)?;
        Ok(Expected::Something)
    }),
    ("the write-ahead log cut off", |file, log, rng| {
        let wal = with_wal(file, log)?;
        let length = std::fs::metadata(&wal)?.len();
        OpenOptions::new().write(true).open(&wal)?.set_len(rng.u64(0..length / 2))?;
        Ok(Expected::Something)
    }),
];

fn record(db: &Connection, index: u64) -> Result<Vec<u8>> {
    Ok(db.query_row("SELECT record FROM audit_record WHERE idx = ?1", [index as i64], |row| row.get(0))?)
}

fn flipped(mut bytes: Vec<u8>, rng: &mut fastrand::Rng) -> Vec<u8> {
    let bit = rng.usize(0..bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

fn flip(db: &Connection, table: &str, column: &str, index: u64, rng: &mut fastrand::Rng) -> Result<()> {
    let sql = format!("SELECT {column} FROM {table} WHERE idx = ?1");
    let bytes: Vec<u8> = db.query_row(&sql, [index as i64], |row| row.get(0))?;
    let sql = format!("UPDATE {table} SET {column} = ?1 WHERE idx = ?2");
    db.execute(&sql, params![flipped(bytes, rng), index as i64])?;
    Ok(())
}

/// Another record, with the hash that belongs to it.
fn rewrite(db: &Connection, index: u64) -> Result<()> {
    let mut bytes = record(db, index)?;
    bytes.pop();
    bytes.extend(b",\"z\":1}");
    let changed = params![bytes, leaf_hash(&bytes), index as i64];
    db.execute("UPDATE audit_record SET record = ?1, leaf_hash = ?2 WHERE idx = ?3", changed)?;
    Ok(())
}

fn hashes(db: &Connection) -> Result<Vec<Hash>> {
    let mut statement = db.prepare("SELECT leaf_hash FROM audit_record ORDER BY idx")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The head of what is there.
fn put_head_back(db: &Connection) -> Result<()> {
    let frontier: Frontier = hashes(db)?.into_iter().collect();
    let head = params![frontier.size() as i64, frontier.to_bytes()];
    db.execute("UPDATE audit_head SET size = ?1, frontier = ?2", head)?;
    Ok(())
}

/// Tile and head as they belong to the records.
fn make_anew(db: &Connection) -> Result<()> {
    put_head_back(db)?;
    let root = |hashes: &[Hash]| hashes.iter().copied().collect::<Frontier>().root();
    let tile: Vec<Hash> = hashes(db)?.chunks_exact(256).map(root).collect();
    db.execute("UPDATE audit_tile SET hashes = ?1", [tile.concat()])?;
    Ok(())
}

/// Moves the numbers from this one on.
fn renumber(db: &Connection, from: u64, by: i64) -> Result<()> {
    db.execute("UPDATE audit_record SET idx = -1 - (idx + ?2) WHERE idx >= ?1", params![from as i64, by])?;
    db.execute("UPDATE audit_record SET idx = -1 - idx WHERE idx < 0", [])?;
    Ok(())
}

fn swap(db: &Connection, one: u64, other: u64) -> Result<()> {
    for (from, to) in [(one as i64, -1), (other as i64, one as i64), (-1, other as i64)] {
        db.execute("UPDATE audit_record SET idx = ?2 WHERE idx = ?1", params![from, to])?;
    }
    Ok(())
}

/// The same text, signed by another key under the same name.
fn resigned(note: &[u8], rng: &mut fastrand::Rng) -> Result<Vec<u8>> {
    let note = lienthong::audit::log::Note::parse(note)?;
    let mut line = note.signatures().first().context("not signed")?.clone();
    rng.fill(&mut line.signature);
    Ok(lienthong::audit::log::Note::new(note.text().to_owned(), vec![line]).to_string().into_bytes())
}

/// Puts the database with its write-ahead log in the place of the copy.
fn with_wal(file: &Path, log: &Original) -> Result<PathBuf> {
    let beside = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    std::fs::copy(&log.with_wal, file)?;
    std::fs::copy(beside(&log.with_wal), beside(file))?;
    Ok(beside(file))
}

fn flip_in_file(file: &Path, at: u64, rng: &mut fastrand::Rng) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(file)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1 << rng.u8(0..8);
    Ok(file.write_all_at(&byte, at)?)
}
