//! The power goes away under load. The gateway runs with a library that writes down each of its file operations (`shim.c`); a
//! simulated disk (`disk.rs`) tells what would have been left at any moment, with what was not synced lost, torn or written out
//! of order. Whatever is left, each acknowledged dossier is in it, and the audit log verifies and goes on.

mod check;
pub mod disk;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lienthong_sandbox::{Sandbox, Settings};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::gateway::{Deployment, Program, client, token};
use crate::load::dossier;
use check::{Found, Promised};
use disk::{Folder, Journal, Loss};

/// How much is done.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Times that the gateway is started and killed.
    pub sessions: usize,
    /// Full states that are acknowledged in each.
    pub accepts: usize,
    /// Moments at which the power goes away.
    pub cuts: usize,
    /// Of them those after which a gateway is really started on what is left.
    pub starts: usize,
    pub seed: u64,
}

#[derive(Debug, Default)]
pub struct Report {
    pub acknowledged: usize,
    pub checkpoints_seen: usize,
    pub journal_bytes: u64,
    pub cuts: usize,
    pub starts: usize,
    /// Acknowledged dossiers that had to be there, over all cuts.
    pub promised: usize,
    /// Records that were hashed again, over all cuts.
    pub records: u64,
    pub lost: Vec<String>,
    /// What else was not as it must be.
    pub wrong: Vec<String>,
}

impl Report {
    pub fn check(&self) -> Result<()> {
        let first = |list: &[String]| list.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
        ensure!(self.lost.is_empty(), "{} acknowledged dossiers were lost:\n{}", self.lost.len(), first(&self.lost));
        ensure!(self.wrong.is_empty(), "{} things were wrong:\n{}", self.wrong.len(), first(&self.wrong));
        ensure!(self.promised > 0 && self.records > 0 && self.checkpoints_seen > 0, "nothing was at stake: {self:?}");
        Ok(())
    }
}

/// A state that was acknowledged, or a checkpoint that was fetched, when the journal was so long.
#[derive(Debug, Clone)]
pub(crate) struct Told<T> {
    pub(crate) at: u64,
    pub(crate) what: T,
}

/// Client side: what the gateway has said, and when.
#[derive(Default)]
struct Heard {
    accepted: Vec<Told<(String, i64)>>,
    checkpoints: Vec<Told<Vec<u8>>>,
}

/// Where the gateway writes, and where it is written down.
struct Recorded {
    deployment: Deployment,
    outside: TempDir,
    folder: PathBuf,
    journal: PathBuf,
    shim: PathBuf,
}

pub async fn run(volume: &Volume) -> Result<Report> {
    let sandbox = Sandbox::start(Settings::default()).await?;
    let recorded = Recorded::new(&sandbox.url())?;
    let heard = Arc::new(Mutex::new(Heard::default()));
    let mut rng = Rng::with_seed(volume.seed);
    // The first start of all, and what an operator does beside it, are cut into as well.
    let mut program = recorded.start().await?;
    let secret = recorded.add_client().await?;
    for session in 0..volume.sessions {
        recorded.load(session, volume.accepts, &secret, &heard).await?;
        tokio::time::sleep(Duration::from_millis(rng.u64(0..300))).await;
        program.kill()?;
        program = recorded.start().await?;
    }
    // Nothing escaped the journal, if it tells what is there while nothing happens.
    tokio::time::sleep(QUIET).await;
    program.pause()?;
    let journal = Journal::read(&recorded.journal).map_err(anyhow::Error::msg)?;
    let different = check::same(&recorded.everything(&journal)?, &recorded.folder)?;
    program.kill()?;
    sandbox.stop().await;

    let heard = std::mem::take(&mut *heard.lock().map_err(|_| anyhow::anyhow!("a client panicked"))?);
    let length = *journal.ends().last().context("the journal is empty")?;
    let mut report = Report {
        acknowledged: heard.accepted.len(),
        checkpoints_seen: heard.checkpoints.len(),
        journal_bytes: length,
        ..Report::default()
    };
    let mut replay = journal.replay();
    for (n, at) in moments(&heard, &journal, volume.cuts, &mut rng).into_iter().enumerate() {
        replay.advance(at).map_err(anyhow::Error::msg)?;
        let loss = if rng.u8(0..4) == 0 { Loss::Everything } else { Loss::Some(rng.u64(..)) };
        let left = recorded.outside.path().join(format!("cut-{n}"));
        replay.cut(loss).write_to(&left).map_err(anyhow::Error::msg)?;
        let promised = Promised::until(at, &heard.accepted, &heard.checkpoints);
        let case = format!("cut at byte {at} of {length}, {loss:?}");
        let is_started = volume.starts > 0 && n % (volume.cuts / volume.starts).max(1) == 0;
        let found = check::folder(&left, &promised).await.unwrap_or_else(Found::unreadable);
        report.note(&case, &promised, found);
        if is_started && report.wrong.is_empty() {
            let started = check::start(&left, &promised, &secret).await.unwrap_or_else(Found::unreadable);
            report.starts += 1;
            report.note(&format!("{case}, started"), &Promised::default(), started);
        }
        std::fs::remove_dir_all(&left)?;
    }
    report.wrong.extend(different.map(|file| format!("the journal does not tell what really is in {file}")));
    Ok(report)
}

impl Report {
    fn note(&mut self, case: &str, promised: &Promised<'_>, found: Found) {
        self.cuts += usize::from(!case.ends_with("started"));
        self.promised += promised.accepted.len();
        self.records += found.records;
        self.lost.extend(found.lost.into_iter().map(|lost| format!("{case}: {lost}")));
        self.wrong.extend(found.wrong.into_iter().map(|wrong| format!("{case}: {wrong}")));
    }
}

