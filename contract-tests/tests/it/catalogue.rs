//! The national catalogue from memory: what is fresh, what is stale, and what is given out while the portal is away.

use std::time::{Duration, Instant};

use lienthong_contract_tests::scenarios::cold;
use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, Settings};
use reqwest::Method;

use crate::support::{Answer, World};

const PATH: &str = "/v1/procedures/1.001612";

fn calls(world: &World) -> u64 {
    world.sandbox.counters().operations.get("catalogue").map_or(0, |catalogue| catalogue.calls)
}

fn keep(fresh_ms: u64, keep_ms: u64) -> String {
    format!("adapters.portal-dvcqg.catalogue = {{ fresh_ms = {fresh_ms}, keep_ms = {keep_ms}, pause_ms = 100 }}")
}

fn away() -> FaultPlan {
    FaultPlan::none().with(Operation::Catalogue, OperationFaults::only(FaultKind::ServerErrorBefore, 1.0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_procedure_is_asked_for_once_and_told_with_its_age_and_its_tag() {
    let world = World::with(Settings::default(), "").await;
    let first = world.get(PATH).await.is(200);
    let procedure = first.json();
    assert_eq!(procedure["code"], "1.001612");
    assert!(procedure["name"].as_str().unwrap().contains("hộ kinh doanh"), "{procedure}");
    assert!(!procedure["fields"].as_array().unwrap().is_empty());
    assert_eq!(first.header("cache-status"), "lienthong; fwd=miss; stored");
    assert_eq!(first.header("age"), "0");
    assert!(first.header("cache-control").starts_with("private, max-age=2159"), "{first:?}");

    let again = world.get(PATH).await.is(200);
    assert!(again.header("cache-status").starts_with("lienthong; hit; ttl=2159"), "{again:?}");
    let tag = again.header("etag").to_owned();
    assert_eq!((again.text.as_str(), tag.as_str()), (first.text.as_str(), first.header("etag")));
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let request = world.request(Method::GET, PATH).bearer_auth(&world.token).header("if-none-match", &known);
        let unchanged = Answer::of(request).await.is(304);
        assert!(unchanged.text.is_empty() && unchanged.header("etag") == tag, "{known}: {unchanged:?}");
    }
    let request = world.request(Method::GET, PATH).bearer_auth(&world.token).header("if-none-match", "\"other\"");
    Answer::of(request).await.is(200);
    assert_eq!(calls(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_there_is_none_is_believed_for_a_while_and_an_operator_can_have_it_asked_again() {
    let world = World::start().await;
    let path = "/v1/procedures/9.999999";
    for _ in 0..3 {
        world.get(path).await.refused(404, "procedure.not_found");
    }
    assert_eq!(calls(&world), 1);
    let ask_again = world.request(Method::GET, path).bearer_auth(&world.token).header("cache-control", "no-cache");
    Answer::of(ask_again).await.refused(404, "procedure.not_found");
    assert_eq!(calls(&world), 2);
    world.get("/v1/procedures/1.5").await.wrong_fields(&[("#/path/code", "procedure_code")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stale_is_given_out_at_once_while_one_question_is_asked() {
    let world = World::with(Settings::default(), &keep(200, 60_000)).await;
    world.get(PATH).await.is(200);
    // Longer than twenty readers take on the slowest machine: the question must not be answered among them.
    let slow = OperationFaults { delay_ms: (10_000, 10_000), ..OperationFaults::default() };
    world.sandbox.set_faults(FaultPlan::none().with(Operation::Catalogue, slow));
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..20 {
        let stale = world.get(PATH).await.is(200);
        assert!(stale.header("cache-status").starts_with("lienthong; hit; ttl=-"), "{stale:?}");
        assert!(stale.header("cache-control").starts_with("private, max-age=0, stale-while-revalidate="));
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while calls(&world) < 2 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(calls(&world), 2, "twenty readers, one question");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_portal_is_away_the_old_answer_stands_until_its_limit_and_then_it_is_said() {
    let world = World::with(Settings::default(), &keep(200, 2500)).await;
    world.get(PATH).await.is(200);
    world.sandbox.set_faults(away());
    tokio::time::sleep(Duration::from_millis(1300)).await;
    for _ in 0..5 {
        let stale = world.get(PATH).await.is(200);
        assert_eq!(stale.header("age"), "1");
        assert!(stale.header("cache-control").contains("stale-if-error=1"), "{stale:?}");
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let refused = world.get(PATH).await.refused(503, "upstream.unavailable");
    assert_eq!(refused.header("retry-after"), "10");
    world.sandbox.set_faults(FaultPlan::none());
    let back = world.get(PATH).await.is(200);
    assert_eq!(back.header("cache-status"), "lienthong; fwd=miss; stored", "a failure is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_of_one_cold_procedure_are_one_question() {
    let report = cold::run(500, Duration::from_millis(1500)).await.unwrap();
    report.check().unwrap();
}
