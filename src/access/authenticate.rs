//! Who is calling: a token of ours or of a configured issuer, or the certificate of the connection. A verified token is
//! remembered for a short while, never beyond its own end, and not beyond the next change of clients or credentials.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lienthong_domain::time::{Clock, Timestamp};
use moka::sync::Cache;

use super::certificate::PeerCertificate;
use super::client::{Client, Scope};
use super::issuers::{Issuer, Issuers};
use super::register::{InForce, Register};
use super::tokens::jwt::{Unacceptable, Unverified};
use super::tokens::{Grant, TokenSettings};
use crate::http::listener::Peer;
use crate::http::observe::Recognised;
use crate::http::problem::{Code, Problem};

/// Finds out who calls.
pub struct Access {
    pub register: Arc<Register>,
    pub tokens: TokenSettings,
    pub issuers: Arc<Issuers>,
    pub clock: Arc<dyn Clock>,
    /// By the token's digest.
    remembered: Cache<[u8; 32], Arc<Remembered>>,
    remember_ms: i64,
}

struct Remembered {
    /// Of the clients and credentials by which it was judged.
    change: i64,
    until: Timestamp,
    identity: Identity,
    certificate: Option<String>,
}

/// Who calls, and what the call may do at most.
#[derive(Debug, Clone)]
pub struct Identity {
    pub client: Arc<Client>,
    pub scopes: Arc<[Scope]>,
}

/// The client of a request.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<Client>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let identity = parts.extensions.get::<Identity>().ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        Ok(Self(Arc::clone(&identity.client)))
    }
}

