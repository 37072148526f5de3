//! A share of the portal's calls takes effect and then times out. Full states stay exact; steps stay exact where the
//! portal drops repeats, and where it does not, each ambiguous step stands parked as unknown: no more, no less.

use std::time::Duration;

use anyhow::Result;
use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, Sandbox, Settings};

use crate::gateway::{Deployment, PROVINCE, count, wait_until_none};
use crate::load::{Load, Verdict};

#[derive(Debug)]
pub struct Report {
    pub deliveries: usize,
    /// Calls that took effect and then timed out.
    pub ambiguous: u64,
    pub verdict: Verdict,
    /// Items parked as unknown in the end.
    pub parked: u64,
}

const RATE: f64 = 0.3;
/// Where every call given up counts: long enough that a busy machine gives none up that the portal has answered.
const PATIENT: &str = "adapters.portal-dvcqg.http = { connect_timeout_ms = 1000, total_timeout_ms = 1500 }";
const TIMEOUTS: &str = "adapters.portal-dvcqg.http = { connect_timeout_ms = 200, total_timeout_ms = 300 }";

fn plan(seed: u64, operations: &[Operation]) -> FaultPlan {
    let faults = FaultPlan { seed, ..FaultPlan::none() };
    operations.iter().fold(faults, |plan, operation| {
        plan.with(*operation, OperationFaults::only(FaultKind::EffectThenTimeout, RATE))
    })
}

async fn sandbox(faults: FaultPlan, dedup_steps: bool) -> Result<Sandbox> {
    let mut settings = Settings { faults, ..Settings::default() };
    settings.portal.dedup_steps = dedup_steps;
    settings.portal.hold_ms = 3000;
    Ok(Sandbox::start(settings).await?)
}

/// Full states and steps, the portal drops repeated steps and the profile says so. About `deliveries` messages.
pub async fn exact(deliveries: usize, seed: u64) -> Result<Report> {
    let faulty = [Operation::Insert, Operation::Update, Operation::AppendSteps];
    let sandbox = sandbox(plan(seed, &faulty), true).await?;
    let more = format!("{TIMEOUTS}\nadapters.portal-dvcqg.after_ambiguity.steps_are_deduplicated = true");
    let deployment = Deployment::new(&sandbox.url(), &more)?;
    let gateway = deployment.start().await?;
    let load = Load { day: "261122", dossiers: deliveries / 8, states: 4, with_steps: true, connections: 32 };
    let acknowledged = load.play(&deployment.url(), &deployment.token(PROVINCE).await?).await?;
    wait_until_none(&deployment.url(), &["accepted", "sending", "retry", "unknown", "dead"], Duration::from_secs(900))
        .await?;
    let verdict = Verdict::of(&acknowledged, &sandbox.ledger());
    let counters = sandbox.counters();
    let ambiguous = faulty.iter().map(|operation| counters.ambiguous(operation.name())).sum();
    gateway.stop().await;
    sandbox.stop().await;
    Ok(Report { deliveries: verdict.messages, ambiguous, verdict, parked: 0 })
}

/// One state and one step a dossier, the portal keeps every repeat: ambiguous steps must stand parked.
pub async fn parked(deliveries: usize, seed: u64) -> Result<Report> {
    let sandbox = sandbox(plan(seed, &[Operation::AppendSteps]), false).await?;
    let deployment = Deployment::new(&sandbox.url(), PATIENT)?;
    let gateway = deployment.start().await?;
    let load = Load { day: "261123", dossiers: deliveries / 2, states: 1, with_steps: true, connections: 32 };
    let acknowledged = load.play(&deployment.url(), &deployment.token(PROVINCE).await?).await?;
    wait_until_none(&deployment.url(), &["accepted", "sending", "retry", "dead"], Duration::from_secs(900)).await?;
    // What took effect took effect once: a parked step is in the ledger, and nobody sent it again.
    let verdict = Verdict::of(&acknowledged, &sandbox.ledger());
    let ambiguous = sandbox.counters().ambiguous(Operation::AppendSteps.name());
    let parked = count(&deployment.url(), "unknown").await?;
    gateway.stop().await;
    sandbox.stop().await;
    Ok(Report { deliveries: verdict.messages, ambiguous, verdict, parked })
}
