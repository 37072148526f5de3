//! Clients: a client is one local system. Each presents a static bearer key; the configuration holds it as a secret.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use lienthong_domain::catalogue::{AgencyCode, AgencyRegister};
use subtle::ConstantTimeEq;

use crate::http::problem::{Code, Problem};

/// One local system.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    /// The agencies at whose sub-trees it may write and read.
    pub agencies: Vec<AgencyCode>,
}

impl Client {
    /// Whether the agency stands in one of the client's sub-trees on that day.
    pub fn covers(&self, agency: &AgencyCode, register: &AgencyRegister, day: Date) -> bool {
        self.agencies.iter().any(|root| register.is_within(agency, root, day))
    }
}

/// All clients, found by their key's digest.
#[derive(Default)]
pub struct Clients {
    by_key: HashMap<[u8; 32], Arc<Client>>,
}

impl Clients {
    pub fn new(clients: impl IntoIterator<Item = (Client, String)>) -> Self {
        let by_key = clients.into_iter().map(|(client, key)| (key_digest(&key), Arc::new(client))).collect();
        Self { by_key }
    }

    fn find(&self, presented: &str) -> Option<&Arc<Client>> {
        let wanted = key_digest(presented);
        // The map is keyed by digest, so its timing tells nothing about a key; the comparison is constant-time all the same.
        let (stored, client) = self.by_key.get_key_value(&wanted)?;
        bool::from(stored.ct_eq(&wanted)).then_some(client)
    }
}

fn key_digest(key: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    bytes
}

/// The authenticated client of a request.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<Client>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| Problem::new(Code::Unauthenticated))
    }
}

/// Layer: every request below it has a client.
pub async fn authenticate(State(clients): State<Arc<Clients>>, mut request: Request, next: Next) -> Response {
    let mut credentials = request.headers().get_all(header::AUTHORIZATION).iter();
    // Two credentials are none: which one a proxy in front has looked at is not known.
    let only = credentials.next().filter(|_| credentials.next().is_none());
    let presented = only
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim());
    let Some(client) = presented.and_then(|key| clients.find(key)) else {
        return Problem::new(Code::Unauthenticated)
            .detail("Cần Authorization: Bearer <khóa của hệ thống>.", "Authorization: Bearer <client key> is needed.")
            .into_response();
    };
    let caller = Caller(Arc::clone(client));
    request.extensions_mut().insert(caller);
    next.run(request).await
}
