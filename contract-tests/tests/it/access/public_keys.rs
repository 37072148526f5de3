//! Public keys that operators hand in: what is no use is refused at once, with what to do about it.

use jsonwebtoken::Algorithm;
use lienthong::access::public_key;
use serde_json::{Value, json};

use super::forge::changed;
use super::{Pair, encode};

/// Each would be taken by someone who looks at the type only, and would never verify what its client signs.
#[test]
fn a_key_that_could_never_verify_is_refused_with_what_to_do() {
    let of = |algorithm: Algorithm, changes: Value| {
        changed(serde_json::to_value(&Pair::make(algorithm).public).unwrap(), &changes).to_string()
    };
    let (ec, ec384, ed) = (Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA);
    let rsa = Algorithm::RS256;
    let n = |bytes: usize| encode([vec![0xc5; bytes - 1], vec![0x55]].concat());
    let other_x = serde_json::to_value(&Pair::make(ec).public).unwrap()["x"].clone();
    let (private, replace) = ("This is a private key", "Make a new key pair");
    let (is_public, kinds) = ("A public JWK is needed", "EC P-256, EC P-384, OKP Ed25519 or RSA");
    let (point, export) = ("are no point of the curve", "export the public key again");
    let (short, make) = ("An RSA key of 2048 to 8192 bits", "make a new one");
    let (purpose, signs) = ("not for signatures", "hand in one whose use is sig");
    let mut wrong = vec![
        ("1024 bits", of(rsa, json!({ "n": n(128) })), short, make),
        ("2040 bits", of(rsa, json!({ "n": n(255) })), short, make),
        ("16384 bits", of(rsa, json!({ "n": n(2048) })), short, make),
        ("zeros in front", of(rsa, json!({ "n": encode([vec![0], vec![0xc5; 256]].concat()) })), short, make),
        ("an even modulus", of(rsa, json!({ "n": encode([vec![0xc5; 255], vec![4]].concat()) })), short, make),
        ("an exponent of one", of(rsa, json!({ "e": "AQ" })), short, make),
        ("an even exponent", of(rsa, json!({ "e": "Ag" })), short, make),
        ("no modulus", of(rsa, json!({ "n": null })), is_public, kinds),
        ("a modulus that is no Base64", of(rsa, json!({ "n": "***" })), short, make),
        ("x of another point", of(ec, json!({ "x": other_x })), point, export),
        ("x too short", of(ec, json!({ "x": "AAAA" })), point, export),
        ("a P-256 point on P-384", of(ec, json!({ "crv": "P-384", "alg": null })), point, export),
        ("a P-384 point on P-256", of(ec384, json!({ "crv": "P-256", "alg": null })), point, export),
        ("P-521", of(ec, json!({ "crv": "P-521" })), is_public, kinds),
        ("Ed25519 as EC", of(ec, json!({ "crv": "Ed25519" })), is_public, kinds),
        ("secp256k1", of(ec, json!({ "crv": "secp256k1" })), is_public, kinds),
        ("X25519", of(ed, json!({ "crv": "X25519" })), is_public, kinds),
        ("P-256 as OKP", of(ed, json!({ "crv": "P-256" })), is_public, kinds),
        ("Ed25519 too short", of(ed, json!({ "x": "AAAA" })), point, export),
        ("oct without its key", json!({ "kty": "oct" }).to_string(), is_public, kinds),
        ("oct", json!({ "kty": "oct", "k": "c2VjcmV0" }).to_string(), private, replace),
        ("for encryption", of(ec, json!({ "use": "enc" })), purpose, signs),
        ("for something else", of(rsa, json!({ "use": "tls" })), purpose, signs),
        ("for agreeing on keys", of(ec, json!({ "key_ops": ["deriveKey"] })), purpose, signs),
        ("another algorithm", of(rsa, json!({ "alg": "RS512" })), "alg PS256, RS256 only", "also where it signs"),
        ("an algorithm for encryption", of(rsa, json!({ "alg": "RSA-OAEP" })), "alg PS256, RS256 only", "correct alg"),
        ("an algorithm of another curve", of(ec, json!({ "alg": "ES384" })), "alg ES256 only", "correct alg"),
        ("a private key in a set", format!("{{\"keys\":[{}]}}", of(ec, json!({ "d": "AA" }))), private, replace),
    ];
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        wrong.push((member, of(rsa, json!({ member: "c2VjcmV0" })), private, replace));
    }
    for (what, jwk, because, remedy) in wrong {
        let said = public_key::read(&jwk).expect_err(what);
        assert!(said.en.contains(because) && said.en.contains(remedy), "{what}: {said:?}");
        assert!(!said.vi.is_empty() && said.vi != said.en && !said.vi.contains("c2VjcmV0"), "{what}: {said:?}");
    }
    for (algorithm, changes) in [
        (ec, json!({ "use": "sig", "alg": "ES256", "kid": "k", "key_ops": ["verify"] })),
        (ec384, json!({})),
        (ed, json!({ "kid": "k" })),
        (rsa, json!({ "alg": "PS256" })),
        (rsa, json!({ "use": "sig", "x5t": "AA" })),
        (rsa, json!({ "n": n(1024) })),
    ] {
        public_key::read(&of(algorithm, changes.clone())).unwrap_or_else(|said| panic!("{changes}: {said:?}"));
    }
    // However it is called and ordered, it is the same key: two clients cannot both have it.
    let key = Pair::make(ec);
    let bare = public_key::read(&key.public_text());
    let named = changed(serde_json::to_value(&key.public).unwrap(), &json!({ "kid": "other", "use": "sig" }));
    assert_eq!(public_key::read(&named.to_string()), bare);
}
