//! The stores beside bare inserts of the same rows in the same run, on both engines: accepts, claims with their outcomes,
//! two replicas, and the cost of a row as rows grow. Nothing here passes or fails by its speed.
#![allow(clippy::print_stdout, reason = "benchmarks print what they found")]

mod bare;
mod stores;

use std::time::Duration;

use anyhow::Result;
use lienthong_contract_tests::pace::median;
use lienthong_contract_tests::postgres::{Server, fresh_database};

use stores::Stores;

/// Concurrent callers.
const CALLERS: usize = 256;
/// Of one measurement. Machines are never quiet: each is taken several times, in turns, and the median is told.
const FOR: Duration = Duration::from_secs(4);
const ROUNDS: usize = 5;
/// Of measurements that take a fraction of a second: one in ten meets the disk while it is busy with something else.
const SHORT_ROUNDS: usize = 12;
/// Items of a measurement beside stored rows: few enough not to change their number much.
const BESIDE: usize = 10_000;
/// Rows in a bare transaction, as the reference measurements have it.
const SQLITE_BATCH: usize = 512;
const POSTGRES_BATCH: usize = 256;

#[tokio::main]
async fn main() -> Result<()> {
    let most_rows: usize = std::env::args().nth(1).map_or(Ok(1_000_000), |rows| rows.parse())?;
    let sizes = || [10_000, 100_000, 1_000_000].into_iter().filter(|rows| *rows <= most_rows);
    println!("── SQLite");
    let mut report = Report::default();
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir()?;
        calm().await?;
        report.bare.push(bare::sqlite(&folder.path().join("bare.sqlite"), FOR).await?);
        report.round(&Stores::on_sqlite().await?).await?;
    }
    report.print();
    let mut grown = Vec::new();
    for rows in sizes() {
        grown.push((rows, Stores::on_sqlite().await?));
    }
    growth(grown).await?;

    println!("── PostgreSQL");
    let server = tokio::task::spawn_blocking(Server::start).await??;
    let mut report = Report::default();
    let mut replicas = Replicas::default();
    for _ in 0..ROUNDS {
        calm().await?;
        report.bare.push(bare::postgres(&fresh_database(&server.connection_string()).await?, FOR).await?);
        let database = fresh_database(&server.connection_string()).await?;
        let stores = Stores::on_postgres(&database).await?;
        report.round(&stores).await?;
        replicas.round(&stores, &Stores::on_postgres(&database).await?).await?;
    }
    report.print();
    replicas.print();
    let mut grown = Vec::new();
    for rows in sizes() {
        grown.push((rows, Stores::on_postgres(&fresh_database(&server.connection_string()).await?).await?));
    }
    growth(grown).await
}

/// What was written before is on the disk: writing it back is not what is measured next.
async fn calm() -> Result<()> {
    Ok(tokio::task::spawn_blocking(rustix::fs::sync).await?)
}

/// What was measured in each round, a second.
#[derive(Default)]
struct Report {
    bare: Vec<f64>,
    ready: Vec<f64>,
    sealed: Vec<f64>,
    claimed: Vec<f64>,
    placed: Vec<f64>,
}

impl Report {
    async fn round(&mut self, stores: &Stores) -> Result<()> {
        calm().await?;
        self.ready.push(stores.accepts_of_ready_values(CALLERS, FOR).await?);
        calm().await?;
        self.sealed.push(stores.accepts(CALLERS, FOR).await?);
        calm().await?;
        self.claimed.push(stores.claims(FOR).await?);
        self.placed.extend(stores.places().await?);
        Ok(())
    }

    fn print(&self) {
        let bare = median(&self.bare);
        println!("bare inserts of the same rows, in batches: {}", told(&self.bare));
        let (ready, sealed) = (median(&self.ready), median(&self.sealed));
        println!("accepts, values made before: {}, {:.2} of bare", told(&self.ready), ready / bare);
        println!("accepts, sealing and hashing included: {}, {:.2} of bare", told(&self.sealed), sealed / bare);
        println!("claim and outcome: {}", told(&self.claimed));
        if !self.placed.is_empty() {
            println!("audit records given their places: {}", told(&self.placed));
        }
    }
}

/// One replica, and two that share the same number of callers.
#[derive(Default)]
struct Replicas {
    one: Vec<f64>,
    two: Vec<f64>,
}

impl Replicas {
    /// One, two, two, one: what comes later finds more rows.
    async fn round(&mut self, stores: &Stores, other: &Stores) -> Result<()> {
        self.one.push(stores.accepts(CALLERS, FOR).await?);
        for _ in 0..2 {
            let both = tokio::try_join!(stores.accepts(CALLERS / 2, FOR), other.accepts(CALLERS / 2, FOR))?;
            self.two.push(both.0 + both.1);
        }
        self.one.push(stores.accepts(CALLERS, FOR).await?);
        Ok(())
    }

    fn print(&self) {
        let ratio = median(&self.two) / median(&self.one);
        println!("two replicas together: {}, one alone {}: ratio {ratio:.2}", told(&self.two), told(&self.one));
    }
}

/// Accepts and claims beside more and more stored rows, all of them still waiting: a store of each size, in turns.
async fn growth(stores: Vec<(usize, Stores)>) -> Result<()> {
    for (rows, stores) in &stores {
        stores.fill_up_to(*rows).await?;
    }
    calm().await?;
    let mut measured = vec![(Vec::new(), Vec::new()); stores.len()];
    for _ in 0..SHORT_ROUNDS {
        for ((_, stores), (accepted, claimed)) in stores.iter().zip(&mut measured) {
            accepted.push(stores.accepts_of(BESIDE, CALLERS).await?);
            claimed.push(stores.claims_of(BESIDE).await?);
        }
    }
    let Some((accept_first, claim_first)) = measured.first().map(|first| (median(&first.0), median(&first.1))) else {
        return Ok(());
    };
    for ((rows, _), (accepted, claimed)) in stores.iter().zip(&measured) {
        println!(
            "beside {rows} rows: accepts {} ({:.2} of the first), claim and outcome {} ({:.2})",
            told(accepted),
            median(accepted) / accept_first,
            told(claimed),
            median(claimed) / claim_first
        );
    }
    Ok(())
}

/// The median, with the least and the most.
fn told(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.0}/s ({least:.0}-{most:.0})", median(values))
}
