//! Every token that is not ours, or not good, is refused over the wire: alike for a stranger, without a word of what it
//! said, and before anything happens.

use std::io::ErrorKind;
use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use lienthong_contract_tests::gateway::{Deployment, WARD};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::forge::{Forge, changed, credential_of, with_raw};
use super::shapes::{malformed, tampered};
use super::{Pair, compact, encode};
use crate::support::{Answer, World, dossier, dossier_path};

const CODE: &str = "H15.50-261121-0001";

pub(super) const INVALID: &str = "access.token_invalid";
pub(super) const EXPIRED: &str = "access.token_expired";
const REVOKED: &str = "access.token_revoked";

/// What it is, the token, and the code of its refusal.
pub(super) type Attack = (String, String, &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn no_token_but_an_honest_one_is_accepted() {
    let world = World::start().await;
    let forge = Forge::beside(&world.deployment).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let attacks = [
        forged(&forge, &listener),
        clients(&forge, credential_of(&world.deployment, WARD).await),
        of_another_gateway(&forge).await,
    ]
    .concat();
    assert!(attacks.len() > 150, "only {} attacks", attacks.len());

    let told = refusals(&world, &attacks).await;
    assert_eq!(told.len(), 3, "a stranger learns that it is not accepted, is over, or was revoked: {told:?}");
    let asked = listener.accept().map_err(|error| error.kind()).map(|(_, from)| from);
    assert_eq!(asked, Err(ErrorKind::WouldBlock), "someone looked where a token said");
    world.nothing_happened("attacks").await;
    accepts_honest_ones(&world, &forge).await;
    let put = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(forge.honest()).json(&dossier("received"));
    Answer::of(put).await.is(202);
}

/// What can be tried on any issuer's tokens. The listener is an address that some of them name.
pub(super) fn forged(forge: &Forge, listener: &TcpListener) -> Vec<Attack> {
    [
        other_algorithms(forge),
        public_key_as_secret(forge),
        key_ids(forge),
        keys_in_the_header(forge, listener),
        headers(forge),
        audiences_and_issuers(forge),
        times(forge),
        twice(forge),
        malformed(forge),
        tampered(forge),
    ]
    .concat()
}

/// What was told of each attack, each thing once. All are refused with their code, and nothing of a token is repeated.
#[allow(clippy::print_stdout, reason = "the table is the evidence")]
pub(super) async fn refusals(world: &World, attacks: &[Attack]) -> Vec<Value> {
    let (mut wrong, mut told) = (Vec::new(), Vec::new());
    for (name, token, code) in attacks {
        let put = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(token).json(&dossier("received"));
        let answer = Answer::of(put).await;
        let mut problem = answer.json();
        println!("{name:64} {} {}", answer.status, problem["code"].as_str().unwrap_or_default());
        let challenge = answer.header("www-authenticate");
        if (answer.status, &problem["code"], challenge) != (401, &json!(code), "Bearer error=\"invalid_token\"") {
            wrong.push(format!("{name}: {answer:?}"));
        }
        let everything = format!("{:?} {}", answer.headers, answer.text).replace("application/problem+json", "");
        if let Some(part) = parts(token).into_iter().find(|part| everything.contains(part)) {
            wrong.push(format!("{name}: {part} is repeated in {everything}"));
        }
        problem.as_object_mut().unwrap().remove("traceId");
        if !told.contains(&problem) {
            told.push(problem);
        }
    }
    assert_eq!(wrong, [""; 0]);
    told
}

pub(super) async fn accepts_honest_ones(world: &World, forge: &Forge) {
    for (name, token) in honest(forge) {
        let answer = Answer::of(world.request(Method::GET, "/v1/dossiers").bearer_auth(token)).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }
}

/// The encoded parts, and every text in what they encode.
fn parts(token: &str) -> Vec<String> {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    for part in parts.clone().iter().filter_map(|part| super::decode(part)) {
        if let Ok(Value::Object(members)) = serde_json::from_slice(&part) {
            parts.extend(members.values().filter_map(Value::as_str).map(str::to_owned));
        }
    }
    parts.retain(|part| part.len() >= 8);
    parts
}

fn all<N: Into<String>>(attacks: Vec<(N, String)>, code: &'static str) -> Vec<Attack> {
    attacks.into_iter().map(|(name, token)| (name.into(), token, code)).collect()
}

fn other_algorithms(forge: &Forge) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let message = forge.with_header(&json!({ "alg": none }));
        let (unsigned, _) = message.rsplit_once('.').unwrap();
        attacks.push((format!("alg {none:?}, signed by the gateway"), message.clone()));
        attacks.push((format!("alg {none:?}, no signature"), format!("{unsigned}.")));
        attacks.push((format!("alg {none:?}, two parts"), unsigned.to_owned()));
    }
    for other in ["RS256", "RS512", "PS256", "EdDSA", "ES384", "ES512", "ES256K", "HS256", "es256", "ES256 ", "SHA256"]
    {
        attacks.push((format!("alg {other:?} over our ES256"), forge.with_header(&json!({ "alg": other }))));
    }
    attacks.push(("alg missing".into(), forge.with_header(&json!({ "alg": null }))));
    for raw in ["null", "256", "[\"ES256\"]", "{\"name\":\"ES256\"}", "true"] {
        attacks.push((format!("alg is {raw}"), forge.with_raw_header("alg", raw)));
    }
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA, Algorithm::ES384, Algorithm::ES256] {
        let stranger = Pair::make(algorithm);
        let header = changed(forge.header(), &json!({ "alg": format!("{algorithm:?}") })).to_string();
        let claims = forge.claims().to_string();
        attacks.push((format!("a stranger's {algorithm:?} key under our kid"), stranger.sign(&header, &claims)));
        let disguised = stranger.sign(&forge.header().to_string(), &claims);
        attacks.push((format!("a stranger's {algorithm:?} key called ES256"), disguised));
    }
    all(attacks, INVALID)
}