/// Some at random; some exactly when an answer had arrived; some while the very first start makes keys and tables.
fn moments(heard: &Heard, journal: &Journal, cuts: usize, rng: &mut Rng) -> Vec<u64> {
    let answers: Vec<u64> = heard.accepted.iter().map(|told| told.at).collect();
    let ends = journal.ends();
    let first_answer = answers.iter().min().copied().unwrap_or(0);
    let beginning = &ends[..ends.partition_point(|end| *end < first_answer)];
    let mut moments: Vec<u64> = (0..cuts)
        .map(|n| match n % 4 {
            0 => rng.choice(beginning).copied().unwrap_or(0),
            1 => rng.choice(ends).copied().unwrap_or(0),
            _ => rng.choice(&answers).copied().unwrap_or(0),
        })
        .collect();
    moments.sort_unstable();
    moments
}

impl Recorded {
    fn new(portal: &str) -> Result<Self> {
        let outside = tempfile::tempdir()?;
        let path = |name: &str| outside.path().join(name);
        let folder = path("machine");
        std::fs::create_dir(&folder)?;
        let deployment = Deployment::new(portal, &folders(&folder))?;
        let source = path("shim.c");
        std::fs::write(&source, include_str!("shim.c"))?;
        let shim = path("shim.so");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let built = Command::new(&compiler)
            .args(["-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&shim)
            .arg(&source)
            .args(["-ldl", "-lpthread"])
            .output()
            .with_context(|| compiler.clone())?;
        ensure!(built.status.success(), "{compiler}: {}", String::from_utf8_lossy(&built.stderr));
        Ok(Self { deployment, journal: path("journal"), shim, folder, outside })
    }

    /// What the folder holds while the power is on.
    fn everything(&self, journal: &Journal) -> Result<Folder> {
        let mut replay = journal.replay();
        replay.advance(u64::MAX).map_err(anyhow::Error::msg)?;
        Ok(replay.cut(Loss::Nothing))
    }

    fn environment(&self) -> [(&'static str, String); 3] {
        let text = |path: &Path| path.display().to_string();
        [
            ("LD_PRELOAD", text(&self.shim)),
            ("POWER_CUT_FOLDER", text(&self.folder)),
            ("POWER_CUT_JOURNAL", text(&self.journal)),
        ]
    }

    async fn start(&self) -> Result<Program> {
        let environment = self.environment();
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(self.deployment.spawn_with(&environment).await?.0)
    }

    /// As an operator does; returns the client's secret.
    async fn add_client(&self) -> Result<String> {
        let mut command = self.deployment.command()?;
        command.args(["client", "add", CLIENT, "--name", "Một cửa", "--agency", "H15"]).envs(self.environment());
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let secret = printed.lines().find_map(|line| line.trim().strip_prefix("client_secret")).map(str::trim);
        Ok(secret.with_context(|| format!("{printed}{}", String::from_utf8_lossy(&output.stderr)))?.to_owned())
    }

    /// Several clients write until enough was acknowledged; somebody fetches checkpoints meanwhile.
    async fn load(&self, session: usize, accepts: usize, secret: &str, heard: &Arc<Mutex<Heard>>) -> Result<()> {
        let url = self.deployment.url();
        let token: Arc<str> = token(&url, CLIENT, secret).await?.into();
        let mut clients = JoinSet::new();
        for writer in 0..WRITERS {
            let (url, token, heard, journal) =
                (url.clone(), Arc::clone(&token), Arc::clone(heard), self.journal.clone());
            clients.spawn(async move {
                for n in 0..accepts / WRITERS {
                    let code = format!("H15.50-2611{:02}-{writer}{:05}", session + 1, n / 3);
                    let state = ["received", "processing", "finished"][n % 3];
                    let put = client().put(format!("{url}/v1/dossiers/{code}")).bearer_auth(&token);
                    let answer = put.json(&dossier(state, &format!("state {n}"))).send().await?;
                    ensure!(answer.status() == 202, "{}", answer.text().await?);
                    let at = std::fs::metadata(&journal)?.len();
                    let what = (code, (n % 3 + 1) as i64);
                    heard.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.accepted.push(Told { at, what });
                }
                Ok(())
            });
        }
        let (heard, journal) = (Arc::clone(heard), self.journal.clone());
        let watcher = tokio::spawn(async move {
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(600) {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let Ok(answer) = client().get(format!("{url}/audit/checkpoint")).send().await else { continue };
                if answer.status() != 200 {
                    continue;
                }
                let (Ok(note), Ok(file)) = (answer.bytes().await, std::fs::metadata(&journal)) else { continue };
                let Ok(mut heard) = heard.lock() else { return };
                heard.checkpoints.push(Told { at: file.len(), what: note.to_vec() });
            }
        });
        while let Some(done) = clients.join_next().await {
            done??;
        }
        // The last ones are signed, too, in most sessions.
        tokio::time::sleep(Duration::from_millis(300)).await;
        watcher.abort();
        Ok(())
    }
}

const CLIENT: &str = "one-stop";
const WRITERS: usize = 8;
/// Until everything is delivered, signed and copied back.
const QUIET: Duration = Duration::from_millis(1500);

/// The settings by which a gateway keeps everything in this folder.
fn folders(folder: &Path) -> String {
    let (keys, data) = (folder.join("keys"), folder.join("data"));
    format!("[storage]\nkeys_folder = {keys:?}\n[storage.sqlite]\ndata_folder = {data:?}\nwal_bytes = 4194304\n")
}
