//! One dossier in so many is refused by the portal whatever is done: it parks its own lane, its dead letter says why,
//! and the others do not notice.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use lienthong_sandbox::{FaultPlan, Sandbox, Settings};
use serde_json::Value;

use crate::gateway::{Deployment, PROVINCE, client, count, ready};
use crate::load::{Ledger, Load, Verdict};

/// What the portal says of the poison.
pub const REASON: &str = "Trường GhiChu: vượt quá 2000 ký tự";

#[derive(Debug)]
pub struct Report {
    pub dossiers: usize,
    pub poisoned: usize,
    /// From acknowledgement to effect, of the dossiers that are not poisoned.
    pub p99: Duration,
    pub verdict: Verdict,
    /// The operation of one poisoned dossier, as its sender sees it.
    pub dead_letter: Option<Value>,
}

/// Every `one_in`-th dossier is poison; none if it is 0.
pub async fn run(dossiers: usize, one_in: usize) -> Result<Report> {
    let load = Load { day: "261124", dossiers, states: 3, with_steps: false, connections: 16 };
    let poison: Vec<String> = match one_in {
        0 => Vec::new(),
        one_in => (1..=dossiers).filter(|n| n % one_in == one_in / 2).map(|n| load.code(n)).collect(),
    };
    let mut faults = FaultPlan::none();
    faults.poison = poison.iter().map(|code| (code.clone(), REASON.to_owned())).collect();
    let sandbox = Sandbox::start(Settings { faults, ..Settings::default() }).await?;
    let deployment = Deployment::new(&sandbox.url(), "")?;
    let gateway = deployment.start().await?;
    let mut acknowledged = load.play(&deployment.url(), &deployment.token(PROVINCE).await?).await?;
    acknowledged.retain(|code, _| !poison.contains(code));
    wait_until_alone(&deployment.url(), &sandbox, &acknowledged, poison.len()).await?;
    let dead_letter = match poison.first() {
        Some(code) => Some(sync_view(&deployment.url(), &deployment.token(PROVINCE).await?, code).await?),
        None => None,
    };
    let effects = sandbox.ledger();
    let verdict = Verdict::of(&acknowledged, &effects);
    let p99 = p99(&acknowledged, &effects);
    gateway.stop().await;
    sandbox.stop().await;
    Ok(Report { dossiers, poisoned: poison.len(), p99, verdict, dead_letter })
}

/// Until everything else has arrived and each poisoned lane stands at its refused head.
async fn wait_until_alone(url: &str, sandbox: &Sandbox, others: &Ledger, poisoned: usize) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let has_arrived = Verdict::of(others, &sandbox.ledger()).lost == 0;
        if has_arrived && count(url, "dead").await? == poisoned as u64 && count(url, "sending").await? == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            anyhow::bail!("the poison does not stand alone: {}", ready(url).await?);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn sync_view(url: &str, token: &str, code: &str) -> Result<Value> {
    let get = |path: String| async move {
        let answer = client().get(path).bearer_auth(token).send().await?;
        answer.error_for_status()?.json::<Value>().await
    };
    Ok(get(format!("{url}/v1/dossiers/{code}")).await?["sync"].clone())
}

fn p99(acknowledged: &Ledger, effects: &[lienthong_sandbox::LedgerEntry]) -> Duration {
    let effect_at: HashMap<(&str, &str), jiff::Timestamp> =
        effects.iter().map(|entry| ((entry.code.as_str(), entry.mark.as_str()), entry.at)).collect();
    let mut waits: Vec<i64> = Vec::new();
    for (code, messages) in acknowledged {
        for message in messages {
            if let Some(at) = effect_at.get(&(code.as_str(), message.mark.as_str())) {
                waits.push((at.as_microsecond() - message.at.as_microsecond()).max(0));
            }
        }
    }
    waits.sort_unstable();
    let at = waits.len().saturating_sub(1) * 99 / 100;
    Duration::from_micros(waits.get(at).copied().unwrap_or(0).unsigned_abs())
}
