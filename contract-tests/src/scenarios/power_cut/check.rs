//! What must hold of what a power cut has left, whatever it is.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use lienthong::audit::log::{Checkpoint, Note, VerifierKey};
use lienthong::audit::signer::Signer;
use lienthong::audit::verify::{Trust, verify};
use lienthong::storage::Database;
use lienthong::storage::backlog::Backlog;
use lienthong::storage::disk::{DiskWatch, LeastFree};
use lienthong::storage::keys::Keys;
use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::sqlite::{Limits, Sqlite};
use rusqlite::Connection;
use uuid::Uuid;

use super::disk::Folder;
use super::{CLIENT, Told, folders};
use crate::gateway::{Deployment, client, token};

/// What had been said when the power went away.
#[derive(Default)]
pub(super) struct Promised<'a> {
    pub(super) accepted: Vec<&'a (String, i64)>,
    checkpoints: Vec<&'a [u8]>,
}

impl<'a> Promised<'a> {
    pub(super) fn until(at: u64, accepted: &'a [Told<(String, i64)>], checkpoints: &'a [Told<Vec<u8>>]) -> Self {
        let mut notes: Vec<&[u8]> =
            checkpoints.iter().filter(|told| told.at <= at).map(|told| told.what.as_slice()).collect();
        notes.dedup();
        // Each is compared with the whole tree: the newest ones are those at risk.
        let newest = notes.split_off(notes.len().saturating_sub(MOST_CHECKPOINTS));
        Self {
            accepted: accepted.iter().filter(|told| told.at <= at).map(|told| &told.what).collect(),
            checkpoints: newest,
        }
    }
}

const MOST_CHECKPOINTS: usize = 3;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) records: u64,
    pub(super) lost: Vec<String>,
    pub(super) wrong: Vec<String>,
}

impl Found {
    pub(super) fn unreadable(error: anyhow::Error) -> Self {
        Self { wrong: vec![format!("{error:#}")], ..Self::default() }
    }
}

type Hash = [u8; 32];

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &parts.concat()).as_ref());
    hash
}

/// The root of a tree as RFC 6962 defines it, from the records; shares nothing with the gateway's own tree.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1], &root(left), &root(right)])
        }
    }
}

/// Checks the folder of a machine whose power went away.
pub(super) async fn folder(machine: &Path, promised: &Promised<'_>) -> Result<Found> {
    let file = machine.join("data/lienthong.sqlite");
    if !file.exists() {
        ensure!(promised.accepted.is_empty() && promised.checkpoints.is_empty(), "there is no database any more");
        return Ok(Found::default());
    }
    let mut found = Found::default();
    let database = Connection::open(&file)?;
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(sound == "ok", "the database is damaged: {sound}");
    let has_schema = database.table_exists(None, "audit_zone")?;
    if !has_schema {
        ensure!(promised.accepted.is_empty(), "the tables are gone");
        return Ok(found);
    }
    dossiers(&database, promised, &mut found)?;
    let leaves = log(&database, &mut found)?;
    let known: i64 = database.query_row("SELECT count(*) FROM key_check", [], |row| row.get(0))?;
    drop(database);
    if known == 0 {
        return Ok(found);
    }
    let keys = Arc::new(Keys::open(&machine.join("keys"), false, &[])?);
    let signer = Signer::new(Arc::clone(&keys));
    for note in &promised.checkpoints {
        let checkpoint = checkpoint(note)?;
        fits(&leaves, &checkpoint, "was fetched", &mut found);
    }
    for (shard, hashes) in &leaves {
        // What was signed last is remembered outside the database, before anybody is told.
        let memory = format!("keys/audit-{}.checkpoint", shard.rsplit('/').next().unwrap_or_default());
        let remembered = match std::fs::read(machine.join(&memory)) {
            Ok(note) => checkpoint(&note).with_context(|| memory.clone())?.size,
            Err(_) => 0,
        };
        if let Ok(note) = std::fs::read(machine.join(&memory)) {
            fits(&leaves, &checkpoint(&note)?, "was remembered", &mut found);
        }
        for note in &promised.checkpoints {
            let fetched = checkpoint(note)?;
            if fetched.origin == *shard && fetched.size > remembered {
                found.wrong.push(format!("{} records were public and only {remembered} remembered", fetched.size));
            }
        }
        found.records += hashes.len() as u64;
        verifies(&file, shard, signer.verifiers(shard)?.remove(0), promised, &mut found).await?;
    }
    Ok(found)
}

/// Each acknowledged state is there, with its body, its item in the outbox, and its record; and none of them without the others.
fn dossiers(database: &Connection, promised: &Promised<'_>, found: &mut Found) -> Result<()> {
    let mut statement = database.prepare("SELECT code, revision FROM dossier")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let revisions: HashMap<String, i64> = rows.collect::<Result<_, _>>()?;
    let sql = "SELECT lane, ordinal, outbox.body_id FROM outbox JOIN body ON body.id = outbox.body_id";
    let mut statement = database.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    let items: HashMap<(String, i64), [u8; 16]> = rows.collect::<Result<_, _>>()?;
    let mut statement = database.prepare("SELECT id FROM audit_record")?;
    let records: HashSet<[u8; 16]> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for accepted in &promised.accepted {
        let (code, revision) = accepted;
        let item = items.get(*accepted);
        let what = match (revisions.get(code), item) {
            (None, _) => "the dossier",
            (Some(known), _) if known < revision => "its state",
            (_, None) => "what was to be sent",
            (_, Some(body)) if !records.contains(body) => "its audit record",
            _ => continue,
        };
        found.lost.push(format!("{what} of {code} at {revision}"));
    }
    for ((code, revision), body) in &items {
        if !records.contains(body) {
            found.wrong.push(format!("{code} at {revision} has no audit record ({})", Uuid::from_bytes(*body)));
        }
    }
    Ok(())
}

