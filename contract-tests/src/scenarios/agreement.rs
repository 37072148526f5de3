//! A province's dossiers against what the nation holds of them: differences of every class are put in, and exactly these must come out,
//! although the gateway is killed in the midst of the check. The report on the indicators of the same dossiers counts what is held.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::stream::{self, StreamExt, TryStreamExt};
use lienthong_sandbox::{FaultPlan, PortalSettings, Sandbox, Settings};
use serde_json::{Map, Value, json};

use crate::gateway::{Deployment, PROVINCE, client, wait_for_metric, wait_until_none};
use crate::load;

#[derive(Debug)]
pub struct Report {
    pub dossiers: usize,
    /// Differences that were put in, by class.
    pub injected: Vec<(&'static str, usize)>,
    pub found: usize,
    pub not_found: usize,
    pub invented: usize,
    /// Dossiers that were done when the gateway was killed, and look-ups in all.
    pub done_at_kill: u64,
    pub looked_up: u64,
    /// Calls that were made beyond one a dossier: what was under way when it was killed.
    pub asked_again: u64,
    pub took: Duration,
    /// Of the gateway while it checks, before and after the kill, and once it has counted the indicators.
    pub memory_mib: [u64; 3],
    /// Until the report on the indicators was there.
    pub report_took: Duration,
    /// Dossiers that it counted, and those that it told as not held.
    pub counted: u64,
    pub not_held: usize,
}

/// Of a hundred dossiers so many differ in each way.
const EACH_PERCENT: usize = 1;
const CLASSES: [&str; 7] =
    ["missing_nationally", "state", "due_at", "result_missing", "not_sent", "missing_locally", "never_given"];
const BATCH: usize = 500;
/// What is not finished by itself.
const MOVING: &[&str] = &["accepted", "sending", "retry", "unknown"];

fn code(number: usize) -> String {
    format!("H15.50-261121-{number:07}")
}

/// One that has a result, so that it can be missing.
fn dossier() -> Value {
    let mut body = load::dossier("finished", "");
    body.as_object_mut().map(|members| members.remove("note"));
    body["finishedAt"] = json!("2026-11-21T10:00:00+07:00");
    body["results"] = json!([{ "name": "Giấy chứng nhận", "id": "1", "link": "https://h15.example/kq/1" }]);
    body["transitionReason"] = json!("Hồ sơ giải quyết ngay");
    body
}

struct World {
    sandbox: Sandbox,
    deployment: Deployment,
}

pub async fn run(dossiers: usize, seed: u64) -> Result<Report> {
    let each = dossiers * EACH_PERCENT / 100;
    let mut numbers: Vec<usize> = (0..dossiers).collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut numbers);
    // The first five classes are about dossiers that were given, the others about codes that nobody gave.
    let chosen: Vec<Vec<String>> = CLASSES
        .iter()
        .enumerate()
        .map(|(n, _)| {
            (n * each..(n + 1) * each)
                .map(|place| match n {
                    0..=4 => code(numbers[place]),
                    _ => code(dossiers + place),
                })
                .collect()
        })
        .collect();
    let poison = chosen[4].iter().map(|code| (code.clone(), "Sai lĩnh vực".to_owned())).collect();
    let portal = PortalSettings { rich_lookup: true, ledger_limit: 10_000_000, ..PortalSettings::default() };
    let faults = FaultPlan { poison, ..FaultPlan::none() };
    let sandbox = Sandbox::start(Settings { portal, faults, ..Settings::default() }).await?;
    let more = "agreement = { calls_per_second = 10000, parallel_calls = 16 }\n";
    let world = World { deployment: Deployment::new(&sandbox.url(), more)?, sandbox };
    let (program, _) = world.deployment.spawn().await?;
    world.give(dossiers).await?;
    wait_until_none(&world.deployment.url(), MOVING, Duration::from_secs(1_800)).await?;
    program.stop().await?;
    ensure!(world.sandbox.dossiers().len() == dossiers - each, "the portal does not hold what it was given");
    world.inject(&chosen)?;

