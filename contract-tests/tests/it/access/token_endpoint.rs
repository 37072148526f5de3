//! The token endpoint as OAuth libraries meet it (RFC 6749, 8414, 7517): who gets a token by a secret, what is refused
//! and how that is said, and what is published about it.

use std::collections::BTreeMap;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use lienthong::access::Scope;
use lienthong::access::administer::NewProof;
use lienthong_contract_tests::gateway::{PROVINCE, WARD};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{add, client_of, scoped_token, token_of, token_request};
use crate::support::{Answer, World, dossier, dossier_path};

pub(super) const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const CODE: &str = "H15.50-261121-0001";

/// What the token endpoint answers.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    pub(super) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let reply = Self { status, headers, text: response.text().await.unwrap() };
        assert_eq!(reply.header("cache-control"), "no-store", "{reply:?}");
        assert_eq!(reply.header("content-type"), "application/json", "{reply:?}");
        reply
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    fn members(&self) -> Vec<String> {
        self.json().as_object().unwrap().keys().cloned().collect()
    }

    /// A token, and nothing that RFC 6749 does not know.
    #[track_caller]
    pub(super) fn given(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.members(), ["access_token", "expires_in", "scope", "token_type"]);
        self.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// An error of RFC 6749, and nothing of a problem of the API.
    #[track_caller]
    pub(super) fn refused(&self, what: &str, status: u16, error: &str) {
        assert_eq!((self.status, &self.json()["error"]), (status, &json!(error)), "{what}: {self:?}");
        assert_eq!(self.members(), ["error", "error_description"], "{what}: {self:?}");
        assert!(!self.json()["error_description"].as_str().unwrap().is_empty(), "{what}");
        // However it tried to prove itself (RFC 9110, section 15.5.2).
        let challenge = self.header("www-authenticate");
        assert_eq!(challenge.starts_with("Basic realm="), status == 401, "{what}: {self:?}");
    }
}