/// The leaf hashes of each shard, from the stored bytes.
fn log(database: &Connection, found: &mut Found) -> Result<HashMap<String, Vec<Hash>>> {
    let mut leaves: HashMap<String, Vec<Hash>> = HashMap::new();
    let mut statement = database.prepare("SELECT shard, idx, record FROM audit_record ORDER BY shard, idx")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (index, record): (i64, Vec<u8>) = (row.get(1)?, row.get(2)?);
        let hashes = leaves.entry(row.get(0)?).or_default();
        if index != hashes.len() as i64 {
            found.wrong.push(format!("record {} is missing", hashes.len()));
        }
        hashes.push(sha256(&[&[0], &record]));
    }
    let mut statement = database.prepare("SELECT shard, note FROM audit_checkpoint ORDER BY size DESC LIMIT 3")?;
    let notes: Vec<(String, Vec<u8>)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (_, note) in notes {
        fits(&leaves, &checkpoint(&note)?, "was signed", found);
    }
    Ok(leaves)
}

fn checkpoint(note: &[u8]) -> Result<Checkpoint> {
    Ok(Checkpoint::parse(Note::parse(note)?.text())?)
}

/// The tree was what the checkpoint says.
fn fits(leaves: &HashMap<String, Vec<Hash>>, checkpoint: &Checkpoint, how: &str, found: &mut Found) {
    let Checkpoint { origin, size, root: signed } = checkpoint;
    let hashes = leaves.get(origin).map_or(&[][..], Vec::as_slice);
    match hashes.get(..usize::try_from(*size).unwrap_or(usize::MAX)) {
        None => found.wrong.push(format!("a head of {size} records {how}, and {} are there", hashes.len())),
        Some(hashes) if root(hashes) != *signed => {
            found.wrong.push(format!("the head of {size} records that {how} is not that of the records"));
        }
        Some(_) => {}
    }
}

/// As `lienthong audit verify` does.
async fn verifies(
    file: &Path,
    shard: &str,
    key: VerifierKey,
    promised: &Promised<'_>,
    found: &mut Found,
) -> Result<()> {
    let limits = Limits {
        write_queue: 10,
        batch_items: 10,
        readers: 1,
        busy_timeout: Duration::from_secs(5),
        wal_bytes: 1 << 26,
        cache_bytes: 1 << 20,
    };
    let disk = Arc::new(DiskWatch::new(file.parent().context("no folder")?.to_owned(), LeastFree::default()));
    let database = Sqlite::open(file, &limits, disk, Arc::new(Backlog::new(u64::MAX)), MIGRATIONS, false)?;
    let store = lienthong::audit::store::open(&Database::Sqlite(database));
    let outside = promised.checkpoints.iter().map(|note| Note::parse(note)).collect::<Result<_, _>>()?;
    let verdict = verify(
        &*store,
        shard,
        &Trust { keys: vec![key], witnesses: Vec::new(), authorities: None, outside },
        &mut |_| {},
    )
    .await?;
    found.wrong.extend(verdict.wrong.map(|wrong| format!("{shard}: {wrong:?}")));
    Ok(())
}

/// A gateway starts on it, serves what was acknowledged, takes more, and signs.
pub(super) async fn start(machine: &Path, promised: &Promised<'_>, secret: &str) -> Result<Found> {
    let mut found = Found::default();
    if promised.accepted.is_empty() {
        return Ok(found);
    }
    // Nobody is there to be sent to: it is about what is kept.
    let deployment = Deployment::new("http://127.0.0.1:9", &folders(machine))?;
    let (program, _) = deployment.spawn_with(&[]).await?;
    let url = deployment.url();
    let token = token(&url, CLIENT, secret).await?;
    for (code, revision) in promised.accepted.iter().rev().take(5) {
        let answer = client().get(format!("{url}/v1/dossiers/{code}")).bearer_auth(&token).send().await?;
        let shown: serde_json::Value = answer.error_for_status()?.json().await?;
        if shown["revision"].as_i64() < Some(*revision) || shown["dossier"].is_null() {
            found.lost.push(format!("{code} at {revision}"));
        }
    }
    // It has written since: that is signed within a moment.
    let before = promised.checkpoints.iter().map(|note| checkpoint(note)).collect::<Result<Vec<_>>>()?;
    let before = before.into_iter().map(|known| known.size).max().unwrap_or(0);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let answer = client().get(format!("{url}/audit/checkpoint")).send().await?;
        if answer.status() == 200 && checkpoint(&answer.bytes().await?)?.size > before {
            break;
        }
        ensure!(std::time::Instant::now() < deadline, "it signs no more: {}", deployment.whole_log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    program.stop().await?;
    let log = deployment.whole_log();
    if log.contains("damaged") {
        found.wrong.push(format!("damage is told of: {log}"));
    }
    Ok(found)
}

/// The first file that is not the same, if any is; SQLite's shared memory is made anew each time.
pub(super) fn same(told: &Folder, real: &Path) -> Result<Option<String>> {
    let (mut waiting, mut seen) = (vec![real.to_owned()], HashSet::new());
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(real)?.display().to_string();
            if name.ends_with("-shm") {
                continue;
            }
            let content = if path.is_dir() { None } else { Some(std::fs::read(&path)?) };
            if told.entries.get(&name).is_none_or(|told| told.as_deref() != content.as_ref()) {
                return Ok(Some(name));
            }
            seen.insert(name);
            if path.is_dir() {
                waiting.push(path);
            }
        }
    }
    Ok(told.entries.keys().find(|name| !seen.contains(*name)).cloned())
}
