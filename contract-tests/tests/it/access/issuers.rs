//! Tokens of the province's own identity provider: who their bearer is, what they allow, and what ends them.

use jsonwebtoken::Algorithm;
use lienthong::access::Scope;
use lienthong::access::administer::NewProof;
use lienthong::access::client::Proof;
use lienthong_contract_tests::gateway::{Deployment, client};
use lienthong_contract_tests::issuer::Issuer;
use lienthong_domain::catalogue::AgencyCode;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, SystemClock};
use lienthong_sandbox::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use super::forge::changed;
use super::{Pair, add, client_of, soon, stores};
use crate::support::{Answer, World, dossier, dossier_path};

pub(super) const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

/// What an issuer calls a client: Keycloak's own id of a service account.
pub(super) const SUBJECT: &str = "5f0d6a52-8f5e-4f0b-9c34-0a4be2f7c9aa";
const UNKNOWN: &str = "access.subject_unknown";
const INVALID: &str = "access.token_invalid";

/// TOML by which a gateway trusts issuers; each is a table of TOML members.
pub(super) fn trust(issuers: &[String], more: &str) -> String {
    let issuers: Vec<String> = issuers.iter().map(|issuer| format!("{{ {issuer} }}")).collect();
    format!("[access]\nissuers = [{}]\n{more}", issuers.join(", "))
}

/// The issuer with every algorithm.
pub(super) fn every(url: &str) -> String {
    format!("url = {url:?}, algorithms = {:?}", ALGORITHMS.map(|algorithm| format!("{algorithm:?}")))
}

/// The public key as an issuer lists it.
pub(super) fn listed(pair: &Pair, kid: &str) -> Value {
    changed(serde_json::to_value(&pair.public).unwrap(), &json!({ "kid": kid, "use": "sig" }))
}

pub(super) fn audience(world: &World) -> String {
    world.deployment.load().unwrap().settings.server.public_url
}

/// What an issuer says of its subject, with these claims changed; those that are null are left out.
pub(super) fn said(world: &World, issuer: &str, changes: &Value) -> Value {
    let now = SystemClock.now().micros() / 1_000_000;
    let usual = json!({
        "iss": issuer, "aud": audience(world), "sub": SUBJECT, "iat": now, "exp": now + 300, "jti": fastrand::u64(..).to_string(),
        "typ": "Bearer", "azp": "one-stop-h15-50", "scope": "dossiers:read dossiers:write profile email",
    });
    changed(usual, changes)
}

/// A token as Keycloak writes it.
pub(super) fn token(pair: &Pair, kid: &str, claims: &Value) -> String {
    let header = json!({ "alg": format!("{:?}", pair.algorithm), "typ": "JWT", "kid": kid });
    pair.sign(&header.to_string(), &claims.to_string())
}

pub(super) async fn list(world: &World, token: &str) -> Answer {
    Answer::of(world.request(Method::GET, "/v1/dossiers").bearer_auth(token)).await
}

pub(super) fn subject(issuer: &str, subject: &str) -> NewProof {
    NewProof::Own(Proof::Subject { issuer: issuer.to_owned(), subject: subject.to_owned() })
}

/// An issuer with one key, a gateway that trusts it, and a client `one-stop` that it calls [`SUBJECT`].
pub(super) struct Trusted {
    pub(super) world: World,
    pub(super) issuer: Issuer,
    pub(super) pair: Pair,
}

pub(super) const KID: &str = "key-1";

impl Trusted {
    pub(super) async fn with(terms: &str, more: &str) -> Self {
        let (issuer, pair) = (Issuer::start().await.unwrap(), Pair::make(Algorithm::ES256));
        issuer.publishes(&[listed(&pair, KID)]);
        let url = issuer.url();
        let world = World::with(Settings::default(), &trust(&[format!("{}{terms}", every(&url))], more)).await;
        let client = client_of("one-stop", &[], &[Scope::DossiersRead, Scope::DossiersWrite]);
        add(&world.deployment, client, subject(&url, SUBJECT)).await;
        let trusted = Self { world, issuer, pair };
        let is_known = async || !trusted.list(&trusted.token(&json!({}))).await.text.contains(UNKNOWN);
        soon("the client is known", is_known).await;
        trusted
    }

    pub(super) async fn start() -> Self {
        Self::with("", "").await
    }

