//! Moves and steps that cannot follow what was.

use lienthong_contract_tests::load::step;
use serde_json::{Value, json};

use super::CODE;
use crate::support::{World, dossier, dossier_path};

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_looking_transition_needs_a_reason() {
    let world = World::start().await;
    for (number, (from, to)) in
        [("result_returned", "registered"), ("not_accepted", "finished"), ("finished", "received")].iter().enumerate()
    {
        let code = format!("H15.50-261121-{number:04}");
        world.put(&code, &dossier(from)).await.is(202);
        let answer = world.put(&code, &dossier(to)).await.refused(409, "dossier.transition_needs_reason");
        assert!(answer.json()["detail"].as_str().unwrap().contains("transitionReason"), "{}", answer.text);
        let kept = world.get(&dossier_path(&code)).await.json();
        assert_eq!((&kept["revision"], &kept["dossier"]["state"]), (&json!(1), &json!(from)));
        let mut with_reason = dossier(to);
        with_reason["transitionReason"] = json!("Nhập nhầm trạng thái, đã có biên bản.");
        assert_eq!(world.put(&code, &with_reason).await.is(202).json()["revision"], 2);
    }
    world.settle().await;
    // The reason is the province's own affair.
    let told = serde_json::to_string(&world.sandbox.dossiers()).unwrap();
    assert_eq!(world.sandbox.ledger().len(), 6);
    assert!(!told.contains("biên bản"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_state_cannot_follow_the_last_step_needs_a_reason() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    world.steps(CODE, "1", &step("finished", "Xong")).await.is(202);
    let back = json!([step("result_returned", "Trả"), step("received", "Nhận lại")]);
    world.steps(CODE, "2", &back).await.refused(409, "dossier.transition_needs_reason");
    let steps = world.get(&dossier_path(CODE)).await.json()["steps"].clone();
    assert_eq!(steps.as_array().unwrap().len(), 1, "of a request with one bad step none is taken: {steps}");
    let mut again = step("received", "Nhận lại");
    again["transitionReason"] = json!("Mở lại theo kết luận thanh tra.");
    world.steps(CODE, "2", &json!([step("result_returned", "Trả"), again])).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_before_its_dossier_is_refused() {
    let world = World::start().await;
    let answer = world.steps(CODE, "key", &step("received", "Tiếp nhận")).await;
    answer.refused(409, "dossier.step_before_dossier");
    world.nothing_happened("a step without a dossier").await;
    // The refused request used no key up.
    world.put(CODE, &dossier("received")).await.is(202);
    world.steps(CODE, "key", &step("received", "Tiếp nhận")).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_one_to_a_hundred_and_all_or_none() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    let many = |count: usize| Value::Array(vec![step("received", "Tiếp nhận"); count]);
    world.steps(CODE, "a", &many(0)).await.wrong_fields(&[("", "too_many")]);
    world.steps(CODE, "b", &many(101)).await.wrong_fields(&[("", "too_many")]);
    let mut one_bad = many(3);
    one_bad[1]["content"] = json!("");
    one_bad[2]["state"] = json!("xong");
    world.steps(CODE, "c", &one_bad).await.wrong_fields(&[("/1/content", "too_short"), ("/2/state", "unknown_value")]);
    world.settle().await;
    assert_eq!(world.get(&dossier_path(CODE)).await.json()["steps"], json!([]));
    assert_eq!(world.sandbox.ledger().len(), 1, "only the dossier itself");
    world.steps(CODE, "d", &many(100)).await.is(202);
}
