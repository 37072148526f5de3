//! The audit log at full size: what a record takes, how fast the log is signed, proved and verified, in which memory.
//! Nothing here passes or fails by its speed.
#![allow(clippy::print_stdout, reason = "benchmarks print what they found")]

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use lienthong::audit::log::{Checkpoint, ProofFile};
use lienthong::audit::memory::Memory;
use lienthong::audit::publish::Publisher;
use lienthong::audit::read;
use lienthong::audit::signer::Signer;
use lienthong::audit::store::AuditStore;
use lienthong::audit::{self, BodyCommitment, Draft, Kind, Outcome, Recorder, leaf_hash, node_hash};
use lienthong::replicas::Leadership;
use lienthong::storage::Database;
use lienthong::storage::backlog::Backlog;
use lienthong::storage::bodies::SealedBody;
use lienthong::storage::disk::{DiskWatch, LeastFree};
use lienthong::storage::keys::Keys;
use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::sqlite::{Limits, Sqlite};
use lienthong_contract_tests::gateway::Deployment;
use lienthong_domain::time::SystemClock;
use uuid::Uuid;

/// Records that are handed to the store at a time.
const AT_A_TIME: usize = 2000;
/// Alone, nobody asks under which leadership.
const ALONE: Leadership = Leadership { holder: Uuid::nil(), epoch: 0 };

#[tokio::main]
async fn main() -> Result<()> {
    let records: usize = std::env::args().nth(1).map_or(Ok(10_000_000), |records| records.parse())?;
    let deployment = Deployment::new("http://127.0.0.1:9", "")?;
    // Makes keys and database as a gateway does.
    deployment.start().await?.stop().await;
    let file = deployment.folder().join("data/lienthong.sqlite");
    let keys = Arc::new(Keys::open(&deployment.folder().join("keys"), false, &[])?);
    let signer = Arc::new(Signer::new(Arc::clone(&keys)));
    sign(&signer)?;
    let record = {
        let limits = Limits {
            write_queue: 8192,
            batch_items: 2048,
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            wal_bytes: 64 << 20,
            cache_bytes: 64 << 20,
        };
        let disk = Arc::new(DiskWatch::new(deployment.folder().to_owned(), LeastFree::default()));
        let backlog = Arc::new(Backlog::new(u64::MAX));
        let database = Database::Sqlite(Sqlite::open(&file, &limits, disk, backlog, MIGRATIONS, false)?);
        let store = audit::store::open(&database);
        let recorder = Recorder::new("lienthong.local".into(), Arc::clone(&keys), Arc::new(SystemClock));
        let memory = Arc::new(Memory::new(keys.folder()));
        let publisher = Publisher::new(Arc::clone(&store), signer, memory, Arc::new(SystemClock));
        fill(&*store, &recorder, &publisher, records).await?;
        prove(&*store, &publisher.signer, records as u64).await?
    };
    // Until the writer has let go of its file.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let bytes = std::fs::metadata(&file)?.len();
    println!("a record with everything that belongs to it: {} bytes in the database", bytes / records as u64);
    let hashing = hash_alone(&record, records);
    println!("the same hashed by one processor and nothing else: {:.1} s", hashing.as_secs_f64());
    verify(&deployment, "in the database", &[], hashing)?;
    let folder = deployment.folder().join("export");
    let started = Instant::now();
    let export = deployment.command()?.args(["audit", "export"]).arg(&folder).stdout(Stdio::null()).status()?;
    ensure!(export.success(), "the export failed");
    println!("exported in {:.1} s", started.elapsed().as_secs_f64());
    verify(
        &deployment,
        "in the exported folder",
        &["--folder", &folder.display().to_string()],
        hash_alone(&record, records),
    )
}

/// The reference of this very run: a leaf and a node of the tree for each record, from memory.
fn hash_alone(record: &[u8], records: usize) -> Duration {
    let started = Instant::now();
    for _ in 0..records / 10 {
        let leaf = leaf_hash(black_box(record));
        black_box(node_hash(black_box(&leaf), &leaf));
    }
    started.elapsed() * 10
}

