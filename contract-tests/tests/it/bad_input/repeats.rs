//! Requests that are repeated, and those that were made before something changed.

use lienthong_contract_tests::load::step;
use reqwest::Method;
use serde_json::json;

use super::{CODE, WARD_CODE};
use crate::support::{Answer, World, dossier, dossier_path, dossier_with};

#[tokio::test(flavor = "multi_thread")]
async fn if_match_lets_only_the_reader_of_the_current_revision_write() {
    let world = World::start().await;
    let conditional = |tag: &'static str, state: &str| {
        let request = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(&world.token).header("if-match", tag);
        Answer::of(request.json(&dossier(state)))
    };
    conditional("\"1\"", "received").await.refused(412, "request.precondition_failed");
    world.nothing_happened("a condition on what is not there").await;
    let first = world.put(CODE, &dossier("received")).await.is(202);
    assert_eq!(first.header("etag"), "\"1\"");
    for other in ["\"2\"", "\"0\"", "1", "W/\"1\"", "\"x\"", ""] {
        conditional(other, "processing").await.refused(412, "request.precondition_failed");
    }
    let kept = world.get(&dossier_path(CODE)).await;
    assert_eq!((kept.header("etag"), &kept.json()["dossier"]["state"]), ("\"1\"", &json!("received")));
    assert_eq!(conditional("\"1\"", "processing").await.is(202).header("etag"), "\"2\"");
    conditional("\"1\"", "finished").await.refused(412, "request.precondition_failed");
    // Whoever lost the answer asks again with what it knew then: the same content is already there.
    let again = conditional("\"1\"", "processing").await.is(200);
    assert_eq!(again.header("etag"), "\"2\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_needs_a_sound_idempotency_key() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    world.settle().await;
    for path in ["/v1/dossier-batches".to_owned(), format!("{}/steps", dossier_path(CODE))] {
        let post = || world.request(Method::POST, &path).bearer_auth(&world.token).json(&step("received", "Tiếp nhận"));
        Answer::of(post()).await.refused(400, "request.idempotency_key_missing");
        let too_long = "k".repeat(256);
        for key in ["", "\"\"", "two words", "a\"b", &too_long] {
            let answer = Answer::of(post().header("Idempotency-Key", key)).await;
            answer.wrong_fields(&[("#/headers/Idempotency-Key", "idempotency_key")]);
        }
        let twice = post().header("Idempotency-Key", "one").header("Idempotency-Key", "two");
        Answer::of(twice).await.wrong_fields(&[("#/headers/Idempotency-Key", "idempotency_key")]);
    }
    assert_eq!(world.get(&dossier_path(CODE)).await.json()["steps"], json!([]));
    assert_eq!(world.sandbox.ledger().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_answer_and_with_another_body_none() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    world.put(WARD_CODE, &dossier("received")).await.is(202);
    let first = world.steps(CODE, "key-1", &step("received", "Tiếp nhận")).await.is(202);
    assert_eq!(first.header("idempotent-replayed"), "");
    for written in ["key-1", "\"key-1\""] {
        let again = world.steps(CODE, written, &step("received", "Tiếp nhận")).await.is(202);
        assert_eq!((again.text.as_str(), again.header("idempotent-replayed")), (first.text.as_str(), "true"));
        assert_eq!(again.header("location"), first.header("location"), "a repeat leads to the same operation");
        assert_eq!(again.header("content-type"), "application/json");
    }
    let another_body = step("received", "Nội dung khác");
    world.steps(CODE, "key-1", &another_body).await.refused(422, "idempotency.key_reused");
    world.steps(WARD_CODE, "key-1", &step("received", "Tiếp nhận")).await.refused(422, "idempotency.key_reused");
    let batch = json!({ "items": [dossier_with("/code", json!(CODE))] });
    world.post("/v1/dossier-batches", "key-1", &batch).await.refused(422, "idempotency.key_reused");
    // Another system's keys are its own.
    let ward = world.request(Method::POST, &format!("{}/steps", dossier_path(WARD_CODE))).bearer_auth(&world.ward);
    let ward = ward.header("Idempotency-Key", "key-1").json(&step("received", "Tiếp nhận"));
    assert_eq!(Answer::of(ward).await.is(202).header("idempotent-replayed"), "");
    world.settle().await;
    let steps = |code: &str| world.sandbox.dossier(code).unwrap().steps.len();
    assert_eq!((steps(CODE), steps(WARD_CODE)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_with_one_key_at_once_take_effect_once() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    let racers = (0..16).map(|_| async { world.steps(CODE, "race", &step("received", "Tiếp nhận")).await });
    let answers = futures::future::join_all(racers).await;
    let accepted: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 202).collect();
    assert!(!accepted.is_empty());
    assert!(accepted.iter().all(|answer| answer.text == accepted[0].text), "{accepted:?}");
    for other in answers.iter().filter(|answer| answer.status != 202) {
        assert_eq!((other.status, other.json()["code"].as_str()), (409, Some("idempotency.in_flight")));
        assert_ne!(other.header("retry-after"), "");
    }
    world.settle().await;
    assert_eq!(world.sandbox.dossier(CODE).unwrap().steps.len(), 1);
}