    pub(super) fn token(&self, changes: &Value) -> String {
        token(&self.pair, KID, &said(&self.world, &self.issuer.url(), changes))
    }

    pub(super) async fn list(&self, token: &str) -> Answer {
        list(&self.world, token).await
    }

    async fn put(&self, token: &str) -> Answer {
        let path = dossier_path("H15.50-261121-0001");
        Answer::of(self.world.request(Method::PUT, &path).bearer_auth(token).json(&dossier("received"))).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_each_algorithm_is_as_good_as_one_of_ours() {
    let issuer = Issuer::start().await.unwrap();
    let pairs = ALGORITHMS.map(Pair::make);
    let name = |pair: &Pair| format!("{:?}", pair.algorithm);
    issuer.publishes(&pairs.iter().map(|pair| listed(pair, &name(pair))).collect::<Vec<_>>());
    let world = World::with(Settings::default(), &trust(&[every(&issuer.url())], "")).await;
    add(&world.deployment, client_of("one-stop", &[], Scope::ALL), subject(&issuer.url(), SUBJECT)).await;
    for pair in &pairs {
        let token = token(pair, &name(pair), &said(&world, &issuer.url(), &json!({})));
        let put = world.request(Method::PUT, &dossier_path("H15.50-261121-0001")).bearer_auth(token);
        let answer = Answer::of(put.json(&dossier("received"))).await;
        assert!(matches!(answer.status, 200 | 202), "{}: {answer:?}", name(pair));
        // The key is there, and good; the token says another algorithm of the same issuer.
        for other in pairs.iter().filter(|other| name(other) != name(pair)) {
            let header = json!({ "alg": name(other), "typ": "JWT", "kid": name(pair) }).to_string();
            let claims = said(&world, &issuer.url(), &json!({})).to_string();
            for signer in [pair, other] {
                list(&world, &signer.sign(&header, &claims)).await.refused(401, INVALID);
            }
        }
    }
    // Ours go on beside them.
    world.get("/v1/dossiers").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_allows_what_both_it_and_the_register_allow() {
    let trusted = Trusted::start().await;
    let scopes = async |scope: Value| {
        let token = trusted.token(&json!({ "scope": scope }));
        (trusted.list(&token).await.status, trusted.put(&token).await.status)
    };
    assert_eq!(scopes(json!("dossiers:read")).await, (200, 403));
    assert_eq!(scopes(json!(["dossiers:read"])).await, (200, 403));
    assert_eq!(scopes(json!(["dossiers:write", "dossiers:read"])).await, (200, 202));
    // A token that names nothing of ours allows nothing, and so does one without the claim.
    for nothing in [json!("profile email"), json!(""), json!([]), json!("dossiers:read,dossiers:write"), Value::Null] {
        let token = trusted.token(&json!({ "scope": nothing }));
        trusted.list(&token).await.refused(403, "access.scope_missing");
    }
    for wrong in [json!(7), json!({ "dossiers:read": true }), json!(["dossiers:read", 7]), json!([["dossiers:read"]])] {
        trusted.list(&trusted.token(&json!({ "scope": wrong }))).await.refused(401, INVALID);
    }
    // And never more than the register says, whatever it names.
    let more = trusted.token(&json!({ "scope": "catalogue:read operator" }));
    Answer::of(trusted.world.request(Method::GET, "/v1/procedures/1.001612").bearer_auth(more))
        .await
        .refused(403, "access.scope_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_may_have_other_names_for_its_claims_or_none_for_scopes() {
    let trusted = Trusted::with(", client_claim = \"azp\", scope_claim = \"\", audience = \"cong-h15\"", "").await;
    let (world, url) = (&trusted.world, trusted.issuer.url());
    add(&world.deployment, client_of("by-azp", &[], &[Scope::DossiersRead]), subject(&url, "one-stop-h15-50")).await;
    let token = |changes: &Value| {
        let mut all = json!({ "aud": ["account", "cong-h15"], "scope": null });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        trusted.token(&all)
    };
    let is_known = async || trusted.list(&token(&json!({}))).await.status == 200;
    soon("the client is known", is_known).await;
    trusted.put(&token(&json!({}))).await.refused(403, "access.scope_missing");
    // Who is meant by sub is of no account here, nor is an audience that is right elsewhere.
    trusted.list(&token(&json!({ "azp": "another", "sub": "one-stop-h15-50" }))).await.refused(401, UNKNOWN);
    trusted.list(&token(&json!({ "azp": SUBJECT }))).await.is(200);
    for wrong in [json!({ "aud": audience(world) }), json!({ "azp": null }), json!({ "azp": ["one-stop-h15-50"] })] {
        trusted.list(&token(&wrong)).await.refused(401, INVALID);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_name_with_another_issuer_is_someone_else() {
    let (one, two) = (Issuer::start().await.unwrap(), Issuer::start().await.unwrap());
    let (first, second) = (Pair::make(Algorithm::ES256), Pair::make(Algorithm::ES256));
    one.publishes(&[listed(&first, KID)]);
    two.publishes(&[listed(&second, KID)]);
    let trust = trust(&[every(&one.url()), every(&two.url())], "");
    let world = World::with(Settings::default(), &trust).await;
    add(&world.deployment, client_of("of-one", &[], Scope::ALL), subject(&one.url(), SUBJECT)).await;
    let of_one = token(&first, KID, &said(&world, &one.url(), &json!({})));
    let of_two = token(&second, KID, &said(&world, &two.url(), &json!({})));
    list(&world, &of_one).await.is(200);
    list(&world, &of_two).await.refused(401, UNKNOWN);
    // The key of one under the name of the other, both being trusted.
    for (pair, named) in [(&first, &two), (&second, &one)] {
        list(&world, &token(pair, KID, &said(&world, &named.url(), &json!({})))).await.refused(401, INVALID);
    }
    let ward = AgencyCode::parse("H15.61").unwrap();
    let client = lienthong::access::Client { agencies: vec![ward], ..client_of("of-two", &[], Scope::ALL) };
    add(&world.deployment, client, subject(&two.url(), SUBJECT)).await;
    soon("the second is known", async || list(&world, &of_two).await.status == 200).await;
    let put = async |token: &str| {
        let put = world.request(Method::PUT, &dossier_path("H15.50-261121-0001")).bearer_auth(token);
        Answer::of(put.json(&dossier("received"))).await
    };
    put(&of_two).await.refused(403, "access.agency_not_allowed");
    put(&of_one).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_revoked_is_refused_at_once_also_with_a_token_that_was_just_good() {
    let trusted = Trusted::start().await;
    let (world, url) = (&trusted.world, trusted.issuer.url());
    let (_, stores) = stores(&world.deployment).await;
    let administration = stores.administration(&super::clock());
    let (token, later) = (trusted.token(&json!({})), trusted.token(&json!({})));
    trusted.list(&token).await.is(200);
    let everything = stores.access.everything().await.unwrap();
    let credential = everything.credentials.iter().find(|credential| credential.client_id == "one-stop").unwrap().id;
    administration.revoke_credential("one-stop", credential).await.unwrap();
    soon("the token is refused", async || trusted.list(&token).await.status == 401).await;
    for token in [&token, &later] {
        trusted.list(token).await.refused(401, "access.token_revoked");
    }
    // The same subject again, for another client: that one, and no longer the first.
    let asked = trusted.issuer.asked_in_all();
    let second = client_of("second", &[], &[Scope::DossiersRead]);
    add(&world.deployment, second, subject(&url, SUBJECT)).await;
    soon("the subject is known again", async || trusted.list(&token).await.status == 200).await;
    trusted.put(&token).await.refused(403, "access.scope_missing");
    administration.revoke("second").await.unwrap();
    soon("the client is nobody", async || trusted.list(&token).await.status == 401).await;
    trusted.list(&later).await.refused(401, "access.token_revoked");
    assert_eq!(trusted.issuer.asked_in_all(), asked, "who is revoked is no affair of the issuer's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_added_a_moment_ago_is_known_without_waiting() {
    let trusted = Trusted::with("", "refresh_ms = 10000").await;
    let new = trusted.token(&json!({ "sub": "new" }));
    // Nobody has asked for a second.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    add(&trusted.world.deployment, client_of("new", &[], Scope::ALL), subject(&trusted.issuer.url(), "new")).await;
    trusted.list(&new).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_issuer_signed_for_another_purpose_is_no_access_token() {
    let trusted = Trusted::start().await;
    for (what, changes) in [
        ("an ID token, by its nonce", json!({ "nonce": "n-0S6_WzA2Mj" })),
        ("an ID token beside a token", json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" })),
        ("an ID token beside a code", json!({ "c_hash": "LDktKdoQak3Pk0cnXxCltA" })),
        ("an ID token beside a state", json!({ "s_hash": "LDktKdoQak3Pk0cnXxCltA" })),
        ("an ID token of Keycloak", json!({ "typ": "ID" })),
        ("a refresh token of Keycloak", json!({ "typ": "Refresh" })),
        ("a logout token", json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } })),
        ("typ is no text", json!({ "typ": 7 })),
        ("no subject", json!({ "sub": null })),
        ("an empty subject", json!({ "sub": "" })),
        ("a list of subjects", json!({ "sub": [SUBJECT] })),
        ("a number for a subject", json!({ "sub": 7 })),
        ("a subject that is too long", json!({ "sub": "s".repeat(256) })),
        ("bound to a key (DPoP)", json!({ "cnf": { "jkt": super::encode([7; 32]) } })),
        ("bound to a certificate", json!({ "cnf": { "x5t#S256": super::encode([7; 32]) } })),
        ("bound to both", json!({ "cnf": { "x5t#S256": super::encode([7; 32]), "jkt": "x" } })),
        ("bound to nothing", json!({ "cnf": {} })),
    ] {
        let answer = trusted.list(&trusted.token(&changes)).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!(INVALID)), "{what}: {answer:?}");
    }
    let claims = said(&trusted.world, &trusted.issuer.url(), &json!({})).to_string();
    for typ in
        [json!("logout+jwt"), json!("secevent+jwt"), json!("dpop+jwt"), json!("oauth-authz-req+jwt"), Value::Null]
    {
        let header = changed(json!({ "alg": "ES256", "typ": "JWT", "kid": KID }), &json!({ "typ": typ }));
        trusted.list(&trusted.pair.sign(&header.to_string(), &claims)).await.refused(401, INVALID);
    }
    for good in [json!({ "typ": null }), json!({ "typ": "bearer" }), json!({ "sub": SUBJECT, "iat": null })] {
        trusted.list(&trusted.token(&good)).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_told_of_an_unknown_subject_and_not_who_it_is() {
    let (issuer, pair) = (Issuer::start().await.unwrap(), Pair::make(Algorithm::ES256));
    issuer.publishes(&[listed(&pair, KID)]);
    let more = format!("{}\n[log]\nfilter = \"trace\"", trust(&[every(&issuer.url())], ""));
    let deployment = Deployment::new("http://127.0.0.1:1", &more).unwrap();
    let (program, _) = deployment.spawn().await.unwrap();
    let person = "nguyen.thi.kin-079203004711";
    let audience = deployment.load().unwrap().settings.server.public_url;
    let exp = SystemClock.now().micros() / 1_000_000 + 300;
    let of =
        |sub: &str| json!({ "iss": issuer.url(), "aud": audience, "sub": sub, "exp": exp, "scope": "dossiers:read" });
    let list = async |token: &str| {
        Answer::of(client().get(format!("{}/v1/dossiers", deployment.url())).bearer_auth(token)).await
    };
    let unknown = token(&pair, KID, &of(person));
    let answer = list(&unknown).await.refused(401, UNKNOWN);
    assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    assert!(!answer.text.contains(person) && !answer.text.contains(&issuer.url()), "{answer:?}");
    list(&token(&pair, "079203004711", &of(person))).await.refused(401, INVALID);
    add(&deployment, client_of("person", &[], Scope::ALL), subject(&issuer.url(), person)).await;
    soon("the client is known", async || list(&unknown).await.status == 200).await;
    program.kill().unwrap();
    let log = std::fs::read_to_string(deployment.folder().join("gateway.log")).unwrap();
    let line = log.lines().find(|line| line.contains("names no client of the register")).unwrap();
    assert!(line.contains("WARN") && line.contains(&issuer.url()) && line.contains("\"claim\":\"sub\""), "{line}");
    assert!(line.contains(answer.header("x-request-id")), "{line}");
    for secret in ["nguyen", "079203004711", "*********", &unknown] {
        assert_eq!(log.lines().find(|line| line.contains(secret)), None, "{secret} is in the log");
    }
}
