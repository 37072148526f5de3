//! Callers who have no token, or ask for what is not theirs.

use lienthong_contract_tests::load::step;
use reqwest::Method;
use serde_json::json;

use super::{CODE, WARD_CODE};
use crate::support::{Answer, World, dossier, dossier_path};

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_of_someone_else_can_be_neither_written_nor_seen() {
    let world = World::start().await;
    let as_ward = |method: Method, path: &str| world.request(method, path).bearer_auth(&world.ward);
    for foreign in [CODE, "H15-261121-0001", "H16.61-261121-0001", "H15.61.05-261121-0001", "000.00.00.H15-261121-0001"]
    {
        let answer = Answer::of(as_ward(Method::PUT, &dossier_path(foreign)).json(&dossier("received"))).await;
        answer.refused(403, "access.agency_not_allowed");
        let steps =
            as_ward(Method::POST, &format!("{}/steps", dossier_path(foreign))).header("Idempotency-Key", foreign);
        Answer::of(steps.json(&step("received", "Tiếp nhận"))).await.refused(403, "access.agency_not_allowed");
    }
    // An agency that the register does not have stands under nobody.
    world.put("H15.99-261121-0001", &dossier("received")).await.refused(403, "access.agency_not_allowed");
    world.nothing_happened("writing for others").await;

    let operation = world.put(CODE, &dossier("received")).await.is(202).header("location").to_owned();
    world.get(&operation).await.is(200);
    Answer::of(as_ward(Method::GET, &dossier_path(CODE))).await.refused(404, "dossier.not_found");
    Answer::of(as_ward(Method::GET, &operation)).await.refused(404, "operation.not_found");
    let nothing = Answer::of(as_ward(Method::GET, "/v1/dossiers")).await.is(200).json();
    assert_eq!(nothing["items"], json!([]), "the list shows what may not be seen");
    // In either scheme of ids, the ward's own dossier is the ward's.
    for own in [WARD_CODE, "000.00.61.H15-261121-0002"] {
        Answer::of(as_ward(Method::PUT, &dossier_path(own)).json(&dossier("received"))).await.is(202);
        Answer::of(as_ward(Method::GET, &dossier_path(own))).await.is(200);
        world.get(&dossier_path(own)).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nothing_is_read() {
    let world = World::start().await;
    let (token, almost) = (&world.token, &world.token[..world.token.len() - 2]);
    for (authorization, code) in [
        (None, "access.unauthenticated"),
        (Some(String::new()), "access.unauthenticated"),
        (Some("Bearer".into()), "access.unauthenticated"),
        (Some(format!("Bearer {almost}")), "access.token_invalid"),
        (Some(format!("Basic {token}")), "access.unauthenticated"),
        (Some(token.clone()), "access.unauthenticated"),
    ] {
        for (method, path) in [
            (Method::PUT, dossier_path(CODE)),
            (Method::GET, dossier_path(CODE)),
            (Method::GET, "/v1/dossiers".into()),
            (Method::POST, format!("{}/steps", dossier_path(CODE))),
            (Method::POST, "/v1/dossier-batches".into()),
            (Method::GET, "/v1/operations/019aa0c0-0000-7000-8000-000000000000".into()),
        ] {
            let mut request = world.request(method, &path).json(&dossier("received"));
            if let Some(authorization) = &authorization {
                request = request.header("authorization", authorization);
            }
            let answer = Answer::of(request).await.refused(401, code);
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
            assert!(!answer.text.contains(almost), "the token is repeated");
        }
    }
    world.nothing_happened("requests without a token").await;
}
