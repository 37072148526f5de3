//! A checkpoint (C2SP tlog-checkpoint): which tree, of how many records, with which root hash; the text of a signed note.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::note::Malformed;
use super::tile::decimal;
use super::tree::Hash;

/// The head of a tree. As text: three lines, none after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The tree's name, for everyone.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// Reads a note's text. Lines after the root, which no monitor could check, are refused.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let malformed = |why: &str| Malformed::new("a checkpoint", why);
        let text = text.strip_suffix('\n').ok_or_else(|| malformed("ends in a newline"))?;
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root] = lines[..] else {
            return Err(malformed("has three lines: origin, size, root hash"));
        };
        if origin.is_empty() {
            return Err(malformed("names its origin"));
        }
        let size = decimal(size).ok_or_else(|| malformed("has a size without leading zeroes in its second line"))?;
        let root = hash(root).ok_or_else(|| malformed("has a hash of 32 bytes in base64 in its third line"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root))
    }
}

/// A hash in base64.
pub(super) fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_read_and_written_as_it_is() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.to_string(), text);
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        let wrong = [
            format!("o\n1\n{root}"),
            format!("o\n01\n{root}\n"),
            format!("o\n-1\n{root}\n"),
            format!("o\n+1\n{root}\n"),
            format!("o\n\n{root}\n"),
            format!("\n1\n{root}\n"),
            "o\n1\nAAAA\n".into(),
            format!("o\n1\n{root}\nmore\n"),
            format!("o\n1\n{root}\n\n"),
            format!("o\n18446744073709551616\n{root}\n"),
            format!("o\n1\n{}\n", &root[..43]),
            // The last bits of the last character belong to no byte: another text for the same hash.
            format!("o\n1\n{}\n", root.replace("q2I=", "q2J=")),
        ];
        for wrong in wrong {
            assert!(Checkpoint::parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
