//! Reading a compact JWT (RFC 7519, RFC 7515) that a stranger sent. Nothing in it is believed before its signature was
//! checked with a key that was chosen without it; `jku`, `jwk`, `x5u` and `x5c` are never looked at.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use lienthong_domain::time::Timestamp;
use serde_json::{Map, Value};

use crate::http::json;

/// Longer tokens are refused unread.
pub const MOST_BYTES: usize = 8192;
/// So are longer key ids.
pub const MOST_KID_BYTES: usize = 200;

/// Why a token is not accepted. Told to operators, not to the caller, unless it helps an honest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    #[error("not a compact JWT")]
    Malformed,
    #[error("an extension that must be understood (crit) is not")]
    Critical,
    #[error("the type is not the expected one")]
    Type,
    #[error("the algorithm is not allowed")]
    Algorithm,
    #[error("no key of this id")]
    Key,
    /// Nobody can tell now; perhaps after this.
    #[error("the keys of its issuer are not to be had")]
    KeysAway(Duration),
    #[error("the signature does not verify")]
    Signature,
    #[error("a claim is missing or of the wrong type")]
    Claims,
    #[error("of another issuer")]
    Issuer,
    #[error("for another audience")]
    Audience,
    #[error("expired")]
    Expired,
    #[error("not valid yet")]
    Early,
}

/// A token that was read, and not yet verified.
pub struct Unverified<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    message: &'a str,
    signature: &'a str,
}

impl<'a> Unverified<'a> {
    /// Reads the three parts. A member that appears twice is refused: readers would differ on which one counts.
    pub fn read(token: &'a str) -> Result<Self, Unacceptable> {
        if token.len() > MOST_BYTES {
            return Err(Unacceptable::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Unacceptable::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(Unacceptable::Malformed)?;
        let header = object(header)?;
        if header.contains_key("crit") {
            return Err(Unacceptable::Critical);
        }
        Ok(Self { header, claims: object(claims)?, message, signature })
    }

    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str).filter(|kid| kid.len() <= MOST_KID_BYTES)
    }

    /// Whether `typ` is this media type, with or without `application/`.
    pub fn is_of_type(&self, wanted: &str) -> bool {
        let Some(given) = self.header.get("typ").and_then(Value::as_str) else { return false };
        let given = given.get(..12).filter(|p| p.eq_ignore_ascii_case("application/")).map_or(given, |_| &given[12..]);
        given.eq_ignore_ascii_case(wanted)
    }

    /// The algorithm, if it is one of the allowed.
    pub fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, Unacceptable> {
        let name = self.header.get("alg").and_then(Value::as_str).ok_or(Unacceptable::Algorithm)?;
        let algorithm: Algorithm = name.parse().map_err(|_| Unacceptable::Algorithm)?;
        if allowed.contains(&algorithm) { Ok(algorithm) } else { Err(Unacceptable::Algorithm) }
    }

    /// What it claims, before anything was verified: only to choose a key by.
    pub fn claimed(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// The claims, if the signature is that of the key.
    pub fn verify(&self, algorithm: Algorithm, key: &DecodingKey) -> Result<Claims, Unacceptable> {
        match crypto::verify(self.signature, self.message.as_bytes(), key, algorithm) {
            Ok(true) => Ok(Claims(self.claims.clone())),
            Ok(false) | Err(_) => Err(Unacceptable::Signature),
        }
    }
}

fn object(part: &str) -> Result<Map<String, Value>, Unacceptable> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Unacceptable::Malformed)?;
    match json::parse(&bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Unacceptable::Malformed),
    }
}

/// What a verified token claims.
#[derive(Debug, Clone)]
pub struct Claims(Map<String, Value>);

impl Claims {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Issuer, audience and times. `skew_ms` is how far clocks may be apart; it lengthens no life.
    pub fn check(&self, issuer: &str, audiences: &[&str], now: Timestamp, skew_ms: i64) -> Result<(), Unacceptable> {
        if self.text("iss") != Some(issuer) {
            return Err(Unacceptable::Issuer);
        }
        let is_wanted = |audience: &str| audiences.contains(&audience);
        let for_us = match self.0.get("aud") {
            Some(Value::String(audience)) => is_wanted(audience),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).any(is_wanted),
            _ => false,
        };
        if !for_us {
            return Err(Unacceptable::Audience);
        }
        if now >= self.expires_at()? {
            return Err(Unacceptable::Expired);
        }
        for name in ["nbf", "iat"] {
            if self.0.contains_key(name) && self.time(name)? > now.plus_millis(skew_ms) {
                return Err(Unacceptable::Early);
            }
        }
        Ok(())
    }

    /// The thumbprint of the certificate that it is bound to (RFC 8705). Bound to anything else it is worth nothing here.
    pub fn bound_certificate(&self) -> Result<Option<String>, Unacceptable> {
        let Some(bound) = self.0.get("cnf") else { return Ok(None) };
        let thumbprint = bound.as_object().filter(|bound| bound.len() == 1).and_then(|bound| bound.get("x5t#S256"));
        thumbprint.and_then(Value::as_str).map(|text| Some(text.to_owned())).ok_or(Unacceptable::Claims)
    }

    pub fn expires_at(&self) -> Result<Timestamp, Unacceptable> {
        self.time("exp")
    }

    /// A NumericDate: seconds, with or without a fraction.
    pub fn time(&self, name: &str) -> Result<Timestamp, Unacceptable> {
        let number = self.0.get(name).and_then(Value::as_number).ok_or(Unacceptable::Claims)?;
        let seconds = number.as_f64().filter(|s| (0.0..1e11).contains(s)).ok_or(Unacceptable::Claims)?;
        #[allow(clippy::cast_possible_truncation, reason = "below 1e17")]
        Ok(Timestamp::from_micros((seconds * 1e6).round() as i64))
    }
}
