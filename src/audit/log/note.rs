//! Signed notes (C2SP signed-note, tlog-cosignature): a text, and below it a line for each signature. A signature of an
//! unknown key says nothing; one of a known key that does not verify refuses the whole note.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A note beyond this is not read: room for more than 16 signatures of the longest kind.
pub const MOST_NOTE_BYTES: usize = 131_072;
const ED25519_TYPE: u8 = 0x01;
const COSIGNATURE_TYPE: u8 = 0x04;

/// A text that is not what it should be: what, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {why}")]
pub struct Malformed {
    what: &'static str,
    why: String,
}

impl Malformed {
    pub(super) fn new(what: &'static str, why: impl Into<String>) -> Self {
        Self { what, why: why.into() }
    }
}

/// Why a note is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    #[error("no signature of a key that is trusted is on it")]
    ByNobodyKnown,
    #[error("the signature of {0} does not verify")]
    Wrong(String),
}

/// What a signature of a key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Ed25519 over the text.
    Ed25519,
    /// Ed25519 over a time and the text: whoever signed had seen it by then.
    Cosignature,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => ED25519_TYPE,
            Self::Cosignature => COSIGNATURE_TYPE,
        }
    }
}

/// A key by which notes are verified; as text, a vkey: `<name>+<8 hexadecimal digits>+<base64>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    public_key: [u8; 32],
}

impl VerifierKey {
    /// `None` if no key may be called so.
    pub fn new(name: &str, kind: KeyKind, public_key: [u8; 32]) -> Option<Self> {
        is_key_name(name).then(|| Self { name: name.to_owned(), kind, public_key })
    }

    /// Reads a vkey.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let malformed = |why: &str| Malformed::new("a verifier key", why);
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("has the form <name>+<8 hexadecimal digits>+<base64>"));
        };
        let key = STANDARD.decode(key).map_err(|_| malformed("does not end in base64"))?;
        let (kind, public_key) = match key.split_first() {
            Some((&ED25519_TYPE, rest)) => (KeyKind::Ed25519, rest),
            Some((&COSIGNATURE_TYPE, rest)) => (KeyKind::Cosignature, rest),
            _ => return Err(malformed("is of a kind that is not known here: Ed25519 (1) or its cosignature (4)")),
        };
        let public_key = public_key.try_into().map_err(|_| malformed("of Ed25519 has 32 bytes"))?;
        let key =
            Self::new(name, kind, public_key).ok_or_else(|| malformed("has a name without spaces and plus signs"))?;
        if key.id_text() != id {
            return Err(malformed("does not belong to its name: its number is another one"));
        }
        Ok(key)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    pub fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// The first four bytes of SHA-256 over name, newline, kind and key.
    pub fn id(&self) -> [u8; 4] {
        let mut context = Context::new(&SHA256);
        context.update(self.name.as_bytes());
        context.update(&[b'\n', self.kind.byte()]);
        context.update(&self.public_key);
        let mut id = [0; 4];
        id.copy_from_slice(&context.finish().as_ref()[..4]);
        id
    }

    fn id_text(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.id()))
    }

    fn is_of(&self, line: &SignatureLine) -> bool {
        self.name == line.name && self.id() == line.key_id
    }

    /// Verifies a signature of this key; of a cosignature the time in seconds since 1970 too.
    fn verify(&self, text: &str, signature: &[u8]) -> Option<Option<u64>> {
        let key = UnparsedPublicKey::new(&ED25519, &self.public_key);
        match self.kind {
            KeyKind::Ed25519 => key.verify(text.as_bytes(), signature).ok().map(|()| None),
            KeyKind::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<8>()?;
                let time = u64::from_be_bytes(*time);
                key.verify(cosigned(time, text).as_bytes(), signature).ok().map(|()| Some(time))
            }
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[self.kind.byte()], self.public_key.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, self.id_text())
    }
}

/// Names are no part of what is signed: what could be taken for something else is no name.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// A key that signs notes under one name.
pub struct SignerKey<'a> {
    pub key: &'a Ed25519KeyPair,
    pub verifier: VerifierKey,
}

