//! The full-volume proofs. Each prints its figures as n of N and ends with an error if its promise is broken.
#![allow(clippy::print_stdout, reason = "proofs print what they found")]

use anyhow::{Result, ensure};
use lienthong_contract_tests::postgres::Server;
use lienthong_contract_tests::scenarios::{
    agreement, ambiguity, catalogue, cold, copy, database, hostile, kills, overload, poison, power_cut, replicas,
    rotation, slow, tampering,
};

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("kills") => prove_kills().await,
        Some("ambiguity") => prove_ambiguity().await,
        Some("poison") => prove_poison().await,
        Some("replicas") => prove_replicas().await,
        Some("database") => prove_database().await,
        Some("copy") => prove_copy().await,
        Some("catalogue") => prove_catalogue().await,
        Some("agreement") => prove_agreement().await,
        Some("hostile") => prove_hostile().await,
        Some("cold") => prove_cold().await,
        Some("overload") => prove_overload().await,
        Some("slow") => prove_slow().await,
        Some("tampering") => prove_tampering().await,
        Some("power-cut") => prove_power_cut().await,
        Some("rotation") => prove_rotation().await,
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

async fn prove_catalogue() -> Result<()> {
    let report = catalogue::run(6_413, 1).await?;
    println!(
        "{} procedures, {} of them published; {} MiB at most",
        report.procedures, report.published, report.memory_mib
    );
    for (name, copying) in [("first", &report.first), ("again", &report.second), ("1 % changed", &report.third)] {
        println!(
            "{name:12} {:.1} s: {} list call, {} details, {} at a time at most; {} versions, {} audit records",
            copying.took.as_secs_f64(),
            copying.lists,
            copying.details,
            copying.most_at_a_time,
            copying.versions,
            copying.records
        );
    }
    println!(
        "killed when {} remained: {} asked for after that; {} names wrong",
        report.remained, report.asked_after, report.wrong
    );
    report.check()
}

async fn prove_agreement() -> Result<()> {
    let report = agreement::run(106_000, 1).await?;
    println!("{} dossiers; put in: {:?}", report.dossiers, report.injected);
    println!(
        "{} found, {} not found, {} invented; {:.1} s, {} looked up; killed when {} were done, {} asked for again",
        report.found,
        report.not_found,
        report.invented,
        report.took.as_secs_f64(),
        report.looked_up,
        report.done_at_kill,
        report.asked_again
    );
    println!(
        "indicators: {} counted, {} told as not held; {:.1} s",
        report.counted,
        report.not_held,
        report.report_took.as_secs_f64()
    );
    println!("{:?} MiB at most, before the kill, after it, and with the indicators", report.memory_mib);
    report.check()
}

async fn prove_hostile() -> Result<()> {
    let report = hostile::run(hostile::Volume { rounds: 25, file_bytes: 20_000_000 }).await?;
    println!(
        "{} messages: {} refused in so many words, {} cut off while they still came; {} of {} files at addresses refused with the \
         expected reason; {} files left; {:.0} s",
        report.messages,
        report.refused,
        report.cut_off,
        report.links_refused,
        report.links,
        report.left,
        report.took.as_secs_f64()
    );
    println!(
        "{} MiB after honest messages, {} MiB after the corpus once, {} MiB at most",
        report.honest_mib, report.once_mib, report.most_mib
    );
    report.check()
}

async fn prove_replicas() -> Result<()> {
    let report = replicas::run(20_000, 50, 1).await?;
    println!(
        "kills: {}  pauses: {}, {} of them longer than the lease  logins: {}  {:.0} s",
        report.kills,
        report.pauses,
        report.long_pauses,
        report.logins,
        report.took.as_secs_f64()
    );
    println!("{:?}\n{:?}", report.verdict, report.log);
    report.check()
}

async fn prove_tampering() -> Result<()> {
    let report = tampering::run(200).await?;
    for (class, (cases, exactly)) in &report.exactly {
        println!("{cases:4} found, {exactly:4} to the record  {class}");
    }
    println!(
        "{} classes: {} of {} found, {} of them because nothing could be read any more; {} were hidden from whoever had no \
         checkpoint of his own",
        report.classes,
        report.found + report.unreadable,
        report.cases,
        report.unreadable,
        report.hidden_without_outside
    );
    report.check()
}

