//! Changes that cross each other, and changes that cross requests.

use futures::future::join_all;
use lienthong::wiring::By;
use lienthong_contract_tests::gateway::Deployment;
use serde_json::json;

use super::wire::{Got, Kept};
use super::{Running, is_a_chain, records, soon};
use crate::support::{dossier, dossier_path, dossier_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_has_begun_ends_with_the_limits_that_it_began_with() {
    let running = Running::start("").await;
    let body = dossier_with("/note", json!("x".repeat(900))).to_string();
    let mut begun = Vec::new();
    for n in 0..5 {
        let mut kept = Kept::new(running.deployment.address, &running.token);
        assert!(kept.begin("PUT", &dossier_path(&format!("H15.50-261121-{n:04}")), body.len()).await.unwrap());
        begun.push(kept);
    }
    // They are under way when this is known.
    running.get("/v1/dossiers").await.is(200);
    running.change("http.body_bytes = 1000\nagencies = []").await;
    for kept in &mut begun {
        assert_eq!(kept.finish(&body).await.unwrap().status(), 202);
        // On the same connection, the next one is judged anew.
        let next = kept.ask("PUT", &dossier_path("H15.50-261121-0009"), &body).await.unwrap();
        assert!(matches!(&next, Got::Answer { status: 413, .. }), "{next:?}");
        *kept = Kept::new(running.deployment.address, &running.token);
    }
    assert_eq!(running.sandbox.ledger().len().min(5), running.sandbox.ledger().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_and_changed_files_at_once_end_with_what_the_file_says_and_an_unbroken_chain() {
    let running = Running::start("configuration.reload_ms = 10").await;
    for items in 1..=30 {
        running.deployment.change(&format!("dossiers.page_items = {items}")).unwrap();
        running.program.hang_up().unwrap();
        running.program.hang_up().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(items % 25)).await;
    }
    let list = async |limit: u32| running.get(&format!("/v1/dossiers?limit={limit}")).await.status;
    soon("the last one is in force", async || list(30).await == 200 && list(31).await == 400).await;
    let records = running.records().await;
    is_a_chain(&records);
    assert!(records.len() > 2, "{records:#?}");
    running.put("H15.50-261121-0001", &dossier("received")).await.is(202);
}

/// Within one process, without a signal between them.
#[tokio::test(flavor = "multi_thread")]
async fn two_changes_at_once_take_turns() {
    let deployment = Deployment::new("http://127.0.0.1:1", "").unwrap();
    let gateway = deployment.start().await.unwrap();
    let configuration = gateway.configuration();
    let changes = (1..=20).map(|items| {
        deployment.change(&format!("dossiers.page_items = {items}\nhttp.body_bytes = {}", 1000 + items)).unwrap();
        let loaded = deployment.load().unwrap();
        let configuration = &configuration;
        async move { configuration.replace(loaded, By::Signal).await }
    });
    for changed in join_all(changes).await {
        assert_eq!(changed.unwrap(), ["dossiers.page_items", "http.body_bytes"]);
    }
    let records = records(&deployment.load().unwrap().settings).await;
    assert_eq!(records.len(), 21);
    is_a_chain(&records);
    gateway.stop().await;
}
