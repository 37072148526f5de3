//! How a client proves itself to the token endpoint: by its secret (`client_secret_basic`), by an assertion that it signed
//! (`private_key_jwt`, RFC 7523), or by the certificate of the connection (RFC 8705). Exactly one of them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use subtle::ConstantTimeEq;

use super::{ErrorCode, Refused, TokenEndpoint};
use crate::access::certificate::PeerCertificate;
use crate::access::client::{Client, Credential, Proof};
use crate::access::tokens::jwt::{Claims, Unverified};

/// A client that has proved itself.
pub(super) struct Authenticated {
    pub(super) client: Arc<Client>,
    pub(super) credential: Credential,
    /// Thumbprint of the certificate to which its tokens are bound.
    pub(super) certificate: Option<String>,
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// An assertion is made for one request: more life than this is a mistake, and would have to be remembered as long.
const LONGEST_ASSERTION_MS: i64 = 10 * 60 * 1000;
const MOST_JTI_BYTES: usize = 200;

const UNKNOWN_CLIENT: &str = "The client is unknown, was revoked, or did not prove itself.";

fn unknown_client() -> Refused {
    Refused::new(ErrorCode::InvalidClient, UNKNOWN_CLIENT)
}

/// What a secret is compared by.
pub fn secret_digest(keys: &crate::storage::keys::Keys, client_id: &str, secret: &str) -> [u8; 32] {
    keys.digest(&[b"client secret", client_id.as_bytes(), secret.as_bytes()])
}

impl TokenEndpoint {
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        form: &HashMap<String, String>,
        certificate: Option<&PeerCertificate>,
    ) -> Result<Authenticated, Refused> {
        match self.try_authenticate(headers, form, certificate).await {
            // It may have been added, or given this credential, a moment ago.
            Err(refused) if refused.description == UNKNOWN_CLIENT => {
                self.access.register.refresh_for_stranger().await;
                self.try_authenticate(headers, form, certificate).await
            }
            other => other,
        }
    }

    async fn try_authenticate(
        &self,
        headers: &HeaderMap,
        form: &HashMap<String, String>,
        certificate: Option<&PeerCertificate>,
    ) -> Result<Authenticated, Refused> {
        if form.contains_key("client_secret") {
            let description = "A secret is sent in the Authorization header (client_secret_basic), not in the body.";
            return Err(Refused::new(ErrorCode::InvalidRequest, description));
        }
        let claimed_id = form.get("client_id").map(String::as_str);
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        let found = match (authorizations.next(), authorizations.next(), form.get("client_assertion"), certificate) {
            (Some(value), None, None, _) => self
                .by_secret(value.to_str().unwrap_or_default())
                .map_err(|refused| Refused { is_basic: true, ..refused })?,
            (None, None, Some(assertion), _) => {
                if form.get("client_assertion_type").map(String::as_str) != Some(ASSERTION) {
                    let description = "client_assertion_type is not that of a JWT (RFC 7523).";
                    return Err(Refused::new(ErrorCode::InvalidRequest, description));
                }
                self.by_assertion(assertion).await?
            }
            (None, None, None, Some(certificate)) => self.by_certificate(claimed_id, certificate)?,
            (None, None, None, None) => {
                let description =
                    "The client must prove itself: client_secret_basic, private_key_jwt or a certificate.";
                return Err(Refused { is_basic: true, ..Refused::new(ErrorCode::InvalidClient, description) });
            }
            _ => return Err(Refused::new(ErrorCode::InvalidRequest, "Exactly one proof of the client is needed.")),
        };
        match claimed_id {
            Some(id) if id != found.client.id => {
                Err(Refused { is_basic: headers.contains_key(header::AUTHORIZATION), ..unknown_client() })
            }
            _ => Ok(found),
        }
    }

    fn by_secret(&self, header: &str) -> Result<Authenticated, Refused> {
        let (id, secret) = basic(header)
            .ok_or_else(|| Refused::new(ErrorCode::InvalidClient, "The Authorization header is not HTTP Basic."))?;
        let presented = secret_digest(&self.keys, &id, &secret);
        let (in_force, now) = (self.access.register.in_force(), self.access.clock.now());
        let known = in_force.client(&id).ok_or_else(unknown_client)?;
        let is_it = |credential: &&Credential| match &credential.proof {
            Proof::Secret(digest) => bool::from(digest.ct_eq(&presented)) && credential.is_good(now),
            _ => false,
        };
        let credential = known.credentials.iter().find(is_it).ok_or_else(unknown_client)?;
        Ok(Authenticated { client: Arc::clone(&known.client), credential: credential.clone(), certificate: None })
    }

