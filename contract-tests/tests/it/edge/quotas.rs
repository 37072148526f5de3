//! How often a client may ask, alone and over several replicas, and what it is told of it.

use std::time::Duration;

use futures::future::join_all;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE, client};
use lienthong_contract_tests::redis::Redis;
use lienthong_sandbox::Settings;
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, World};

async fn ask(world: &World, token: &str) -> Answer {
    Answer::of(world.request(Method::GET, "/v1/dossiers").bearer_auth(token)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_beyond_its_quota_is_told_which_and_when_to_come_back_and_others_go_on() {
    let quotas = "[quotas]\nclient = { requests = 5, window_s = 10 }\n\
                  operations = [{ operation = \"postDossierBatch\", requests = 1, window_s = 60 }]\n";
    let world = World::with(Settings::default(), quotas).await;
    for n in 1..=5 {
        let answer = ask(&world, &world.token).await.is(200);
        assert_eq!(answer.header("ratelimit-policy"), "\"client\";q=5;w=10");
        assert!(answer.header("ratelimit").starts_with(&format!("\"client\";r={};t=", 5 - n)), "{answer:?}");
    }
    let refused = ask(&world, &world.token).await.refused(429, "access.quota_exceeded");
    let problem = refused.json();
    assert_eq!(problem["violated-policies"], json!(["client"]));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=2).contains(&wait), "one of five in ten seconds is back after two: {wait}");
    assert_eq!(refused.header("ratelimit"), format!("\"client\";r=0;t={wait}"));
    ask(&world, &world.ward).await.is(200);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    ask(&world, &world.token).await.is(200);

    // The narrower quota is told first, and leaves the wider one alone.
    let batch = async |token: &str, key: &str| {
        let request = world.request(Method::POST, "/v1/dossier-batches").header("Idempotency-Key", key);
        Answer::of(request.bearer_auth(token).json(&json!({ "items": [] }))).await
    };
    batch(&world.ward, "a").await.refused(400, "request.invalid");
    let refused = batch(&world.ward, "b").await.refused(429, "access.quota_exceeded");
    assert_eq!(refused.json()["violated-policies"], json!(["client-operation"]));
    assert_eq!(refused.header("ratelimit-policy"), "\"client-operation\";q=1;w=60, \"client\";q=5;w=10");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_is_not_charged_and_the_token_endpoint_has_a_quota_of_its_own() {
    let quotas = "[quotas]\nclient = { requests = 3, window_s = 3600 }\ntoken = { requests = 4, window_s = 3600 }\n";
    let world = World::with(Settings::default(), quotas).await;
    for _ in 0..10 {
        ask(&world, "not a token").await.refused(401, "access.token_invalid");
    }
    for _ in 0..3 {
        ask(&world, &world.token).await.is(200);
    }
    ask(&world, &world.token).await.refused(429, "access.quota_exceeded");
    // The world has asked once for this client.
    for _ in 0..3 {
        world.deployment.token(PROVINCE).await.unwrap();
    }
    assert!(world.deployment.token(PROVINCE).await.unwrap_err().to_string().contains("429"));
    let guess = |n: usize| {
        let request = world.request(Method::POST, "/oauth/token").basic_auth(format!("guess-{n}"), Some("secret"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        async move { request.body("grant_type=client_credentials").send().await.unwrap().status().as_u16() }
    };
    let guesses = join_all((0..10).map(guess)).await;
    assert_eq!(guesses.iter().filter(|status| **status == 401).count(), 4, "all that are unknown are one: {guesses:?}");
}

/// Replicas on one database are not needed for this: only that they count in one place.
async fn replicas(count: usize, redis: &Redis, requests: u32, share: u32) -> Vec<(Deployment, String)> {
    let mut replicas = Vec::new();
    for _ in 0..count {
        let more = format!(
            "[quotas]\nclient = {{ requests = {requests}, window_s = 3600 }}\n[quotas.shared]\nurl = \"{}\"\n\
             timeout_ms = 1000\npause_ms = 200\nshare_while_away_percent = {share}\n",
            redis.url()
        );
        let deployment = Deployment::new("http://127.0.0.1:1", &more).unwrap();
        let gateway = deployment.start().await.unwrap();
        // It goes on until the test ends.
        tokio::spawn(async move {
            let _gateway = gateway;
            std::future::pending::<()>().await;
        });
        let token = deployment.token(PROVINCE).await.unwrap();
        replicas.push((deployment, token));
    }
    replicas
}

/// How many of `each` requests to every replica, `at_a_time` of them at once, were allowed; the others were told 429.
async fn allowed(replicas: &[(Deployment, String)], each: usize) -> usize {
    let asked =
        replicas.iter().flat_map(|replica| (0..16).map(move |_| replica)).map(|(deployment, token)| async move {
            let mut allowed = 0;
            for _ in 0..each / 16 {
                let answer =
                    client().get(format!("{}/v1/dossiers", deployment.url())).bearer_auth(token).send().await.unwrap();
                match answer.status().as_u16() {
                    200 => allowed += 1,
                    429 => {}
                    other => panic!("{other}"),
                }
            }
            allowed
        });
    join_all(asked).await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_give_one_quota_together_and_each_its_share_while_nobody_counts() {
    let mut redis = tokio::task::spawn_blocking(Redis::start).await.unwrap().unwrap();
    let three = replicas(3, &redis, 300, 10).await;
    let together = allowed(&three, 208).await;
    println!("three replicas together: {together} of a quota of 300, asked 624 times");
    assert!((294..=306).contains(&together), "{together}");

    redis.kill().unwrap();
    let alone = allowed(&three, 160).await;
    println!("while Redis is away: {alone}, three shares of 30");
    assert!((88..=94).contains(&alone), "{alone}");

    // Back, and empty: the whole quota is there once more, and it is one again.
    redis.restart().unwrap();
    // It is asked every 200 ms whether it is there.
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let again = allowed(&three, 208).await;
    println!("after Redis came back empty: {again}");
    assert!((294..=306).contains(&again), "{again}");
}
