//! Signs with a key that never leaves its device: a token or a security module behind PKCS#11. Runs in a process of its own
//! (`lienthong sign-with-token`), which is told what to do on its standard input.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use lienthong_adapter_kit::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::audit::cms::KeyKind;

/// DigestInfo of SHA-256 (RFC 8017 §9.2), before the digest.
const DIGEST_INFO: &[u8] =
    &[0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 5, 0, 4, 32];

/// With this code the process ends that was told a PIN that the device does not take.
pub const WRONG_PIN: u8 = 3;

/// What is not to be tried again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongPin(&'static str);

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKey {
    /// The maker's driver, a shared library.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// Label of the private key.
    pub label: String,
}

/// Of which kind it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    Rsa,
    Ecdsa,
}

impl From<KeyKind> for Algorithm {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Rsa => Self::Rsa,
            KeyKind::Ecdsa => Self::Ecdsa,
        }
    }
}

/// What is to be signed, with SHA-256.
#[derive(Debug, Clone)]
pub struct Order {
    pub key: TokenKey,
    pub kind: Algorithm,
    pub bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    key: TokenKey,
    kind: Algorithm,
    pin: String,
    bytes: String,
}

impl Order {
    /// As it is told to the process that signs.
    pub fn to_json(&self, pin: &Secret) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        let Self { key, kind, bytes } = self.clone();
        let told = Told { key, kind, pin: pin.expose().to_owned(), bytes: STANDARD.encode(bytes) };
        serde_json::to_vec(&told).map(Zeroizing::new)
    }
}

/// Does what it is told; returns the signature: of RSA as it is, of ECDSA as the SEQUENCE of its two numbers.
pub fn sign(told: &[u8]) -> Result<Vec<u8>> {
    let Told { key, kind, pin, bytes } = serde_json::from_slice(told).context("what is to be signed")?;
    let bytes = STANDARD.decode(bytes)?;
    let driver = Pkcs11::new(&key.module).with_context(|| key.module.display().to_string())?;
    driver.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let mut slots = Vec::new();
    for slot in driver.get_slots_with_token()? {
        if driver.get_token_info(slot).is_ok_and(|info| info.label() == key.token) {
            slots.push(slot);
        }
    }
    let [slot] = slots[..] else {
        bail!("there are {} tokens with the label {:?}: one is needed", slots.len(), key.token)
    };
    let session = driver.open_ro_session(slot)?;
    let info = driver.get_token_info(slot)?;
    if info.user_pin_final_try() || info.user_pin_locked() {
        return Err(WrongPin("one more wrong PIN locks this token, or it is locked: log in by hand first").into());
    }
    session.login(UserType::User, Some(&AuthPin::new(pin.into()))).map_err(|error| match error {
        Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _) => {
            anyhow::Error::new(WrongPin("the PIN is wrong"))
        }
        Error::Pkcs11(RvError::PinLocked | RvError::PinExpired, _) => {
            anyhow::Error::new(WrongPin("the PIN is locked, or must be changed"))
        }
        error => anyhow::Error::new(error).context("the login"),
    })?;
    let wanted = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(key.label.clone().into_bytes())];
    let found = session.find_objects(&wanted)?;
    let [private_key] = found[..] else {
        bail!("there are {} private keys with the label {:?}: one is needed", found.len(), key.label)
    };
    let hash = digest(&SHA256, &bytes);
    match kind {
        Algorithm::Rsa => {
            let info = [DIGEST_INFO, hash.as_ref()].concat();
            Ok(session.sign(&Mechanism::RsaPkcs, private_key, &info)?)
        }
        Algorithm::Ecdsa => {
            let signature = session.sign(&Mechanism::Ecdsa, private_key, hash.as_ref())?;
            ensure!(!signature.is_empty() && signature.len() % 2 == 0, "a signature that is none");
            let (r, s) = signature.split_at(signature.len() / 2);
            Ok(crate::audit::cms::ecdsa_signature(r, s))
        }
    }
}
