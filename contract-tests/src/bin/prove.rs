//! The full-volume proofs. Each prints its figures as n of N and ends with an error if its promise is broken.
#![allow(clippy::print_stdout, reason = "proofs print what they found")]

use anyhow::{Result, ensure};
use lienthong_contract_tests::scenarios::{ambiguity, kills, poison};

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("kills") => prove_kills().await,
        Some("ambiguity") => prove_ambiguity().await,
        Some("poison") => prove_poison().await,
        other => anyhow::bail!("there is no proof {other:?}"),
    }
}

async fn prove_kills() -> Result<()> {
    let report = kills::run(50, 1).await?;
    println!(
        "kills: {}  slowest start: {:.2} s  {:?}",
        report.kills,
        report.slowest_start.as_secs_f64(),
        report.verdict
    );
    println!("full states repeated without changing anything: {}", report.harmless_repeats);
    ensure!(report.verdict.is_exact(), "not exact");
    ensure!(report.slowest_start.as_secs_f64() <= 3.0, "not ready within 3 s");
    Ok(())
}

async fn prove_ambiguity() -> Result<()> {
    let exact = ambiguity::exact(10_000, 1).await?;
    println!(
        "steps de-duplicated: {} of {} deliveries ambiguous, {:?}",
        exact.ambiguous, exact.deliveries, exact.verdict
    );
    ensure!(exact.verdict.is_exact(), "not exact");
    let parked = ambiguity::parked(10_000, 2).await?;
    println!(
        "steps not de-duplicated: {} steps ambiguous, {} parked as unknown, {:?}",
        parked.ambiguous, parked.parked, parked.verdict
    );
    ensure!(parked.verdict.is_exact(), "not exact");
    ensure!(parked.parked == parked.ambiguous, "parked items and ambiguous steps differ");
    Ok(())
}

async fn prove_poison() -> Result<()> {
    // Alternating, best of three: what is compared is the effect of poison, not of a neighbour on this machine.
    let (mut clean, mut poisoned) = (std::time::Duration::MAX, std::time::Duration::MAX);
    let mut last = None;
    for _ in 0..3 {
        let without = poison::run(10_000, 0).await?;
        let with = poison::run(10_000, 1000).await?;
        println!("p99 from acknowledgement to effect: {:?} without poison, {:?} with", without.p99, with.p99);
        clean = clean.min(without.p99);
        poisoned = poisoned.min(with.p99);
        ensure!(without.verdict.is_exact() && with.verdict.is_exact(), "not exact");
        last = with.dead_letter;
    }
    println!("dead letter: {}", last.unwrap_or_default());
    println!("ratio {:.2}", poisoned.as_secs_f64() / clean.as_secs_f64());
    ensure!(poisoned.as_secs_f64() <= 1.2 * clean.as_secs_f64(), "the others notice the poison");
    Ok(())
}
