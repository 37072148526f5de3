//! The whole catalogue is copied: one list call and no more details at a time than allowed; again, and nothing is written but
//! that it was; in the midst of it the gateway is killed, and what it had is not asked for again.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lienthong_sandbox::{CatalogueProcedure, FaultPlan, Operation, OperationFaults, Sandbox, Settings};
use serde_json::{Value, json};

use crate::catalogue::{generated, published};
use crate::gateway::{Deployment, PROVINCE, Program, client};

#[derive(Debug)]
pub struct Report {
    pub procedures: usize,
    /// Of these, rows of the public reference data.
    pub published: usize,
    pub first: Copying,
    pub second: Copying,
    /// Procedures that were changed, and versions that this made.
    pub changed: usize,
    pub third: Copying,
    /// Procedures that remained when the gateway was killed, and details that were asked for after that.
    pub remained: usize,
    pub asked_after: u64,
    /// Names that were read back and are not those of the portal.
    pub wrong: usize,
    pub memory_mib: u64,
}

/// One time.
#[derive(Debug)]
pub struct Copying {
    pub took: Duration,
    pub lists: u64,
    pub details: u64,
    pub most_at_a_time: u64,
    /// Versions of procedures, and records of the audit log.
    pub versions: i64,
    pub records: u64,
}

/// Calls under way at a time.
pub const PARALLEL: usize = 8;

/// `total` procedures: those of the reference data, filled up with made-up ones.
pub async fn run(total: usize, seed: u64) -> Result<Report> {
    let mut procedures = published()?.unwrap_or_default();
    procedures.truncate(total);
    let published = procedures.len();
    let known: HashSet<String> = procedures.iter().map(|procedure| procedure.code.clone()).collect();
    let more = generated(2 * total, seed).into_iter().filter(|procedure| !known.contains(&procedure.code));
    procedures.extend(more.take(total - published));
    let sandbox = Sandbox::start(Settings::default()).await?;
    sandbox.set_catalogue(procedures);
    let settings = format!("[catalogue]\nretry_s = 1\nparallel_calls = {PARALLEL}\n");
    let world = Beside { deployment: Deployment::new(&sandbox.url(), &settings)?, sandbox };
    let (program, _) = world.deployment.spawn().await?;
    let first = world.copy().await?;
    let second = world.copy().await?;
    let changed = total / 100;
    world.change(changed, "lần một");
    let third = world.copy().await?;
    let wrong = world.wrong_names().await?;
    let memory_mib = program.most_memory_mib()?;
    world.change(total, "lần hai");
    let (_program, remained, asked_after) = world.kill_in_the_midst(program).await?;
    let wrong = wrong + world.wrong_names().await?;
    Ok(Report { procedures: total, published, first, second, changed, third, remained, asked_after, wrong, memory_mib })
}

struct Beside {
    deployment: Deployment,
    sandbox: Sandbox,
}

impl Beside {
    async fn get(&self, path: &str) -> Result<Value> {
        // Connections to a gateway that was killed are found dead one after the other.
        for _ in 0..10 {
            if let Ok(found) = self.try_get(path).await {
                return Ok(found);
            }
        }
        self.try_get(path).await
    }

    async fn try_get(&self, path: &str) -> Result<Value> {
        let token = self.deployment.token(PROVINCE).await?;
        let url = format!("{}{path}", self.deployment.url());
        Ok(client().get(url).bearer_auth(token).send().await?.error_for_status()?.json().await?)
    }

    fn ask(&self) -> Result<()> {
        let mut command = self.deployment.command()?;
        let asked = command.args(["catalogue", "sync"]).output()?;
        ensure!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        Ok(())
    }

    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(1_200);
        loop {
            let now = self.get("/v1/catalogue").await?;
            if holds(&now) {
                return Ok(now);
            }
            ensure!(Instant::now() < deadline, "{what}: {now}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn records(&self) -> Result<u64> {
        // Signed heads follow within a moment.
        let mut size = 0;
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let url = format!("{}/audit/checkpoint", self.deployment.url());
            let text = client().get(url).send().await?.text().await?;
            let now = text.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or_default();
            if now == size && now > 0 {
                break;
            }
            size = now;
        }
        Ok(size)
    }

