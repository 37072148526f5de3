//! Where a token stands: in one `Authorization` header, and beside the certificate to which it is bound.

use lienthong_contract_tests::gateway::PROVINCE;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::forge::Forge;
use crate::support::{Answer, World};

const LIST: &str = "/v1/dossiers";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_in_one_authorization_header_and_nowhere_else() {
    let world = World::start().await;
    let token = world.token.clone();
    let get = |path: &str| world.request(Method::GET, path);
    let secret = world.deployment.secret(PROVINCE).await.unwrap();
    let bearer = |token: &str| format!("Bearer {token}");
    let nowhere: Vec<(&str, RequestBuilder)> = vec![
        ("nothing", get(LIST)),
        ("in the address", get(&format!("{LIST}?access_token={token}"))),
        (
            "in a form",
            get(LIST).header("content-type", "application/x-www-form-urlencoded").body(format!("access_token={token}")),
        ),
        ("in a cookie", get(LIST).header("cookie", format!("access_token={token}; Authorization=Bearer {token}"))),
        ("in another header", get(LIST).header("x-authorization", bearer(&token)).header("x-access-token", &token)),
        ("for a proxy", get(LIST).header("proxy-authorization", bearer(&token))),
        ("twice", get(LIST).bearer_auth(&token).bearer_auth(&token)),
        ("beside another's", get(LIST).bearer_auth(&token).bearer_auth(&world.ward)),
        ("beside a secret", get(LIST).bearer_auth(&token).basic_auth(PROVINCE, Some(secret))),
        ("without its scheme", get(LIST).header("authorization", &token)),
        ("under another scheme", get(LIST).header("authorization", format!("DPoP {token}"))),
        ("a secret instead", get(LIST).basic_auth(PROVINCE, Some(secret))),
        ("a name in a header", get(LIST).header("x-client-id", PROVINCE).header("x-forwarded-user", PROVINCE)),
        ("a certificate in a header", get(LIST).header("x-client-cert", "MIIB").header("client-cert", ":MIIB:")),
    ];
    for (what, request) in nowhere {
        let answer = Answer::of(request).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{what}");
        assert!(!answer.text.contains(&token), "{what}");
        answer.refused(401, "access.unauthenticated");
    }
    for (what, header) in [
        ("two in one header", format!("Bearer {token}, Bearer {token}")),
        ("two behind one scheme", format!("Bearer {token} {token}")),
        ("in quotes", format!("Bearer \"{token}\"")),
        ("the scheme twice", format!("Bearer Bearer {token}")),
    ] {
        let answer = Answer::of(get(LIST).header("authorization", header)).await;
        assert!(!answer.text.contains(&token), "{what}");
        answer.refused(401, "access.token_invalid");
    }
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        Answer::of(get(LIST).header("authorization", format!("{scheme} {token}"))).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_bound_to_a_certificate_is_worth_nothing_without_it() {
    let world = World::start().await;
    let forge = Forge::beside(&world.deployment).await;
    let list = |token: String| world.request(Method::GET, LIST).bearer_auth(token);
    let thumbprint = super::encode([7; 32]);
    for bound in [json!({ "x5t#S256": thumbprint }), json!({ "x5t#S256": "" })] {
        let token = forge.with_claims(&json!({ "cnf": bound }));
        for _ in 0..2 {
            Answer::of(list(token.clone())).await.refused(401, "access.token_invalid");
        }
        let with_header = list(token).header("x-client-cert", "MIIB").header("x-ssl-client-fingerprint", &thumbprint);
        Answer::of(with_header).await.refused(401, "access.token_invalid");
    }
    // Bound to what is not understood is not unbound.
    for unknown in
        [json!({}), json!({ "jkt": thumbprint }), json!({ "x5t": thumbprint }), json!([thumbprint]), json!("x")]
    {
        let token = forge.with_claims(&json!({ "cnf": unknown }));
        Answer::of(list(token)).await.refused(401, "access.token_invalid");
    }
    let null = forge.with_raw_claim("cnf", "null");
    Answer::of(list(null)).await.refused(401, "access.token_invalid");
}
