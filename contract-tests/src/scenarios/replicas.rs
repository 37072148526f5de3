//! Three replicas on one PostgreSQL, each killed, paused and resumed at random under load: every acknowledged request
//! takes effect once and in the order of its dossier, and there is one audit log without gap or fork. The portal allows
//! one session at a time, which the replicas share.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lienthong::audit::{Frontier, leaf_hash};
use lienthong_sandbox::{Sandbox, Settings};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::gateway::{Deployment, PROVINCE, Program, wait_until_none};
use crate::load::{Load, Verdict};
use crate::postgres::{Server, fresh_database};

/// How long a replica is believed to live; pauses are up to twice as long.
const LEASE_MS: u64 = 1500;

#[derive(Debug)]
pub struct Report {
    pub kills: usize,
    pub pauses: usize,
    /// Pauses that were longer than the lease.
    pub long_pauses: usize,
    pub verdict: Verdict,
    /// Logins at the portal: with one session for all, few.
    pub logins: u64,
    pub log: Log,
    pub took: Duration,
}

/// What the audit log shows.
#[derive(Debug)]
pub struct Log {
    pub records: i64,
    pub without_place: i64,
    /// Indexes that are missing.
    pub gaps: i64,
    /// Whether the stored head is the tree of the stored records, hashed again.
    pub head_is_theirs: bool,
    /// Times that the leadership changed hands.
    pub leaders: i64,
    /// Items of the outbox, and accepted requests in the log: one each.
    pub items: i64,
    pub accepted: i64,
}

/// What one of the replicas suffers.
#[derive(Debug, Clone, Copy)]
enum Blow {
    Kill,
    Pause(Duration),
}

/// `dossiers` with `states` each, while `blows` fall.
pub async fn run(dossiers: usize, blows: usize, seed: u64) -> Result<Report> {
    let started = Instant::now();
    let mut settings = Settings::default();
    settings.portal.dedup_steps = true;
    settings.portal.single_session = true;
    let sandbox = Sandbox::start(settings).await?;
    let server = tokio::task::spawn_blocking(Server::start).await??;
    let database = fresh_database(&server.connection_string()).await?;
    let keys = tempfile::tempdir()?;
    let mut replicas = Vec::new();
    for _ in 0..3 {
        let deployment = Deployment::new(&sandbox.url(), &settings_of_replica(&database, keys.path()))?;
        let (program, _) = deployment.spawn().await?;
        replicas.push((deployment, Some(program)));
    }
    let urls: Vec<String> = replicas.iter().map(|(deployment, _)| deployment.url()).collect();
    let load = Load { day: "261125", dossiers, states: 4, with_steps: true, connections: 48 };
    let playing = tokio::spawn({
        let (urls, token) = (urls.clone(), replicas[0].0.token(PROVINCE).await?);
        async move { load.play_to_any(&urls, &token).await }
    });
    let mut rng = Rng::with_seed(seed);
    let (mut kills, mut pauses, mut long_pauses) = (0, 0, 0);
    for n in 0..blows {
        tokio::time::sleep(Duration::from_millis(rng.u64(100..700))).await;
        let struck = rng.usize(..replicas.len());
        let blow = if rng.bool() { Blow::Kill } else { Blow::Pause(Duration::from_millis(rng.u64(..2 * LEASE_MS))) };
        match blow {
            Blow::Kill => kills += 1,
            Blow::Pause(pause) => {
                pauses += 1;
                long_pauses += usize::from(pause > Duration::from_millis(LEASE_MS));
            }
        }
        let (deployment, program) = &mut replicas[struck];
        strike(deployment, program, blow).await?;
        if blows >= 20 && n % 10 == 9 {
            println!("  {} blows, {} calls so far", n + 1, sandbox.ledger().len());
        }
    }
    let acknowledged = playing.await??;
    wait_until_none(&urls[0], &["accepted", "sending", "retry", "unknown", "dead"], Duration::from_secs(600)).await?;
    // What a paused replica still had in its hands must have shown itself.
    tokio::time::sleep(Duration::from_millis(2 * LEASE_MS)).await;
    let log = read_log(&database).await?;
    let verdict = Verdict::of(&acknowledged, &sandbox.ledger());
    let logins = sandbox.counters().operations.get("login").map_or(0, |login| login.accepted);
    drop(replicas);
    sandbox.stop().await;
    Ok(Report { kills, pauses, long_pauses, verdict, logins, log, took: started.elapsed() })
}

