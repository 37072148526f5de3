//! A witness cosigns what goes on from what it cosigned, and nothing else.

use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use lienthong::audit::log::{
    AddCheckpoint, Checkpoint, Frontier, Hash, KeyKind, Note, SignatureLine, SignerKey, VerifierKey, leaf_hash,
    node_hash,
};
use lienthong::witness::{Refused, Witness};
use lienthong_domain::time::{Clock, SystemClock};
use tempfile::TempDir;

const ORIGIN: &str = "h15.example/audit/2026h2";

/// A log whose every tree is known.
struct Log {
    key: Ed25519KeyPair,
    leaves: Vec<Hash>,
}

impl Log {
    fn new(seed: u8, records: usize) -> Self {
        let leaves = (0..records).map(|n| leaf_hash(format!("{seed} {n}").as_bytes())).collect();
        Self { key: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(), leaves }
    }

    /// The same records up to one, and others after it.
    fn forked(&self, at: usize) -> Self {
        let mut fork = Self::new(1, self.leaves.len());
        fork.leaves[at..].iter_mut().for_each(|leaf| leaf[0] ^= 1);
        fork
    }

    fn verifier(&self) -> VerifierKey {
        SignerKey::new(ORIGIN, KeyKind::Ed25519, &self.key).unwrap().verifier
    }

    fn root(&self, size: usize) -> Hash {
        root(&self.leaves[..size])
    }

    /// RFC 6962, 2.1.2, by its definition.
    fn proof(&self, old: usize, new: usize) -> Vec<Hash> {
        fn subproof(log: &Log, old: usize, from: usize, to: usize, is_known: bool) -> Vec<Hash> {
            let of = |from: usize, to: usize| root(&log.leaves[from..to]);
            if old == to - from {
                return if is_known { Vec::new() } else { vec![of(from, to)] };
            }
            let left = (to - from).next_power_of_two() / 2;
            if old <= left {
                let mut path = subproof(log, old, from, from + left, is_known);
                path.push(of(from + left, to));
                path
            } else {
                let mut path = subproof(log, old - left, from + left, to, false);
                path.push(of(from, from + left));
                path
            }
        }
        if old == 0 { Vec::new() } else { subproof(self, old, 0, new, true) }
    }

    fn head(&self, origin: &str, size: usize) -> Note {
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: size as u64, root: self.root(size) };
        let text = checkpoint.to_string();
        let signature = SignerKey::new(origin, KeyKind::Ed25519, &self.key).unwrap().sign(&text, 0);
        Note::new(text, vec![signature])
    }

    fn request(&self, old: usize, new: usize) -> Vec<u8> {
        let request =
            AddCheckpoint { old: old as u64, proof: self.proof(old, new), checkpoint: self.head(ORIGIN, new) };
        request.to_string().into_bytes()
    }
}

/// RFC 6962, 2.1, by its definition.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Frontier::default().root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

fn now_seconds() -> u64 {
    SystemClock.now().micros().cast_unsigned() / 1_000_000
}

fn open(folder: &TempDir, log: &Log) -> Witness {
    Witness::open(folder.path(), "h31.example/witness", vec![log.verifier()], Arc::new(SystemClock)).unwrap()
}

#[test]
fn a_log_that_only_grows_is_cosigned_at_every_size_with_the_time() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(1, 70));
    let mut witness = open(&folder, &log);
    let mut old = 0;
    for new in [1, 2, 3, 7, 8, 9, 9, 31, 33, 64, 65, 70] {
        let line = witness.add_checkpoint(&log.request(old, new)).unwrap();
        let mut note = log.head(ORIGIN, new);
        note.add([line]);
        let key = witness.verifier().unwrap();
        let verified = note.verify(std::slice::from_ref(&key)).unwrap();
        assert!(verified[0].1.unwrap().abs_diff(now_seconds()) < 60, "{verified:?}");
        old = new;
        if new == 9 {
            // What it knows outlives it, and so does its key.
            drop(witness);
            witness = open(&folder, &log);
            assert_eq!(witness.verifier().unwrap(), key);
        }
    }
}

