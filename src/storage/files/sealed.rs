//! How a file is encrypted: in chunks, each bound to its file, its place and whether it is the last (the STREAM construction of
//! Hoang, Reyhanitabar, Rogaway and Vizár), so that none can be changed, moved, exchanged or left out.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::storage::StoreError;

/// Bytes of a chunk before and after.
pub(super) const CHUNK: usize = 64 * 1024;
pub(super) const SEALED_CHUNK: usize = CHUNK + 16;

pub(super) struct Sealer {
    pub(super) id: Uuid,
    pub(super) key: Zeroizing<[u8; 32]>,
    cipher: LessSafeKey,
    next: u32,
}

impl Sealer {
    /// `key` must be of this file alone.
    pub(super) fn new(id: Uuid, key: Zeroizing<[u8; 32]>) -> Result<Self, StoreError> {
        Ok(Self { id, cipher: cipher(&key)?, key, next: 0 })
    }

    pub(super) fn seal(&mut self, mut chunk: Vec<u8>, is_last: bool) -> Result<Vec<u8>, StoreError> {
        let (nonce, aad) = (nonce(&mut self.next, is_last)?, Aad::from(self.id.as_bytes()));
        let cannot = |_| StoreError::Failed("a file could not be encrypted".into());
        self.cipher.seal_in_place_append_tag(nonce, aad, &mut chunk).map_err(cannot)?;
        Ok(chunk)
    }
}

/// A key that nobody else has.
pub(super) fn new_key() -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mut key = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *key).map_err(|_| StoreError::Failed("no randomness".into()))?;
    Ok(key)
}

pub(super) struct Opener {
    id: Uuid,
    cipher: LessSafeKey,
    next: u32,
}

impl Opener {
    pub(super) fn new(id: Uuid, key: &[u8; 32]) -> Result<Self, StoreError> {
        Ok(Self { id, cipher: cipher(key)?, next: 0 })
    }

    pub(super) fn open(&mut self, mut chunk: Vec<u8>, is_last: bool) -> Result<Vec<u8>, StoreError> {
        let (nonce, aad) = (nonce(&mut self.next, is_last)?, Aad::from(self.id.as_bytes()));
        let cannot = |_| StoreError::Failed(format!("file {} cannot be opened: it was changed", self.id));
        let length = self.cipher.open_in_place(nonce, aad, &mut chunk).map_err(cannot)?.len();
        chunk.truncate(length);
        Ok(chunk)
    }
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, StoreError> {
    let unbound = UnboundKey::new(&AES_256_GCM, key);
    unbound.map(LessSafeKey::new).map_err(|_| StoreError::Failed("a file's key".into()))
}

/// A key is for one file: its nonces are the places of its chunks.
fn nonce(next: &mut u32, is_last: bool) -> Result<Nonce, StoreError> {
    let place = *next;
    *next = place.checked_add(1).ok_or_else(|| StoreError::Failed("a file is too long".into()))?;
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&place.to_be_bytes());
    nonce[11] = u8::from(is_last);
    Ok(Nonce::assume_unique_for_key(nonce))
}
