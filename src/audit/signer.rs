//! The deployment's own signature below checkpoints.

use aws_lc_rs::signature::Ed25519KeyPair;

use super::log::{Checkpoint, KeyKind, Note, SignerKey, VerifierKey};
use crate::storage::StoreError;
use crate::storage::keys::Keys;

/// Signs checkpoints, each under the name of its shard, by the one key of the deployment.
pub struct Signer {
    key: Ed25519KeyPair,
}

impl Signer {
    pub fn open(keys: &Keys) -> Result<Self, StoreError> {
        Ok(Self { key: keys.signing()? })
    }

    /// The key by which this shard's checkpoints are verified.
    pub fn verifier(&self, shard: &str) -> Result<VerifierKey, StoreError> {
        Ok(self.named(shard)?.verifier)
    }

    /// A signed checkpoint. What was signed is verified before it is given out: a signature that is wrong tells about the
    /// key.
    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<Note, StoreError> {
        let key = self.named(&checkpoint.origin)?;
        let text = checkpoint.to_string();
        let signature = key.sign(&text, 0);
        let note = Note::new(text, vec![signature]);
        match note.verify(&[key.verifier]) {
            Ok(_) => Ok(note),
            Err(_) => Err(StoreError::Failed("a signature of the audit log does not verify".into())),
        }
    }

    fn named(&self, shard: &str) -> Result<SignerKey<'_>, StoreError> {
        SignerKey::new(shard, KeyKind::Ed25519, &self.key)
            .ok_or_else(|| StoreError::Failed(format!("no key can be named {shard}")))
    }
}
