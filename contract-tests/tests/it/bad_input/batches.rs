//! Batches: each item is judged alone.

use serde_json::{Value, json};

use crate::support::{World, dossier, dossier_with};

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_each_bad_item_is_refused_alone() {
    let world = World::start().await;
    let item = |n: usize| {
        let code = json!(format!("H15.50-261121-{n:04}"));
        match n % 10 {
            3 => (400, "request.invalid", dossier_with("/summary", json!("dinhkem"))),
            5 => (403, "access.agency_not_allowed", dossier_with("/code", json!(format!("H16-261121-{n:04}")))),
            7 => (400, "request.invalid", dossier("received")),
            9 => (400, "request.invalid", json!("no object")),
            _ => (202, "", dossier_with("/code", code)),
        }
    };
    let mut expected: Vec<(u64, &str, Value)> = (0..500).map(item).collect();
    for (n, (_, code, item)) in expected.iter_mut().enumerate() {
        if n % 10 == 3 {
            item["code"] = json!(format!("H15.50-261121-{n:04}"));
            assert_eq!(*code, "request.invalid");
        }
    }
    let items: Vec<&Value> = expected.iter().map(|(_, _, item)| item).collect();
    let result = world.post("/v1/dossier-batches", "batch", &json!({ "items": items })).await.is(202).json();
    assert_eq!((&result["accepted"], &result["refused"]), (&json!(300), &json!(200)));
    for (n, (status, code, _)) in expected.iter().enumerate() {
        let found = &result["items"][n];
        assert_eq!((&found["index"], &found["status"]), (&json!(n), &json!(status)), "{found}");
        if *status == 202 {
            assert_eq!(found["dossier"]["code"], format!("H15.50-261121-{n:04}"));
        } else {
            assert_eq!(found["problem"]["code"], *code, "{found}");
        }
    }
    assert_eq!(result["items"][3]["problem"]["errors"][0]["pointer"], "/summary");
    assert_eq!(result["items"][7]["problem"]["errors"][0]["pointer"], "/code");
    world.settle().await;
    let held: Vec<String> = world.sandbox.dossiers().into_iter().map(|dossier| dossier.code).collect();
    let wanted: Vec<String> =
        (0..500).filter(|n| expected[*n].0 == 202).map(|n| format!("H15.50-261121-{n:04}")).collect();
    assert_eq!(held, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_a_list_of_one_to_five_hundred() {
    let world = World::start().await;
    let many = |count: usize| json!({ "items": vec![json!(1); count] });
    for (body, place, code) in [
        (many(501), "/items", "items"),
        (many(0), "/items", "items"),
        (json!({}), "/items", "items"),
        (json!({ "items": {} }), "/items", "items"),
        (json!([]), "", "items"),
        (json!({ "items": [1], "more": true }), "/more", "unknown_member"),
    ] {
        world.post("/v1/dossier-batches", "key", &body).await.wrong_fields(&[(place, code)]);
    }
    world.nothing_happened("batches out of bounds").await;
}
