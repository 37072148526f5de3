//! The Merkle tree of RFC 6962 §2.1, as a frontier: the roots of the complete subtrees, largest first. No I/O.

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256 value.
pub type Hash = [u8; 32];

fn to_hash(digest: &aws_lc_rs::digest::Digest) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// The root of a tree without leaves.
pub fn empty_root() -> Hash {
    to_hash(&digest(&SHA256, b""))
}

/// `SHA-256(0x00 ‖ leaf)`.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[0]);
    context.update(leaf);
    to_hash(&context.finish())
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[1]);
    context.update(left);
    context.update(right);
    to_hash(&context.finish())
}

/// Size and complete subtrees of a tree: all that is needed to append to it and to know its root. At most 64 hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf and returns its index.
    pub fn append(&mut self, leaf: Hash) -> u64 {
        let index = self.size;
        let mut node = leaf;
        // Each trailing one-bit of the old size is a complete subtree as high as the node that is being carried.
        for _ in 0..index.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            node = node_hash(&left, &node);
        }
        self.peaks.push(node);
        self.size = index + 1;
        index
    }

    /// The tree's root hash.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// From its parts, which belong together.
    pub(super) fn of(size: u64, peaks: Vec<Hash>) -> Self {
        Self { size, peaks }
    }

    /// The peaks, one after another.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    /// `None` if the bytes cannot be the frontier of a tree of this size.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && hashes.len() == size.count_ones() as usize;
        fits.then(|| Self { size, peaks: hashes.to_vec() })
    }
}

impl FromIterator<Hash> for Frontier {
    fn from_iter<T: IntoIterator<Item = Hash>>(leaves: T) -> Self {
        let mut frontier = Self::default();
        leaves.into_iter().for_each(|leaf| {
            frontier.append(leaf);
        });
        frontier
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::hex;

    /// The definition of RFC 6962 §2.1, written as it stands there: split at the largest power of two below n.
    fn root_by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(&root_by_definition(&leaves[..split]), &root_by_definition(&leaves[split..]))
            }
        }
    }

    #[test]
    fn the_empty_tree_and_the_empty_leaf_hash_as_the_rfc_says() {
        assert_eq!(hex::write(&empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex::write(&leaf_hash(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }

    #[test]
    fn the_root_of_every_size_is_that_of_the_definition_and_survives_storage() {
        let mut frontier = Frontier::default();
        let mut leaves = Vec::new();
        for n in 0_u32..200 {
            assert_eq!(frontier.root(), root_by_definition(&leaves), "size {n}");
            let again = Frontier::from_bytes(frontier.size(), &frontier.to_bytes());
            assert_eq!(again.as_ref(), Some(&frontier));
            let leaf = leaf_hash(&n.to_be_bytes());
            assert_eq!(frontier.append(leaf), u64::from(n));
            leaves.push(leaf);
        }
    }

    #[test]
    fn a_frontier_that_does_not_fit_its_size_is_not_read() {
        assert_eq!(Frontier::from_bytes(3, &[0; 32]), None);
        assert_eq!(Frontier::from_bytes(1, &[0; 33]), None);
    }
}