    let (program, _) = world.deployment.spawn().await?;
    let before = world.calls();
    let started = Instant::now();
    world.ask(&chosen, dossiers)?;
    let done_at_kill = world.until(|run| run["done"].as_u64() > Some(dossiers as u64 / 2)).await?["done"].as_u64();
    let first = program.most_memory_mib()?;
    program.kill()?;
    let (program, _) = world.deployment.spawn().await?;
    let run = world.until(|run| run["endedAt"].is_string()).await?;
    let took = started.elapsed();
    let second = program.most_memory_mib()?;
    ensure!(run["unanswered"] == 0 && run["stopped"].is_null(), "{run}");
    let started = Instant::now();
    let indicators = world.indicators().await?;
    let report_took = started.elapsed();
    let memory_mib = [first, second, program.most_memory_mib()?];
    let not_held: BTreeSet<&str> =
        indicators["standings"][0]["dossiers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ensure!(not_held == chosen[4].iter().map(String::as_str).collect(), "others are told as not held: {not_held:?}");
    let on_time = &indicators["indicators"][3];
    ensure!(on_time["indicator"] == "2.1" && on_time["numerator"] == indicators["counted"], "{on_time}");

    let expected: BTreeSet<(String, &str)> = CLASSES
        .iter()
        .zip(&chosen)
        .flat_map(|(class, codes)| codes.iter().map(|code| (code.clone(), *class)))
        .collect();
    let found = world.cases().await?;
    let is_expected = |case: &&(String, String)| expected.contains(&(case.0.clone(), case.1.as_str()));
    let token = world.deployment.token(PROVINCE).await?;
    for class in CLASSES {
        let line = format!("lienthong_agreement_cases{{class=\"{class}\"}}");
        wait_for_metric(&world.deployment.url(), &token, &line, each as f64).await?;
    }
    let right = found.iter().filter(is_expected).count();
    let looked_up = run["lookedUp"].as_u64().unwrap_or_default();
    Ok(Report {
        dossiers,
        injected: CLASSES.iter().map(|class| (*class, each)).collect(),
        found: right,
        not_found: expected.len() - right,
        invented: found.len() - right,
        done_at_kill: done_at_kill.unwrap_or_default(),
        looked_up,
        asked_again: (world.calls() - before).saturating_sub(looked_up),
        took,
        memory_mib,
        report_took,
        counted: indicators["counted"].as_u64().unwrap_or_default(),
        not_held: not_held.len(),
    })
}

impl World {
    async fn give(&self, dossiers: usize) -> Result<()> {
        let (url, token) =
            (format!("{}/v1/dossier-batches", self.deployment.url()), self.deployment.token(PROVINCE).await?);
        let batches = (0..dossiers).step_by(BATCH).map(|from| {
            let items = (from..(from + BATCH).min(dossiers)).map(|number| {
                let mut body = dossier();
                body["code"] = json!(code(number));
                body
            });
            let body = json!({ "items": items.collect::<Vec<_>>() });
            let request = client().post(&url).bearer_auth(&token).header("Idempotency-Key", format!("give-{from}"));
            async move {
                let answer: Value = request.json(&body).send().await?.error_for_status()?.json().await?;
                let items = answer["items"].as_array().context("no items")?;
                let refused = items.iter().find(|item| item["problem"].is_object());
                ensure!(refused.is_none(), "{}", refused.unwrap_or(&Value::Null));
                anyhow::Ok(())
            }
        });
        stream::iter(batches).buffer_unordered(2).try_collect().await
    }

    fn inject(&self, chosen: &[Vec<String>]) -> Result<()> {
        let [missing, state, due_at, result, _, planted, _] = chosen else { anyhow::bail!("seven classes") };
        let set = |code: &String, member: &str, value: Value| {
            self.sandbox.tamper(code, |fields| {
                let mut fields = fields?;
                fields.insert(member.to_owned(), value);
                Some(fields)
            });
        };
        missing.iter().for_each(|code| self.sandbox.tamper(code, |_| None));
        state.iter().for_each(|code| set(code, "TrangThaiHoSo", json!("4")));
        due_at.iter().for_each(|code| set(code, "NgayHenTra", json!("20261125170001")));
        result.iter().for_each(|code| set(code, "DanhSachGiayToKetQua", json!([])));
        let fields = |code: &String| Map::from_iter([("MaHoSo".to_owned(), json!(code))]);
        planted.iter().for_each(|code| self.sandbox.tamper(code, |_| Some(fields(code))));
        Ok(())
    }

