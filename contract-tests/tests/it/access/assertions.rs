//! Clients that prove themselves by what they sign (`private_key_jwt`, RFC 7523): each assertion for this gateway, by
//! the client's own key, for minutes, and once.

use futures::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey};
use lienthong::access::Scope;
use lienthong::access::administer::NewProof;
use lienthong::access::public_key;
use lienthong_domain::time::{Clock, SystemClock};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::forge::{changed, with_raw};
use super::token_endpoint::{GRANT, Reply};
use super::{Pair, add, client_of, compact, encode, soon, token_request};
use crate::support::{Answer, World};

const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

/// A client with a key pair.
struct Machine {
    id: String,
    pair: Pair,
    issuer: String,
}

impl Machine {
    /// Added beside the gateway, and known to it.
    async fn start(world: &World, id: &str, algorithm: Algorithm) -> Self {
        let pair = Pair::make(algorithm);
        let proof = NewProof::Own(public_key::read(&pair.public_text()).unwrap());
        add(&world.deployment, client_of(id, &[], Scope::ALL), proof).await;
        let issuer = world.deployment.load().unwrap().settings.server.public_url;
        let machine = Self { id: id.to_owned(), pair, issuer };
        let is_known = async || present(world, &machine.assertion(&json!({}))).send().await.unwrap().status() == 200;
        soon("the client gets tokens", is_known).await;
        machine
    }

    fn header(&self) -> Value {
        json!({ "alg": format!("{:?}", self.pair.algorithm), "typ": "JWT" })
    }

    fn claims(&self) -> Value {
        let now = now();
        json!({
            "iss": self.id, "sub": self.id, "aud": self.issuer, "jti": Uuid::now_v7(), "iat": now, "exp": now + 300,
        })
    }

    /// With these claims changed; those that are null are left out.
    fn assertion(&self, changes: &Value) -> String {
        self.pair.sign(&self.header().to_string(), &changed(self.claims(), changes).to_string())
    }

    fn with_header(&self, changes: &Value) -> String {
        self.pair.sign(&changed(self.header(), changes).to_string(), &self.claims().to_string())
    }
}

fn now() -> i64 {
    SystemClock.now().micros() / 1_000_000
}

const KIND: (&str, &str) = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

pub(super) fn present(world: &World, assertion: &str) -> RequestBuilder {
    token_request(world, &[GRANT, KIND, ("client_assertion", assertion)])
}

