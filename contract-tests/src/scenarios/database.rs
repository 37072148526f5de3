//! PostgreSQL is killed and restarted under load: while it is away requests are answered 503 with Retry-After, and
//! nothing that was acknowledged is lost.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lienthong_sandbox::{Sandbox, Settings};
use reqwest::StatusCode;
use serde_json::Value;

use crate::gateway::{Deployment, PROVINCE, client, wait_until_none};
use crate::load::{Load, Verdict, dossier};
use crate::postgres::{Server, fresh_database};
use crate::scenarios::replicas::{Log, read_log};

#[derive(Debug)]
pub struct Report {
    pub kills: usize,
    pub verdict: Verdict,
    pub log: Log,
    /// Answers while the server was away.
    pub refused: usize,
}

/// Kills the server `kills` times while `dossiers` are sent.
pub async fn run(dossiers: usize, kills: usize, seed: u64) -> Result<Report> {
    let mut settings = Settings::default();
    settings.portal.dedup_steps = true;
    let sandbox = Sandbox::start(settings).await?;
    let mut server = tokio::task::spawn_blocking(Server::start).await??;
    let database = fresh_database(&server.connection_string()).await?;
    let deployment = Deployment::new(
        &sandbox.url(),
        &format!(
            r#"
storage = {{ engine = "postgres", postgres = {{ url = "{database}" }} }}
adapters.portal-dvcqg.after_ambiguity.steps_are_deduplicated = true
outbox.most_lost_leases = 1000
"#
        ),
    )?;
    let (program, _) = deployment.spawn().await?;
    let load = Load { day: "261126", dossiers, states: 4, with_steps: true, connections: 32 };
    let token = deployment.token(PROVINCE).await?;
    let playing = tokio::spawn({
        let token = token.clone();
        let url = deployment.url();
        async move { load.play(&url, &token).await }
    });
    let mut rng = Rng::with_seed(seed);
    let mut refused = 0;
    for n in 0..kills {
        tokio::time::sleep(Duration::from_millis(rng.u64(300..1500))).await;
        server.kill()?;
        ask_in_vain(&deployment.url(), &token, n).await?;
        refused += 1;
        server = tokio::task::spawn_blocking(move || server.restart().map(|()| server)).await??;
    }
    let acknowledged = playing.await??;
    wait_until_none(&deployment.url(), &["accepted", "sending", "retry", "unknown", "dead"], Duration::from_secs(300))
        .await?;
    let log = read_log(&database).await?;
    let verdict = Verdict::of(&acknowledged, &sandbox.ledger());
    program.kill()?;
    sandbox.stop().await;
    Ok(Report { kills, verdict, log, refused })
}

/// A request while there is no database.
async fn ask_in_vain(url: &str, token: &str, number: usize) -> Result<()> {
    let put = client().put(format!("{url}/v1/dossiers/H15.50-261127-{number:06}")).bearer_auth(token);
    let answer = put.json(&dossier("received", "in vain")).send().await?;
    ensure!(answer.status() == StatusCode::SERVICE_UNAVAILABLE, "{} without a database", answer.status());
    answer.headers().get("retry-after").context("no Retry-After")?;
    let problem: Value = answer.json().await?;
    ensure!(problem["code"] == "storage.unavailable", "{problem}");
    Ok(())
}

impl Report {
    /// An error that says what was not as it must be.
    pub fn check(&self) -> Result<()> {
        ensure!(self.verdict.is_exact(), "not exact: {:?}", self.verdict);
        let log = &self.log;
        ensure!(log.without_place == 0 && log.gaps == 0 && log.head_is_theirs, "the audit log: {log:?}");
        ensure!(log.items == log.accepted, "items and records differ: {log:?}");
        ensure!(self.refused == self.kills, "{} of {} requests were refused as they must be", self.refused, self.kills);
        Ok(())
    }
}
