//! How a client proves itself to the token endpoint: by its secret (`client_secret_basic`), by an assertion that it signed
//! (`private_key_jwt`, RFC 7523), or by the certificate of the connection (RFC 8705). Exactly one of them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lienthong_domain::time::Timestamp;
use subtle::ConstantTimeEq;

use super::{ErrorCode, Refused, TokenEndpoint};
use crate::access::certificate::PeerCertificate;
use crate::access::client::{Client, Credential, Proof};
use crate::access::public_key;
use crate::access::tokens::jwt::Unverified;

/// A client that has proved itself.
pub(super) struct Authenticated {
    pub(super) client: Arc<Client>,
    pub(super) credential: Credential,
    /// Thumbprint of the certificate to which its tokens are bound.
    pub(super) certificate: Option<String>,
    /// Name and end of the assertion by which it did.
    assertion: Option<(String, Timestamp)>,
}

impl Authenticated {
    fn new(client: &Arc<Client>, credential: &Credential) -> Self {
        Self { client: Arc::clone(client), credential: credential.clone(), certificate: None, assertion: None }
    }
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// As long as client libraries make it (Authlib: an hour); more would have to be remembered as long.
const LONGEST_ASSERTION_MS: i64 = 60 * 60 * 1000;
const MOST_JTI_BYTES: usize = 200;

const UNKNOWN_CLIENT: &str = "The client is unknown, was revoked, or did not prove itself.";

fn unknown_client() -> Refused {
    Refused::new(ErrorCode::InvalidClient, UNKNOWN_CLIENT)
}

/// What a secret is compared by.
pub fn secret_digest(keys: &crate::storage::keys::Keys, client_id: &str, secret: &str) -> [u8; 32] {
    keys.digest(&[b"client secret", client_id.as_bytes(), secret.as_bytes()])
}

/// What a request offers as its proof: read once, before anything is believed.
pub(super) enum Offered<'a> {
    Secret { id: String, secret: String },
    Assertion(Unverified<'a>),
    Certificate(&'a PeerCertificate),
}

impl<'a> Offered<'a> {
    pub(super) fn read(
        headers: &HeaderMap,
        form: &'a HashMap<String, String>,
        certificate: Option<&'a PeerCertificate>,
    ) -> Result<Self, Refused> {
        if form.contains_key("client_secret") {
            let description = "A secret is sent in the Authorization header (client_secret_basic), not in the body.";
            return Err(Refused::new(ErrorCode::InvalidRequest, description));
        }
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        match (authorizations.next(), authorizations.next(), form.get("client_assertion"), certificate) {
            (Some(value), None, None, _) => basic(value.to_str().unwrap_or_default())
                .map(|(id, secret)| Self::Secret { id, secret })
                .ok_or(Refused::new(ErrorCode::InvalidClient, "The Authorization header is not HTTP Basic.")),
            (None, None, Some(assertion), _) => {
                if form.get("client_assertion_type").map(String::as_str) != Some(ASSERTION) {
                    let description = "client_assertion_type is not that of a JWT (RFC 7523).";
                    return Err(Refused::new(ErrorCode::InvalidRequest, description));
                }
                Unverified::read(assertion).map(Self::Assertion).map_err(|_| unknown_client())
            }
            (None, None, None, Some(certificate)) => Ok(Self::Certificate(certificate)),
            (None, None, None, None) => {
                let description =
                    "The client must prove itself: client_secret_basic, private_key_jwt or a certificate.";
                Err(Refused::new(ErrorCode::InvalidClient, description))
            }
            _ => Err(Refused::new(ErrorCode::InvalidRequest, "Exactly one proof of the client is needed.")),
        }
    }

    /// In whose name, true or not.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Secret { id, .. } => Some(id),
            Self::Assertion(assertion) => assertion.claimed("sub"),
            Self::Certificate(_) => None,
        }
    }
}

impl TokenEndpoint {
    /// `claimed_id` is what the form says beside the proof.
    pub(super) async fn authenticate(
        &self,
        offered: &Offered<'_>,
        claimed_id: Option<&str>,
    ) -> Result<Authenticated, Refused> {
        match self.try_authenticate(offered, claimed_id) {
            // It may have been added, or given this credential, a moment ago.
            Err(refused) if refused.description == UNKNOWN_CLIENT => {
                self.access.register.refresh_for_stranger().await;
                self.try_authenticate(offered, claimed_id)
            }
            other => other,
        }
    }

