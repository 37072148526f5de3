//! What a log asks a witness (C2SP tlog-witness): the head that it wants cosigned, and the proof that it goes on from the one
//! that the witness knows.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::hash;
use super::note::{MOST_NOTE_BYTES, Malformed, Note, SignatureLine, read_signature};
use super::tile::decimal;
use super::tree::Hash;

/// A proof has at most so many hashes.
const MOST_HASHES: usize = 63;
/// A request beyond this is not read.
pub const MOST_REQUEST_BYTES: usize = MOST_NOTE_BYTES + 8192;

/// The body of `POST …/add-checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Records of the head that the witness cosigned last, as the log believes.
    pub old: u64,
    pub proof: Vec<Hash>,
    pub checkpoint: Note,
}

impl AddCheckpoint {
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = |why: &str| Malformed::new("a request to a witness", why);
        if bytes.len() > MOST_REQUEST_BYTES {
            return Err(malformed("is not as long as this"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("is UTF-8"))?;
        let (head, note) =
            text.split_once("\n\n").ok_or_else(|| malformed("has an empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?));
        let old = old.ok_or_else(|| malformed("begins with `old <size>`"))?;
        let proof: Vec<Hash> = lines
            .map(|line| hash(line).ok_or_else(|| malformed("has hashes in base64, one a line")))
            .collect::<Result<_, _>>()?;
        if proof.len() > MOST_HASHES {
            return Err(malformed("has at most 63 hashes"));
        }
        Ok(Self { old, proof, checkpoint: Note::parse(note.as_bytes())? })
    }
}

impl std::fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// The cosignatures of an answer, one a line.
pub fn read_cosignatures(bytes: &[u8]) -> Result<Vec<SignatureLine>, Malformed> {
    let malformed = |why: &str| Malformed::new("the answer of a witness", why);
    let text = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_suffix('\n'));
    let lines = text.ok_or_else(|| malformed("is UTF-8 and ends in a newline"))?.split('\n');
    let lines: Option<Vec<SignatureLine>> = lines.map(read_signature).collect();
    lines.ok_or_else(|| malformed("has lines of the form `— <name> <base64>`"))
}

/// One cosignature as a witness answers it.
pub fn write_cosignature(line: &SignatureLine) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{line}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: &str =
        "example.com/log\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/log AAAAAQI=\n";
    const HASH: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

    #[test]
    fn a_request_is_read_as_it_was_written() {
        for proof in ["", &format!("{HASH}\n"), &format!("{HASH}\n{HASH}\n")] {
            let text = format!("old 2\n{proof}\n{NOTE}");
            let read = AddCheckpoint::parse(text.as_bytes()).unwrap();
            assert_eq!((read.old, read.proof.len()), (2, proof.lines().count()));
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let many = format!("{HASH}\n").repeat(64);
        for wrong in [
            String::new(),
            format!("old 2\n{NOTE}"),
            format!("old 02\n\n{NOTE}"),
            format!("old -1\n\n{NOTE}"),
            format!("size 2\n\n{NOTE}"),
            format!("old 2\nAAAA\n\n{NOTE}"),
            format!("old 2\n{many}\n{NOTE}"),
            "old 2\n\nno note".to_owned(),
            format!("old 2\r\n\r\n{NOTE}"),
        ] {
            assert!(AddCheckpoint::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
