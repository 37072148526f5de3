//! Access tokens (RFC 9068): short-lived, signed, for one client. What a token allows ends with its client or with the
//! credential that it was issued for, whatever it says itself.

pub mod jwt;
pub mod keys;
pub mod rotate;

use jsonwebtoken::{Header, encode};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::client::{Client, Credential, Scope};
use crate::storage::StoreError;
use jwt::{Claims, Unacceptable, Unverified};
use keys::{ALGORITHM, TokenKey};

/// `typ` of an access token.
const TYPE: &str = "at+jwt";

/// How tokens are written and read.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// This gateway, as its clients reach it: issuer and audience.
    pub issuer: String,
    pub lifetime_ms: i64,
    /// How far the clocks of replicas may be apart.
    pub skew_ms: i64,
}

/// What a token of ours says, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub client_id: String,
    /// By which the client obtained it.
    pub credential: Uuid,
    pub scopes: Vec<Scope>,
    pub expires_at: Timestamp,
    /// SHA-256 of the certificate without which it is worth nothing (RFC 8705), base64url.
    pub certificate: Option<String>,
}

impl TokenSettings {
    /// A token for the client; `certificate` binds it.
    pub fn issue(
        &self,
        key: &TokenKey,
        client: &Client,
        credential: &Credential,
        scopes: &[Scope],
        certificate: Option<&str>,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let mut header = Header::new(ALGORITHM);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        let issued_at = now.micros() / 1_000_000;
        let mut claims = json!({
            "iss": self.issuer, "aud": self.issuer, "sub": client.id, "client_id": client.id, "iat": issued_at,
            "exp": issued_at + self.lifetime_ms / 1000, "jti": Uuid::now_v7(), "scope": write_scopes(scopes),
            "credential": credential.id,
        });
        if let Some(thumbprint) = certificate {
            claims["cnf"] = json!({ "x5t#S256": thumbprint });
        }
        encode(&header, &claims, &key.signing).map_err(StoreError::failed)
    }

    /// What the token grants, if it is one of ours and its time has not passed.
    pub fn verify(&self, token: &Unverified<'_>, keys: &[TokenKey], now: Timestamp) -> Result<Grant, Unacceptable> {
        if !token.is_of_type(TYPE) {
            return Err(Unacceptable::Type);
        }
        let algorithm = token.algorithm(&[ALGORITHM])?;
        let key = token.kid().and_then(|kid| keys.iter().find(|key| key.kid == kid)).ok_or(Unacceptable::Key)?;
        let claims = token.verify(algorithm, &key.verifying)?;
        claims.check(&self.issuer, &[&self.issuer], now, self.skew_ms)?;
        Grant::of(&claims)
    }
}

impl Grant {
    fn of(claims: &Claims) -> Result<Self, Unacceptable> {
        let text = |name| claims.text(name).ok_or(Unacceptable::Claims);
        if text("sub")? != text("client_id")? {
            return Err(Unacceptable::Claims);
        }
        Ok(Self {
            client_id: text("client_id")?.to_owned(),
            credential: text("credential")?.parse().map_err(|_| Unacceptable::Claims)?,
            scopes: read_scopes(text("scope")?),
            expires_at: claims.expires_at()?,
            certificate: claims.bound_certificate()?,
        })
    }
}

/// Scopes as tokens write them: names with one space between.
pub fn write_scopes(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// Those that are known here; others allow nothing here.
pub fn read_scopes(text: &str) -> Vec<Scope> {
    text.split(' ').filter_map(|name| Scope::parse(name).ok()).collect()
}