fn public_key_as_secret(forge: &Forge) -> Vec<Attack> {
    let jwk = serde_json::to_value(&forge.public).unwrap();
    let half = |name: &str| super::decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], half("x"), half("y")].concat();
    // SubjectPublicKeyInfo of a P-256 key, up to its point.
    let before = super::decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE").unwrap();
    let der = [&before[..], &point[1..]].concat();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        base64::engine::general_purpose::STANDARD.encode(&der)
    );
    let mut attacks = Vec::new();
    for (name, secret) in [
        ("its JWK", jwk.to_string().into_bytes()),
        ("its point", point.clone()),
        ("its x", half("x")),
        ("its DER form", der),
        ("its PEM form", pem.into_bytes()),
        ("its kid", forge.kid.clone().into_bytes()),
        ("nothing", Vec::new()),
    ] {
        let secret = EncodingKey::from_secret(&secret);
        let claims = forge.claims().to_string();
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = changed(forge.header(), &json!({ "alg": format!("{algorithm:?}") })).to_string();
            attacks.push((
                format!("{algorithm:?} with {name} as the secret"),
                compact(header, &claims, &secret, algorithm),
            ));
        }
        let disguised = compact(forge.header().to_string(), claims, &secret, Algorithm::HS256);
        attacks.push((format!("HS256 with {name}, called ES256"), disguised));
    }
    all(attacks, INVALID)
}

fn key_ids(forge: &Forge) -> Vec<Attack> {
    let mut attacks = vec![("kid missing".to_owned(), forge.with_header(&json!({ "kid": null })))];
    let kid = &forge.kid;
    for (name, other) in [
        ("unknown", "0".repeat(43)),
        ("empty", String::new()),
        ("a path", "../../../../dev/null".into()),
        ("a file", "/proc/self/environ".into()),
        ("SQL", "' UNION SELECT 'secret' --".into()),
        ("SQL around ours", format!("{kid}' OR '1'='1")),
        ("a command", "key|touch /tmp/owned".into()),
        ("a NUL behind ours", format!("{kid}\0")),
        ("a space behind ours", format!("{kid} ")),
        ("ours in other letters", kid.to_uppercase()),
        ("ours without its end", kid[..kid.len() - 1].to_owned()),
        ("very long", "k".repeat(5000)),
        ("lines", "a\r\nx-injected: b".into()),
        ("a pattern", "%".into()),
    ] {
        attacks.push((format!("kid is {name}"), forge.with_header(&json!({ "kid": other }))));
    }
    for (name, raw) in [("null", "null"), ("0", "0"), ("a number", "1e3"), ("true", "true"), ("an object", "{}")] {
        attacks.push((format!("kid is {name}"), forge.with_raw_header("kid", raw)));
    }
    attacks.push(("kid in a list".into(), forge.with_header(&json!({ "kid": [kid] }))));
    all(attacks, INVALID)
}

