//! What protects other systems from us, and callers from other systems: quotas outwards, the breaker of reads, time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use lienthong::access::quotas::{Quota, QuotaTable, Quotas, Shared, SharedSettings, UpstreamLimits};
use lienthong_adapter_kit::upstream_quota::UpstreamQuotas;
use lienthong_contract_tests::redis::Redis;
use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, Settings};
use serde_json::json;

use crate::support::{World, dossier};

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_is_never_asked_more_than_it_allows_and_everything_arrives() {
    let more =
        "[[quotas.upstreams]]\nupstream = \"portal-dvcqg\"\nrequests = 20\nwindow_s = 1\nat_once = 5\nwait_ms = 200\n";
    let world = World::with(Settings::default(), more).await;
    for n in 0..60 {
        world.put(&format!("H15.50-261121-{n:04}"), &dossier("received")).await.is(202);
    }
    world.settle().await;
    let ledger = world.sandbox.ledger();
    assert_eq!(ledger.len(), 60);
    let at: Vec<i64> = ledger.iter().map(|entry| entry.at.as_millisecond()).collect();
    let most = at.iter().map(|start| at.iter().filter(|at| (*start..*start + 950).contains(at)).count()).max().unwrap();
    assert!((10..=20).contains(&most), "{most} within a second");
    let dead = world.get("/metrics").await.text;
    assert!(dead.contains("lienthong_upstream_not_called_total{upstream=\"portal-dvcqg\",reason=\"quota\"}"), "{dead}");
    assert!(
        dead.contains("lienthong_breaker_state{route=\"dossier-portal\"} 0"),
        "our own quota is no fault of theirs"
    );
}

fn limits(calls: u32, at_once: u32, seconds: u64) -> Quota {
    Quota::strict(calls, at_once, Duration::from_secs(seconds))
}

fn quotas(limits: UpstreamLimits, redis: Option<&Redis>) -> Arc<Quotas> {
    let upstreams = HashMap::from([("registry".to_owned(), limits)]);
    let shared = redis.map(|redis| {
        let settings = SharedSettings {
            url: redis.url(),
            timeout: Duration::from_secs(1),
            pause: Duration::from_millis(100),
            share_while_away: 100,
            prefix: "test".to_owned(),
        };
        Arc::new(Shared::new(settings).unwrap())
    });
    Arc::new(Quotas::new(QuotaTable { upstreams, ..QuotaTable::default() }, shared))
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_ask_together_no_more_than_one_may_and_each_agency_has_its_share() {
    let redis = Redis::start().unwrap();
    let limits =
        UpstreamLimits { all: limits(100, 60, 3600), agency: Some(limits(25, 20, 3600)), wait: Duration::ZERO };
    let replicas: Vec<_> = (0..3).map(|_| quotas(limits, Some(&redis))).collect();
    let asks =
        (0..300).map(|n| {
            let replica = Arc::clone(&replicas[n % 3]);
            async move {
                replica.take("registry", Some(["H15", "H16", "H17", "H18"][n / 3 % 4]), Duration::MAX).await.is_ok()
            }
        });
    let allowed = join_all(asks).await.into_iter().filter(|is_allowed| *is_allowed).count();
    assert!((60..=62).contains(&allowed), "60 at once for all four agencies, 20 for each: {allowed}");
    assert_eq!(replicas[0].take("other", Some("H15"), Duration::MAX).await, Ok(()), "nobody limits that one");
}

#[tokio::test]
async fn a_call_waits_for_its_place_but_not_longer_than_it_may() {
    let quotas = quotas(UpstreamLimits { all: limits(11, 1, 1), agency: None, wait: Duration::from_millis(500) }, None);
    let started = Instant::now();
    for _ in 0..4 {
        assert_eq!(quotas.take("registry", None, Duration::MAX).await, Ok(()));
    }
    let waited = started.elapsed();
    assert!((Duration::from_millis(270)..Duration::from_millis(900)).contains(&waited), "one each 100 ms: {waited:?}");
    let most = Duration::from_millis(5);
    let wait = quotas.take("registry", None, most).await.unwrap_err();
    assert!(wait > most && wait <= Duration::from_millis(100), "{wait:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_portal_fails_readers_are_told_at_once_and_soon_served_again() {
    let more =
        "adapters.portal-dvcqg.read_breaker = { failures_in_a_row = 3, first_pause_ms = 300, longest_pause_ms = 300 }";
    let world = World::with(Settings::default(), more).await;
    let broken = OperationFaults::only(FaultKind::ServerErrorBefore, 1.0);
    world.sandbox.set_faults(FaultPlan::none().with(Operation::Catalogue, broken));
    let calls = || world.sandbox.counters().operations.get("catalogue").map_or(0, |catalogue| catalogue.calls);
    for n in 0..30 {
        world.get(&format!("/v1/procedures/1.{n:06}")).await.refused(503, "upstream.unavailable");
    }
    assert!((3..=8).contains(&calls()), "thirty readers, {} calls", calls());
    world.sandbox.set_faults(FaultPlan::none());
    tokio::time::sleep(Duration::from_millis(400)).await;
    world.get("/v1/procedures/1.001612").await.is(200);
    world.get("/v1/procedures/1.013225").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_readers_have_met_does_not_hold_up_deliveries() {
    let more = "adapters.portal-dvcqg.read_breaker = { failures_in_a_row = 3, first_pause_ms = 60000, longest_pause_ms = 60000 }";
    let world = World::with(Settings::default(), more).await;
    let broken = OperationFaults::only(FaultKind::ServerErrorBefore, 1.0);
    world.sandbox.set_faults(FaultPlan::none().with(Operation::Catalogue, broken));
    for n in 0..10 {
        world.get(&format!("/v1/procedures/1.{n:06}")).await.refused(503, "upstream.unavailable");
    }
    world.sandbox.set_faults(FaultPlan::none());
    world.get("/v1/procedures/1.013225").await.refused(503, "upstream.unavailable");
    // Its names must be asked for, and are.
    world.put("H15.50-261121-1000", &dossier("received")).await.is(202);
    world.settle().await;
    assert_eq!(world.sandbox.ledger().len(), 1);
}

#[test]
fn what_other_systems_were_asked_is_still_counted_after_another_quota_has_changed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let strict = UpstreamLimits { all: limits(3, 2, 3600), agency: None, wait: Duration::ZERO };
        let quotas = quotas(strict, None);
        for _ in 0..2 {
            assert_eq!(quotas.take("registry", None, Duration::MAX).await, Ok(()));
        }
        let table = QuotaTable {
            upstreams: HashMap::from([("registry".to_owned(), strict)]),
            client: Some(limits(9, 3, 1)),
            ..QuotaTable::default()
        };
        let next = quotas.followed_by(table, None);
        next.keep_only_these();
        assert!(next.take("registry", None, Duration::MAX).await.is_err(), "the two that were made are forgotten");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_portal_longer_than_for_the_answer() {
    let more = "http.request_timeout_ms = 2000\nadapters.portal-dvcqg.http = { total_timeout_ms = 20000 }";
    let world = World::with(Settings::default(), more).await;
    let slow = OperationFaults { delay_ms: (6000, 6000), ..OperationFaults::default() };
    world.sandbox.set_faults(FaultPlan::none().with(Operation::Catalogue, slow));
    let started = Instant::now();
    let refused = world.get("/v1/procedures/1.001612").await.refused(503, "upstream.unavailable");
    assert!(started.elapsed() < Duration::from_millis(3500), "{:?}", started.elapsed());
    assert_eq!(refused.json()["status"], json!(503));
}
