//! Benchmarks, each beside a probe of the same run on the same disk. Nothing here passes or fails by its speed.
#![allow(clippy::print_stdout, reason = "benchmarks print what they found")]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE, ready, wait_until_none};
use lienthong_contract_tests::load::dossier;
use lienthong_sandbox::{Sandbox, Settings};

const CONNECTIONS: usize = 64;
const ACCEPT_FOR: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<()> {
    let sandbox = Sandbox::start(Settings::default()).await?;
    let deployment = Deployment::new(
        &sandbox.url(),
        "outbox.most_in_flight = 128\noutbox.claim_batch = 128\n\
         adapters.portal-dvcqg.http = { connect_timeout_ms = 500, total_timeout_ms = 5000, most_in_flight = 128 }",
    )?;
    let fsync = fsync_probe(deployment.folder())?;
    println!("fdatasync of 512 B appended, one at a time: {:.0}/s, p50 {:?}", fsync.0, fsync.1);

    // The portal is out of reach at first, so that accepting and delivering are measured apart.
    let unreachable = Deployment::new(
        "http://127.0.0.1:9",
        "outbox.breaker.failures_in_a_row = 5\n\
         outbox.breaker.first_pause_ms = 3600000\noutbox.breaker.longest_pause_ms = 3600000",
    )?;
    let (program, _) = unreachable.spawn().await?;
    let token = unreachable.token(PROVINCE).await?;
    one_client(&unreachable.url(), &token).await?;
    let accepted = accepts(&unreachable.url(), &token).await?;
    println!(
        "durable accepts over HTTP, {CONNECTIONS} connections: {:.0}/s, p50 {:?}, p99 {:?} ({:.1} times the fdatasync rate)",
        accepted.rate,
        accepted.p50,
        accepted.p99,
        accepted.rate / fsync.0
    );
    drop(program);

    let (program, _) = deployment.spawn().await?;
    let delivered = deliveries(&deployment.url(), &deployment.token(PROVINCE).await?, &sandbox).await?;
    println!("accepted and delivered to the sandbox at the same time, {CONNECTIONS} connections: {delivered:.0}/s");
    drop(program);
    sandbox.stop().await;
    Ok(())
}

/// Rate and median of single appends made durable one by one.
fn fsync_probe(folder: &std::path::Path) -> Result<(f64, Duration)> {
    let mut file = std::fs::File::create(folder.join("probe"))?;
    let mut times = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        let one = Instant::now();
        file.write_all(&[7; 512])?;
        file.sync_data()?;
        times.push(one.elapsed());
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    Ok((rate, times[times.len() / 2]))
}

struct Accepts {
    rate: f64,
    p50: Duration,
    p99: Duration,
}

async fn one_client(url: &str, token: &str) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut times = Vec::new();
    for n in 0..500 {
        times.push(put(&client, url, token, &format!("H15.50-261120-{n:06}"), 1).await?);
    }
    times.sort_unstable();
    println!("durable accept over HTTP, one client: p50 {:?}, p99 {:?}", times[250], times[494]);
    Ok(())
}

async fn accepts(url: &str, token: &str) -> Result<Accepts> {
    let started = Instant::now();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (url, token) = (url.to_owned(), token.to_owned());
            tokio::spawn(async move {
                // A client of its own is a connection of its own.
                let client = reqwest::Client::builder().no_proxy().build()?;
                let mut times = Vec::new();
                for n in 0.. {
                    if started.elapsed() >= ACCEPT_FOR {
                        break;
                    }
                    times.push(put(&client, &url, &token, &code("H15.50-261101", connection, n), connection).await?);
                }
                anyhow::Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    let counted = ready(url).await?;
    println!("  stored: {}", counted["outbox"]);
    Ok(Accepts { rate, p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] })
}

/// No two requests are for one dossier.
fn code(agency_and_day: &str, connection: usize, n: usize) -> String {
    format!("{agency_and_day}-{:07}", connection * 100_000 + n)
}

async fn put(client: &reqwest::Client, url: &str, token: &str, code: &str, mark: usize) -> Result<Duration> {
    let body = serde_json::to_vec(&dossier("received", &format!("{mark}")))?;
    let started = Instant::now();
    let request = client.put(format!("{url}/v1/dossiers/{code}")).bearer_auth(token);
    let answer = request.header("content-type", "application/json").body(body).send().await?;
    anyhow::ensure!(answer.status().is_success(), "{}", answer.status());
    answer.bytes().await?;
    Ok(started.elapsed())
}

async fn deliveries(url: &str, token: &str, sandbox: &Sandbox) -> Result<f64> {
    let sent = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (url, token, sent) = (url.to_owned(), token.to_owned(), Arc::clone(&sent));
            tokio::spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build()?;
                for n in 0..300 {
                    put(&client, &url, &token, &code("H15.61-261101", connection, n), connection).await?;
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    wait_until_none(url, &["accepted", "sending", "retry", "unknown", "dead"], Duration::from_secs(300)).await?;
    let delivered = sandbox.ledger().len();
    println!("  {} requests, {delivered} delivered", sent.load(Ordering::Relaxed));
    Ok(delivered as f64 / started.elapsed().as_secs_f64())
}