    fn try_authenticate(&self, offered: &Offered<'_>, claimed_id: Option<&str>) -> Result<Authenticated, Refused> {
        let found = match offered {
            Offered::Secret { id, secret } => self.by_secret(id, secret)?,
            Offered::Assertion(assertion) => self.by_assertion(assertion)?,
            Offered::Certificate(certificate) => self.by_certificate(claimed_id, certificate)?,
        };
        if claimed_id.is_some_and(|id| id != found.client.id) { Err(unknown_client()) } else { Ok(found) }
    }

    fn by_secret(&self, id: &str, secret: &str) -> Result<Authenticated, Refused> {
        let presented = secret_digest(&self.keys, id, secret);
        let (in_force, now) = (self.access.register.in_force(), self.access.clock.now());
        let known = in_force.client(id).ok_or_else(unknown_client)?;
        let is_it = |credential: &&Credential| match &credential.proof {
            Proof::Secret(digest) => bool::from(digest.ct_eq(&presented)) && credential.is_good(now),
            _ => false,
        };
        let credential = known.credentials.iter().find(is_it).ok_or_else(unknown_client)?;
        Ok(Authenticated::new(&known.client, credential))
    }

    fn by_certificate(&self, id: Option<&str>, certificate: &PeerCertificate) -> Result<Authenticated, Refused> {
        let (in_force, now) = (self.access.register.in_force(), self.access.clock.now());
        let id = id.ok_or(Refused::new(ErrorCode::InvalidRequest, "client_id is needed beside a certificate."))?;
        let mut known = certificate.proofs().filter_map(|proof| in_force.by_proof(&proof, now));
        let (client, credential) = known.find(|(client, _)| client.id == id).ok_or_else(unknown_client)?;
        let certificate = Some(certificate.thumbprint_text());
        Ok(Authenticated { certificate, ..Authenticated::new(client, credential) })
    }

    fn by_assertion(&self, assertion: &Unverified<'_>) -> Result<Authenticated, Refused> {
        let (in_force, now) = (self.access.register.in_force(), self.access.clock.now());
        let id = assertion.claimed("sub").ok_or_else(unknown_client)?;
        let known = in_force.client(id).ok_or_else(unknown_client)?;
        let mut good = known.credentials.iter().filter(|credential| credential.is_good(now));
        let verified = good.find_map(|credential| {
            let Proof::Key(text) = &credential.proof else { return None };
            let (algorithms, key) = public_key::verifying(text)?;
            let algorithm = assertion.algorithm(algorithms).ok()?;
            Some((credential, assertion.verify(algorithm, &key).ok()?))
        });
        let (credential, claims) = verified.ok_or_else(unknown_client)?;
        let audiences = [self.access.tokens.issuer.as_str(), self.url.as_str()];
        claims.check(id, &audiences, now, self.access.tokens.skew_ms).map_err(|reason| {
            tracing::debug!(%reason, client = id, "an assertion was refused");
            unknown_client()
        })?;
        let ends_at = claims.expires_at().map_err(|_| unknown_client())?;
        if ends_at > now.plus_millis(LONGEST_ASSERTION_MS + self.access.tokens.skew_ms) {
            return Err(Refused::new(ErrorCode::InvalidClient, "An assertion may live for an hour at most."));
        }
        let jti = claims.text("jti").filter(|jti| jti.len() <= MOST_JTI_BYTES);
        let jti = jti.ok_or(Refused::new(ErrorCode::InvalidClient, "An assertion needs a jti of its own."))?;
        let assertion = Some((jti.to_owned(), ends_at));
        Ok(Authenticated { assertion, ..Authenticated::new(&known.client, credential) })
    }

    /// An assertion counts once. It is used up last of all, by what is accepted: whoever was refused for another reason
    /// may put that right and send it again.
    pub(super) async fn use_up(&self, client: &Authenticated) -> Result<(), Refused> {
        let Some((jti, ends_at)) = &client.assertion else { return Ok(()) };
        if self.store.use_assertion(&client.client.id, jti, *ends_at).await? {
            return Ok(());
        }
        Err(Refused::new(ErrorCode::InvalidClient, "This assertion was used before: its jti must be new."))
    }
}

/// Id and secret of an `Authorization: Basic` (RFC 6749, section 2.3.1: each form-encoded before they are joined).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > 1024 {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    // Encoded, neither stands in a text: what follows it would be left out, and a longer secret taken for the right one.
    let plain = |text: &str| {
        let mut fields = form_urlencoded::parse(text.as_bytes());
        fields.next().filter(|_| !text.contains(['&', '='])).map(|(name, _)| name.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}
