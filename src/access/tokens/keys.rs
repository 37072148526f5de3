//! The keys that sign tokens: ES256, each for a while, published before it signs and until the last token it signed has
//! expired. They are kept sealed in the store, so that every replica has them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use lienthong_domain::time::Timestamp;

use crate::access::store::SealedTokenKey;
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;

/// What tokens are signed with.
pub const ALGORITHM: Algorithm = Algorithm::ES256;

/// A key that signs tokens, ready to use.
pub struct TokenKey {
    pub kid: String,
    pub signs_from: Timestamp,
    pub signing: EncodingKey,
    pub verifying: DecodingKey,
    /// As it is published.
    pub public: Jwk,
}

impl TokenKey {
    /// Makes a new one, sealed.
    pub fn make(bodies: &Bodies, signs_from: Timestamp) -> Result<SealedTokenKey, StoreError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| StoreError::Failed("the system gives no randomness".into()))?;
        let kid = public(&EncodingKey::from_ec_der(document.as_ref()))?.1;
        let sealed = bodies.wrap(context(&kid).as_bytes(), document.as_ref())?;
        Ok(SealedTokenKey { kid, sealed, signs_from })
    }

    pub fn open(bodies: &Bodies, key: &SealedTokenKey) -> Result<Self, StoreError> {
        let kid = key.kid.clone();
        let cannot =
            || StoreError::Failed(format!("token key {kid} cannot be opened: it or the deployment's key was changed"));
        let document = bodies.unwrap(context(&key.kid).as_bytes(), &key.sealed).ok_or_else(cannot)?;
        let signing = EncodingKey::from_ec_der(&document);
        let (mut public, thumbprint) = public(&signing)?;
        if thumbprint != key.kid {
            return Err(cannot());
        }
        public.common.key_id = Some(key.kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let verifying = DecodingKey::from_jwk(&public).map_err(StoreError::failed)?;
        Ok(Self { kid: key.kid.clone(), signs_from: key.signs_from, signing, verifying, public })
    }
}

fn context(kid: &str) -> String {
    format!("token-key:{kid}")
}

/// The public half, and its thumbprint (RFC 7638), which is the key's id.
fn public(signing: &EncodingKey) -> Result<(Jwk, String), StoreError> {
    let public = Jwk::from_encoding_key(signing, ALGORITHM).map_err(StoreError::failed)?;
    let thumbprint = public.thumbprint(ThumbprintHash::SHA256).map_err(StoreError::failed)?;
    Ok((public, thumbprint))
}

/// The one that signs now: of those whose time has come, the newest. `keys` in the order of their times.
pub fn signing(keys: &[TokenKey], now: Timestamp) -> Option<&TokenKey> {
    keys.iter().rev().find(|key| key.signs_from <= now)
}

/// When keys come and go.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// How long one signs.
    pub period_ms: i64,
    /// How long it is published before it signs.
    pub lead_ms: i64,
    /// Life of a token, and what clocks may differ by.
    pub token_ms: i64,
}

/// What is to be done about the keys now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Add { signs_from: Timestamp },
    Remove { kid: String },
}

impl Rotation {
    /// The next step, if there is one. `keys` (id, time from which it signs) in the order of their times.
    pub fn next(&self, keys: &[(String, Timestamp)], now: Timestamp) -> Option<Step> {
        let Some((_, newest)) = keys.last() else { return Some(Step::Add { signs_from: now }) };
        if keys.iter().all(|(_, from)| *from > now) {
            return Some(Step::Add { signs_from: now });
        }
        let following = newest.plus_millis(self.period_ms);
        if now >= following.plus_millis(-self.lead_ms) {
            let earliest = now.plus_millis(self.lead_ms);
            return Some(Step::Add { signs_from: following.max(earliest) });
        }
        // The last token of a key was signed when the next one began.
        let is_over = |pair: &&[(String, Timestamp)]| pair[1].1.plus_millis(self.token_ms) < now;
        keys.windows(2).find(is_over).map(|pair| Step::Remove { kid: pair[0].0.clone() })
    }
}
