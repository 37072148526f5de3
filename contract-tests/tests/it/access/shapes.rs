//! Tokens of a wrong shape, and honest ones of which something was changed afterwards.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};
use jsonwebtoken::Algorithm;
use lienthong::storage::hex;
use serde_json::json;

use super::attacks::{Attack, INVALID};
use super::forge::{Forge, changed};
use super::{decode, encode, signed};

fn all<N: Into<String>>(attacks: Vec<(N, String)>) -> Vec<Attack> {
    attacks.into_iter().map(|(name, token)| (name.into(), token, INVALID)).collect()
}

/// Signed by the gateway as they stand.
pub(super) fn malformed(forge: &Forge) -> Vec<Attack> {
    let (header, claims) = (forge.header().to_string(), forge.claims().to_string());
    let sign = |message: &str| signed(message, &forge.signing, Algorithm::ES256);
    let (h, c) = (encode(&header), encode(&claims));
    let honest = forge.honest();
    let mut attacks: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, token: String| attacks.push((name.to_owned(), token));

    add("one part", h.clone());
    add("two parts", format!("{h}.{c}"));
    add("two parts, the second a signature of the first", sign(&h));
    add("four parts", format!("{honest}.{h}"));
    add("four parts, signed so", sign(&format!("{h}.{c}.{c}")));
    add("five parts, as if encrypted", format!("{honest}.{h}.{c}"));
    add("a dot before", format!(".{honest}"));
    add("a dot behind", format!("{honest}."));
    add("dots only", "..".into());
    add("no header", sign(&format!(".{c}")));
    add("no claims", sign(&format!("{h}.")));

    let spaces = if header.len() % 3 == 2 { "  " } else { " " };
    add("a padded header", sign(&format!("{}.{c}", URL_SAFE.encode(format!("{header}{spaces}")))));
    add("padded claims", sign(&format!("{h}.{c}=")));
    add("a padded signature", format!("{honest}=="));
    let odd = changed(forge.claims(), &json!({ "own": "~~~???>>>~~~???>>>" })).to_string();
    let (url, standard) = (encode(&odd), STANDARD_NO_PAD.encode(&odd));
    assert_ne!(url, standard);
    add("claims in the standard alphabet", sign(&format!("{h}.{standard}")));
    add("the signature in the standard alphabet", in_the_standard_alphabet(forge));
    for (name, space) in [("a space", " "), ("a tab", "\t")] {
        add(&format!("{name} in the header"), honest.replacen("ey", &format!("ey{space}"), 1));
        add(&format!("{name} before the claims"), honest.replacen('.', &format!(".{space}"), 1));
        let torn = |part: &str| part.replacen("ey", &format!("ey{space}"), 1);
        add(&format!("{name} in the header, signed so"), sign(&format!("{}.{c}", torn(&h))));
        add(&format!("{name} in the claims, signed so"), sign(&format!("{h}.{}", torn(&c))));
    }
    add("a character of no alphabet", format!("{}*", &honest[..honest.len() - 1]));

    for (name, text) in [
        ("no JSON", "not JSON"),
        ("empty", ""),
        ("a list", "[]"),
        ("a text", "\"text\""),
        ("null", "null"),
        ("cut off", &claims[..claims.len() - 1]),
    ] {
        add(&format!("the header is {name}"), forge.sign(text, &claims));
        add(&format!("the claims are {name}"), forge.sign(&header, text));
    }
    add("the header in a list", forge.sign(format!("[{header}]"), &claims));
    add("the claims in a list", forge.sign(&header, format!("[{claims}]")));
    add("something behind the header", forge.sign(format!("{header}{{}}"), &claims));
    add("something behind the claims", forge.sign(&header, format!("{claims}{claims}")));
    add("a NUL behind the claims", forge.sign(&header, format!("{claims}\0")));
    add("a comment in the claims", forge.sign(&header, format!("{{/* */{}", &claims[1..])));
    add("a byte order mark", forge.sign(&header, format!("\u{feff}{claims}")));
    let no_utf8 = claims.replacen("province", "prov\u{1}nce", 2).into_bytes();
    let no_utf8: Vec<u8> = no_utf8.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
    add("claims that are no UTF-8", forge.sign(&header, no_utf8));
    let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    add("claims three thousand deep", forge.with_raw_claim("own", &deep));
    add("longer than any token", forge.with_claims(&json!({ "own": "x".repeat(9000) })));
    all(attacks)
}

/// Signatures carry `-` or `_` in three of four cases: one that does is written with `+` and `/`.
fn in_the_standard_alphabet(forge: &Forge) -> String {
    loop {
        let honest = forge.honest();
        let (message, signature) = honest.rsplit_once('.').unwrap();
        if signature.contains(['-', '_']) {
            return format!("{message}.{}", signature.replace('-', "+").replace('_', "/"));
        }
    }
}

pub(super) fn tampered(forge: &Forge) -> Vec<Attack> {
    let honest = forge.honest();
    let (message, signature) = honest.rsplit_once('.').unwrap();
    let bytes = decode(signature).unwrap();
    let with_signature = |bytes: &[u8]| format!("{message}.{}", encode(bytes));
    let (r, s) = bytes.split_at(32);
    let (mut flipped, mut swapped) = (bytes.clone(), s.to_vec());
    flipped[40] ^= 1;
    swapped.extend_from_slice(r);
    let another = forge.with_claims(&json!({ "own": 1 }));
    let (_, of_another) = another.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let more = encode(changed(forge.claims(), &json!({ "scope": "dossiers:read" })).to_string());
    let same_header = encode(changed(forge.header(), &json!({ "own": 1 })).to_string());
    all(vec![
        ("no signature", format!("{message}.")),
        ("a signature of zeros", with_signature(&[0; 64])),
        ("a signature of ones", with_signature(&[255; 64])),
        ("r zero", with_signature(&[&[0; 32], s].concat())),
        ("s zero", with_signature(&[r, &[0; 32]].concat())),
        ("r and s swapped", with_signature(&swapped)),
        ("the signature in DER", with_signature(&der(r, s))),
        ("the signature without its end", with_signature(&bytes[..63])),
        ("half of the signature", with_signature(r)),
        ("the signature and more", with_signature(&[&bytes[..], &[0]].concat())),
        ("the signature twice", with_signature(&[&bytes[..], &bytes].concat())),
        ("one bit of the signature", with_signature(&flipped)),
        ("bits behind the signature's last byte", with_other_last_bits(&honest)),
        ("the signature as hexadecimal digits", format!("{message}.{}", hex::write(&bytes))),
        ("the signature of another token", format!("{message}.{of_another}")),
        ("other claims under this signature", format!("{header}.{more}.{signature}")),
        ("another header under this signature", format!("{same_header}.{claims}.{signature}")),
    ])
}

/// ECDSA-Sig-Value: a sequence of two integers.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let sign: &[u8] = if bytes[0] & 0x80 == 0 { &[] } else { &[0] };
        let length = u8::try_from(sign.len() + bytes.len()).unwrap();
        [&[2, length], sign, bytes].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

/// The last character of 64 encoded bytes has four bits that mean nothing: a second spelling of the same signature.
fn with_other_last_bits(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let at = ALPHABET.find(last).unwrap();
    assert_eq!(at % 16, 0);
    format!("{rest}{}", &ALPHABET[at + 1..at + 2])
}
