//! `kill -9` of the gateway at random instants under load: every acknowledged request is delivered exactly once in
//! effect, in the order of its dossier, and the gateway is ready again soon after each start.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use lienthong_sandbox::{Sandbox, Settings};

use crate::gateway::{Deployment, PROVINCE, wait_until_none};
use crate::load::{Load, Verdict};

#[derive(Debug)]
pub struct Report {
    pub kills: usize,
    pub verdict: Verdict,
    pub slowest_start: Duration,
    /// Effects that repeated a full state without changing it.
    pub harmless_repeats: usize,
}

/// Kills `kills` times; the load goes on until the last kill is over.
pub async fn run(kills: usize, seed: u64) -> Result<Report> {
    let mut settings = Settings::default();
    // A step whose sender was killed may be repeated only where the portal is known to drop repeats.
    settings.portal.dedup_steps = true;
    let sandbox = Sandbox::start(settings).await?;
    let deployment = Deployment::new(
        &sandbox.url(),
        "adapters.portal-dvcqg.after_ambiguity.steps_are_deduplicated = true\noutbox.most_lost_leases = 1000",
    )?;
    let (mut program, _) = deployment.spawn().await?;
    let mut rng = Rng::with_seed(seed);
    let load = Load { day: "261121", dossiers: kills * 60, states: 4, with_steps: true, connections: 32 };
    let token = deployment.token(PROVINCE).await?;
    let playing = tokio::spawn({
        let url = deployment.url();
        async move { load.play(&url, &token).await }
    });
    let mut slowest_start = Duration::ZERO;
    for n in 0..kills {
        tokio::time::sleep(Duration::from_millis(rng.u64(20..500))).await;
        program.kill()?;
        let (next, took) = deployment.spawn().await?;
        program = next;
        slowest_start = slowest_start.max(took);
        if kills >= 20 && n % 10 == 9 {
            println!(
                "  {} kills, {} effects so far",
                n + 1,
                sandbox.counters().operations.values().map(|o| o.accepted).sum::<u64>()
            );
        }
    }
    let acknowledged = playing.await??;
    wait_until_none(&deployment.url(), &["accepted", "sending", "retry", "unknown", "dead"], Duration::from_secs(120))
        .await?;
    let effects = sandbox.ledger();
    let harmless_repeats = effects.iter().filter(|entry| !entry.changed).count();
    program.kill()?;
    sandbox.stop().await;
    Ok(Report { kills, verdict: Verdict::of(&acknowledged, &effects), slowest_start, harmless_repeats })
}
