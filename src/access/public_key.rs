//! Public keys by which clients prove themselves (JWK, RFC 7517): which of them are taken, and what they verify. One that
//! could never verify anything is refused when it is handed in, not found out by the client's vendor.

use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use lienthong_domain::invalid::Message;
use serde_json::Value;

use super::client::Proof;

/// Members that only private and secret keys have (RFC 7518, section 6).
pub(super) const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The public key in a JWK that someone handed in, without anything else that was in it: the same key is the same text,
/// whatever it was called.
pub fn read(text: &str) -> Result<Proof, Message> {
    let value: Value = serde_json::from_str(text).map_err(|_| {
        Message::new("Không phải JSON: cần một JWK (RFC 7517).", "Not JSON: a JWK (RFC 7517) is needed.")
    })?;
    let is_private = |key: &Value| PRIVATE.iter().any(|member| key.get(member).is_some());
    if is_private(&value) || value["keys"].as_array().is_some_and(|keys| keys.iter().any(is_private)) {
        return Err(Message::new(
            "Đây là khóa riêng: từ nay coi như đã lộ. Hãy tạo cặp khóa mới và chỉ nộp phần công khai của nó.",
            "This is a private key: from now on it counts as leaked. Make a new key pair, and hand in its public half only.",
        ));
    }
    let usable = serde_json::from_value::<Jwk>(value).ok();
    let (key, algorithms) = usable.and_then(|key| algorithms_of(&key).map(|of| (key, of))).ok_or_else(|| {
        Message::new(
            "Cần một JWK công khai: EC P-256, EC P-384, OKP Ed25519 hoặc RSA.",
            "A public JWK is needed: EC P-256, EC P-384, OKP Ed25519 or RSA.",
        )
    })?;
    is_for_signatures(&key.common, algorithms)?;
    is_sound(&key.algorithm)?;
    let bare = Jwk { common: CommonParameters::default(), algorithm: key.algorithm };
    serde_json::to_string(&bare)
        .map(Proof::Key)
        .map_err(|_| Message::new("Không ghi được khóa.", "The key cannot be written."))
}

/// The key of a stored JWK, and the algorithms that it may be used with.
pub(super) fn verifying(text: &str) -> Option<(&'static [Algorithm], DecodingKey)> {
    let key: Jwk = serde_json::from_str(text).ok()?;
    Some((algorithms_of(&key)?, DecodingKey::from_jwk(&key).ok()?))
}

/// What a key of this type signs with; `None` for types that are not accepted.
pub(super) fn algorithms_of(key: &Jwk) -> Option<&'static [Algorithm]> {
    match &key.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(&[Algorithm::ES256]),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Some(&[Algorithm::ES384]),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Some(&[Algorithm::EdDSA]),
        AlgorithmParameters::RSA(_) => Some(&[Algorithm::PS256, Algorithm::RS256]),
        _ => None,
    }
}

/// What the JWK says that its key is for.
fn is_for_signatures(said: &CommonParameters, algorithms: &[Algorithm]) -> Result<(), Message> {
    let is_for_other_use = said.public_key_use.as_ref().is_some_and(|said| *said != PublicKeyUse::Signature);
    if is_for_other_use || said.key_operations.as_ref().is_some_and(|said| !said.contains(&KeyOperations::Verify)) {
        return Err(Message::new(
            "Khóa này không dành cho chữ ký (use, key_ops): hãy nộp khóa có use là sig.",
            "This key is not for signatures (use, key_ops): hand in one whose use is sig.",
        ));
    }
    let names: Vec<String> = algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect();
    if said.key_algorithm.is_some_and(|said| !names.contains(&said.to_string())) {
        let names = names.join(", ");
        return Err(Message::new(
            format!("Khóa loại này chỉ được dùng với alg {names}: hãy sửa alg, ở cả phía ký."),
            format!("Keys of this type are used with alg {names} only: correct alg, also where it signs."),
        ));
    }
    Ok(())
}

/// Whether the numbers are a key at all, and a long enough one.
pub(super) fn is_sound(key: &AlgorithmParameters) -> Result<(), Message> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    match key {
        AlgorithmParameters::RSA(key) => {
            let (n, e) = (decode(&key.n), decode(&key.e));
            let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
            let can_verify = is_odd(&n) && is_odd(&e) && e != [1] && e.len() <= 4;
            let key: Result<PublicEncryptingKey, _> = RsaPublicKeyComponents { n, e }.try_into();
            if can_verify && key.is_ok() {
                return Ok(());
            }
            Err(Message::new(
                "Cần một khóa RSA từ 2048 đến 8192 bit: hãy tạo khóa mới.",
                "An RSA key of 2048 to 8192 bits is needed: make a new one.",
            ))
        }
        AlgorithmParameters::EllipticCurve(key) => {
            let (x, y) = (decode(&key.x), decode(&key.y));
            let (algorithm, size) = match key.curve {
                EllipticCurve::P384 => (&ECDSA_P384_SHA384_FIXED, 48),
                _ => (&ECDSA_P256_SHA256_FIXED, 32),
            };
            let has_its_size = x.len() == size && y.len() == size;
            let point = [&[4], &x[..], &y].concat();
            is_point(has_its_size && ParsedPublicKey::new(algorithm, point).is_ok())
        }
        AlgorithmParameters::OctetKeyPair(key) => {
            let x = decode(&key.x);
            is_point(x.len() == 32 && ParsedPublicKey::new(&ED25519, x).is_ok())
        }
        _ => is_point(false),
    }
}

fn is_point(is_one: bool) -> Result<(), Message> {
    if is_one {
        return Ok(());
    }
    Err(Message::new(
        "x, y không phải một điểm của đường cong crv: hãy xuất lại khóa công khai.",
        "x, y are no point of the curve crv: export the public key again.",
    ))
}
