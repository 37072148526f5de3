//! Who may call: what proves it and what does not, what a token allows, and what operators do about it.

mod assertions;
mod attacks;
mod bearer;
mod commands;
mod edges;
mod forge;
mod issuer_attacks;
mod issuer_documents;
mod issuer_keys;
mod issuers;
mod keys;
mod matrix;
mod other_provider;
mod public_keys;
mod shapes;
mod token_endpoint;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use lienthong::access::administer::{Added, NewProof};
use lienthong::access::{Client, Scope};
use lienthong::config::Settings;
use lienthong::wiring::Stores;
use lienthong_contract_tests::gateway::{self, Deployment};
use lienthong_domain::catalogue::{AgencyCode, ProcedureCode};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, SystemClock};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::support::World;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The deployment's stores, opened beside its gateway.
async fn stores(deployment: &Deployment) -> (Settings, Stores) {
    let settings = deployment.load().unwrap().settings;
    let stores = Stores::open_existing(&settings, &clock()).await.unwrap();
    (settings, stores)
}

/// A client for the whole province.
fn client_of(id: &str, procedures: &[&str], scopes: &[Scope]) -> Client {
    Client {
        id: id.to_owned(),
        name: id.to_owned(),
        agencies: vec![AgencyCode::parse("H15").unwrap()],
        procedures: procedures.iter().map(|code| ProcedureCode::parse(code).unwrap()).collect(),
        scopes: scopes.to_vec(),
        created_at: SystemClock.now(),
        revoked_at: None,
    }
}

/// Adds a client beside the gateway, as an operator does; the gateway knows it within `access.refresh_ms`.
async fn add(deployment: &Deployment, client: Client, proof: NewProof) -> Added {
    let (_, stores) = stores(deployment).await;
    stores.administration(&clock()).add(client, proof).await.map_err(|refused| format!("{refused:?}")).unwrap()
}

/// A request to the token endpoint.
fn token_request(world: &World, form: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = world.request(Method::POST, "/oauth/token");
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// In force within `access.refresh_ms`, which is 50 here, and a little for a busy machine.
async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !holds().await {
        assert!(Instant::now() < deadline, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A token for a client that the gateway may not know yet.
async fn token_of(world: &World, id: &str, secret: &str) -> String {
    let url = world.deployment.url();
    soon("the client gets a token", async || gateway::token(&url, id, secret).await.is_ok()).await;
    gateway::token(&url, id, secret).await.unwrap()
}

/// A token with less than the client has.
async fn scoped_token(world: &World, id: &str, secret: &str, scope: &str) -> String {
    let form = [("grant_type", "client_credentials"), ("scope", scope)];
    let response = token_request(world, &form).basic_auth(id, Some(secret)).send().await.unwrap();
    let given: Value = response.error_for_status().unwrap().json().await.unwrap();
    given["access_token"].as_str().unwrap().to_owned()
}

/// A key pair of somebody's own.
pub(crate) struct Pair {
    algorithm: Algorithm,
    private: EncodingKey,
    pub(crate) public: Jwk,
}

impl Pair {
    pub(crate) fn make(algorithm: Algorithm) -> Self {
        let random = SystemRandom::new();
        let ec = |kind| EncodingKey::from_ec_der(EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap().as_ref());
        let private = match algorithm {
            Algorithm::ES256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => EncodingKey::from_ed_der(Ed25519KeyPair::generate_pkcs8v1(&random).unwrap().as_ref()),
            Algorithm::PS256 | Algorithm::RS256 => {
                let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
                let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
                // What PKCS #1 has stands behind 26 bytes that name the kind of key.
                EncodingKey::from_rsa_der(&der.as_ref()[26..])
            }
            other => panic!("nobody here signs with {other:?}"),
        };
        let public = Jwk::from_encoding_key(&private, algorithm).unwrap();
        Self { algorithm, private, public }
    }

    fn public_text(&self) -> String {
        serde_json::to_string(&self.public).unwrap()
    }

    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        compact(header, claims, &self.private, self.algorithm)
    }
}

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A compact JWT of exactly these texts, whatever they are.
fn compact(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>, key: &EncodingKey, algorithm: Algorithm) -> String {
    signed(&format!("{}.{}", encode(header), encode(claims)), key, algorithm)
}

fn signed(message: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    format!("{message}.{}", crypto::sign(message.as_bytes(), key, algorithm).unwrap())
}
