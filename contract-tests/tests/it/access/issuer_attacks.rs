//! Whatever can be forged of our own tokens can be tried on an issuer's: the same tables, signed by its key.

use std::io::ErrorKind;
use std::net::TcpListener;

use jsonwebtoken::Algorithm;
use lienthong::access::Scope;
use lienthong_contract_tests::issuer::Issuer;
use lienthong_sandbox::Settings;
use serde_json::json;

use super::attacks::{Attack, INVALID, accepts_honest_ones, forged, refusals};
use super::forge::{Forge, changed};
use super::issuers::{KID, listed, subject, trust};
use super::{Pair, add, client_of, soon};
use crate::support::World;

const SUBJECT: &str = "province-service-account";

#[tokio::test(flavor = "multi_thread")]
async fn no_token_in_an_issuers_name_but_an_honest_one_is_accepted() {
    let (issuer, other) = (Issuer::start().await.unwrap(), Issuer::start().await.unwrap());
    let (pair, others) = (Pair::make(Algorithm::ES256), Pair::make(Algorithm::ES256));
    issuer.publishes(&[listed(&pair, KID)]);
    other.publishes(&[listed(&others, KID), listed(&others, "key-2")]);
    // As strict as with our own.
    let terms = |url: &str| format!("url = {url:?}, algorithms = [\"ES256\"], token_types = [\"at+jwt\"]");
    let more = "issuer_keys = { least_interval_ms = 500, fresh_ms = 500 }";
    let world = World::with(Settings::default(), &trust(&[terms(&issuer.url()), terms(&other.url())], more)).await;
    add(&world.deployment, client_of("one-stop", &[], Scope::ALL), subject(&issuer.url(), SUBJECT)).await;
    let forge = Forge::of_issuer(&world.deployment, &issuer.url(), SUBJECT, KID, &pair);
    let forge_of_other = Forge::of_issuer(&world.deployment, &other.url(), SUBJECT, KID, &others);
    let is_known = async || super::issuers::list(&world, &forge.honest()).await.status == 200;
    soon("the client is known", is_known).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();

    let attacks =
        [forged(&forge, &listener), of_the_other(&forge, &forge_of_other), of_the_gateway(&world, &forge).await];
    let attacks = attacks.concat();
    assert!(attacks.len() > 150, "only {} attacks", attacks.len());
    let told = refusals(&world, &attacks).await;
    assert_eq!(told.len(), 2, "a stranger learns that it is not accepted, or is over: {told:?}");
    let asked = listener.accept().map_err(|error| error.kind()).map(|(_, from)| from);
    assert_eq!(asked, Err(ErrorKind::WouldBlock), "someone looked where a token said");
    world.nothing_happened("attacks").await;
    accepts_honest_ones(&world, &forge).await;
}

/// Two issuers are trusted, each for its own.
fn of_the_other(forge: &Forge, other: &Forge) -> Vec<Attack> {
    let (header, claims) = (forge.header().to_string(), forge.claims().to_string());
    let second = changed(forge.header(), &json!({ "kid": "key-2" })).to_string();
    vec![
        ("signed by another issuer, under the same kid".into(), other.sign(&header, &claims), INVALID),
        ("signed by another issuer, under its kid".into(), other.sign(&second, &claims), INVALID),
        ("of another issuer, signed by this one".into(), forge.with_claims(&json!({ "iss": other.issuer })), INVALID),
        ("of both issuers".into(), forge.with_claims(&json!({ "iss": [forge.issuer, other.issuer] })), INVALID),
    ]
}

/// The gateway's own name and key do not mix with an issuer's.
async fn of_the_gateway(world: &World, forge: &Forge) -> Vec<Attack> {
    let own = Forge::beside(&world.deployment).await;
    let (header, claims) = (forge.header().to_string(), forge.claims().to_string());
    vec![
        ("ours, signed by the issuer".into(), forge.sign(&header, own.claims().to_string()), INVALID),
        (
            "ours, signed by the issuer under our kid".into(),
            forge.sign(own.header().to_string(), own.claims().to_string()),
            INVALID,
        ),
        ("the issuer's, signed by us".into(), own.sign(own.header().to_string(), &claims), INVALID),
        ("the issuer's, signed by us under its kid".into(), own.sign(&header, &claims), INVALID),
    ]
}