    async fn copy(&self) -> Result<Copying> {
        let before = self.get("/v1/catalogue").await?;
        let (lists, details, records) = (self.calls("LayDanhSachTTHC"), self.calls("LayThuTuc"), self.records().await?);
        let started = Instant::now();
        self.ask()?;
        let is_done =
            |now: &Value| now["run"]["beganAt"] != before["run"]["beganAt"] && now["run"]["endedAt"].is_string();
        let after = self.until("it is not copied", is_done).await?;
        let took = started.elapsed();
        ensure!(after["run"]["failures"] == 0, "{}", after["run"]);
        let number = |view: &Value| view["version"].as_i64().unwrap_or_default();
        Ok(Copying {
            took,
            lists: self.calls("LayDanhSachTTHC") - lists,
            details: self.calls("LayThuTuc") - details,
            most_at_a_time: self.sandbox.counters().most_under_way,
            versions: number(&after) - number(&before),
            records: self.records().await? - records,
        })
    }

    fn calls(&self, service: &str) -> u64 {
        self.sandbox.counters().services.get(service).copied().unwrap_or_default()
    }

    /// The first so many procedures get another name.
    fn change(&self, procedures: usize, mark: &str) {
        let change = |(n, procedure): (usize, CatalogueProcedure)| match n < procedures {
            true => CatalogueProcedure { name: format!("{} ({mark})", procedure.name), ..procedure },
            false => procedure,
        };
        self.sandbox.set_catalogue(self.sandbox.catalogue().into_iter().enumerate().map(change).collect());
    }

    async fn wrong_names(&self) -> Result<usize> {
        let (mut names, mut path) = (BTreeMap::new(), "/v1/catalogue/procedures?limit=500".to_owned());
        loop {
            let page = self.get(&path).await?;
            for item in page["items"].as_array().context("no items")? {
                names.insert(item["code"].as_str().unwrap_or_default().to_owned(), item["name"].clone());
            }
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            path = format!("/v1/catalogue/procedures?limit=500&cursor={cursor}");
        }
        let wrong = |procedure: &&CatalogueProcedure| names.get(&procedure.code) != Some(&json!(procedure.name));
        Ok(self.sandbox.catalogue().iter().filter(wrong).count())
    }

    /// All is changed; the portal goes away when half of it was asked for, and the gateway is killed; then both come back.
    async fn kill_in_the_midst(&self, program: Program) -> Result<(Program, usize, u64)> {
        let all = self.sandbox.catalogue().len() as u64;
        let half = self.calls("LayThuTuc") + all / 2;
        self.ask()?;
        while self.calls("LayThuTuc") < half {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let away = OperationFaults { server_error_before: 1.0, ..OperationFaults::default() };
        self.sandbox.set_faults(FaultPlan::none().with(Operation::Catalogue, away));
        let is_paused = |now: &Value| {
            let remaining = now["run"]["remaining"].as_u64().unwrap_or_default();
            remaining > 0 && remaining < all && now["run"]["endedAt"].is_null()
        };
        let paused = self.until("it does not pause", is_paused).await?;
        let remained = paused["run"]["remaining"].as_u64().unwrap_or_default();
        program.kill()?;
        self.sandbox.set_faults(FaultPlan::none());
        let before = self.calls("LayThuTuc");
        let (program, _) = self.deployment.spawn().await?;
        self.until("it does not go on", |now| now["run"]["endedAt"].is_string()).await?;
        Ok((program, usize::try_from(remained)?, self.calls("LayThuTuc") - before))
    }
}

impl Report {
    /// What must hold.
    pub fn check(&self) -> Result<()> {
        let Self { first, second, third, .. } = self;
        for copying in [first, second, third] {
            ensure!(copying.lists == 1 && copying.details == self.procedures as u64, "{copying:?}");
            ensure!(copying.most_at_a_time <= PARALLEL as u64, "{copying:?}");
        }
        ensure!(first.versions >= self.procedures as i64, "{first:?}");
        // The operator's wish is one.
        ensure!(second.versions == 0 && second.records == 1, "the second time has written something: {second:?}");
        ensure!(third.versions == self.changed as i64, "{third:?}");
        ensure!(self.remained > 0 && self.remained < self.procedures, "it was not killed in the midst: {self:?}");
        ensure!(self.asked_after == self.remained as u64, "what was there was asked for again: {self:?}");
        ensure!(self.wrong == 0, "{} names are wrong", self.wrong);
        Ok(())
    }
}
