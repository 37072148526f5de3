//! What an issuer may publish, and what is refused of it: metadata of someone else, sets without end, keys that are not for
//! verifying. And what an operator is told of it.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use lienthong::access::Scope;
use lienthong_contract_tests::gateway::Deployment;
use lienthong_contract_tests::issuer::{Issuer, METADATA, Reply};
use lienthong_sandbox::Settings;
use serde_json::{Value, json};

use super::forge::changed;
use super::issuers::{KID, SUBJECT, every, list, listed, said, subject, token, trust};
use super::{Pair, add, client_of, encode, soon};
use crate::support::World;

/// The path of the metadata of an issuer beside others.
fn metadata_of(name: &str) -> String {
    format!("/{name}{METADATA}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_does_not_say_whose_keys_these_are_is_not_believed() {
    let server = Issuer::start().await.unwrap();
    let pair = Pair::make(Algorithm::ES256);
    let set = json!({ "keys": [listed(&pair, KID)] });
    server.publishes(&[listed(&pair, KID)]);
    let url = |name: &str| format!("{}/{name}", server.url());
    let metadata = |name: &str| json!({ "issuer": url(name), "jwks_uri": server.keys_url() });
    let elsewhere = |address: &str| Reply::Json(json!({ "issuer": url("keys-elsewhere"), "jwks_uri": address }));
    server.says("/moved", Reply::Json(metadata("redirect")));
    let many: Vec<Value> = (0..101).map(|n| listed(&pair, &n.to_string())).collect();
    let long = format!("{{\"keys\":[],\"more\":\"{}\"}}", "x".repeat(300_000));
    let wrong_metadata = [
        ("redirect", Reply::Redirect(format!("{}/moved", server.url())), "302"),
        ("broken", Reply::Status(500), "500"),
        ("nowhere", Reply::Status(404), "404"),
        ("other", Reply::Json(metadata("good")), "another issuer"),
        ("slash", Reply::Json(metadata("slash/")), "another issuer"),
        ("nameless", Reply::Json(json!({ "jwks_uri": server.keys_url() })), "another issuer"),
        ("keys-nowhere", Reply::Json(json!({ "issuer": url("keys-nowhere") })), "jwks_uri"),
        ("keys-elsewhere", elsewhere("http://10.0.0.1/keys"), "jwks_uri"),
        ("text", Reply::Text("<html>".into()), "not JSON"),
        ("twice", Reply::Text(format!("{{\"issuer\":\"x\",{}", &metadata("twice").to_string()[1..])), "a member twice"),
        ("late", Reply::Late(Duration::from_secs(20), metadata("late")), "within 1500 ms"),
        ("endless", Reply::Endless, "longer than"),
    ];
    let wrong_keys = [
        ("keys-redirect", Reply::Redirect(server.keys_url()), "302"),
        ("keys-gone", Reply::Status(404), "404"),
        ("keys-list", Reply::Json(json!([set])), "not a set"),
        ("keys-many", Reply::Json(json!({ "keys": many })), "more than 100"),
        ("keys-long", Reply::Text(long), "longer than"),
    ];
    for (name, reply, _) in &wrong_metadata {
        server.says(&metadata_of(name), reply.clone());
    }
    for (name, reply, _) in &wrong_keys {
        let address = format!("{}/{name}-set", server.url());
        server.says(&metadata_of(name), Reply::Json(json!({ "issuer": url(name), "jwks_uri": address })));
        server.says(&format!("/{name}-set"), reply.clone());
    }
    let wrong: Vec<_> = wrong_metadata.iter().chain(&wrong_keys).map(|(name, _, reason)| (*name, *reason)).collect();
    // There may be sixteen at a time.
    for wrong in wrong.chunks(8) {
        let mut issuers: Vec<String> = wrong.iter().map(|(name, _)| every(&url(name))).collect();
        server.says(&metadata_of("good"), Reply::Json(metadata("good")));
        issuers.push(every(&url("good")));
        let more = "issuer_keys = { timeout_ms = 1500 }";
        let world = World::with(Settings::default(), &trust(&issuers, more)).await;
        add(&world.deployment, client_of("one-stop", &[], Scope::ALL), subject(&url("good"), SUBJECT)).await;
        let of = |name: &str| token(&pair, KID, &said(&world, &url(name), &json!({})));
        for (name, reason) in wrong {
            let answer = list(&world, &of(name)).await;
            let problem = changed(answer.json(), &json!({ "traceId": null }));
            assert_eq!((answer.status, &problem["code"]), (503, &json!("access.issuer_unavailable")), "{name}");
            assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1, "{answer:?}");
            assert!(!problem.to_string().contains(reason), "{name}: {problem}");
        }
        list(&world, &of("good")).await.is(200);
        let told = world.cli(&["check-config"]).await;
        assert!(told.status.success(), "an issuer that is away is no mistake of the configuration");
        let (values, warnings) = (String::from_utf8(told.stdout).unwrap(), String::from_utf8(told.stderr).unwrap());
        assert!(values.contains(&format!("# {}: 1 khóa dùng được", url("good"))), "{values}");
        for (name, reason) in wrong {
            let line = warnings.lines().find(|line| line.contains(&format!("{}:", url(name)))).unwrap_or_default();
            assert!(line.contains("WARNING") && line.contains(reason), "{name}: {warnings}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oauth_server_without_openid_is_found_where_its_standard_says() {
    let server = Issuer::start().await.unwrap();
    let pair = Pair::make(Algorithm::RS256);
    server.publishes(&[listed(&pair, KID)]);
    let url = format!("{}/oauth2/tinh", server.url());
    let metadata = Reply::Json(json!({ "issuer": url, "jwks_uri": server.keys_url() }));
    server.says("/.well-known/oauth-authorization-server/oauth2/tinh", metadata);
    let world = World::with(Settings::default(), &trust(&[every(&url)], "")).await;
    add(&world.deployment, client_of("one-stop", &[], Scope::ALL), subject(&url, SUBJECT)).await;
    let token = token(&pair, KID, &said(&world, &url, &json!({})));
    soon("it is accepted", async || list(&world, &token).await.status == 200).await;
    assert_eq!(server.asked(&metadata_of("oauth2/tinh")), 1, "that of OpenID comes first");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_keys_that_are_for_verifying_verify() {
    let server = Issuer::start().await.unwrap();
    let rsa = Pair::make(Algorithm::RS256);
    let short = encode([&[0; 129][..], &[0xc1; 127]].concat());
    let mut keys = vec![json!("text"), json!({}), json!({ "kty": "EC", "kid": "half" })];
    let mut tokens = Vec::new();
    for (kid, changes, reason) in [
        ("for-encryption", json!({ "use": "enc" }), "its use is not sig"),
        ("encrypts", json!({ "use": null, "key_ops": ["encrypt", "wrapKey"] }), "its key_ops are without verify"),
        ("oaep", json!({ "alg": "RSA-OAEP" }), "its alg or type is of no allowed algorithm"),
        ("strange", json!({ "alg": "XS256" }), "its alg or type is of no allowed algorithm"),
        ("longer-hash", json!({ "alg": "RS512" }), "its alg or type is of no allowed algorithm"),
        ("other-rsa", json!({ "alg": "PS256" }), ""),
        ("short", json!({ "n": short }), "it is RSA of less than 2048 bits, or no point of its curve"),
        ("private", json!({ "d": "AAAA" }), "it is a secret, or has its private half with it"),
        ("symmetric", json!({ "kty": "oct", "k": "c2VjcmV0" }), "it is a secret, or has its private half with it"),
        ("", json!({ "kid": "" }), "it has no kid"),
        ("twin", json!({}), "several keys have its kid"),
        ("twin", json!({ "alg": null }), ""),
    ] {
        keys.push(changed(listed(&rsa, kid), &changes));
        tokens.push((kid, reason));
    }
    keys.push(changed(listed(&rsa, "no"), &json!({ "kid": null })));
    let (curve, edwards) = (Pair::make(Algorithm::ES384), Pair::make(Algorithm::EdDSA));
    // What is good stays so beside them, with no more said than must be.
    keys.push(changed(listed(&rsa, "good"), &json!({ "use": null, "alg": null, "key_ops": ["verify"] })));
    keys.push(listed(&curve, "curve"));
    keys.push(listed(&edwards, "not-allowed"));
    server.publishes(&keys);
    let url = server.url();
    let terms = format!("url = {url:?}, algorithms = [\"RS256\", \"PS256\", \"ES384\"]");
    let world = World::with(Settings::default(), &trust(&[terms], "")).await;
    add(&world.deployment, client_of("one-stop", &[], Scope::ALL), subject(&url, SUBJECT)).await;
    let claims = || said(&world, &url, &json!({}));
    soon("the client is known", async || list(&world, &token(&rsa, "good", &claims())).await.status == 200).await;
    list(&world, &token(&curve, "curve", &claims())).await.is(200);
    for (kid, _) in &tokens {
        list(&world, &token(&rsa, kid, &claims())).await.refused(401, "access.token_invalid");
    }
    list(&world, &token(&edwards, "not-allowed", &claims())).await.refused(401, "access.token_invalid");
    let printed = String::from_utf8(world.cli(&["check-config"]).await.stdout).unwrap();
    let line = printed.lines().find(|line| line.starts_with(&format!("# {url}"))).unwrap();
    assert!(line.contains(": 3 khóa dùng được / usable keys"), "{line}");
    for (kid, reason) in tokens {
        assert!(line.contains(reason), "{kid}: {line}");
    }
}

#[test]
fn an_issuer_that_cannot_be_meant_is_a_mistake() {
    let good = "url = \"https://sso.h15.example/realms/tinh\", algorithms = [\"RS256\"]";
    let with = |more: &str| format!("access = {{ issuers = [{{ {good}{more} }}] }}");
    let url = |url: &str| format!("access = {{ issuers = [{{ url = {url:?}, algorithms = [\"RS256\"] }}] }}");
    let algorithms = |algorithms: &str| {
        format!("access = {{ issuers = [{{ url = \"https://sso.h15.example\", algorithms = {algorithms} }}] }}")
    };
    let mistakes = |more: &str| {
        let deployment = Deployment::new("http://127.0.0.1:1", more).unwrap();
        lienthong::config::load(Some(&deployment.file), std::iter::empty(), lienthong::adapters::CARDS)
            .err()
            .unwrap_or_default()
            .iter()
            .map(|mistake| mistake.key.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(mistakes(&with("")), [""; 0]);
    for fine in
        ["https://sso.h15.example", "https://sso.h15.example:8443/oauth2/token", "http://localhost:8080/realms/x"]
    {
        assert_eq!(mistakes(&url(fine)), [""; 0], "{fine}");
    }
    for wrong in [
        "http://sso.h15.example",
        "http://127.0.0.1.example",
        "https://user@sso.h15.example",
        "https://sso.h15.example?x=1",
        "https://sso.h15.example#x",
        "https://sso.h15.example/a b",
        "sso.h15.example",
        "file:///etc",
        "",
    ] {
        assert_eq!(mistakes(&url(wrong)), ["access.issuers.0.url"], "{wrong}");
    }
    for wrong in ["[]", "[\"none\"]", "[\"HS256\"]", "[\"RS256\", \"HS512\"]", "[\"rs256\"]", "[\"RS512\"]", "[\"\"]"] {
        assert_eq!(mistakes(&algorithms(wrong)), ["access.issuers.0.algorithms"], "{wrong}");
    }
    for (wrong, key) in [
        (with(", token_types = []"), "access.issuers.0.token_types"),
        (with(", client_claim = \"\""), "access.issuers.0.client_claim"),
        (with(", audience = \"a b\""), "access.issuers.0.audience"),
        (with(", keys = \"x\""), "access.issuers.0.keys"),
        (format!("access = {{ issuers = [{{ {good} }}, {{ {good} }}] }}"), "access.issuers.1.url"),
        (url("http://127.0.0.1:8686"), "access.issuers.0.url"),
        ("access = { issuer_keys = { least_interval_ms = 5 } }".into(), "access.issuer_keys.least_interval_ms"),
        ("access = { issuer_keys = { fresh_ms = 5000 } }".into(), "access.issuer_keys.fresh_ms"),
        ("access = { issuer_keys = { keep_ms = 5000 } }".into(), "access.issuer_keys.keep_ms"),
    ] {
        assert_eq!(mistakes(&wrong), [key], "{wrong}");
    }
}
