//! A replica that is stopped leaves the others at once: what it was sending is theirs, long before its lease would end.

use std::time::{Duration, Instant};

use lienthong_contract_tests::gateway::{Deployment, PROVINCE, client, count, wait_until_none};
use lienthong_contract_tests::postgres::{fresh_database, server_for_tests};
use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, Sandbox, Settings};

use super::{is_a_chain, records, soon};
use crate::support::{Answer, dossier, dossier_path};

/// Longer than anything here may take.
const LEASE_MS: u64 = 120_000;

fn replica(portal: &str, database: &str, keys: &std::path::Path) -> Deployment {
    let more = format!(
        r#"
storage = {{ engine = "postgres", keys_folder = {keys:?}, postgres = {{ url = "{database}" }} }}
replicas.lease_ms = {LEASE_MS}
outbox = {{ lease_ms = 200000, poll_ms = 60000 }}
server.drain_ms = 500
adapters.portal-dvcqg.http.total_timeout_ms = 60000
configuration.reload_ms = 0
"#
    );
    Deployment::new(portal, &more).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_replica_was_sending_is_taken_over_at_once() {
    let mut settings = Settings::default();
    // Work done, and then silence for longer than the stop waits.
    let silent = OperationFaults::only(FaultKind::EffectThenTimeout, 1.0);
    settings.faults = FaultPlan::none().with(Operation::Insert, silent);
    settings.portal.hold_ms = 60_000;
    let sandbox = Sandbox::start(settings).await.unwrap();
    let database = fresh_database(&server_for_tests().unwrap()).await.unwrap();
    let keys = tempfile::tempdir().unwrap();
    let (first, second) =
        (replica(&sandbox.url(), &database, keys.path()), replica(&sandbox.url(), &database, keys.path()));
    let (mut leaving, _) = first.spawn().await.unwrap();
    let token = first.token(PROVINCE).await.unwrap();
    for n in 0..20 {
        let path = dossier_path(&format!("H15.50-261121-{n:04}"));
        let put = client().put(format!("{}{path}", first.url())).bearer_auth(&token).json(&dossier("received"));
        Answer::of(put).await.is(202);
    }
    soon("it is sending all of them", async || count(&first.url(), "sending").await.unwrap() == 20).await;
    let (_staying, _) = second.spawn().await.unwrap();
    assert_eq!(count(&second.url(), "sending").await.unwrap(), 20, "they are not the second one's");
    sandbox.set_faults(FaultPlan::none());
    let asked = Instant::now();
    leaving.terminate().unwrap();
    assert!(leaving.ended(Duration::from_secs(10)).await.unwrap().success());
    let open = ["accepted", "sending", "retry", "unknown", "dead"];
    wait_until_none(&second.url(), &open, Duration::from_secs(20)).await.unwrap();
    println!("taken over and delivered {:?} after the signal", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert_eq!(sandbox.dossiers().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_replica_reads_its_own_files_and_records_its_own_changes() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let database = fresh_database(&server_for_tests().unwrap()).await.unwrap();
    let keys = tempfile::tempdir().unwrap();
    let replicas = [0, 1].map(|_| replica(&sandbox.url(), &database, keys.path()));
    let mut programs = Vec::new();
    for replica in &replicas {
        programs.push(replica.spawn().await.unwrap().0);
    }
    let token = replicas[0].token(PROVINCE).await.unwrap();
    let list = async |replica: &Deployment| {
        let request = client().get(format!("{}/v1/dossiers?limit=4", replica.url())).bearer_auth(&token);
        Answer::of(request).await.status
    };
    replicas[0].change("dossiers.page_items = 3").unwrap();
    programs[0].hang_up().unwrap();
    soon("the first has it", async || list(&replicas[0]).await == 400).await;
    assert_eq!(list(&replicas[1]).await, 200, "the second was not told");
    replicas[1].change("dossiers.page_items = 3").unwrap();
    programs[1].hang_up().unwrap();
    soon("the second has it", async || list(&replicas[1]).await == 400).await;
    let records = records(&replicas[0].load().unwrap().settings).await;
    let operations: Vec<_> = records.iter().map(|record| record["op"].as_str().unwrap()).collect();
    assert_eq!(operations, ["config.start", "config.start", "config.change", "config.change"]);
    let of_first = [records[0].clone(), records[2].clone()];
    is_a_chain(&of_first);
    let of_second = [records[1].clone(), records[3].clone()];
    is_a_chain(&of_second);
}
