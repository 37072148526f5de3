//! Addresses, methods and parameters that do not exist.

use reqwest::Method;

use super::CODE;
use crate::support::{Answer, World, dossier, dossier_path};

#[tokio::test(flavor = "multi_thread")]
async fn unknown_addresses_and_methods_are_problems_too() {
    let world = World::start().await;
    for path in ["/", "/v1", "/v2/dossiers", "/v1/dossiers/", "/v1/dossiers/x/y/z", "/v1/operations", "/favicon.ico"] {
        Answer::of(world.request(Method::GET, path)).await.refused(404, "route.not_found");
        Answer::of(world.request(Method::POST, path).bearer_auth(&world.token)).await.refused(404, "route.not_found");
    }
    for (method, path) in [
        (Method::DELETE, dossier_path(CODE)),
        (Method::PATCH, dossier_path(CODE)),
        (Method::POST, "/v1/dossiers".into()),
        (Method::GET, "/v1/dossier-batches".into()),
        (Method::GET, format!("{}/steps", dossier_path(CODE))),
        (Method::DELETE, "/v1/operations/019aa0c0-0000-7000-8000-000000000000".into()),
        (Method::POST, "/livez".into()),
        (Method::POST, "/v1/openapi.json".into()),
    ] {
        let answer = Answer::of(world.request(method.clone(), &path).bearer_auth(&world.token)).await;
        let answer = answer.refused(405, "route.method_not_allowed");
        assert_ne!(answer.header("allow"), "", "{method} {path}: RFC 9110 wants the methods that are allowed");
    }
    for id in ["x", "019aa0c0-0000-7000-8000-000000000000"] {
        world.get(&format!("/v1/operations/{id}")).await.refused(404, "operation.not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_knows_its_parameters_and_its_own_cursors() {
    let world = World::start().await;
    for number in 1..=3 {
        world.put(&format!("H15.50-261121-{number:04}"), &dossier("received")).await.is(202);
    }
    for (query, place, code) in [
        ("page=2", "#/query/page", "unknown_parameter"),
        ("State=received", "#/query/State", "unknown_parameter"),
        ("state=done", "#/query/state", "unknown_value"),
        ("updatedSince=yesterday", "#/query/updatedSince", "timestamp"),
        ("limit=0", "#/query/limit", "limit"),
        ("limit=501", "#/query/limit", "limit"),
        ("limit=-1", "#/query/limit", "limit"),
        ("limit=ten", "#/query/limit", "limit"),
        ("cursor=", "#/query/cursor", "cursor"),
        ("cursor=x", "#/query/cursor", "cursor"),
        ("cursor=%ff", "#/query/cursor", "cursor"),
    ] {
        world.get(&format!("/v1/dossiers?{query}")).await.wrong_fields(&[(place, code)]);
    }
    let all_wrong = world.get("/v1/dossiers?limit=0&state=x&page=1").await;
    all_wrong.wrong_fields(&[
        ("#/query/limit", "limit"),
        ("#/query/page", "unknown_parameter"),
        ("#/query/state", "unknown_value"),
    ]);
    let cursor = world.get("/v1/dossiers?limit=1").await.json()["nextCursor"].as_str().unwrap().to_owned();
    world.get(&format!("/v1/dossiers?cursor={cursor}")).await.is(200);
    // Whichever letter is changed, it is no longer ours.
    for at in 0..cursor.len() {
        let mut letters = cursor.clone().into_bytes();
        letters[at] = if letters[at] == b'A' { b'Q' } else { b'A' };
        let changed = String::from_utf8(letters).unwrap();
        world.get(&format!("/v1/dossiers?cursor={changed}")).await.wrong_fields(&[("#/query/cursor", "cursor")]);
    }
    world.get(&format!("/v1/dossiers?cursor={}", &cursor[..cursor.len() - 2])).await.refused(400, "request.invalid");
}