#[tokio::test(flavor = "multi_thread")]
async fn each_published_algorithm_proves_a_client() {
    let world = World::start().await;
    let metadata = Answer::of(world.request(Method::GET, "/.well-known/oauth-authorization-server")).await.json();
    let mut published: Vec<&str> = metadata["token_endpoint_auth_signing_alg_values_supported"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    published.sort_unstable();
    let mut known = ALGORITHMS.map(|algorithm| format!("{algorithm:?}"));
    known.sort_unstable();
    assert_eq!(published, known);
    for algorithm in ALGORITHMS {
        let machine = Machine::start(&world, &format!("{algorithm:?}"), algorithm).await;
        let token = Reply::of(present(&world, &machine.assertion(&json!({})))).await.given();
        Answer::of(world.request(Method::GET, "/v1/dossiers").bearer_auth(token)).await.is(200);
        // The address of the endpoint is the gateway too, and so is a list with either.
        for audience in [json!(format!("{}/oauth/token", machine.issuer)), json!(["x", machine.issuer])] {
            Reply::of(present(&world, &machine.assertion(&json!({ "aud": audience })))).await.given();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_counts_once_also_at_once_and_after_a_restart() {
    let mut world = World::start().await;
    let machine = Machine::start(&world, "machine", Algorithm::ES256).await;
    let assertion = machine.assertion(&json!({}));
    let replies = join_all((0..8).map(|_| Reply::of(present(&world, &assertion)))).await;
    let (given, refused): (Vec<Reply>, Vec<Reply>) =
        replies.into_iter().partition(|reply| reply.json()["error"].is_null());
    assert_eq!((given.len(), refused.len()), (1, 7));
    refused.iter().for_each(|reply| reply.refused("at the same time", 401, "invalid_client"));
    world.restart().await;
    Reply::of(present(&world, &assertion)).await.refused("after a restart", 401, "invalid_client");
    // Other claims under the same name are no new assertion; another client's of that name is.
    let jti = json!({ "jti": "the same", "exp": now() + 200 });
    Reply::of(present(&world, &machine.assertion(&jti))).await.given();
    let again = machine.assertion(&json!({ "jti": "the same", "exp": now() + 100 }));
    Reply::of(present(&world, &again)).await.refused("the same jti", 401, "invalid_client");
    let other = Machine::start(&world, "other", Algorithm::EdDSA).await;
    Reply::of(present(&world, &other.assertion(&jti))).await.given();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_that_is_not_quite_right_proves_nothing() {
    let world = World::start().await;
    let machine = Machine::start(&world, "machine", Algorithm::ES256).await;
    let other = Machine::start(&world, "other", Algorithm::ES256).await;
    let now = now();
    let mut wrong: Vec<(String, String)> = Vec::new();
    for (what, changes) in [
        ("aud is someone else", json!({ "aud": "https://other.example" })),
        ("aud is our keys' address", json!({ "aud": format!("{}/.well-known/jwks.json", machine.issuer) })),
        ("aud missing", json!({ "aud": null })),
        ("aud is a number", json!({ "aud": 1 })),
        ("exp beyond an hour", json!({ "exp": now + 3660 })),
        ("exp in a thousand years", json!({ "exp": now + 31_536_000_000_i64 })),
        ("exp past", json!({ "exp": now - 1 })),
        ("exp now", json!({ "exp": now })),
        ("exp missing", json!({ "exp": null })),
        ("exp is a text", json!({ "exp": (now + 60).to_string() })),
        ("nbf in the future", json!({ "nbf": now + 120 })),
        ("iat in the future", json!({ "iat": now + 120 })),
        ("iss is not sub", json!({ "iss": "other" })),
        ("iss missing", json!({ "iss": null })),
        ("sub missing", json!({ "sub": null })),
        ("sub is another client", json!({ "sub": "other" })),
        ("iss and sub are another client", json!({ "iss": "other", "sub": "other" })),
        ("iss and sub are nobody", json!({ "iss": "nobody", "sub": "nobody" })),
        ("jti missing", json!({ "jti": null })),
        ("jti empty", json!({ "jti": "" })),
        ("jti is a number", json!({ "jti": 7 })),
        ("jti too long", json!({ "jti": "j".repeat(201) })),
    ] {
        wrong.push((what.into(), machine.assertion(&changes)));
    }
    let (header, claims) = (machine.header().to_string(), machine.claims().to_string());
    for (what, alg) in
        [("none", "none"), ("nOnE", "nOnE"), ("ES384", "ES384"), ("PS256", "PS256"), ("unknown", "ES257")]
    {
        let renamed = machine.with_header(&json!({ "alg": alg }));
        wrong.push((format!("alg {what}"), renamed.clone()));
        wrong.push((format!("alg {what}, no signature"), format!("{}.", renamed.rsplit_once('.').unwrap().0)));
    }
    let secret = EncodingKey::from_secret(machine.pair.public_text().as_bytes());
    let hs256 = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
    wrong.push(("HS256 with the public key".into(), compact(hs256, &claims, &secret, Algorithm::HS256)));
    wrong.push(("signed by another client".into(), other.pair.sign(&header, &claims)));
    let stranger = Pair::make(Algorithm::ES256);
    let own_key = changed(machine.header(), &json!({ "jwk": stranger.public })).to_string();
    wrong.push(("signed by the key in its header".into(), stranger.sign(&own_key, &claims)));
    wrong.push(("crit".into(), machine.with_header(&json!({ "crit": ["exp"] }))));
    wrong.push(("sub twice".into(), machine.pair.sign(&header, &with_raw(&claims, "sub", "\"machine\""))));
    wrong.push(("an access token".into(), world.token.clone()));
    wrong.push(("no JWT".into(), "assertion".into()));
    wrong.push(("no signature".into(), format!("{}.{}.", encode(&header), encode(&claims))));
    for (what, assertion) in &wrong {
        let reply = Reply::of(present(&world, assertion)).await;
        reply.refused(what, 401, "invalid_client");
        assert!(!reply.json().to_string().contains(assertion), "{what}: it is repeated");
    }
    // What was refused used nothing up, and the very limits are within.
    for good in [
        json!({ "jti": "j".repeat(200) }),
        json!({ "exp": now + 3600 }),
        json!({ "nbf": now + 20 }),
        json!({ "iat": null }),
    ] {
        Reply::of(present(&world, &machine.assertion(&good))).await.given();
    }
    let used = machine.assertion(&json!({}));
    let list = world.request(Method::GET, "/v1/dossiers").bearer_auth(&used);
    Answer::of(list).await.refused(401, "access.token_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_accepted_uses_an_assertion_up() {
    let world = World::start().await;
    let machine = Machine::start(&world, "machine", Algorithm::ES256).await;
    let with = |assertion: &str, name: &str, value: &str| {
        token_request(&world, &[GRANT, KIND, ("client_assertion", assertion), (name, value)])
    };
    for (what, name, value, status, error) in [
        ("another client's name", "client_id", "other", 401, "invalid_client"),
        ("a scope that there is not", "scope", "dossiers:everything", 400, "invalid_scope"),
    ] {
        let assertion = machine.assertion(&json!({}));
        for _ in 0..2 {
            Reply::of(with(&assertion, name, value)).await.refused(what, status, error);
        }
        Reply::of(present(&world, &assertion)).await.given();
        let again = Reply::of(present(&world, &assertion)).await;
        again.refused(what, 401, "invalid_client");
        assert!(again.json()["error_description"].as_str().unwrap().contains("was used before"), "{what}: {again:?}");
    }
    // A clock that is a second further ahead than clocks may be: its assertion is good a second later.
    let early = machine.assertion(&json!({ "iat": now() + 32, "exp": now() + 120 }));
    Reply::of(present(&world, &early)).await.refused("a clock that is ahead", 401, "invalid_client");
    soon("the same assertion is good", async || present(&world, &early).send().await.unwrap().status() == 200).await;
    // Good or not, many at once: one is accepted.
    let assertion = machine.assertion(&json!({}));
    let scopes = (0..12).map(|n| if n % 3 == 0 { "dossiers:everything" } else { "dossiers:read" });
    let replies = join_all(scopes.map(|scope| Reply::of(with(&assertion, "scope", scope)))).await;
    assert_eq!(replies.iter().filter(|reply| reply.json()["error"].is_null()).count(), 1, "{replies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_may_name_the_client_that_signed_and_no_other() {
    let world = World::start().await;
    let machine = Machine::start(&world, "machine", Algorithm::ES256).await;
    Machine::start(&world, "other", Algorithm::ES256).await;
    let assertion = || machine.assertion(&json!({}));
    let named = |id: &str, assertion: &str| {
        token_request(&world, &[GRANT, KIND, ("client_assertion", assertion), ("client_id", id)])
    };
    Reply::of(named("machine", &assertion())).await.given();
    for other in ["other", "nobody", "Machine"] {
        Reply::of(named(other, &assertion())).await.refused(other, 401, "invalid_client");
    }
    let reply = Reply::of(present(&world, &assertion()).header("accept-language", "vi")).await;
    let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    reply.given();
    assert_eq!(reply.json()["scope"], scopes.join(" "));
}
