//! The keys of an issuer over time: new ones are found, withdrawn ones forgotten, an outage is survived, and nobody can make
//! us ask the issuer more often than we are configured to.

use std::time::{Duration, Instant};

use futures::future::join_all;
use jsonwebtoken::Algorithm;
use lienthong_contract_tests::issuer::{KEYS, METADATA, Reply};
use serde_json::{Value, json};

use super::issuers::{KID, Trusted, listed, said, token};
use super::{Pair, soon};

const AWAY: &str = "access.issuer_unavailable";
const INVALID: &str = "access.token_invalid";
/// Tokens are judged anew each time, so that what is kept of keys shows.
const FORGETFUL: &str = "remember_token_ms = 0\n";

fn limits(least_interval_ms: u64, fresh_ms: u64, keep_ms: u64) -> String {
    format!(
        "{FORGETFUL}issuer_keys = {{ least_interval_ms = {least_interval_ms}, fresh_ms = {fresh_ms}, keep_ms = {keep_ms} }}"
    )
}

impl Trusted {
    fn signed_by(&self, pair: &Pair, kid: &str) -> String {
        token(pair, kid, &said(&self.world, &self.issuer.url(), &json!({})))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_found_by_asking_once_however_many_bring_it() {
    let trusted = Trusted::with("", &limits(500, 600_000, 600_000)).await;
    assert_eq!(trusted.issuer.asked(KEYS), 1);
    let new = Pair::make(Algorithm::ES256);
    trusted.issuer.publishes(&[listed(&trusted.pair, KID), listed(&new, "key-2")]);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let tokens: Vec<String> = (0..50).map(|_| trusted.signed_by(&new, "key-2")).collect();
    for answer in join_all(tokens.iter().map(|token| trusted.list(token))).await {
        answer.is(200);
    }
    // And then it is known.
    tokio::time::sleep(Duration::from_millis(600)).await;
    trusted.list(&trusted.signed_by(&new, "key-2")).await.is(200);
    trusted.list(&trusted.token(&json!({}))).await.is(200);
    assert_eq!((trusted.issuer.asked(KEYS), trusted.issuer.asked(METADATA)), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_with_invented_keys_do_not_make_us_ask_more_often() {
    let trusted = Trusted::with("", &limits(60_000, 60_000, 600_000)).await;
    let asked = trusted.issuer.asked_in_all();
    for _ in 0..20 {
        let tokens: Vec<String> =
            (0..50).map(|_| trusted.signed_by(&trusted.pair, &fastrand::u128(..).to_string())).collect();
        for answer in join_all(tokens.iter().map(|token| trusted.list(token))).await {
            answer.refused(401, INVALID);
        }
    }
    assert_eq!(trusted.issuer.asked_in_all(), asked, "within the interval nobody is asked");
    trusted.list(&trusted.token(&json!({}))).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_up_does_not_have_it_asked_again() {
    let more = limits(1000, 600_000, 600_000).replace(" }", ", timeout_ms = 10000 }");
    let trusted = Trusted::with("", &more).await;
    let asked = trusted.issuer.asked(METADATA);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let metadata = json!({ "issuer": trusted.issuer.url(), "jwks_uri": trusted.issuer.keys_url() });
    trusted.issuer.says(METADATA, Reply::Late(Duration::from_secs(3), metadata));
    for _ in 0..10 {
        let token = trusted.signed_by(&trusted.pair, "invented");
        let request = tokio::time::timeout(Duration::from_millis(20), trusted.list(&token)).await;
        assert!(request.is_err(), "it waits for the issuer");
    }
    assert_eq!(trusted.issuer.asked(METADATA), asked + 1);
    // What it was asked is heard all the same.
    trusted.list(&trusted.signed_by(&trusted.pair, "invented")).await.refused(401, INVALID);
    assert_eq!(trusted.issuer.asked(METADATA), asked + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_keys_go_on_through_an_outage_and_new_ones_wait_for_its_end() {
    let trusted = Trusted::with("", &limits(300, 300, 600_000)).await;
    let new = Pair::make(Algorithm::ES256);
    trusted.issuer.publishes(&[listed(&trusted.pair, KID), listed(&new, "key-2")]);
    trusted.issuer.goes_away();
    let (begun, asked) = (Instant::now(), trusted.issuer.asked(METADATA));
    let of_new = trusted.signed_by(&new, "key-2");
    // Until it is noticed, the key is merely unknown.
    soon("the outage is told", async || trusted.list(&of_new).await.status == 503).await;
    while begun.elapsed() < Duration::from_millis(1500) {
        trusted.list(&trusted.token(&json!({}))).await.is(200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = trusted.list(&of_new).await.refused(503, AWAY);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("www-authenticate"), "", "there is nothing wrong with the token");
    trusted.world.get("/v1/dossiers").await.is(200);
    let most = 2 + usize::try_from(begun.elapsed().as_millis() / 300).unwrap();
    let asked = trusted.issuer.asked(METADATA) - asked;
    assert!((2..=most).contains(&asked), "{asked} times, and not {most}");
    trusted.issuer.comes_back();
    soon("the new key is found", async || trusted.list(&of_new).await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_limit_old_keys_are_forgotten_and_the_issuer_is_needed_again() {
    let trusted = Trusted::with("", &limits(200, 200, 1500)).await;
    let honest = trusted.token(&json!({}));
    trusted.issuer.goes_away();
    trusted.list(&honest).await.is(200);
    let begun = Instant::now();
    soon("the limit", async || trusted.list(&honest).await.status == 503).await;
    assert!(begun.elapsed() > Duration::from_millis(500), "{:?}", begun.elapsed());
    trusted.list(&honest).await.refused(503, AWAY);
    // While nobody knows, nobody is judged: not even a forgery.
    trusted.list(&trusted.signed_by(&Pair::make(Algorithm::ES256), KID)).await.refused(503, AWAY);
    trusted.issuer.comes_back();
    soon("the issuer is there again", async || trusted.list(&honest).await.status == 200).await;
    trusted.list(&trusted.signed_by(&Pair::make(Algorithm::ES256), KID)).await.refused(401, INVALID);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_issuer_withdrew_is_forgotten_although_nobody_called_meanwhile() {
    let trusted = Trusted::with("", &limits(300, 300, 600_000)).await;
    let new = Pair::make(Algorithm::ES256);
    let of_old = trusted.token(&json!({}));
    trusted.list(&of_old).await.is(200);
    let asked = trusted.issuer.asked(KEYS);
    trusted.issuer.publishes(&[listed(&new, "key-2")]);
    soon("it is asked by itself", async || trusted.issuer.asked(KEYS) >= asked + 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    trusted.list(&of_old).await.refused(401, INVALID);
    trusted.list(&trusted.signed_by(&new, "key-2")).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_hangs_is_waited_for_by_one_and_not_by_all() {
    let more = limits(100, 600_000, 600_000).replace(" }", ", timeout_ms = 3000 }");
    let trusted = Trusted::with("", &more).await;
    trusted.issuer.says(METADATA, Reply::Late(Duration::from_secs(60), Value::Null));
    let unknown = trusted.signed_by(&trusted.pair, "invented");
    soon("it is told", async || trusted.list(&unknown).await.status == 503).await;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let timed = async |_| {
            let begun = Instant::now();
            trusted.list(&unknown).await.refused(503, AWAY);
            begun.elapsed()
        };
        let waited = join_all((0..30).map(timed)).await;
        let long = waited.iter().filter(|waited| **waited > Duration::from_millis(2000)).count();
        assert!(long <= 1, "{long} waited: {waited:?}");
        trusted.list(&trusted.token(&json!({}))).await.is(200);
    }
}
