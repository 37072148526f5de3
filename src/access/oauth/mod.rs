//! The token endpoint (RFC 6749): a client proves who it is and gets a token for a while. Errors have the shape of
//! that standard, which client libraries read, and not that of the API's problems.

mod client_authentication;
pub mod http;

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lienthong_domain::scalar::Scalar;
use serde_json::json;

use super::authenticate::Access;
use super::client::Scope;
use super::quotas::Quotas;
use super::store::AccessStore;
use super::tokens::{keys, write_scopes};
use crate::http::problem::AsItIs;
use crate::storage::StoreError;
use crate::storage::keys::Keys;
use client_authentication::Authenticated;
pub use client_authentication::secret_digest;

/// Gives tokens.
pub struct TokenEndpoint {
    pub access: Arc<Access>,
    pub store: Arc<dyn AccessStore>,
    pub keys: Arc<Keys>,
    pub quotas: Arc<Quotas>,
    /// Address of this endpoint as clients reach it.
    pub url: String,
}

/// A token as the endpoint answers it.
struct Issued {
    token: String,
    lifetime_s: i64,
    scopes: Vec<Scope>,
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    UnsupportedGrantType,
    InvalidScope,
    /// Nothing is wrong with the request (the code is that of the authorization endpoint, for want of a better one).
    TemporarilyUnavailable,
}

#[derive(Debug)]
struct Refused {
    code: ErrorCode,
    description: &'static str,
}

impl Refused {
    fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, description }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a token could not be given");
        Self::new(ErrorCode::TemporarilyUnavailable, "The database does not answer: try again in a few seconds.")
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code) = match self.code {
            ErrorCode::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request"),
            ErrorCode::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client"),
            ErrorCode::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            ErrorCode::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope"),
            ErrorCode::TemporarilyUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        };
        let body = Json(json!({ "error": code, "error_description": self.description }));
        let mut response = (status, AsItIs, body).into_response();
        // Whoever proved itself otherwise is told too: every 401 names a scheme (RFC 9110, section 15.5.2), and RFC 6749
        // (section 5.2) asks for this one where it was used.
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"lienthong\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

impl TokenEndpoint {
    async fn issue(&self, client: &Authenticated, wanted: Option<&str>) -> Result<Issued, Refused> {
        let scopes = match wanted {
            None => client.client.scopes.clone(),
            Some(wanted) => wanted
                .split(' ')
                .map(|name| Scope::parse(name).ok().filter(|scope| client.client.scopes.contains(scope)))
                .collect::<Option<Vec<_>>>()
                .ok_or(Refused::new(ErrorCode::InvalidScope, "The client was not given one of these scopes."))?,
        };
        let (in_force, now) = (self.access.register.in_force(), self.access.clock.now());
        let key = keys::signing(&in_force.token_keys, now)
            .ok_or_else(|| StoreError::Failed("there is no key to sign tokens with".into()))?;
        let tokens = &self.access.tokens;
        let bound = client.certificate.as_deref();
        let token = tokens.issue(key, &client.client, &client.credential, &scopes, bound, now)?;
        self.use_up(client).await?;
        Ok(Issued { token, lifetime_s: tokens.lifetime_ms / 1000, scopes })
    }
}

impl IntoResponse for Issued {
    fn into_response(self) -> Response {
        let body = json!({
            "access_token": self.token, "token_type": "Bearer", "expires_in": self.lifetime_s,
            "scope": write_scopes(&self.scopes),
        });
        Json(body).into_response()
    }
}
