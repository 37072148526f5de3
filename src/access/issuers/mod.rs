//! Access tokens of the province's own identity providers. A token only chooses among the configured issuers; never is an
//! address looked at that stands in one. Who may do what stays in the register: an issuer says only who it is.

pub mod discovery;
mod fetch;
mod keys;
mod source;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jsonwebtoken::Algorithm;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, Timestamp};
use serde_json::Value;

use super::client::{Proof, Scope};
use super::tokens::jwt::{Claims, Unacceptable, Unverified};
use super::tokens::read_scopes;
use fetch::Fetch;
pub use fetch::NotHad;
pub use keys::KeySet;
use source::{Away, Source};

/// What a token may be signed with, of whatever issuer.
pub const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

/// Longer subjects are refused (OpenID Connect Core 1.0, section 2).
pub const MOST_SUBJECT_BYTES: usize = 255;

/// What is accepted of one issuer.
#[derive(Debug, Clone)]
pub struct Terms {
    /// As its tokens name it (`iss`), to the letter.
    pub url: String,
    /// What `aud` must name.
    pub audience: String,
    pub algorithms: Vec<Algorithm>,
    /// `typ` of the header.
    pub token_types: Vec<String>,
    /// The claim that names the client.
    pub client_claim: String,
    /// The claim with the scopes; without one the register alone says what a client may do.
    pub scope_claim: Option<String>,
}

/// How keys are kept and asked for.
#[derive(Debug, Clone, Copy)]
pub struct KeyLimits {
    pub fresh: Duration,
    /// They go on for so long while the issuer is away.
    pub keep: Duration,
    pub least_interval: Duration,
    /// Metadata and keys together.
    pub timeout: Duration,
    pub most_bytes: usize,
    pub most_keys: usize,
}

/// The configured issuers.
#[derive(Default)]
pub struct Issuers(Vec<Issuer>);

/// One of them.
pub struct Issuer {
    terms: Terms,
    source: Source,
}

/// What a verified token of an issuer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Whose it is.
    pub proof: Proof,
    /// What it may be used for at most.
    pub scopes: Vec<Scope>,
    pub expires_at: Timestamp,
    /// SHA-256 of the certificate without which it is worth nothing (RFC 8705), base64url.
    pub certificate: Option<String>,
}

impl Issuers {
    /// Fails only where the machine cannot do TLS at all.
    pub fn new(terms: Vec<Terms>, limits: KeyLimits) -> Result<Self, reqwest::Error> {
        if terms.is_empty() {
            return Ok(Self::default());
        }
        let fetch = Fetch::new(limits.most_bytes)?;
        let issuer = |terms: Terms| {
            let source = Source::new(terms.url.clone(), terms.algorithms.clone(), limits, fetch.clone());
            Issuer { terms, source }
        };
        Ok(Self(terms.into_iter().map(issuer).collect()))
    }

    pub fn find(&self, url: &str) -> Option<&Issuer> {
        self.0.iter().find(|issuer| issuer.terms.url == url)
    }

    /// Looks at all keys every so often, as long as anyone has these issuers: so that a key that an issuer has withdrawn is
    /// forgotten also where nobody calls, and the first caller waits for nothing.
    pub fn watched(self: Arc<Self>, every: Duration) -> Arc<Self> {
        let watched = Arc::downgrade(&self);
        tokio::spawn(async move {
            while let Some(issuers) = watched.upgrade() {
                join_all(issuers.0.iter().map(|issuer| issuer.source.keys())).await;
                drop(issuers);
                tokio::time::sleep(every).await;
            }
        });
        self
    }

    /// Asks each for its keys, once: what an operator wants to know of a configuration.
    pub async fn try_all(&self) -> Vec<(&str, Result<KeySet, NotHad>)> {
        join_all(self.0.iter().map(async |issuer| (issuer.terms.url.as_str(), issuer.source.try_now().await))).await
    }
}

impl Issuer {
    /// What the token says, if it is an access token of this issuer for us, and its time has not passed.
    pub async fn verify(
        &self,
        token: Unverified<'_>,
        clock: &dyn Clock,
        skew_ms: i64,
    ) -> Result<Statement, Unacceptable> {
        let terms = &self.terms;
        if !terms.token_types.iter().any(|kind| token.is_of_type(kind)) {
            return Err(Unacceptable::Type);
        }
        let algorithm = token.algorithm(&terms.algorithms)?;
        let kid = token.kid().ok_or(Unacceptable::Key)?;
        let found = self.source.find(kid).await.map_err(|Away(after)| Unacceptable::KeysAway(after))?;
        let key = found.ok_or(Unacceptable::Key)?;
        if !key.algorithms.contains(&algorithm) {
            return Err(Unacceptable::Algorithm);
        }
        let claims = token.verify(algorithm, &key.verifying)?;
        claims.check(&terms.url, &[&terms.audience], clock.now(), skew_ms)?;
        if is_something_else(&claims) {
            return Err(Unacceptable::Type);
        }
        let subject = claims.text(&terms.client_claim).filter(|subject| subject.len() <= MOST_SUBJECT_BYTES);
        let subject = subject.ok_or(Unacceptable::Claims)?.to_owned();
        Ok(Statement {
            proof: Proof::Subject { issuer: terms.url.clone(), subject },
            scopes: self.scopes(&claims)?,
            expires_at: claims.expires_at()?,
            certificate: claims.bound_certificate()?,
        })
    }

    pub fn url(&self) -> &str {
        &self.terms.url
    }

    /// The claim that names the client.
    pub fn client_claim(&self) -> &str {
        &self.terms.client_claim
    }

    /// A text with spaces, or a list. A token that names none allows nothing.
    fn scopes(&self, claims: &Claims) -> Result<Vec<Scope>, Unacceptable> {
        let Some(name) = &self.terms.scope_claim else { return Ok(Scope::ALL.to_vec()) };
        match claims.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(names)) => Ok(read_scopes(names)),
            Some(Value::Array(names)) => {
                let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
                let names = names.ok_or(Unacceptable::Claims)?;
                Ok(names.into_iter().filter_map(|name| Scope::parse(name).ok()).collect())
            }
            Some(_) => Err(Unacceptable::Claims),
        }
    }
}

/// Whether an issuer signed this for another purpose, where that can be told: an ID token (OpenID Connect Core 1.0, sections
/// 2 and 3.3.2.11), a logout token, or what Keycloak calls other than `Bearer` in a claim.
fn is_something_else(claims: &Claims) -> bool {
    let of_others = ["nonce", "at_hash", "c_hash", "s_hash", "events"].iter().any(|name| claims.get(name).is_some());
    let is_bearer = |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    of_others || claims.get("typ").is_some_and(|kind| !is_bearer(kind))
}
