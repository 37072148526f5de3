//! Which keys of an issuer's set (RFC 7517) may verify its tokens. What is not certainly for that is left out, with the
//! reason: encryption keys stand in the same sets.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::fetch::NotHad;
use crate::access::public_key::{PRIVATE, algorithms_of, is_sound};
use crate::access::tokens::jwt::MOST_KID_BYTES;

/// A key of an issuer.
pub(super) struct Key {
    pub(super) kid: String,
    /// Those of the issuer's that it may be used with.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) verifying: DecodingKey,
}

/// The keys of an issuer at one moment.
#[derive(Clone)]
pub struct KeySet {
    keys: Arc<[Arc<Key>]>,
    /// Why others were left out.
    pub left_out: Arc<[&'static str]>,
}

impl KeySet {
    pub(super) fn read(set: &Value, allowed: &[Algorithm], most: usize) -> Result<Self, NotHad> {
        let listed = set["keys"].as_array().ok_or(NotHad::NotKeys)?;
        if listed.len() > most {
            return Err(NotHad::TooManyKeys(most));
        }
        let (mut keys, mut left_out) = (Vec::new(), Vec::new());
        for key in listed {
            match usable(key, allowed) {
                Ok(key) => keys.push(Arc::new(key)),
                Err(reason) => left_out.push(reason),
            }
        }
        // Of two keys with one name, nobody knows which one a token means.
        let mut named: HashMap<String, usize> = HashMap::new();
        keys.iter().for_each(|key| *named.entry(key.kid.clone()).or_default() += 1);
        keys.retain(|key| named[&key.kid] == 1);
        left_out.extend(named.values().filter(|count| **count > 1).map(|_| "several keys have its kid"));
        Ok(Self { keys: keys.into(), left_out: left_out.into() })
    }

    pub(super) fn find(&self, kid: &str) -> Option<Arc<Key>> {
        self.keys.iter().find(|key| key.kid == kid).cloned()
    }

    /// How many of them verify.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether it is this very set.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.keys, &other.keys)
    }
}

fn usable(key: &Value, allowed: &[Algorithm]) -> Result<Key, &'static str> {
    if PRIVATE.iter().any(|member| key.get(member).is_some()) {
        return Err("it is a secret, or has its private half with it");
    }
    let jwk: Jwk = serde_json::from_value(key.clone()).map_err(|_| "it is not a JWK")?;
    let kid = jwk.common.key_id.clone().filter(|kid| (1..=MOST_KID_BYTES).contains(&kid.len()));
    let kid = kid.ok_or("it has no kid")?;
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return Err("its use is not sig");
    }
    if jwk.common.key_operations.as_ref().is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
        return Err("its key_ops are without verify");
    }
    let of_its_type = algorithms_of(&jwk).ok_or("its type is not accepted")?;
    let is_named =
        |algorithm: &Algorithm| jwk.common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(*algorithm));
    let algorithms: Vec<_> =
        of_its_type.iter().copied().filter(|algorithm| allowed.contains(algorithm) && is_named(algorithm)).collect();
    if algorithms.is_empty() {
        return Err("its alg or type is of no allowed algorithm");
    }
    is_sound(&jwk.algorithm).map_err(|_| "it is RSA of less than 2048 bits, or no point of its curve")?;
    let verifying = DecodingKey::from_jwk(&jwk).map_err(|_| "it is not a JWK")?;
    Ok(Key { kid, algorithms, verifying })
}
