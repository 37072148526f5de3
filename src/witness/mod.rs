//! A witness of others' logs (C2SP tlog-witness): it cosigns the head of a log it knows, with the time, if that head goes on
//! from the one it cosigned before. So no log can show one history to some and another to others, nor take a record back.

mod http;
mod state;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::Ed25519KeyPair;
use lienthong_domain::time::Clock;

pub use http::routes;

use crate::audit::log::{
    AddCheckpoint, Checkpoint, KeyKind, Malformed, Note, SignatureLine, SignerKey, Unsigned, VerifierKey,
    verify_consistency,
};
use crate::audit::names;
use crate::storage::StoreError;
use state::State;

/// Whose heads are cosigned.
pub struct Witness {
    name: String,
    key: Ed25519KeyPair,
    logs: Vec<VerifierKey>,
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

/// Why a head is not cosigned.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("this log is not known here: {0}")]
    UnknownLog(String),
    #[error("the log's own signature: {0}")]
    Unsigned(#[from] Unsigned),
    #[error("the old size is greater than that of the checkpoint")]
    OldIsGreater,
    /// Another head than the one that the log believes was cosigned last: of so many records.
    #[error("a head of {0} records was cosigned last")]
    Conflict(u64),
    #[error("the head does not go on from the one that was cosigned last: {0}")]
    NotConsistent(String),
    #[error(transparent)]
    Store(StoreError),
}

impl Witness {
    /// Opens the witness whose key and state are in this folder; makes the key if there is none.
    pub fn open(folder: &Path, name: &str, logs: Vec<VerifierKey>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let (key, state) = State::open(folder)?;
        let witness = Self { name: name.to_owned(), key, logs, state: Mutex::new(state), clock };
        witness.signer()?;
        Ok(witness)
    }

    /// The key by which its cosignatures are verified.
    pub fn verifier(&self) -> Result<VerifierKey, StoreError> {
        Ok(self.signer()?.verifier)
    }

    fn signer(&self) -> Result<SignerKey<'_>, StoreError> {
        SignerKey::new(&self.name, KeyKind::Cosignature, &self.key)
            .ok_or_else(|| StoreError::Failed(format!("no key can be named {:?}: no spaces, no plus sign", self.name)))
    }

    /// Cosigns the head, if it may be. What was cosigned is durable before anybody learns of it; one request after the other.
    pub fn add_checkpoint(&self, request: &[u8]) -> Result<SignatureLine, Refused> {
        let AddCheckpoint { old, proof, checkpoint: note } = AddCheckpoint::parse(request)?;
        let head = Checkpoint::parse(note.text())?;
        let keys = self.keys_of(&head.origin);
        if keys.is_empty() {
            return Err(Refused::UnknownLog(head.origin));
        }
        note.verify(&keys)?;
        // Whatever else strangers have put below it is not kept.
        let is_own = |line: &&SignatureLine| keys.iter().any(|key| line.name == key.name() && line.key_id == key.id());
        let own: Vec<SignatureLine> = note.signatures().iter().filter(is_own).cloned().collect();
        if old > head.size {
            return Err(Refused::OldIsGreater);
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = state.newest(&head.origin).map_err(Refused::Store)?;
        if known.as_ref().map_or(0, |known| known.size) != old {
            return Err(Refused::Conflict(known.map_or(0, |known| known.size)));
        }
        if known.as_ref().is_some_and(|known| known.size == head.size && known.root != head.root) {
            return Err(Refused::Conflict(head.size));
        }
        if let Some(known) = &known {
            let consistent = verify_consistency((known.size, &known.root), (head.size, &head.root), &proof);
            consistent.map_err(|why| Refused::NotConsistent(why.to_string()))?;
        } else if !proof.is_empty() {
            return Err(Refused::NotConsistent("there is nothing to go on from, and yet a proof".into()));
        }
        let now = u64::try_from(self.clock.now().micros() / 1_000_000).unwrap_or(0);
        let cosignature = self.signer().map_err(Refused::Store)?.sign(note.text(), now);
        let cosigned = Note::new(note.text().to_owned(), own.into_iter().chain([cosignature.clone()]).collect());
        state.keep(&head.origin, &cosigned).map_err(Refused::Store)?;
        Ok(cosignature)
    }

    /// The head that was cosigned last of the log whose origin has this SHA-256, in hexadecimal.
    pub fn newest(&self, origin_hash: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).by_hash(origin_hash)
    }

    /// A log signs under a new name each half-year, and after a restore, always with its deployment's keys: whoever trusts one
    /// of them trusts it under each of these names.
    fn keys_of(&self, origin: &str) -> Vec<VerifierKey> {
        let family = |name: &str| -> Option<String> {
            let (deployment, half_year) = names::parse(name).0.rsplit_once('/')?;
            names::is_half_year(half_year).then(|| deployment.to_owned())
        };
        let known = self.logs.iter().filter(|key| {
            key.name() == origin || family(origin).is_some_and(|of| family(key.name()).is_some_and(|known| known == of))
        });
        let mut keys: Vec<VerifierKey> =
            known.filter_map(|key| VerifierKey::new(origin, key.kind(), *key.public_key())).collect();
        keys.dedup();
        keys
    }
}