fn settings_of_replica(database: &str, keys: &Path) -> String {
    format!(
        r#"
storage = {{ engine = "postgres", keys_folder = {keys:?}, postgres = {{ url = "{database}" }} }}
replicas.lease_ms = {LEASE_MS}
outbox.most_lost_leases = 1000
adapters.portal-dvcqg.after_ambiguity.steps_are_deduplicated = true
adapters.portal-dvcqg.session.only_one = true
"#
    )
}

async fn strike(deployment: &Deployment, program: &mut Option<Program>, blow: Blow) -> Result<()> {
    match blow {
        Blow::Kill => {
            program.take().context("no program to kill")?.kill()?;
            *program = Some(deployment.spawn().await?.0);
        }
        Blow::Pause(pause) => {
            let program = program.as_ref().context("no program to pause")?;
            program.pause()?;
            tokio::time::sleep(pause).await;
            program.resume()?;
        }
    }
    Ok(())
}

/// Reads the log as a stranger would, by SQL alone; waits until every record has its place.
pub async fn read_log(database: &str) -> Result<Log> {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await?;
    tokio::spawn(connection);
    let deadline = Instant::now() + Duration::from_secs(60);
    while count(&client, "SELECT count(*) FROM audit_pending").await? > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (mut gaps, mut head_is_theirs, mut accepted) = (0, true, 0);
    for head in client.query("SELECT shard, size, frontier FROM audit_head", &[]).await? {
        let (shard, size, stored): (String, i64, Vec<u8>) = (head.get(0), head.get(1), head.get(2));
        let mut tree = Frontier::default();
        let mut from = 0_i64;
        loop {
            let sql = "SELECT idx, record FROM audit_record WHERE shard = $1 AND idx >= $2 ORDER BY idx LIMIT 5000";
            let rows = client.query(sql, &[&shard, &from]).await?;
            let Some(last) = rows.last() else { break };
            for row in &rows {
                let (index, record): (i64, &[u8]) = (row.get(0), row.get(1));
                gaps += index - tree.size().cast_signed();
                tree.append(leaf_hash(record));
                let record: Value = serde_json::from_slice(record)?;
                accepted += i64::from(record["kind"] == "accept");
            }
            from = last.get::<_, i64>(0) + 1;
        }
        head_is_theirs &= tree.size().cast_signed() == size && tree.to_bytes() == stored;
    }
    Ok(Log {
        records: count(&client, "SELECT count(*) FROM audit_record").await?,
        without_place: count(&client, "SELECT count(*) FROM audit_pending").await?,
        gaps,
        head_is_theirs,
        leaders: count(&client, "SELECT epoch FROM lease WHERE name = 'leader'").await?,
        items: count(&client, "SELECT count(*) FROM outbox").await?,
        accepted,
    })
}

async fn count(client: &Client, sql: &str) -> Result<i64> {
    Ok(client.query_one(sql, &[]).await?.get(0))
}

impl Report {
    /// An error that says what was not as it must be.
    pub fn check(&self) -> Result<()> {
        ensure!(self.verdict.is_exact(), "not exact: {:?}", self.verdict);
        let log = &self.log;
        ensure!(log.without_place == 0 && log.gaps == 0 && log.head_is_theirs, "the audit log: {log:?}");
        ensure!(log.items == log.accepted, "items and records differ: {log:?}");
        Ok(())
    }
}