fn basic(world: &World, id: &str, secret: &str, form: &[(&str, &str)]) -> RequestBuilder {
    token_request(world, form).basic_auth(id, Some(secret))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_gives_a_token_for_all_that_was_given_or_for_less() {
    let world = World::start().await;
    let secret = world.deployment.secret(PROVINCE).await.unwrap();
    let reply = Reply::of(basic(&world, PROVINCE, secret, &[GRANT])).await;
    let token = reply.given();
    let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let given = reply.json();
    assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(given["scope"], all.join(" "));
    let put =
        |token: &str| world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(token).json(&dossier("received"));
    Answer::of(put(&token)).await.is(202);

    let less = scoped_token(&world, PROVINCE, secret, "dossiers:read").await;
    Answer::of(world.request(Method::GET, &dossier_path(CODE)).bearer_auth(&less)).await.is(200);
    Answer::of(put(&less)).await.refused(403, "access.scope_missing");
    for (scope, said) in [("", all.join(" ")), ("dossiers:write", "dossiers:write".into())] {
        let reply = Reply::of(basic(&world, PROVINCE, secret, &[GRANT, ("scope", scope)])).await;
        reply.given();
        assert_eq!(reply.json()["scope"], said);
    }
    // The client may say who it is a second time, and the content type may have a parameter.
    Reply::of(basic(&world, PROVINCE, secret, &[GRANT, ("client_id", PROVINCE)])).await.given();
    let typed = world.request(Method::POST, "/oauth/token").basic_auth(PROVINCE, Some(secret));
    let typed = typed.header("content-type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8");
    Reply::of(typed.body("grant_type=client_credentials")).await.given();
    let of_the_ward = Answer::of(world.request(Method::GET, &dossier_path(CODE)).bearer_auth(&world.ward)).await;
    of_the_ward.refused(404, "dossier.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_prove_itself_by_its_secret_is_told_to_and_no_more() {
    let world = World::start().await;
    let secret = world.deployment.secret(PROVINCE).await.unwrap();
    let wards = world.deployment.secret(WARD).await.unwrap();
    let mut said = BTreeMap::new();
    for (what, id, presented) in [
        ("a wrong secret", PROVINCE, "x".repeat(43)),
        ("the secret of another client", PROVINCE, wards.to_owned()),
        ("another client with this secret", WARD, secret.to_owned()),
        ("an unknown client", "nobody", secret.to_owned()),
        ("a client in other letters", "Province", secret.to_owned()),
        ("no secret", PROVINCE, String::new()),
        ("the start of the secret", PROVINCE, secret[..42].to_owned()),
        ("the secret in other letters", PROVINCE, secret.to_ascii_uppercase()),
        ("the secret and more", PROVINCE, format!("{secret}x")),
        ("the secret and a space", PROVINCE, format!("{secret} ")),
        ("the secret and another field", PROVINCE, format!("{secret}&x=y")),
        ("the secret as the name of a field", PROVINCE, format!("{secret}=y")),
        ("the client as the name of a field", "province=x", secret.to_owned()),
        ("a token", PROVINCE, world.token.clone()),
    ] {
        let reply = Reply::of(basic(&world, id, &presented, &[GRANT])).await;
        reply.refused(what, 401, "invalid_client");
        assert!(!reply.text.contains(secret) && !reply.text.contains(wards), "{what}: {reply:?}");
        said.insert(what, reply.text);
    }
    assert_eq!(said["a wrong secret"], said["an unknown client"], "who exists is told by what is wrong");
    assert_eq!(said["a wrong secret"], said["the secret of another client"]);
    for (what, header) in [
        ("a token as the proof", format!("Bearer {}", world.token)),
        ("no Base64", "Basic ***".into()),
        ("no colon", "Basic cHJvdmluY2U=".into()),
        ("nothing behind Basic", "Basic".into()),
        ("another scheme", format!("Digest {secret}")),
        ("no text", "Basic /////w==".into()),
    ] {
        let reply = Reply::of(token_request(&world, &[GRANT]).header("authorization", header)).await;
        reply.refused(what, 401, "invalid_client");
    }
    let nobody = Reply::of(token_request(&world, &[GRANT])).await;
    nobody.refused("no proof", 401, "invalid_client");
    let other = Reply::of(basic(&world, PROVINCE, secret, &[GRANT, ("client_id", WARD)])).await;
    other.refused("another client_id in the form", 401, "invalid_client");
    world.nothing_happened("requests for tokens").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_wrong_in_itself_is_told_what_is_wrong() {
    let world = World::start().await;
    let secret = world.deployment.secret(PROVINCE).await.unwrap();
    let added = add(&world.deployment, client_of("reader", &[], &[Scope::DossiersRead]), NewProof::Secret).await;
    let readers = added.secret.unwrap();
    token_of(&world, "reader", &readers).await;
    let form = |form: &[(&str, &str)]| basic(&world, PROVINCE, secret, form);
    let long = "x".repeat(17_000);
    let assertion = ("client_assertion", "a.b.c");
    let is_jwt = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let saml = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
    for (what, request, error) in [
        ("grant_type missing", form(&[("scope", "dossiers:read")]), "invalid_request"),
        ("an empty form", form(&[]), "invalid_request"),
        ("grant_type in other letters", form(&[("grant_type", "Client_Credentials")]), "unsupported_grant_type"),
        ("a password", form(&[("grant_type", "password")]), "unsupported_grant_type"),
        ("a refresh token", form(&[("grant_type", "refresh_token")]), "unsupported_grant_type"),
        ("a code", form(&[("grant_type", "authorization_code")]), "unsupported_grant_type"),
        ("grant_type twice", form(&[GRANT, GRANT]), "invalid_request"),
        ("scope twice", form(&[GRANT, ("scope", "dossiers:read"), ("scope", "dossiers:read")]), "invalid_request"),
        ("a member twice that nobody reads", form(&[GRANT, ("x", "1"), ("x", "2")]), "invalid_request"),
        (
            "the secret in the body",
            token_request(&world, &[GRANT, ("client_id", PROVINCE), ("client_secret", secret)]),
            "invalid_request",
        ),
        ("the secret in the body too", form(&[GRANT, ("client_secret", secret)]), "invalid_request"),
        ("a secret and an assertion", form(&[GRANT, assertion, is_jwt]), "invalid_request"),
        ("two headers", form(&[GRANT]).basic_auth(PROVINCE, Some(secret)), "invalid_request"),
        ("an assertion of no type", token_request(&world, &[GRANT, assertion]), "invalid_request"),
        ("an assertion of another type", token_request(&world, &[GRANT, assertion, saml]), "invalid_request"),
        ("an unknown scope", form(&[GRANT, ("scope", "dossiers:everything")]), "invalid_scope"),
        ("a scope in other letters", form(&[GRANT, ("scope", "DOSSIERS:READ")]), "invalid_scope"),
        ("a known and an unknown scope", form(&[GRANT, ("scope", "dossiers:read admin")]), "invalid_scope"),
        ("scopes with a comma", form(&[GRANT, ("scope", "dossiers:read,dossiers:write")]), "invalid_scope"),
        (
            "a scope that was not given",
            basic(&world, "reader", &readers, &[GRANT, ("scope", "dossiers:write")]),
            "invalid_scope",
        ),
        (
            "one that was given and one that was not",
            basic(&world, "reader", &readers, &[GRANT, ("scope", "dossiers:read dossiers:write")]),
            "invalid_scope",
        ),
    ] {
        let reply = Reply::of(request).await;
        reply.refused(what, 400, error);
        assert!(!reply.text.contains(secret), "{what}: {reply:?}");
    }
    Answer::of(form(&[GRANT, ("x", &long)])).await.refused(413, "request.too_large");
    for kind in [None, Some("application/json"), Some("text/plain"), Some("multipart/form-data; boundary=x"), Some("")]
    {
        let mut request = world.request(Method::POST, "/oauth/token").basic_auth(PROVINCE, Some(secret));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let reply = Reply::of(request.body("grant_type=client_credentials")).await;
        reply.refused(&format!("content type {kind:?}"), 400, "invalid_request");
    }
    // In the address they would stand in logs.
    let query = format!("/oauth/token?grant_type=client_credentials&client_id={PROVINCE}&client_secret={secret}");
    Reply::of(world.request(Method::POST, &query)).await.refused("everything in the address", 400, "invalid_request");
    Answer::of(world.request(Method::GET, &query)).await.refused(405, "route.method_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_enough_for_someone_else_to_verify_a_token() {
    let world = World::start().await;
    let issuer = world.deployment.load().unwrap().settings.server.public_url;
    let published = async |path: &str| {
        let answer = Answer::of(world.request(Method::GET, path)).await.is(200);
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        answer.json()
    };
    let metadata = published("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(metadata["token_endpoint"], format!("{issuer}/oauth/token"));
    assert_eq!(metadata["grant_types_supported"], json!(["client_credentials"]));
    assert_eq!(metadata["response_types_supported"], json!(["none"]));
    assert_eq!(metadata["scopes_supported"], json!(Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>()));
    let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
    for method in ["client_secret_basic", "private_key_jwt"] {
        assert!(methods.contains(&json!(method)), "{metadata}");
    }
    assert!(!methods.contains(&json!("client_secret_post")) && !methods.contains(&json!("none")), "{metadata}");

    let keys_path = metadata["jwks_uri"].as_str().unwrap().strip_prefix(&issuer).unwrap();
    let keys = published(keys_path).await;
    for key in keys["keys"].as_array().unwrap() {
        let members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"], "{key}");
        assert_eq!((&key["kty"], &key["crv"], &key["use"]), (&json!("EC"), &json!("P-256"), &json!("sig")));
    }
    let set: JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(&world.token).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("at+jwt"), Algorithm::ES256));
    let key = DecodingKey::from_jwk(set.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[&issuer]);
    validation.set_issuer(&[&issuer]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let claims = jsonwebtoken::decode::<Value>(&world.token, &key, &validation).unwrap().claims;
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(PROVINCE), &json!(PROVINCE)));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    let other = jsonwebtoken::decode::<Value>(&world.ward, &key, &validation).unwrap().claims;
    assert_ne!(claims["jti"], other["jti"]);
    assert_ne!(claims["credential"], other["credential"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_go_on_after_a_restart_and_new_ones_are_signed_by_the_same_key() {
    let mut world = World::start().await;
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid;
    let before = world.token.clone();
    world.restart().await;
    world.get("/v1/dossiers").await.is(200);
    let after = world.deployment.token(PROVINCE).await.unwrap();
    assert_eq!(kid(&before), kid(&after));
    assert_ne!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_added_a_moment_ago_gets_its_token_without_waiting() {
    let world = World::with(lienthong_sandbox::Settings::default(), "access.refresh_ms = 10000").await;
    let added = add(&world.deployment, client_of("new", &[], &[Scope::DossiersRead]), NewProof::Secret).await;
    let secret = added.secret.unwrap();
    lienthong_contract_tests::gateway::token(&world.deployment.url(), "new", &secret).await.unwrap();
}