    /// What the nation and a local system list: what differs, among much that does not.
    fn ask(&self, chosen: &[Vec<String>], dossiers: usize) -> Result<()> {
        let known = (0..dossiers).step_by(10).map(code);
        let known = known.fold(String::new(), |mut text, code| {
            let _ = writeln!(text, "{code}");
            text
        });
        let file = |name: &str, codes: &[String]| {
            let path = self.deployment.folder().join(name);
            std::fs::write(&path, format!("{known}{}\n", codes.join("\n")))?;
            anyhow::Ok(path)
        };
        let (national, local) = (file("national.txt", &chosen[5])?, file("local.txt", &chosen[6])?);
        let mut command = self.deployment.command()?;
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7)));
        // It may have begun before midnight.
        let from = now.date().yesterday()?.to_string();
        command.args(["portal", "reconcile", "--no-wait", "--from", &from, "--to", &now.date().to_string()]);
        let asked = command.arg("--national-list").arg(national).arg("--local-list").arg(local).output()?;
        ensure!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        Ok(())
    }

    fn calls(&self) -> u64 {
        self.sandbox.counters().services.get("TraCuuHoSo").copied().unwrap_or_default()
    }

    async fn get(&self, path: &str) -> Result<Value> {
        // Connections to a gateway that was killed are found dead one after the other.
        let mut last = Ok(Value::Null);
        for _ in 0..10 {
            last = self.try_get(path).await;
            if last.is_ok() {
                break;
            }
        }
        last
    }

    async fn try_get(&self, path: &str) -> Result<Value> {
        let token = self.deployment.token(PROVINCE).await?;
        let url = format!("{}{path}", self.deployment.url());
        Ok(client().get(url).bearer_auth(token).send().await?.error_for_status()?.json().await?)
    }

    async fn until(&self, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(1_800);
        loop {
            let run = self.get("/v1/agreement/runs").await?["items"][0].clone();
            if holds(&run) {
                return Ok(run);
            }
            ensure!(Instant::now() < deadline, "it does not end: {run}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Of the day on which all of them were received.
    async fn indicators(&self) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(1_800);
        loop {
            let report = self.get("/v1/reports/qd766?from=2026-11-20&to=2026-11-20").await?;
            if report["counted"].is_u64() {
                return Ok(report);
            }
            ensure!(Instant::now() < deadline, "it does not end: {report}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn cases(&self) -> Result<Vec<(String, String)>> {
        let (mut cases, mut path) = (Vec::new(), "/v1/agreement/cases?limit=500".to_owned());
        loop {
            let page = self.get(&path).await?;
            let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
            let items = page["items"].as_array().context("no items")?;
            cases.extend(items.iter().map(|item| (text(item, "code"), text(item, "class"))));
            let Some(cursor) = page["nextCursor"].as_str() else { return Ok(cases) };
            path = format!("/v1/agreement/cases?limit=500&cursor={cursor}");
        }
    }
}

impl Report {
    /// What must hold.
    pub fn check(&self) -> Result<()> {
        let total: usize = self.injected.iter().map(|(_, number)| number).sum();
        ensure!(total > 0 && self.found == total, "{} of {total} differences found", self.found);
        ensure!(self.not_found == 0 && self.invented == 0, "{} not found, {} invented", self.not_found, self.invented);
        let done = self.done_at_kill;
        ensure!(done > 0 && done < self.dossiers as u64, "it was not killed in the midst of it: {done}");
        // At most the page that was under way.
        ensure!(self.asked_again <= 200, "{} were asked for again", self.asked_again);
        let held = self.dossiers - self.not_held;
        ensure!(self.counted == held as u64 && self.not_held > 0, "{} counted, {held} are held", self.counted);
        ensure!(self.memory_mib.iter().all(|memory| *memory <= 200), "{:?} MiB", self.memory_mib);
        Ok(())
    }
}
