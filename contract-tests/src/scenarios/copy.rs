//! A whole deployment moves from SQLite to PostgreSQL: copied by the program, which is killed on the way, compared row for
//! row, and served there with the same keys.

pub mod fill;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::gateway::{Deployment, PROVINCE, client, program};
use crate::postgres::fresh_database;

#[derive(Debug)]
pub struct Report {
    pub dossiers: usize,
    pub rows: i64,
    pub source_bytes: u64,
    pub filling: Duration,
    /// Rows that were there at each kill.
    pub kills: Vec<i64>,
    /// All runs of the program until every row was there; then until it had compared them.
    pub copying: Duration,
    pub comparing: Duration,
    /// Most memory that the program had at any time, in KiB.
    pub memory_kib: u64,
    /// What the last run printed.
    pub printed: String,
    /// Dossiers that a gateway on the target showed as they were written.
    pub shown: usize,
}

/// `lienthong storage copy` or `verify` from a deployment's folder to a database.
pub fn command(deployment: &Deployment, what: &str, database: &str) -> Result<Command> {
    let mut command = deployment.command()?;
    command.args(["storage", what, "--from", &format!("sqlite:{}", data_folder(deployment).display())]);
    command.args(["--to", &format!("postgres:{database}")]);
    Ok(command)
}

pub fn data_folder(deployment: &Deployment) -> PathBuf {
    deployment.folder().join("data")
}

/// Makes the deployment one on this PostgreSQL database: the same keys, the same address.
pub fn move_to(deployment: &Deployment, database: &str) -> Result<()> {
    let mut settings: toml::Table = std::fs::read_to_string(&deployment.file)?.parse()?;
    let storage = settings["storage"].as_table_mut().context("storage")?;
    storage.insert("engine".into(), "postgres".into());
    storage.insert("postgres".into(), toml::toml! { url = database }.into());
    Ok(std::fs::write(&deployment.file, toml::to_string(&settings)?)?)
}

/// How much of a copy is there, and of how much; `None` while there is no unfinished one.
pub async fn progress(target: &Client) -> Result<Option<(i64, i64)>> {
    let is_there = "SELECT to_regclass('storage_copy') IS NOT NULL";
    if !target.query_one(is_there, &[]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = "SELECT sum(copied)::bigint, sum(total)::bigint FROM storage_copy";
    // It may be gone by now.
    Ok(target.query_one(sql, &[]).await.ok().map(|row| (row.get(0), row.get(1))))
}

/// Copies a database of `dossiers`, killing the program `kills` times at even distances.
pub async fn run(server: &str, dossiers: usize, kills: usize) -> Result<Report> {
    // Nobody answers there: nothing is meant to be delivered.
    let deployment = Deployment::new("http://127.0.0.1:1", "")?;
    program()?;
    let started = Instant::now();
    make_source(&deployment, dossiers).await?;
    let filling = started.elapsed();
    let source_bytes = std::fs::metadata(data_folder(&deployment).join("lienthong.sqlite"))?.len();
    let database = fresh_database(server).await?;
    let (target, connection) = tokio_postgres::connect(&database, NoTls).await?;
    tokio::spawn(connection);

    let mut runs =
        Runs { deployment: &deployment, database: &database, target: &target, chunk: dossiers / 20, most_kib: 0 };
    let (mut killed, mut copying) = (Vec::new(), Duration::ZERO);
    for n in 1..=kills {
        let started = Instant::now();
        killed.push(runs.until(n as f64 / (kills + 1) as f64).await?);
        copying += started.elapsed();
    }
    let (printed, rest, comparing) = runs.last().await?;
    let memory_kib = runs.most_kib;
    ensure!(progress(&target).await?.is_none(), "the copy is still called unfinished");
    let rows = count_rows(&target).await?;
    let shown = serve(&deployment, &database, dossiers).await?;
    copying += rest;
    Ok(Report { dossiers, rows, source_bytes, filling, kills: killed, copying, comparing, memory_kib, printed, shown })
}

/// Fills a deployment's database that nobody has used yet.
pub async fn make_source(deployment: &Deployment, dossiers: usize) -> Result<()> {
    // Schema and keys by the gateway itself.
    deployment.start().await?.stop().await;
    let file = data_folder(deployment).join("lienthong.sqlite");
    let (keys, name) = (deployment.folder().join("keys"), deployment.load()?.settings.deployment.name);
    tokio::task::spawn_blocking(move || fill::fill(&file, &keys, &name, dossiers)).await?
}

struct Runs<'a> {
    deployment: &'a Deployment,
    database: &'a str,
    target: &'a Client,
    chunk: usize,
    most_kib: u64,
}

