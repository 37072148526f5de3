//! Standard Webhooks 1.0.0: what is signed is `id.timestamp.payload`; `v1` is HMAC-SHA256, `v1a` is Ed25519.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lienthong_adapter_kit::secret::Secret;
use zeroize::Zeroizing;

/// What signs calls to an endpoint.
pub enum SigningKey {
    /// Both sides have it (`whsec_…`).
    Shared(Box<hmac::Key>),
    /// Only the gateway has it; receivers have its public half (`whsk_…`, `whpk_…`).
    Own(Ed25519KeyPair),
}

/// A secret that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither whsec_ with 24 to 64 bytes in base64 nor whsk_ with an Ed25519 key")]
pub struct Malformed;

impl SigningKey {
    /// `whsec_` and 24 to 64 bytes in base64, or `whsk_` and an Ed25519 private key: its seed of 32 bytes, or seed and public key.
    pub fn parse(secret: &Secret) -> Result<Self, Malformed> {
        let bytes = |text: &str| STANDARD.decode(text).map(Zeroizing::new).map_err(|_| Malformed);
        if let Some(text) = secret.expose().strip_prefix("whsec_") {
            let bytes = bytes(text)?;
            let is_right = (24..=64).contains(&bytes.len());
            return if is_right {
                Ok(Self::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes))))
            } else {
                Err(Malformed)
            };
        }
        let bytes = bytes(secret.expose().strip_prefix("whsk_").ok_or(Malformed)?)?;
        let pair = match bytes.len() {
            32 => Ed25519KeyPair::from_seed_unchecked(&bytes),
            64 => Ed25519KeyPair::from_seed_and_public_key(&bytes[..32], &bytes[32..]),
            _ => return Err(Malformed),
        };
        pair.map(Self::Own).map_err(|_| Malformed)
    }

    /// A secret that nobody has.
    pub fn make(is_own: bool) -> Result<Secret, Unspecified> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *bytes)?;
        let prefix = if is_own { "whsk_" } else { "whsec_" };
        Ok(Secret::new(format!("{prefix}{}", STANDARD.encode(*bytes))))
    }

    /// One part of `webhook-signature`. `timestamp`: whole seconds.
    pub fn sign(&self, id: &str, timestamp: i64, payload: &str) -> String {
        let signed = format!("{id}.{timestamp}.{payload}");
        match self {
            Self::Shared(key) => format!("v1,{}", STANDARD.encode(hmac::sign(key, signed.as_bytes()))),
            Self::Own(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(signed.as_bytes()))),
        }
    }

    /// What a receiver verifies with, where it is not a secret: `whpk_…`.
    pub fn public_key(&self) -> Option<String> {
        match self {
            Self::Shared(_) => None,
            Self::Own(pair) => Some(format!("whpk_{}", STANDARD.encode(pair.public_key()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SigningKey, Malformed> {
        SigningKey::parse(&Secret::new(text))
    }

    /// The example of the specification's reference libraries.
    #[test]
    fn a_shared_secret_signs_as_the_specification_says() {
        let key = parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(key.public_key(), None);
    }

    /// RFC 8032, 7.1, test 1: the key; the signature is checked by whoever has the public half alone.
    #[test]
    fn a_key_of_its_own_signs_what_its_public_half_verifies() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        let (seed, public) = (bytes(seed), bytes(public));
        let short = parse(&format!("whsk_{}", STANDARD.encode(&seed))).unwrap();
        let long = parse(&format!("whsk_{}", STANDARD.encode([seed.clone(), public.clone()].concat()))).unwrap();
        assert_eq!(short.public_key(), Some(format!("whpk_{}", STANDARD.encode(&public))));
        let signature = short.sign("a", 1, "{}");
        assert_eq!(signature, long.sign("a", 1, "{}"));
        let signature = STANDARD.decode(signature.strip_prefix("v1a,").unwrap()).unwrap();
        let verifier = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, public.clone());
        verifier.verify(b"a.1.{}", &signature).unwrap();
        let other = parse(&format!("whsk_{}", STANDARD.encode([public, seed].concat())));
        assert!(other.is_err(), "the halves do not belong together");
    }

    #[test]
    fn what_cannot_be_a_secret_is_refused() {
        let base64 = |bytes: usize| STANDARD.encode(vec![7; bytes]);
        for text in [
            String::new(),
            "whsec_".into(),
            format!("whsec_{}", base64(23)),
            format!("whsec_{}", base64(65)),
            "whsec_not base64 at all, and long enough".into(),
            base64(32),
            format!("whpk_{}", base64(32)),
            format!("whsk_{}", base64(31)),
            format!("whsk_{}", base64(33)),
            format!("WHSEC_{}", base64(32)),
        ] {
            assert!(parse(&text).is_err(), "{text}");
        }
        assert!(parse(&format!("whsec_{}", base64(24))).is_ok() && parse(&format!("whsec_{}", base64(64))).is_ok());
    }
}
