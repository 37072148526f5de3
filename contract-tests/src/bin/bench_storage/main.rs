//! The stores beside bare inserts of the same rows in the same run, on both engines: accepts, claims with their outcomes,
//! two replicas, and the cost of a row as rows grow. Nothing here passes or fails by its speed.
#![allow(clippy::print_stdout, reason = "benchmarks print what they found")]

mod bare;
mod stores;

use std::time::Duration;

use anyhow::Result;
use lienthong_contract_tests::postgres::{Server, fresh_database};

use stores::Stores;

/// Concurrent callers.
const CALLERS: usize = 256;
const FOR: Duration = Duration::from_secs(8);
/// Rows in a bare transaction, as the reference measurements have it.
const SQLITE_BATCH: usize = 512;
const POSTGRES_BATCH: usize = 256;

#[tokio::main]
async fn main() -> Result<()> {
    let most_rows: usize = std::env::args().nth(1).map_or(Ok(1_000_000), |rows| rows.parse())?;
    println!("── SQLite");
    let folder = tempfile::tempdir()?;
    let bare = bare::sqlite(&folder.path().join("bare.sqlite"), FOR).await?;
    let stores = Stores::on_sqlite().await?;
    report(&stores, bare).await?;
    growth(&stores, most_rows).await?;

    println!("── PostgreSQL");
    let server = tokio::task::spawn_blocking(Server::start).await??;
    let bare = bare::postgres(&fresh_database(&server.connection_string()).await?, FOR).await?;
    let database = fresh_database(&server.connection_string()).await?;
    let stores = Stores::on_postgres(&database).await?;
    report(&stores, bare).await?;
    let one = stores.accepts(CALLERS, FOR).await?;
    let other = Stores::on_postgres(&database).await?;
    let (first, second) = tokio::try_join!(stores.accepts(CALLERS / 2, FOR), other.accepts(CALLERS / 2, FOR))?;
    println!(
        "two replicas together: {:.0}/s ({:.0} + {:.0}), one alone {one:.0}/s: ratio {:.2}",
        first + second,
        first,
        second,
        (first + second) / one
    );
    growth(&stores, most_rows).await
}

async fn report(stores: &Stores, bare: f64) -> Result<()> {
    println!("bare inserts of the same rows, in batches: {bare:.0}/s");
    let ready = stores.accepts_of_ready_values(CALLERS, FOR).await?;
    println!("accepts, values made before: {ready:.0}/s, {:.2} of bare", ready / bare);
    let sealed = stores.accepts(CALLERS, FOR).await?;
    println!("accepts, sealing and hashing included: {sealed:.0}/s, {:.2} of bare", sealed / bare);
    let claimed = stores.claims(FOR).await?;
    println!("claim and outcome: {claimed:.0}/s");
    if let Some(placed) = stores.places().await? {
        println!("audit records given their places: {placed:.0}/s");
    }
    Ok(())
}

/// The same accepts beside more and more stored rows.
async fn growth(stores: &Stores, most_rows: usize) -> Result<()> {
    let mut first = None;
    for rows in [10_000, 100_000, 1_000_000].into_iter().filter(|rows| *rows <= most_rows) {
        stores.fill_up_to(rows).await?;
        let rate = stores.accepts(CALLERS, FOR).await?;
        let claimed = stores.claims(FOR).await?;
        let (accept_first, claim_first) = *first.get_or_insert((rate, claimed));
        println!(
            "beside {rows} rows: accepts {rate:.0}/s ({:.2} of the first), claims {claimed:.0}/s ({:.2})",
            rate / accept_first,
            claimed / claim_first
        );
    }
    Ok(())
}
