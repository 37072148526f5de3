//! Bodies: stored once, each encrypted under a key of its own that is wrapped by the deployment's key. Deleting a row
//! destroys key, salt and content together, and every proof keeps verifying.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, RandomizedNonceKey, UnboundKey};
use aws_lc_rs::digest::{Context, SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::StoreError;
use super::keys::{KeyBytes, Keys};
use crate::audit::BodyCommitment;

const SALT_BYTES: usize = 32;
const COMMITMENT_PREFIX: &[u8] = b"lienthong/body/v1";

/// A body as it is stored.
#[derive(Debug, Clone)]
pub struct SealedBody {
    pub id: Uuid,
    pub key_id: i64,
    pub wrapped_key: Vec<u8>,
    pub sealed: Vec<u8>,
    pub commitment: BodyCommitment,
}

/// Seals and opens bodies.
pub struct Bodies {
    keys: Arc<Keys>,
    random: SystemRandom,
}

impl Bodies {
    pub fn new(keys: Arc<Keys>) -> Self {
        Self { keys, random: SystemRandom::new() }
    }

    pub fn seal(&self, body: &[u8]) -> Result<SealedBody, StoreError> {
        let id = Uuid::now_v7();
        let mut plain = Zeroizing::new(vec![0; SALT_BYTES]);
        self.random.fill(&mut plain).map_err(|_| no_randomness())?;
        let mut commit = Context::new(&SHA256);
        commit.update(COMMITMENT_PREFIX);
        commit.update(&plain);
        commit.update(digest(&SHA256, body).as_ref());
        let mut commitment = BodyCommitment { commit: [0; 32], len: body.len() as u64 };
        commitment.commit.copy_from_slice(commit.finish().as_ref());
        plain.extend_from_slice(body);

        let mut body_key = Zeroizing::new([0; 32]);
        self.random.fill(&mut *body_key).map_err(|_| no_randomness())?;
        let mut sealed = plain.to_vec();
        // A key is used for one body only, so its nonce may be constant.
        cipher(&body_key)?
            .seal_in_place_append_tag(only_nonce(), Aad::from(id.as_bytes()), &mut sealed)
            .map_err(|_| cannot_seal())?;
        let (key_id, wrapping) = self.keys.wrapping()?;
        let wrapped_key = wrap(&wrapping, id.as_bytes(), &*body_key)?;
        Ok(SealedBody { id, key_id, wrapped_key, sealed, commitment })
    }

    /// Encrypts something short under the deployment's key. It opens only with the same context.
    pub fn wrap(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        wrap(&self.keys.wrapping()?.1, context, plain)
    }

    /// The same under the key that is used now, with its number, for what was wrapped under another; `None` if it does not open.
    pub fn wrap_anew(&self, context: &[u8], wrapped: &[u8]) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        let Some(plain) = self.unwrap(context, wrapped) else { return Ok(None) };
        let (key_id, wrapping) = self.keys.wrapping()?;
        Ok(Some((key_id, wrap(&wrapping, context, &plain)?)))
    }

    /// What was wrapped; `None` if any bit of it or of its context was changed.
    pub fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, wrapped) = wrapped.split_at_checked(12)?;
        self.keys.wrappings().find_map(|key| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let wrapper = RandomizedNonceKey::new(&AES_256_GCM, &*key).ok()?;
            let mut plain = Zeroizing::new(wrapped.to_vec());
            let length = wrapper.open_in_place(nonce, Aad::from(context), &mut plain).ok()?.len();
            plain.truncate(length);
            Some(plain)
        })
    }

    /// The body's bytes. Fails if any bit of it, of its key or of its id was changed.
    pub fn open(&self, id: Uuid, wrapped_key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let cannot_open = || StoreError::Failed(format!("body {id} cannot be opened: it or its key was changed"));
        let body_key = self.unwrap(id.as_bytes(), wrapped_key).ok_or_else(cannot_open)?;
        let body_key: &[u8; 32] = body_key.as_slice().try_into().map_err(|_| cannot_open())?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let length = cipher(body_key)?
            .open_in_place(only_nonce(), Aad::from(id.as_bytes()), &mut plain)
            .map_err(|_| cannot_open())?
            .len();
        let body = plain.get(SALT_BYTES..length).ok_or_else(cannot_open)?;
        Ok(Zeroizing::new(body.to_vec()))
    }
}

fn wrap(key: &KeyBytes, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let wrapper = RandomizedNonceKey::new(&AES_256_GCM, &**key).map_err(|_| cannot_seal())?;
    let mut wrapped = plain.to_vec();
    let nonce = wrapper.seal_in_place_append_tag(Aad::from(context), &mut wrapped).map_err(|_| cannot_seal())?;
    Ok([nonce.as_ref().as_slice(), &wrapped].concat())
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, StoreError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| cannot_seal())
}

fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn cannot_seal() -> StoreError {
    StoreError::Failed("a body could not be encrypted".into())
}

fn no_randomness() -> StoreError {
    StoreError::Failed("the system gives no randomness".into())
}
