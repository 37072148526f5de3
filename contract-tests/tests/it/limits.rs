//! What a gateway does when there is no room: it refuses before it takes, says when to come back, and goes on by itself.

use std::time::Duration;

use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, Settings};

use crate::support::{World, dossier};

const CODE: &str = "H15.50-261121-0001";

#[tokio::test(flavor = "multi_thread")]
async fn below_the_disk_watermark_new_requests_are_refused_with_507_and_nothing_is_stored() {
    let world = World::with(Settings::default(), "storage.least_free_bytes = 9000000000000000000").await;
    let refused = world.put(CODE, &dossier("received")).await.is(507);
    assert_eq!(refused.json()["code"], "storage.disk_full");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(world.get("/v1/dossiers").await.json()["items"], serde_json::json!([]));
    assert!(world.sandbox.ledger().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_refuses_with_503_until_the_portal_has_taken_some() {
    let away = OperationFaults::only(FaultKind::ServerErrorBefore, 1.0);
    let faults = FaultPlan::none().with(Operation::Insert, away);
    let world = World::with(Settings { faults, ..Settings::default() }, "outbox.most_open = 3").await;
    for n in 1..=3 {
        world.put(&format!("H15.50-261121-000{n}"), &dossier("received")).await.is(202);
    }
    // The outbox is counted every second.
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let refused = world.put("H15.50-261121-0004", &dossier("received")).await.is(503);
    assert_eq!(refused.json()["code"], "service.overloaded");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    world.sandbox.set_faults(FaultPlan::none());
    for _ in 0..100 {
        if world.put("H15.50-261121-0004", &dossier("received")).await.status != 503 {
            assert_eq!(world.sandbox.ledger().len().min(3), 3, "the three that were accepted were delivered");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the gateway does not take requests again");
}
