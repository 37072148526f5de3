//! A proof for one record in a file of its own (C2SP tlog-proof): where it stands, the hashes up to the root, and the
//! signed checkpoint. Whoever has the record, this file and the log's key needs nothing else.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::{Checkpoint, hash};
use super::note::{MOST_NOTE_BYTES, Malformed, Note, Unsigned, VerifierKey};
use super::proof::{Unproved, verify_inclusion};
use super::tile::decimal;
use super::tree::{Hash, leaf_hash};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// Of the additional data, which a record may be.
const MOST_EXTRA_BYTES: usize = 65_536;
/// A tree of 2^64 records has no longer path.
const MOST_HASHES: usize = 64;

/// Such a file, read or about to be written. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFile {
    /// Not covered by any signature by itself: to be believed only if its hash is the leaf's.
    pub extra: Option<Vec<u8>>,
    pub index: u64,
    /// The leaf's sibling first.
    pub path: Vec<Hash>,
    pub checkpoint: Note,
}

impl ProofFile {
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = |why: &str| Malformed::new("a proof file", why);
        if bytes.len() > 2 * (MOST_NOTE_BYTES + MOST_EXTRA_BYTES) {
            return Err(malformed("is not as long as this"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("is UTF-8"))?;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or_else(|| malformed("has an empty line before its checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(malformed("begins with the line `c2sp.org/tlog-proof@v1`"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            None => None,
            Some(line) => {
                let extra = STANDARD.decode(&line["extra ".len()..]);
                let extra = extra.ok().filter(|extra| extra.len() <= MOST_EXTRA_BYTES);
                Some(extra.ok_or_else(|| malformed("has base64 of at most 65536 bytes after `extra`"))?)
            }
        };
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?));
        let index = index.ok_or_else(|| malformed("has a line `index <number>` without leading zeroes"))?;
        let path: Option<Vec<Hash>> = lines.map(hash).collect();
        let path = path.filter(|path| path.len() <= MOST_HASHES);
        let path = path.ok_or_else(|| malformed("has at most 64 hashes of 32 bytes in base64 below its index"))?;
        Ok(Self { extra, index, path, checkpoint: Note::parse(checkpoint.as_bytes())? })
    }
}

/// Why a proof file proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotProved {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    #[error(transparent)]
    Unproved(#[from] Unproved),
    #[error("it is not signed by {0}, whose log it is")]
    NotByTheLog(String),
    #[error("the record is not in it (line `extra`)")]
    WithoutRecord,
}

/// What a proof file proves.
#[derive(Debug)]
pub struct Proved<'p> {
    pub checkpoint: Checkpoint,
    pub record: &'p [u8],
    /// Whose signatures were verified; of cosignatures, the time in seconds since 1970.
    pub signed_by: Vec<(String, Option<u64>)>,
}

impl ProofFile {
    /// Verifies signatures and path by these keys, of which one must be the log's own.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<Proved<'_>, NotProved> {
        let signed_by = self.checkpoint.verify(keys)?;
        let checkpoint = Checkpoint::parse(self.checkpoint.text())?;
        if !signed_by.iter().any(|(key, _)| key.name() == checkpoint.origin) {
            return Err(NotProved::NotByTheLog(checkpoint.origin));
        }
        let record = self.extra.as_deref().ok_or(NotProved::WithoutRecord)?;
        verify_inclusion(&leaf_hash(record), self.index, checkpoint.size, &self.path, &checkpoint.root)?;
        let signed_by = signed_by.into_iter().map(|(key, time)| (key.name().to_owned(), time)).collect();
        Ok(Proved { checkpoint, record, signed_by })
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::super::note::SignatureLine;
    use super::*;

    fn proof(extra: Option<Vec<u8>>, hashes: usize) -> ProofFile {
        let line = SignatureLine { name: "example.com/log".into(), key_id: [1, 2, 3, 4], signature: vec![5; 64] };
        let text = format!("example.com/log\n109482\n{}\n", STANDARD.encode([6; 32]));
        ProofFile { extra, index: 73_894, path: vec![[7; 32]; hashes], checkpoint: Note::new(text, vec![line]) }
    }

    #[test]
    fn a_proof_file_is_read_back_as_it_was_written() {
        for proof in [proof(None, 0), proof(Some(b"record".to_vec()), 17), proof(Some(Vec::new()), 64)] {
            assert_eq!(ProofFile::parse(proof.to_string().as_bytes()), Ok(proof));
        }
    }

    #[test]
    fn what_is_no_proof_file_is_refused() {
        let good = proof(Some(b"record".to_vec()), 3).to_string();
        let wrong = [
            good.replace("@v1", "@v2"),
            good.replace("index 73894", "index 073894"),
            good.replace("index 73894\n", ""),
            good.replace("extra ", "extra  "),
            good.replace("extra", "Extra"),
            good.replacen("\n\n", "\n", 1),
            good.replace("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "BwcH"),
            proof(None, 65).to_string(),
            good.replace("\u{2014} ", ""),
            String::new(),
            proof(Some(vec![0; MOST_EXTRA_BYTES + 1]), 1).to_string(),
        ];
        for wrong in wrong {
            assert!(ProofFile::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