fn keys_in_the_header(forge: &Forge, listener: &TcpListener) -> Vec<Attack> {
    let stranger = Pair::make(Algorithm::ES256);
    let address = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let mut attacks = Vec::new();
    for (name, member) in [
        ("jwk", json!({ "jwk": stranger.public })),
        ("jku", json!({ "jku": address })),
        ("x5u", json!({ "x5u": address })),
        ("x5c", json!({ "x5c": [STANDARD_NO_PAD.encode(stranger.public_text())] })),
        ("all of them", json!({ "jwk": stranger.public, "jku": address, "x5u": address, "x5c": ["MIIB"] })),
    ] {
        for (under, kid) in [("our kid", json!(forge.kid)), ("its own kid", json!("mine")), ("no kid", Value::Null)] {
            let header = changed(changed(forge.header(), &member), &json!({ "kid": kid }));
            let token = stranger.sign(&header.to_string(), &forge.claims().to_string());
            attacks.push((format!("a stranger's key in {name}, under {under}"), token));
        }
    }
    all(attacks, INVALID)
}

fn headers(forge: &Forge) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for raw in ["[\"exp\"]", "[\"b64\"],\"b64\":false", "[\"urn:example:own\"],\"urn:example:own\":1", "[]", "null"] {
        attacks.push((format!("crit is {raw}"), forge.with_raw_header("crit", raw)));
    }
    attacks.push(("typ missing".into(), forge.with_header(&json!({ "typ": null }))));
    for typ in [
        "JWT",
        "jwt",
        "",
        "at+jwt ",
        "at+jwtx",
        "application/",
        "application/jwt",
        "secevent+jwt",
        "xapplication/at+jwt",
    ] {
        attacks.push((format!("typ is {typ:?}"), forge.with_header(&json!({ "typ": typ }))));
    }
    for raw in ["null", "1", "[\"at+jwt\"]"] {
        attacks.push((format!("typ is {raw}"), forge.with_raw_header("typ", raw)));
    }
    all(attacks, INVALID)
}

fn audiences_and_issuers(forge: &Forge) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (name, ours) in [("aud", &forge.audience), ("iss", &forge.issuer)] {
        attacks.push((format!("{name} missing"), forge.with_claims(&json!({ name: null }))));
        for (what, value) in [
            ("another's", json!("https://other.example")),
            ("ours with a slash", json!(format!("{ours}/"))),
            ("ours in capitals", json!(ours.to_uppercase())),
            ("ours and another's in one text", json!(format!("{ours} https://other.example"))),
            ("empty", json!("")),
            ("a number", json!(7)),
            ("true", json!(true)),
            ("an object", json!({ "aud": ours })),
            ("an empty list", json!([])),
            ("a list of others", json!(["https://other.example", 7])),
            ("ours in a list in a list", json!([[ours]])),
        ] {
            attacks.push((format!("{name} is {what}"), forge.with_claims(&json!({ name: value }))));
        }
        attacks.push((format!("{name} is null"), forge.with_raw_claim(name, "null")));
    }
    attacks.push(("iss is a list with ours".into(), forge.with_claims(&json!({ "iss": [forge.issuer] }))));
    attacks.push((
        "aud is the token endpoint".into(),
        forge.with_claims(&json!({ "aud": format!("{}/oauth/token", forge.audience) })),
    ));
    all(attacks, INVALID)
}

fn times(forge: &Forge) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (name, exp, code) in [
        ("now", json!(forge.now), EXPIRED),
        ("a second ago", json!(forge.now - 1), EXPIRED),
        ("within the skew ago", json!(forge.now - forge.skew + 5), EXPIRED),
        ("1970", json!(0), EXPIRED),
        ("a text", json!((forge.now + 600).to_string()), INVALID),
        ("a time as people write it", json!("2999-01-01T00:00:00Z"), INVALID),
        ("negative", json!(-1), INVALID),
        ("in milliseconds", json!((forge.now + 600) * 1000), INVALID),
        ("beyond 64 bits", json!(1e300), INVALID),
        ("the largest number", json!(u64::MAX), INVALID),
        ("a list", json!([forge.now + 600]), INVALID),
        ("true", json!(true), INVALID),
    ] {
        attacks.push((format!("exp is {name}"), forge.with_claims(&json!({ "exp": exp })), code));
    }
    attacks.push(("exp missing".into(), forge.with_claims(&json!({ "exp": null })), INVALID));
    for raw in ["null", "Infinity", "NaN", "1e999", "0x7fffffff", "+99999999999", "99999999999.", "1e11"] {
        attacks.push((format!("exp is {raw}"), forge.with_raw_claim("exp", raw), INVALID));
    }
    for name in ["nbf", "iat"] {
        let late = json!(forge.now + forge.skew + 60);
        attacks.push((format!("{name} in the future"), forge.with_claims(&json!({ name: late })), INVALID));
        attacks.push((format!("{name} is a text"), forge.with_claims(&json!({ name: "0" })), INVALID));
        attacks.push((format!("{name} is null"), forge.with_raw_claim(name, "null"), INVALID));
        attacks.push((format!("{name} is negative"), forge.with_claims(&json!({ name: -1 })), INVALID));
    }
    attacks
}

