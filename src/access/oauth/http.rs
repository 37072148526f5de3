//! The way in: the token endpoint, the server's metadata (RFC 8414), and the keys by which tokens are checked.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::client_authentication::Offered;
use super::{ErrorCode, Refused, TokenEndpoint};
use crate::access::certificate::PeerCertificate;
use crate::access::client::Scope;
use crate::http::listener::Peer;
use crate::http::observe::Recognised;
use crate::http::openapi::ProblemDocument;

/// Where the token endpoint is.
pub const TOKEN_PATH: &str = "/oauth/token";
pub const KEYS_PATH: &str = "/.well-known/jwks.json";

/// Routes that need no token.
pub fn routes(endpoint: Arc<TokenEndpoint>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(post_token))
        .routes(routes!(get_keys))
        .routes(routes!(get_metadata))
        .with_state(endpoint)
}

/// Mã truy cập. / An access token.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes what is written elsewhere")]
struct Token {
    #[schema(max_length = 8192)]
    access_token: String,
    #[schema(max_length = 10, example = "Bearer")]
    token_type: String,
    /// Giây. / Seconds.
    #[schema(minimum = 1, example = 600)]
    expires_in: u32,
    #[schema(max_length = 1000, example = "dossiers:read dossiers:write")]
    scope: String,
}

/// Lỗi theo RFC 6749, mục 5.2. / An error (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes what is written elsewhere")]
struct TokenError {
    #[schema(max_length = 64, example = "invalid_client")]
    error: String,
    #[schema(max_length = 500)]
    error_description: String,
}

/// Yêu cầu mã truy cập. / A request for a token.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes what is read elsewhere")]
struct TokenRequest {
    #[schema(max_length = 64, pattern = "^client_credentials$", example = "client_credentials")]
    grant_type: String,
    /// Ít hơn những gì đã được cấp. / Less than what was given.
    #[schema(max_length = 1000, example = "dossiers:write")]
    scope: Option<String>,
    #[schema(max_length = 64)]
    client_id: Option<String>,
    #[schema(max_length = 100)]
    client_assertion_type: Option<String>,
    #[schema(max_length = 8192)]
    client_assertion: Option<String>,
}

/// Lấy mã truy cập
///
/// `client_credentials` với `client_secret_basic`, `private_key_jwt` hoặc chứng thư TLS. / Gives an access token to a client
/// that proves itself by its secret, by an assertion that it signed, or by its certificate.
#[utoipa::path(
    post, path = TOKEN_PATH, operation_id = "postToken", tag = "access",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded", description = "RFC 6749.", example = json!({ "grant_type": "client_credentials", "scope": "dossiers:write" })),
    responses(
        (status = 200, description = "Mã truy cập. / A token.", body = Token),
        (status = 400, description = "invalid_request, invalid_scope, unsupported_grant_type", body = TokenError),
        (status = 401, description = "invalid_client", body = TokenError, headers(("WWW-Authenticate" = String, description = "Basic (RFC 9110)."))),
        (status = 408, description = "request.timeout", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "request.too_large", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "access.quota_exceeded", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "temporarily_unavailable, service.overloaded", content(
            (TokenError = "application/json"), (ProblemDocument = "application/problem+json"))),
    )
)]
async fn post_token(
    State(endpoint): State<Arc<TokenEndpoint>>,
    peer: Option<Extension<Peer>>,
    recognised: Option<Extension<Recognised>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let certificate = peer.and_then(|Extension(peer)| peer.certificate);
    let Extension(recognised) = recognised.unwrap_or_default();
    match answer(&endpoint, &headers, &body, certificate.as_ref(), &recognised).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

/// In whose name the endpoint is asked, known or not: so often, and no more. Of those that nobody knows there is one.
fn claimed<'a>(endpoint: &TokenEndpoint, claimed_id: Option<&'a str>, offered: Option<&'a Offered<'_>>) -> &'a str {
    let claimed = claimed_id.or_else(|| offered?.name());
    claimed.filter(|id| endpoint.access.register.in_force().client(id).is_some()).unwrap_or("?")
}