/// Layer: every request below it has a client.
pub async fn authenticate(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let certificate = request.extensions().get::<Peer>().and_then(|peer| peer.certificate.as_ref());
    match access.identify(request.headers(), certificate).await {
        Ok(identity) => {
            if let Some(recognised) = request.extensions().get::<Recognised>() {
                recognised.is(&identity.client);
            }
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

impl Access {
    /// Up to `most_remembered` verified tokens are remembered for `remember_ms`.
    pub fn new(
        register: Arc<Register>,
        tokens: TokenSettings,
        issuers: Arc<Issuers>,
        clock: Arc<dyn Clock>,
        remember_ms: i64,
        most_remembered: u64,
    ) -> Self {
        Self { register, tokens, issuers, clock, remembered: Cache::new(most_remembered), remember_ms }
    }

    async fn identify(&self, headers: &HeaderMap, certificate: Option<&PeerCertificate>) -> Result<Identity, Problem> {
        let mut credentials = headers.get_all(header::AUTHORIZATION).iter();
        match (credentials.next(), credentials.next(), certificate) {
            (None, _, Some(certificate)) => self.by_certificate(certificate),
            (None, _, None) => Err(unauthenticated()),
            (Some(value), None, certificate) => {
                let (scheme, token) =
                    value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(unauthenticated)?;
                if !scheme.eq_ignore_ascii_case("bearer") {
                    return Err(unauthenticated());
                }
                self.by_token(token.trim(), certificate).await
            }
            // Two credentials are none: which one a proxy in front has looked at is not known.
            (Some(_), Some(_), _) => Err(unauthenticated()),
        }
    }

    fn by_certificate(&self, certificate: &PeerCertificate) -> Result<Identity, Problem> {
        let (in_force, now) = (self.register.in_force(), self.clock.now());
        let known = certificate.proofs().find_map(|proof| {
            let (client, _) = in_force.by_proof(&proof, now)?;
            Some(Identity { client: Arc::clone(client), scopes: client.scopes.clone().into() })
        });
        known.ok_or_else(|| Problem::new(Code::CertificateUnknown))
    }

    async fn by_token(&self, token: &str, certificate: Option<&PeerCertificate>) -> Result<Identity, Problem> {
        let mut name = [0; 32];
        name.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let (in_force, now) = (self.register.in_force(), self.clock.now());
        let known = self.remembered.get(&name).filter(|known| known.change == in_force.change && now < known.until);
        let known = match known {
            Some(known) => known,
            None => {
                let verified = Arc::new(self.verify(token).await?);
                self.remembered.insert(name, Arc::clone(&verified));
                verified
            }
        };
        match &known.certificate {
            Some(bound) if certificate.is_none_or(|presented| presented.thumbprint_text() != *bound) => {
                Err(Problem::new(Code::TokenInvalid).detail(
                    "Mã truy cập này chỉ dùng được cùng chứng thư đã xin nó.",
                    "This token is only good with the certificate by which it was obtained.",
                ))
            }
            _ => Ok(known.identity.clone()),
        }
    }

    /// By whoever the token says it is of: us, or an issuer that was configured.
    async fn verify(&self, token: &str) -> Result<Remembered, Problem> {
        let read = Unverified::read(token).map_err(refused)?;
        let issuer = read.claimed("iss").ok_or_else(|| refused(Unacceptable::Issuer))?;
        if issuer == self.tokens.issuer {
            return self.verify_own(&read).await;
        }
        let issuer = self.issuers.find(issuer).ok_or_else(|| refused(Unacceptable::Issuer))?;
        self.verify_of(issuer, read).await
    }

    async fn verify_own(&self, token: &Unverified<'_>) -> Result<Remembered, Problem> {
        let now = self.clock.now();
        let mut in_force = self.register.in_force();
        let mut verified = self.tokens.verify(token, &in_force.token_keys, now);
        if verified == Err(Unacceptable::Key) {
            // Another replica may have made the key a moment ago.
            self.register.refresh_for_stranger().await;
            in_force = self.register.in_force();
            verified = self.tokens.verify(token, &in_force.token_keys, now);
        }
        self.admit(&in_force, verified.map_err(refused)?, now)
    }

    async fn verify_of(&self, issuer: &Issuer, token: Unverified<'_>) -> Result<Remembered, Problem> {
        let said = issuer.verify(token, &*self.clock, self.tokens.skew_ms).await.map_err(refused)?;
        let mut in_force = self.register.in_force();
        if in_force.owner(&said.proof).is_none() {
            // It may have been added a moment ago.
            self.register.refresh_for_stranger().await;
            in_force = self.register.in_force();
        }
        let Some((client_id, credential)) = in_force.owner(&said.proof).cloned() else {
            // Not by whom: a subject may be a person. Whoever has the token can read it there.
            let claim = issuer.client_claim();
            tracing::warn!(issuer = issuer.url(), claim, "a good token of an issuer names no client of the register");
            return Err(Problem::new(Code::SubjectUnknown));
        };
        let (scopes, expires_at, certificate) = (said.scopes, said.expires_at, said.certificate);
        self.admit(&in_force, Grant { client_id, credential, scopes, expires_at, certificate }, self.clock.now())
    }

    /// The client of a verified token, if it and its credential are good: never more than it may do itself.
    fn admit(&self, in_force: &InForce, grant: Grant, now: Timestamp) -> Result<Remembered, Problem> {
        let Some((client, credential)) = in_force.with_credential(&grant.client_id, grant.credential, now) else {
            return Err(Problem::new(Code::TokenRevoked));
        };
        let longest = now.plus_millis(self.remember_ms).min(grant.expires_at);
        let scopes = grant.scopes.into_iter().filter(|scope| client.scopes.contains(scope)).collect();
        Ok(Remembered {
            change: in_force.change,
            until: credential.ends_at.map_or(longest, |end| end.min(longest)),
            identity: Identity { client: Arc::clone(client), scopes },
            certificate: grant.certificate,
        })
    }
}

fn unauthenticated() -> Problem {
    Problem::new(Code::Unauthenticated).detail(
        "Cần đúng một Authorization: Bearer <mã truy cập>, lấy từ /oauth/token.",
        "One Authorization: Bearer <access token> is needed; /oauth/token gives it.",
    )
}

/// What is wrong is for the operator; a stranger learns only that it is not accepted.
fn refused(reason: Unacceptable) -> Problem {
    tracing::debug!(%reason, "a token was refused");
    match reason {
        Unacceptable::Expired => Problem::new(Code::TokenExpired),
        Unacceptable::KeysAway(after) => Problem::new(Code::IssuerUnavailable).retry_after(after),
        _ => Problem::new(Code::TokenInvalid),
    }
}
