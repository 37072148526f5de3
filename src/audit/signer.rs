//! The deployment's own signatures below checkpoints.

use std::sync::Arc;

use aws_lc_rs::signature::KeyPair;

use super::log::{Checkpoint, KeyKind, Note, SignerKey, VerifierKey};
use crate::storage::StoreError;
use crate::storage::keys::Keys;

/// Signs checkpoints, each under the name of its log, by every key of the deployment that is in use: whoever knows one of them
/// can verify.
pub struct Signer {
    keys: Arc<Keys>,
}

impl Signer {
    pub fn new(keys: Arc<Keys>) -> Self {
        Self { keys }
    }

    /// The keys that sign this log's checkpoints now, the newest last: they are to be published.
    pub fn in_use(&self, name: &str) -> Result<Vec<VerifierKey>, StoreError> {
        let public = |key: &Arc<_>| {
            let mut public = [0; 32];
            public.copy_from_slice(aws_lc_rs::signature::Ed25519KeyPair::public_key(key).as_ref());
            verifier(name, public)
        };
        self.keys.signing().iter().map(public).collect()
    }

    /// The keys by which this log's checkpoints are verified: also those that have signed it before.
    pub fn verifiers(&self, name: &str) -> Result<Vec<VerifierKey>, StoreError> {
        let began = super::names::begins(name);
        // One that was retired before the log began has never signed it.
        let has_signed = self
            .keys
            .retired_signing()
            .into_iter()
            .filter(|key| key.retired_at.zip(began).is_none_or(|(retired, began)| retired > began));
        let retired = has_signed.filter_map(|key| key.public).map(|public| verifier(name, public));
        retired.chain(self.in_use(name)?.into_iter().map(Ok)).collect()
    }

    /// A signed checkpoint. What was signed is verified before it is given out: a signature that is wrong tells about the
    /// key.
    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<Note, StoreError> {
        let text = checkpoint.to_string();
        let keys = self.keys.signing();
        let sign = |key| {
            let key = SignerKey::new(&checkpoint.origin, KeyKind::Ed25519, key)
                .ok_or_else(|| unnameable(&checkpoint.origin))?;
            Ok((key.sign(&text, 0), key.verifier))
        };
        let signed: Vec<_> = keys.iter().map(|key| sign(&**key)).collect::<Result<_, StoreError>>()?;
        let (lines, verifiers): (Vec<_>, Vec<_>) = signed.into_iter().unzip();
        let note = Note::new(text, lines);
        match note.verify(&verifiers) {
            Ok(by) if by.len() == verifiers.len() => Ok(note),
            _ => Err(StoreError::Failed("a signature of the audit log does not verify".into())),
        }
    }
}

fn verifier(name: &str, public: [u8; 32]) -> Result<VerifierKey, StoreError> {
    VerifierKey::new(name, KeyKind::Ed25519, public).ok_or_else(|| unnameable(name))
}

fn unnameable(name: &str) -> StoreError {
    StoreError::Failed(format!("no key can be named {name}"))
}