impl Runs<'_> {
    fn spawn(&self) -> Result<Child> {
        let mut command = command(self.deployment, "copy", self.database)?;
        if self.chunk < 10_000 {
            command.args(["--chunk-rows", &self.chunk.max(1).to_string()]);
        }
        let log = File::create(self.log())?;
        Ok(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?)
    }

    fn log(&self) -> PathBuf {
        self.deployment.folder().join("copy.log")
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Kills the program when this share of all rows is there; returns how many are.
    async fn until(&mut self, share: f64) -> Result<i64> {
        let mut program = self.spawn()?;
        loop {
            self.note_memory(&program);
            if let Some((copied, total)) = progress(self.target).await?
                && copied as f64 >= share * total as f64
            {
                program.kill()?;
                program.wait()?;
                ensure!(copied < total, "everything was copied before the program could be killed");
                return Ok(copied);
            }
            if let Some(status) = program.try_wait()? {
                bail!("the program ended with {status} before it was killed: {}", self.printed());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Returns what was printed, and how long copying and comparing took.
    async fn last(&mut self) -> Result<(String, Duration, Duration)> {
        let (started, mut copied_after) = (Instant::now(), None);
        let mut program = self.spawn()?;
        let status = loop {
            self.note_memory(&program);
            if copied_after.is_none()
                && matches!(progress(self.target).await?, Some((copied, total)) if copied == total)
            {
                copied_after = Some(started.elapsed());
            }
            if let Some(status) = program.try_wait()? {
                break status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let printed = self.printed();
        ensure!(status.success(), "{status}: {printed}");
        let copying = copied_after.unwrap_or_default();
        Ok((printed, copying, started.elapsed() - copying))
    }

    fn note_memory(&mut self, program: &Child) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        self.most_kib = self.most_kib.max(kib.unwrap_or(0));
    }
}

async fn count_rows(target: &Client) -> Result<i64> {
    let mut rows = 0;
    for table in lienthong::storage::copy::TABLES {
        rows += target.query_one(&format!("SELECT count(*) FROM {}", table.name), &[]).await?.get::<_, i64>(0);
    }
    Ok(rows)
}

/// A gateway on the target, with the keys of the source, opens what was sealed there.
async fn serve(deployment: &Deployment, database: &str, dossiers: usize) -> Result<usize> {
    move_to(deployment, database)?;
    let (gateway, _) = deployment.spawn().await?;
    let token = deployment.token(PROVINCE).await?;
    let mut shown = 0;
    for number in [0, dossiers / 2, dossiers - 1] {
        let url = format!("{}/v1/dossiers/{}", deployment.url(), fill::code(number));
        let dossier: Value = client().get(url).bearer_auth(&token).send().await?.error_for_status()?.json().await?;
        ensure!(dossier["dossier"]["procedureCode"] == "1.001612", "{dossier}");
        shown += 1;
    }
    gateway.kill()?;
    Ok(shown)
}

impl Report {
    /// An error that says what was not as it must be.
    pub fn check(&self) -> Result<()> {
        ensure!(self.printed.contains("\nEQUAL\n"), "{}", self.printed);
        ensure!(!self.printed.contains('≠'), "{}", self.printed);
        ensure!(self.kills.is_sorted() && self.kills.first().is_none_or(|rows| *rows > 0), "{:?}", self.kills);
        let expected = (self.dossiers as f64 * 8.4) as i64;
        ensure!(self.rows > expected * 9 / 10, "only {} rows", self.rows);
        ensure!(self.shown == 3, "{} dossiers", self.shown);
        Ok(())
    }
}