    fn by_certificate(&self, id: Option<&str>, certificate: &PeerCertificate) -> Result<Authenticated, Refused> {
        let (in_force, now) = (self.access.register.in_force(), self.access.clock.now());
        let id = id.ok_or(Refused::new(ErrorCode::InvalidRequest, "client_id is needed beside a certificate."))?;
        let mut known = certificate.proofs().filter_map(|proof| in_force.by_proof(&proof, now));
        let (client, credential) = known.find(|(client, _)| client.id == id).ok_or_else(unknown_client)?;
        Ok(Authenticated {
            client: Arc::clone(client),
            credential: credential.clone(),
            certificate: Some(certificate.thumbprint_text()),
        })
    }

    async fn by_assertion(&self, assertion: &str) -> Result<Authenticated, Refused> {
        let (in_force, now) = (self.access.register.in_force(), self.access.clock.now());
        let read = || Unverified::read(assertion).map_err(|_| unknown_client());
        let token = read()?;
        let id = token.claimed("sub").ok_or_else(unknown_client)?.to_owned();
        let known = in_force.client(&id).ok_or_else(unknown_client)?;
        let good = known.credentials.iter().filter(|credential| credential.is_good(now));
        let mut verified: Option<(Credential, Claims)> = None;
        for credential in good {
            let Proof::Key(text) = &credential.proof else { continue };
            let Some((algorithms, key)) = verifying_key(text, token.kid()) else { continue };
            let Ok(algorithm) = token.algorithm(algorithms) else { continue };
            if let Ok(claims) = read()?.verify(algorithm, &key) {
                verified = Some((credential.clone(), claims));
                break;
            }
        }
        let (credential, claims) = verified.ok_or_else(unknown_client)?;
        let audiences = [self.access.tokens.issuer.as_str(), self.url.as_str()];
        claims.check(&id, &audiences, now, self.access.tokens.skew_ms).map_err(|reason| {
            tracing::debug!(%reason, client = id, "an assertion was refused");
            unknown_client()
        })?;
        let ends_at = claims.expires_at().map_err(|_| unknown_client())?;
        if ends_at > now.plus_millis(LONGEST_ASSERTION_MS) {
            return Err(Refused::new(ErrorCode::InvalidClient, "An assertion may live for 10 minutes at most."));
        }
        let jti = claims.text("jti").filter(|jti| jti.len() <= MOST_JTI_BYTES);
        let jti = jti.ok_or(Refused::new(ErrorCode::InvalidClient, "An assertion needs a jti of its own."))?;
        if !self.store.use_assertion(&id, jti, ends_at).await? {
            return Err(Refused::new(ErrorCode::InvalidClient, "This assertion was used before: its jti must be new."));
        }
        Ok(Authenticated { client: Arc::clone(&known.client), credential, certificate: None })
    }
}

/// The key of a stored JWK and the algorithms that it may be used with, unless the token names another key.
fn verifying_key(text: &str, kid: Option<&str>) -> Option<(&'static [Algorithm], DecodingKey)> {
    let key: Jwk = serde_json::from_str(text).ok()?;
    if let (Some(wanted), Some(own)) = (kid, key.common.key_id.as_deref())
        && wanted != own
    {
        return None;
    }
    Some((algorithms_of(&key)?, DecodingKey::from_jwk(&key).ok()?))
}

/// What a key of this type signs with; `None` for types that are not accepted.
pub fn algorithms_of(key: &Jwk) -> Option<&'static [Algorithm]> {
    match &key.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(&[Algorithm::ES256]),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Some(&[Algorithm::ES384]),
        AlgorithmParameters::OctetKeyPair(_) => Some(&[Algorithm::EdDSA]),
        AlgorithmParameters::RSA(_) => Some(&[Algorithm::PS256, Algorithm::RS256]),
        _ => None,
    }
}

/// Id and secret of an `Authorization: Basic` (RFC 6749, section 2.3.1: each form-encoded before they are joined).
pub(super) fn basic(header: &str) -> Option<(String, String)> {
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