async fn prove_power_cut() -> Result<()> {
    let volume = power_cut::Volume { sessions: 8, accepts: 800, cuts: 2000, starts: 40, seed: 1 };
    let report = power_cut::run(&volume).await?;
    println!(
        "{} states acknowledged, {} checkpoints fetched; {} cuts of a journal of {} MiB, {} gateways started on what was left",
        report.acknowledged,
        report.checkpoints_seen,
        report.cuts,
        report.journal_bytes >> 20,
        report.starts
    );
    println!(
        "{} of {} acknowledged states lost, {} other things wrong; {} records hashed again",
        report.lost.len(),
        report.promised,
        report.wrong.len(),
        report.records
    );
    report.check()
}

async fn prove_cold() -> Result<()> {
    // Every reader has a connection: there may be fewer files than ten thousand need.
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let readers = 10_000.min(usize::try_from(files.saturating_sub(500))?);
    let report = cold::run(readers, std::time::Duration::from_secs(10)).await?;
    println!("{report:?}");
    report.check()
}

async fn prove_overload() -> Result<()> {
    let volume = overload::Volume { places: 64, rounds: 7, lasting: std::time::Duration::from_secs(9) };
    let found = overload::overload(&volume).await?;
    println!("{found:.0?}");
    println!("goodput with five times the callers: {:.2} of the peak", found.ratio());
    let beside = overload::neighbours(21, std::time::Duration::from_secs(4)).await?;
    println!("{beside:?}");
    println!("p99 beside a client at twenty times its quota: {:.2} of what it is alone", beside.ratio());
    ensure!(found.lost == 0, "acknowledged requests are lost");
    ensure!(found.most_memory_mib <= 512, "memory is not bounded");
    ensure!(found.ratio() >= 0.8, "less than 0.8 of the peak");
    ensure!(found.refused > 0, "nobody was refused: the flood was none");
    ensure!(found.flooded >= 0.5 * found.goodputs[0], "refusing is most of what is done");
    ensure!(beside.ratio() <= 1.2, "the others feel it");
    Ok(())
}

async fn prove_slow() -> Result<()> {
    let volume = slow::Volume {
        connections: 1500,
        header_ms: 5000,
        body_ms: 20_000,
        write_ms: 30_000,
        before: std::time::Duration::from_secs(20),
    };
    let report = slow::run(volume).await?;
    for found in &report.found {
        println!("{found}");
    }
    println!("most memory of the gateway: {} MiB", report.most_memory_mib);
    ensure!(report.longest_p99() < std::time::Duration::from_secs(1), "the honest client waits");
    report.check()
}

async fn prove_rotation() -> Result<()> {
    let lasting = std::time::Duration::from_secs(60);
    let report = rotation::run(16, lasting).await?;
    println!(
        "{} of {} requests failed; {} tokens by {} keys, {} published at the end; {} certificates",
        report.failed,
        report.requests,
        report.tokens,
        report.keys.len(),
        report.published,
        report.certificates.len()
    );
    report.check(lasting)
}

async fn prove_database() -> Result<()> {
    let report = database::run(3000, 20, 1).await?;
    println!("kills of the server: {}  {:?}\n{:?}", report.kills, report.verdict, report.log);
    report.check()
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

async fn prove_copy() -> Result<()> {
    let dossiers = std::env::args().nth(2).map_or(Ok(1_000_000), |number| number.parse())?;
    // What is checkpointed seldom needs more room.
    let server = tokio::task::spawn_blocking(|| Server::start_with(&[("max_wal_size", "1GB")])).await??;
    let report = copy::run(&server.connection_string(), dossiers, 2).await?;
    println!("{}", report.printed);
    let seconds = [report.filling, report.copying, report.comparing].map(|time| time.as_secs_f64());
    let rate = |seconds: f64| report.rows as f64 / seconds;
    println!(
        "dossiers: {}  rows: {}  source: {} MiB, filled in {:.0} s",
        report.dossiers,
        report.rows,
        report.source_bytes >> 20,
        seconds[0]
    );
    println!("copied in {:.1} s ({:.0} rows/s), killed at {:?} rows", seconds[1], rate(seconds[1]), report.kills);
    println!("compared in {:.1} s ({:.0} rows/s)", seconds[2], rate(seconds[2]));
    println!("most memory of the program: {} MiB", report.memory_kib >> 10);
    report.check()
}