fn sign(signer: &Signer) -> Result<()> {
    let (count, started) = (10_000, Instant::now());
    for size in 0..count {
        signer.sign(&Checkpoint { origin: "lienthong.local/audit/2026h2".into(), size, root: [7; 32] })?;
    }
    let each = started.elapsed() / u32::try_from(count)?;
    let share = each.as_secs_f64() * 5.0 * 100.0;
    println!(
        "a checkpoint signed, and the signature verified: {each:?}; five a second are {share:.3} % of a processor"
    );
    Ok(())
}

async fn fill(store: &dyn AuditStore, recorder: &Recorder, publisher: &Publisher, records: usize) -> Result<()> {
    let (mut written, mut signing, mut last) = (Duration::ZERO, Duration::ZERO, Instant::now());
    let mut done = 0;
    while done < records {
        let count = AT_A_TIME.min(records - done);
        let sealed = (0..count).map(|n| {
            let code = format!("H15.50-261122-{}", done + n);
            let outcome = Outcome { status: Some(202), ..Outcome::decided("accepted") };
            let mut draft =
                Draft::new(Kind::Accept, "dossier.sync", outcome).client("one-stop", "000.00.50.H15").subject(&code);
            draft.procedure = Some("1.001612");
            draft.dir = Some("in");
            let commitment = BodyCommitment { commit: [9; 32], len: 1024 };
            let (wrapped_key, sealed) = (Vec::new(), Vec::new());
            recorder.seal(&draft.body(&SealedBody { id: Uuid::now_v7(), key_id: 1, wrapped_key, sealed, commitment }))
        });
        let sealed = sealed.collect::<Result<Vec<_>, _>>()?;
        let started = Instant::now();
        try_join_all(sealed.into_iter().map(|record| store.append_always(record))).await?;
        written += started.elapsed();
        done += count;
        if last.elapsed() > Duration::from_millis(200) || done == records {
            let started = Instant::now();
            publisher.turn(ALONE).await?;
            signing += started.elapsed();
            last = Instant::now();
        }
    }
    let rate = |took: Duration| records as f64 / took.as_secs_f64();
    println!("{records} records written: {:.0}/s", rate(written));
    println!("read again, hashed again, signed every 0.2 s: {:.0}/s", rate(signing));
    Ok(())
}

/// Returns one of the records.
async fn prove(store: &dyn AuditStore, signer: &Signer, records: u64) -> Result<Vec<u8>> {
    let shard = store.shards().await?.pop().context("no shard")?;
    let key = signer.verifiers(&shard)?.remove(0);
    let (mut making, mut checking, count) = (Duration::ZERO, Duration::ZERO, 200);
    let mut length = 0;
    for _ in 0..count {
        let index = fastrand::u64(0..records);
        let record = store.records(&shard, index, 1).await?.pop().context("no record")?;
        let started = Instant::now();
        let file =
            read::prove(store, &shard, record, |_| Ok(vec![key.clone()])).await?.context("not signed")?.to_string();
        making += started.elapsed();
        length = file.len();
        let started = Instant::now();
        let proof = ProofFile::parse(file.as_bytes())?;
        proof.verify(std::slice::from_ref(&key))?;
        checking += started.elapsed();
    }
    println!("a proof: made in {:?}, verified in {:?}, {length} bytes", making / count, checking / count);
    let record = store.records(&shard, records / 3, 1).await?.pop().context("no record")?;
    let id: serde_json::Value = serde_json::from_slice(&record.bytes)?;
    let id = id["id"].as_str().context("no id")?.parse()?;
    let started = Instant::now();
    ensure!(read::find(store, id).await?.is_some(), "the record was not found");
    println!("a record found by its id among {records}: {:?}", started.elapsed());
    Ok(record.bytes)
}

/// As an auditor does, in a process of its own.
fn verify(deployment: &Deployment, what: &str, options: &[&str], hashing: Duration) -> Result<()> {
    let mut command: Command = deployment.command()?;
    command.args(["audit", "verify"]).args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn()?;
    let mut most_kib = 0;
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        most_kib = most_kib.max(kib);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let took = started.elapsed();
    let output = child.wait_with_output()?;
    let said = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    ensure!(status.success() && said.contains("VERIFIED"), "{said}");
    println!(
        "the whole log verified {what}: {:.1} s, {:.2} of hashing alone, {} MiB resident at most",
        took.as_secs_f64(),
        took.as_secs_f64() / hashing.as_secs_f64(),
        most_kib >> 10
    );
    Ok(())
}