async fn answer(
    endpoint: &TokenEndpoint,
    headers: &HeaderMap,
    body: &[u8],
    certificate: Option<&PeerCertificate>,
    recognised: &Recognised,
) -> Result<Response, Refused> {
    let form = read_form(headers, body)?;
    let claimed_id = form.get("client_id").map(String::as_str);
    let offered = Offered::read(headers, &form, certificate);
    if let Err(problem) = endpoint.quotas.charge_token(claimed(endpoint, claimed_id, offered.as_ref().ok())).await {
        return Ok(problem.into_response());
    }
    match form.get("grant_type").map(String::as_str) {
        Some("client_credentials") => {}
        Some(_) => return Err(Refused::new(ErrorCode::UnsupportedGrantType, "Only client_credentials is supported.")),
        None => return Err(Refused::new(ErrorCode::InvalidRequest, "grant_type is missing.")),
    }
    let client = endpoint.authenticate(&offered?, claimed_id).await?;
    recognised.is(&client.client);
    let wanted = form.get("scope").map(String::as_str).filter(|scope| !scope.is_empty());
    Ok(endpoint.issue(&client, wanted).await?.into_response())
}

fn read_form(headers: &HeaderMap, body: &[u8]) -> Result<HashMap<String, String>, Refused> {
    let invalid = |description| Err(Refused::new(ErrorCode::InvalidRequest, description));
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return invalid("The body must be application/x-www-form-urlencoded.");
    }
    let mut form = HashMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        if form.insert(name.into_owned(), value.into_owned()).is_some() {
            return invalid("A parameter appears twice.");
        }
    }
    Ok(form)
}

/// Khóa công khai để kiểm mã truy cập
///
/// Bộ khóa JWKS (RFC 7517); khóa mới có mặt ở đây trước khi được dùng. / The public keys (JWKS, RFC 7517); a new one is here
/// before it signs.
#[utoipa::path(
    get, path = KEYS_PATH, operation_id = "getTokenKeys", tag = "access",
    responses(
        (status = 200, description = "JWKS.", body = Value),
        (status = 503, description = "service.overloaded", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
async fn get_keys(State(endpoint): State<Arc<TokenEndpoint>>) -> Response {
    let in_force = endpoint.access.register.in_force();
    let keys: Vec<_> = in_force.token_keys.iter().map(|key| &key.public).collect();
    published(&json!({ "keys": keys }))
}

/// Siêu dữ liệu của máy chủ cấp quyền
///
/// RFC 8414. / The authorization server's metadata.
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", operation_id = "getAuthorizationServer", tag = "access",
    responses(
        (status = 200, description = "RFC 8414.", body = Value),
        (status = 503, description = "service.overloaded", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
async fn get_metadata(State(endpoint): State<Arc<TokenEndpoint>>) -> Response {
    let issuer = &endpoint.access.tokens.issuer;
    published(&json!({
        "issuer": issuer,
        "token_endpoint": endpoint.url,
        "jwks_uri": format!("{issuer}{KEYS_PATH}"),
        "grant_types_supported": ["client_credentials"],
        // There must be one (RFC 8414, section 2), and this is the one that stands for none.
        "response_types_supported": ["none"],
        "scopes_supported": Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "private_key_jwt", "tls_client_auth"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "ES384", "EdDSA", "PS256", "RS256"],
        "tls_client_certificate_bound_access_tokens": true,
        "service_documentation": format!("{issuer}/v1/openapi.json"),
    }))
}

/// For everyone, and for a while.
fn published(document: &Value) -> Response {
    let headers = [(header::CACHE_CONTROL, "public, max-age=300"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    (StatusCode::OK, headers, Json(document)).into_response()
}