impl<'a> SignerKey<'a> {
    /// `None` if no key may be called so.
    pub fn new(name: &str, kind: KeyKind, key: &'a Ed25519KeyPair) -> Option<Self> {
        let public_key = key.public_key().as_ref().try_into().ok()?;
        Some(Self { key, verifier: VerifierKey::new(name, kind, public_key)? })
    }

    /// The signature of a text; a cosignature says that it was seen at this time, in seconds since 1970.
    pub fn sign(&self, text: &str, now: u64) -> SignatureLine {
        let signature = match self.verifier.kind {
            KeyKind::Ed25519 => self.key.sign(text.as_bytes()).as_ref().to_vec(),
            KeyKind::Cosignature => {
                let signature = self.key.sign(cosigned(now, text).as_bytes());
                [now.to_be_bytes().as_slice(), signature.as_ref()].concat()
            }
        };
        SignatureLine { name: self.verifier.name.clone(), key_id: self.verifier.id(), signature }
    }
}

/// One signature of a note, of whatever kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    pub name: String,
    pub key_id: [u8; 4],
    pub signature: Vec<u8>,
}

/// A text and its signatures. Whoever reads it has verified nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// With the newline at its end.
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// The text must end in a newline, and hold no other control character.
    pub fn new(text: String, signatures: Vec<SignatureLine>) -> Self {
        debug_assert!(text.ends_with('\n') && is_text(&text));
        Self { text, signatures }
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = |why: &str| Malformed::new("a signed note", why);
        if bytes.len() > MOST_NOTE_BYTES {
            return Err(malformed("is not as long as this"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| malformed("is UTF-8"))?;
        if !is_text(note) {
            return Err(malformed("has no control characters but newlines"));
        }
        let (text, signatures) =
            note.rsplit_once("\n\n").ok_or_else(|| malformed("has an empty line before its signatures"))?;
        let signatures = signatures.strip_suffix('\n').ok_or_else(|| malformed("ends in a newline"))?;
        let signatures = signatures.split('\n').map(read_signature).collect::<Option<_>>();
        let signatures = signatures.ok_or_else(|| malformed("has signatures of the form `— <name> <base64>`"))?;
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Adds signatures; those that are on it already are not added again.
    pub fn add(&mut self, signatures: impl IntoIterator<Item = SignatureLine>) {
        for signature in signatures {
            if !self.signatures.contains(&signature) {
                self.signatures.push(signature);
            }
        }
    }

    /// Which of these keys have signed it; of cosignatures, when.
    pub fn verify<'k>(&self, known: &'k [VerifierKey]) -> Result<Vec<(&'k VerifierKey, Option<u64>)>, Unsigned> {
        let mut verified = Vec::new();
        for line in &self.signatures {
            let Some(key) = known.iter().find(|key| key.is_of(line)) else { continue };
            let time = key.verify(&self.text, &line.signature).ok_or_else(|| Unsigned::Wrong(key.name.clone()))?;
            verified.push((key, time));
        }
        if verified.is_empty() { Err(Unsigned::ByNobodyKnown) } else { Ok(verified) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = STANDARD.encode([self.key_id.as_slice(), &self.signature].concat());
        write!(f, "\u{2014} {} {signature}", self.name)
    }
}

fn is_text(text: &str) -> bool {
    !text.bytes().any(|byte| byte < b' ' && byte != b'\n')
}

pub(super) fn read_signature(line: &str) -> Option<SignatureLine> {
    let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let signature = STANDARD.decode(signature).ok()?;
    let (key_id, signature) = signature.split_first_chunk::<4>()?;
    (is_key_name(name) && !signature.is_empty()).then(|| SignatureLine {
        name: name.to_owned(),
        key_id: *key_id,
        signature: signature.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the Go checksum database's documentation of its key, which signs with the same format.
    const SUMDB: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

    fn key(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn signed(text: &str) -> (Note, VerifierKey) {
        let key = key(1);
        let signer = SignerKey::new("log.example/2026h2", KeyKind::Ed25519, &key).unwrap();
        (Note::new(text.to_owned(), vec![signer.sign(text, 0)]), signer.verifier)
    }

    #[test]
    fn a_verifier_key_of_another_system_is_read_and_written_as_it_is() {
        let key = VerifierKey::parse(SUMDB).unwrap();
        assert_eq!((key.name(), key.kind()), ("sum.golang.org", KeyKind::Ed25519));
        assert_eq!(key.to_string(), SUMDB);
    }

    #[test]
    fn a_verifier_key_that_was_changed_anywhere_is_not_taken() {
        for at in 0..SUMDB.len() {
            let mut changed = SUMDB.as_bytes().to_vec();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert!(VerifierKey::parse(&changed).is_err(), "{changed}");
        }
        for wrong in ["", "a", "a+b", "+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8", "a+b+c+d"] {
            assert!(VerifierKey::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_note_is_read_back_as_it_was_written_and_its_text_may_have_empty_lines() {
        for text in ["a\n", "Ognuno sta solo\n\ned è subito sera.\n", "\n", "\n\n\n"] {
            let (note, key) = signed(text);
            let read = Note::parse(note.to_string().as_bytes()).unwrap();
            assert_eq!(read, note);
            assert_eq!(read.verify(std::slice::from_ref(&key)).unwrap(), [(&key, None)]);
        }
    }

    #[test]
    fn every_flipped_bit_makes_a_note_unreadable_or_unsigned() {
        let (note, key) = signed("origin\n7\nroot\n");
        let bytes = note.to_string().into_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let believed = Note::parse(&changed).is_ok_and(|note| note.verify(std::slice::from_ref(&key)).is_ok());
            assert!(!believed, "bit {bit}");
        }
    }

    #[test]
    fn unknown_signatures_say_nothing_and_a_wrong_one_of_a_known_key_refuses_the_note() {
        let (mut note, known) = signed("text\n");
        let (stranger, same_name) = (key(2), key(3));
        let stranger = SignerKey::new("witness.example", KeyKind::Ed25519, &stranger).unwrap();
        let same_name = SignerKey::new(known.name(), KeyKind::Ed25519, &same_name).unwrap();
        note.add([stranger.sign("text\n", 0), same_name.sign("another\n", 0)]);
        assert_eq!(note.verify(std::slice::from_ref(&known)).unwrap(), [(&known, None)]);
        assert_eq!(note.verify(&[key_of(9)]), Err(Unsigned::ByNobodyKnown));
        assert_eq!(
            note.verify(&[known.clone(), same_name.verifier.clone()]),
            Err(Unsigned::Wrong(known.name().to_owned()))
        );
        assert_eq!(note.verify(&[]), Err(Unsigned::ByNobodyKnown));
    }

    fn key_of(seed: u8) -> VerifierKey {
        let key = key(seed);
        SignerKey::new("somebody.example", KeyKind::Ed25519, &key).unwrap().verifier
    }

    #[test]
    fn a_cosignature_tells_its_time_and_is_for_no_other() {
        let key = key(5);
        let witness = SignerKey::new("witness.example", KeyKind::Cosignature, &key).unwrap();
        let note = Note::new("text\n".into(), vec![witness.sign("text\n", 1_795_000_000)]);
        let known = [witness.verifier.clone()];
        assert_eq!(note.verify(&known).unwrap(), [(&known[0], Some(1_795_000_000))]);
        let mut line = witness.sign("text\n", 1_795_000_000);
        line.signature[7] ^= 1;
        assert!(Note::new("text\n".into(), vec![line]).verify(&known).is_err());
        // The same key under another kind is another key.
        let plain = VerifierKey::new("witness.example", KeyKind::Ed25519, *witness.verifier.public_key()).unwrap();
        assert_eq!(note.verify(&[plain]), Err(Unsigned::ByNobodyKnown));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let (note, _) = signed("text\n");
        let good = note.to_string();
        let wrong = [
            String::new(),
            "text\n".into(),
            "text\n\n".into(),
            good.trim_end().to_owned(),
            good.replace("\u{2014}", "-"),
            good.replace("text", "te\txt"),
            format!("{good}\n"),
            good.replace("\u{2014} log", "\u{2014}  log"),
            good.replace("log.example", "log+example"),
            "x".repeat(MOST_NOTE_BYTES + 1),
        ];
        for wrong in wrong {
            let read = Note::parse(wrong.as_bytes());
            assert!(read.is_err(), "{read:?}");
        }
        assert!(Note::parse(b"te\xffxt\n\n\xe2\x80\x94 a AAAAAAAA\n").is_err());
    }
}