/// A member twice: readers differ on which one counts.
fn twice(forge: &Forge) -> Vec<Attack> {
    let (header, claims) = (forge.header().to_string(), forge.claims().to_string());
    let mut attacks = Vec::new();
    for (name, raw) in
        [("alg", "\"none\""), ("alg", "\"ES256\""), ("\\u0061lg", "\"none\""), ("kid", "\"x\""), ("typ", "\"JWT\"")]
    {
        attacks.push((
            format!("{name} twice in the header, then {raw}"),
            forge.sign(with_raw(&header, name, raw), &claims),
        ));
    }
    for (name, raw) in [
        ("sub", "\"ward\""),
        ("exp", "99999999998"),
        ("aud", "\"x\""),
        ("s\\u0063ope", "\"x\""),
        ("cnf", "{\"a\":1,\"a\":2}"),
    ] {
        let token = forge.sign(&header, with_raw(&claims, name, raw));
        attacks.push((format!("{name} twice in the claims, then {raw}"), token));
    }
    all(attacks, INVALID)
}

fn clients(forge: &Forge, other_credential: Uuid) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (name, changes) in [
        ("sub is another client than client_id", json!({ "sub": WARD })),
        ("client_id is another client than sub", json!({ "client_id": WARD })),
        ("sub missing", json!({ "sub": null })),
        ("client_id missing", json!({ "client_id": null })),
        ("sub and client_id empty", json!({ "sub": "", "client_id": "" })),
        ("sub and client_id are lists", json!({ "sub": [WARD], "client_id": [WARD] })),
        ("credential missing", json!({ "credential": null })),
        ("credential is no id", json!({ "credential": "1" })),
        ("scope missing", json!({ "scope": null })),
        ("scope is a list", json!({ "scope": ["dossiers:read", "dossiers:write"] })),
    ] {
        attacks.push((name.to_owned(), forge.with_claims(&changes), INVALID));
    }
    for (name, changes) in [
        ("an unknown client", json!({ "sub": "nobody", "client_id": "nobody" })),
        ("a client in other letters", json!({ "sub": "Province", "client_id": "Province" })),
        ("a client with SQL", json!({ "sub": "x' OR '1'='1", "client_id": "x' OR '1'='1" })),
        ("the credential of another client", json!({ "credential": other_credential })),
        ("another client with this credential", json!({ "sub": WARD, "client_id": WARD })),
        ("an unknown credential", json!({ "credential": Uuid::now_v7() })),
    ] {
        attacks.push((name.to_owned(), forge.with_claims(&changes), REVOKED));
    }
    attacks
}

/// One with the same name, the same clients, and keys of its own.
async fn of_another_gateway(forge: &Forge) -> Vec<Attack> {
    let deployment = Deployment::new("http://127.0.0.1:1", "").unwrap();
    let gateway = deployment.start().await.unwrap();
    let other = Forge::beside(&deployment).await;
    gateway.stop().await;
    let ours = |token: &Value| changed(token.clone(), &json!({ "kid": forge.kid })).to_string();
    all(
        vec![
            ("of another gateway", other.sign(other.header().to_string(), forge.claims().to_string())),
            ("of another gateway, under our kid", other.sign(ours(&other.header()), forge.claims().to_string())),
        ],
        INVALID,
    )
}

fn honest(forge: &Forge) -> Vec<(&'static str, String)> {
    let stranger = Pair::make(Algorithm::ES256);
    let within = forge.now + forge.skew - 5;
    vec![
        ("honest", forge.honest()),
        (
            "aud is a list that has ours",
            forge.with_claims(&json!({ "aud": ["https://other.example", forge.audience] })),
        ),
        ("nbf within the skew", forge.with_claims(&json!({ "nbf": within }))),
        ("iat within the skew", forge.with_claims(&json!({ "iat": within }))),
        ("without iat", forge.with_claims(&json!({ "iat": null }))),
        ("exp with a fraction", forge.with_raw_claim("exp", &format!("{}.25", forge.now + 600))),
        ("typ in full", forge.with_header(&json!({ "typ": "application/at+jwt" }))),
        ("typ in capitals", forge.with_header(&json!({ "typ": "AT+JWT" }))),
        ("a claim that nobody knows", forge.with_claims(&json!({ "own": { "a": [1, null] } }))),
        (
            "a stranger's key in jwk, jku, x5u and x5c, and our signature",
            forge.with_header(&json!({
                "jwk": stranger.public, "jku": "https://other.example/jwks.json", "x5u": "https://other.example/x.pem",
                "x5c": [encode("certificate")],
            })),
        ),
    ]
}
