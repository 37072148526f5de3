//! Inclusion and consistency proofs: which hashes they consist of (RFC 6962 §2.1.1, §2.1.2), and how they are verified
//! (RFC 9162 §2.1.3.2, §2.1.4.2).

use std::ops::Range;

use super::tree::{Hash, empty_root, node_hash};

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    #[error("a tree of {size} records has no record {index}")]
    OutOfRange { index: u64, size: u64 },
    #[error("a tree of {old} records cannot come before one of {new}")]
    Shrunk { old: u64, new: u64 },
    #[error("the proof has {given} hashes; between these sizes it has {needed}")]
    Length { given: usize, needed: usize },
    #[error("the proof leads to another root hash than the one that was signed")]
    OtherRoot,
    #[error("the proof starts from another root hash than the one that was signed before")]
    OtherOldRoot,
}

/// Leaves whose subtree's root is one hash of a proof.
type Leaves = Range<u64>;

/// Of what an inclusion proof consists, the leaf's sibling first.
pub fn inclusion_nodes(index: u64, size: u64) -> Result<Vec<Leaves>, Unproved> {
    if index >= size {
        return Err(Unproved::OutOfRange { index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut siblings = Vec::new();
    while end - start > 1 {
        let middle = start + left_size(end - start);
        if index < middle {
            siblings.push(middle..end);
            end = middle;
        } else {
            siblings.push(start..middle);
            start = middle;
        }
    }
    siblings.reverse();
    Ok(siblings)
}

/// Of what a consistency proof consists, in the order of RFC 6962.
pub fn consistency_nodes(old: u64, new: u64) -> Result<Vec<Leaves>, Unproved> {
    if old > new {
        return Err(Unproved::Shrunk { old, new });
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut nodes = Vec::new();
    while end > old {
        let middle = start + left_size(end - start);
        if old <= middle {
            nodes.push(middle..end);
            end = middle;
        } else {
            nodes.push(start..middle);
            start = middle;
        }
    }
    // Where the old tree is a whole subtree of the new one, its root is known to whoever asks.
    if start > 0 {
        nodes.push(start..end);
    }
    nodes.reverse();
    Ok(nodes)
}

/// The largest power of two below `size`, which is at least 2.
fn left_size(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Verifies that the tree of this size and root has this leaf at this index.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> Result<(), Unproved> {
    let needed = inclusion_nodes(index, size)?.len();
    if path.len() != needed {
        return Err(Unproved::Length { given: path.len(), needed });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if hash == *root { Ok(()) } else { Err(Unproved::OtherRoot) }
}

/// Verifies that the newer tree begins with the older one.
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), path: &[Hash]) -> Result<(), Unproved> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    let needed = consistency_nodes(old_size, new_size)?.len();
    if path.len() != needed {
        return Err(Unproved::Length { given: path.len(), needed });
    }
    if old_size == 0 {
        return if *old_root == empty_root() { Ok(()) } else { Err(Unproved::OtherOldRoot) };
    }
    if old_size == new_size {
        return if old_root == new_root { Ok(()) } else { Err(Unproved::OtherRoot) };
    }
    let mut path = path.iter();
    let first = if old_size.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return Err(Unproved::Length { given: 0, needed }) };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut of_old, mut of_new) = (*first, *first);
    for hash in path {
        if node & 1 == 1 || node == last {
            of_old = node_hash(hash, &of_old);
            of_new = node_hash(hash, &of_new);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            of_new = node_hash(&of_new, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    match (of_old == *old_root, of_new == *new_root) {
        (true, true) => Ok(()),
        (false, _) => Err(Unproved::OtherOldRoot),
        (true, false) => Err(Unproved::OtherRoot),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Frontier, leaf_hash};
    use super::*;

    fn leaves(size: u64) -> Vec<Hash> {
        (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    fn root(leaves: &[Hash]) -> Hash {
        leaves.iter().copied().collect::<Frontier>().root()
    }

    fn hashes(all: &[Hash], nodes: &[Leaves]) -> Vec<Hash> {
        let range =
            |leaves: &Leaves| &all[usize::try_from(leaves.start).unwrap()..usize::try_from(leaves.end).unwrap()];
        nodes.iter().map(|leaves| root(range(leaves))).collect()
    }

    /// RFC 6962 §2.1.1, as it stands there.
    fn path_by_definition(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() <= 1 {
            return Vec::new();
        }
        let split = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(split);
        if index < split {
            [path_by_definition(index, left), vec![root(right)]].concat()
        } else {
            [path_by_definition(index - split, right), vec![root(left)]].concat()
        }
    }

    /// RFC 6962 §2.1.2, as it stands there.
    fn subproof_by_definition(old: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if is_known { Vec::new() } else { vec![root(leaves)] };
        }
        let split = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(split);
        if old <= split {
            [subproof_by_definition(old, left, is_known), vec![root(right)]].concat()
        } else {
            [subproof_by_definition(old - split, right, false), vec![root(left)]].concat()
        }
    }

    #[test]
    fn every_record_of_every_tree_has_the_proof_of_the_definition_and_it_verifies_for_nothing_else() {
        let all = leaves(70);
        for size in 1..=70 {
            let tree = &all[..size as usize];
            let head = root(tree);
            for index in 0..size {
                let leaf = &all[index as usize];
                let path = hashes(tree, &inclusion_nodes(index, size).unwrap());
                assert_eq!(path, path_by_definition(index as usize, tree));
                assert_eq!(verify_inclusion(leaf, index, size, &path, &head), Ok(()));
                for other in (0..size).filter(|other| *other != index) {
                    assert!(
                        verify_inclusion(leaf, other, size, &path, &head).is_err(),
                        "{index} is not {other} of {size}"
                    );
                }
                assert!(verify_inclusion(&[7; 32], index, size, &path, &head).is_err());
                for at in 0..path.len() {
                    let mut changed = path.clone();
                    changed[at][31] ^= 1;
                    assert_eq!(verify_inclusion(leaf, index, size, &changed, &head), Err(Unproved::OtherRoot));
                }
                let longer = [path.as_slice(), &[head]].concat();
                assert!(verify_inclusion(leaf, index, size, &longer, &head).is_err());
            }
        }
    }

    #[test]
    fn every_two_sizes_of_one_tree_are_proved_consistent_and_nothing_else_is() {
        let all = leaves(70);
        let fork: Vec<Hash> = all.iter().map(|leaf| node_hash(leaf, leaf)).collect();
        for new in 0..=70_usize {
            let new_root = root(&all[..new]);
            for old in 0..=new {
                let old_root = root(&all[..old]);
                let path = hashes(&all[..new], &consistency_nodes(old as u64, new as u64).unwrap());
                if old > 0 {
                    assert_eq!(path, subproof_by_definition(old, &all[..new], true), "{old} of {new}");
                }
                let proved = |old_root: &Hash, path: &[Hash]| {
                    verify_consistency((old as u64, old_root), (new as u64, &new_root), path)
                };
                assert_eq!(proved(&old_root, &path), Ok(()), "{old} of {new}");
                if old > 0 {
                    assert!(proved(&root(&fork[..old]), &path).is_err(), "{old} of {new}: another past");
                    let forked = (new as u64, &root(&fork[..new]));
                    assert!(verify_consistency((old as u64, &old_root), forked, &path).is_err());
                }
                for at in 0..path.len() {
                    let mut changed = path.clone();
                    changed[at][0] ^= 0x80;
                    assert!(proved(&old_root, &changed).is_err(), "{old} of {new}: hash {at} was changed");
                }
            }
        }
        assert!(consistency_nodes(5, 4).is_err());
    }

    #[test]
    fn sizes_near_the_end_of_the_numbers_neither_loop_nor_overflow() {
        for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1] {
            assert!(inclusion_nodes(size - 1, size).unwrap().len() <= 64);
            assert!(inclusion_nodes(0, size).unwrap().len() <= 64);
            assert!(consistency_nodes(size / 3, size).unwrap().len() <= 65);
            assert!(inclusion_nodes(size, size).is_err());
        }
    }
}