#[test]
fn a_fork_a_rollback_a_stranger_and_a_bad_proof_are_refused_and_nothing_is_forgotten() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(1, 40));
    let witness = open(&folder, &log);
    witness.add_checkpoint(&log.request(0, 20)).unwrap();
    let refused = |request: &[u8]| witness.add_checkpoint(request).unwrap_err();
    let changed = |old: u64, proof: Vec<Hash>, checkpoint: Note| {
        AddCheckpoint { old, proof, checkpoint }.to_string().into_bytes()
    };

    for at in 0..20 {
        let fork = log.forked(at);
        assert!(matches!(refused(&fork.request(20, 30)), Refused::NotConsistent(_)), "fork at {at}");
        assert!(matches!(refused(&fork.request(20, 20)), Refused::Conflict(20)), "of the same size, fork at {at}");
    }
    // What comes after is anybody's: this log has not said it yet.
    assert!(matches!(refused(&log.request(10, 15)), Refused::Conflict(20)));
    assert!(matches!(refused(&log.request(0, 30)), Refused::Conflict(20)));
    assert!(matches!(refused(&changed(21, Vec::new(), log.head(ORIGIN, 20))), Refused::OldIsGreater));
    assert!(matches!(refused(&changed(20, log.proof(19, 30), log.head(ORIGIN, 30))), Refused::NotConsistent(_)));
    assert!(matches!(refused(&changed(20, Vec::new(), log.head(ORIGIN, 30))), Refused::NotConsistent(_)));
    assert!(matches!(refused(&changed(20, log.proof(20, 30), Log::new(2, 40).head(ORIGIN, 30))), Refused::Unsigned(_)));
    assert!(matches!(
        refused(&changed(0, Vec::new(), log.head("h16.example/audit/2026h2", 30))),
        Refused::UnknownLog(_)
    ));
    assert!(matches!(
        refused(&changed(0, log.proof(3, 5), log.head("h15.example/audit/2027h1", 5))),
        Refused::NotConsistent(_)
    ));
    assert!(matches!(refused(b"old 20\n"), Refused::Malformed(_)));
    // What strangers put below a head is not kept: it would fill the file that the witness reads.
    let mut padded = log.head(ORIGIN, 20);
    padded.add([SignatureLine { name: "x".repeat(120_000), key_id: [1; 4], signature: vec![2; 64] }]);
    witness.add_checkpoint(&changed(20, Vec::new(), padded)).unwrap();
    // None of it moved the witness.
    witness.add_checkpoint(&log.request(20, 40)).unwrap();
}

#[test]
fn a_log_keeps_its_witness_under_its_next_name_and_another_name_is_another_log() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(1, 40));
    let witness = open(&folder, &log);
    for origin in [ORIGIN, "h15.example/audit/2027h1", "h15.example/audit/2026h2.2"] {
        let first = AddCheckpoint { old: 0, proof: Vec::new(), checkpoint: log.head(origin, 7) };
        witness.add_checkpoint(first.to_string().as_bytes()).unwrap();
    }
    for origin in
        ["h15.example/audit/2026h3", "h15.example/other", "h15.example.evil/audit/2026h2", "h15.example/audit/x/2026h2"]
    {
        let first = AddCheckpoint { old: 0, proof: Vec::new(), checkpoint: log.head(origin, 7) };
        let refused = witness.add_checkpoint(first.to_string().as_bytes());
        assert!(matches!(refused, Err(Refused::UnknownLog(_))), "{origin}: {refused:?}");
    }
}

#[test]
fn two_witnesses_never_share_a_folder_and_a_lost_key_is_not_replaced() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(1, 4));
    let witness = open(&folder, &log);
    let second = Witness::open(folder.path(), "h31.example/witness", Vec::new(), Arc::new(SystemClock));
    assert!(second.err().unwrap().to_string().contains("another witness"));
    drop(witness);
    std::fs::remove_file(folder.path().join("witness-1.key")).unwrap();
    let without = Witness::open(folder.path(), "h31.example/witness", Vec::new(), Arc::new(SystemClock));
    assert!(without.err().unwrap().to_string().contains("missing"));
}
