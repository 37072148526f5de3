//! How fast the portal serves. Run alone: `cargo test --release -p lienthong-sandbox -- --ignored --nocapture`.

use std::time::Instant;

use serde_json::json;

use crate::caller::{INTEGRATION, dossier, open_default};

const CALLERS: usize = 32;
const CALLS: usize = 1_000;

/// Caller and portal share the cores here, so the portal alone is faster than the figure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for release builds"]
async fn the_portal_takes_five_thousand_inserts_a_second() {
    let (sandbox, caller) = open_default().await;
    let start = Instant::now();
    futures::future::join_all((0..CALLERS).map(async |one| {
        for number in 0..CALLS {
            let code = format!("H15.{one:02}-261121-{number:04}");
            caller.send(INTEGRATION, &caller.upsert("False", json!([dossier(&code)]))).await.unwrap();
        }
    }))
    .await;
    let rate = (CALLERS * CALLS) as f64 / start.elapsed().as_secs_f64();
    assert_eq!(sandbox.ledger().len(), CALLERS * CALLS);
    assert!(rate > 5_000.0, "{rate:.0} a second");
}
