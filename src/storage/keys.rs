//! Secret keys of the deployment, one file each (0600) in a folder outside the database and its backups.
//! A missing key is never replaced silently while a database that needs it exists.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::Ed25519KeyPair;
use zeroize::Zeroizing;

use super::StoreError;

const KEY_BYTES: usize = 32;
/// The seed of a key of Ed25519.
const SIGNING_KEY: &str = "audit-1.key";

/// The keys: one that wraps body keys, one for digests of contents, one that signs checkpoints of the audit log, one per
/// audit shard.
pub struct Keys {
    folder: PathBuf,
    wrapping: Zeroizing<[u8; KEY_BYTES]>,
    digest: hmac::Key,
    cursor: hmac::Key,
    shards: Mutex<HashMap<String, hmac::Key>>,
}

impl Keys {
    /// Reads the keys. With `create`, missing ones are made: allowed only while there is no database yet.
    pub fn open(folder: &Path, create: bool) -> Result<Self, StoreError> {
        if create {
            fs::create_dir_all(folder).map_err(|error| explain(folder, &error))?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(|error| explain(folder, &error))?;
        }
        let read = |name: &str| read_or_create(&folder.join(name), create);
        Ok(Self {
            wrapping: read("bodies-1.key")?,
            digest: hmac_key(&*read("digest.key")?),
            cursor: hmac_key(&*read("cursor.key")?),
            shards: Mutex::default(),
            folder: folder.to_owned(),
        })
    }

    /// The key that wraps each body's own key, with its number.
    pub fn wrapping(&self) -> (i64, &[u8; KEY_BYTES]) {
        (1, &self.wrapping)
    }

    /// A keyed digest of a content: tells equal from different, and nothing to someone without the key.
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.digest);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }

    /// The key under which page cursors are sealed.
    pub fn cursor(&self) -> &hmac::Key {
        &self.cursor
    }

    /// A value by which this key is recognised, and which tells nothing about it. An error if the key is not there.
    pub fn check_value(&self, name: &str) -> Result<[u8; 32], StoreError> {
        let key = hmac_key(&*read_or_create(&self.folder.join(name), false)?);
        let mut value = [0; 32];
        value.copy_from_slice(hmac::sign(&key, b"lienthong/key-check/v1").as_ref());
        Ok(value)
    }

    /// Names of the keys that are needed in a half-year: those of always, and that of its audit shard.
    pub fn names(half_year: &str) -> Vec<String> {
        ["bodies-1.key", "digest.key", "cursor.key", SIGNING_KEY]
            .map(str::to_owned)
            .into_iter()
            .chain([shard_file(half_year)])
            .collect()
    }

    /// Makes those of the named keys that are not there.
    pub fn make<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Result<(), StoreError> {
        names.into_iter().try_for_each(|name| read_or_create(&self.folder.join(name), true).map(drop))
    }

    /// The folder, outside the database and its backups.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The key that signs checkpoints of the audit log.
    pub fn signing(&self) -> Result<Ed25519KeyPair, StoreError> {
        let seed = read_or_create(&self.folder.join(SIGNING_KEY), false)?;
        Ed25519KeyPair::from_seed_unchecked(&*seed)
            .map_err(|_| StoreError::Failed(format!("{SIGNING_KEY} cannot be a key of Ed25519")))
    }

    /// The pseudonym key of an audit shard, if it was not destroyed.
    pub fn known_shard(&self, half_year: &str) -> Result<Option<hmac::Key>, StoreError> {
        if self.folder.join(shard_file(half_year)).exists() { self.shard(half_year).map(Some) } else { Ok(None) }
    }

    /// The pseudonym key of an audit shard, which was made ahead. A new one made here would be another replica's stranger.
    pub fn shard(&self, half_year: &str) -> Result<hmac::Key, StoreError> {
        let mut shards = self.shards.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(key) = shards.get(half_year) {
            return Ok(key.clone());
        }
        let key = hmac_key(&*read_or_create(&self.folder.join(shard_file(half_year)), false)?);
        shards.insert(half_year.to_owned(), key.clone());
        Ok(key)
    }
}

fn shard_file(half_year: &str) -> String {
    format!("shard-{half_year}.key")
}

fn hmac_key(bytes: &[u8; KEY_BYTES]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

/// The 32 bytes of a key file; made if that is allowed and there is none.
pub fn read_or_create(path: &Path, create: bool) -> Result<Zeroizing<[u8; KEY_BYTES]>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => {
            let bytes = Zeroizing::new(bytes);
            let mode = fs::metadata(path).map_err(|error| explain(path, &error))?.permissions().mode();
            if mode & 0o077 != 0 {
                let shown = path.display();
                return Err(StoreError::Failed(format!("{shown}: others may read this key; run chmod 600 {shown}")));
            }
            let mut key = Zeroizing::new([0; KEY_BYTES]);
            if bytes.len() != KEY_BYTES {
                return Err(StoreError::Failed(format!("{}: a key file has {KEY_BYTES} bytes", path.display())));
            }
            key.copy_from_slice(&bytes);
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && create => create_key(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::Failed(format!(
            "{}: this key is missing, but a database exists that was written with it. Restore the key folder from its \
             own backup; a new key could not read what is stored.",
            path.display()
        ))),
        Err(error) => Err(explain(path, &error)),
    }
}

fn create_key(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, StoreError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(&mut *key).map_err(|_| StoreError::Failed("no randomness".into()))?;
    // Written beside and linked, both made durable: a crash leaves either no key or a whole one, and of two replicas that
    // share the folder only one makes it.
    let beside = path.with_extension(format!("new-{}", uuid::Uuid::now_v7()));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&*key)?;
        file.sync_all()?;
        let linked = fs::hard_link(&beside, path);
        fs::remove_file(&beside)?;
        linked?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    match write() {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_or_create(path, false),
        Err(error) => Err(explain(path, &error)),
    }
}

fn explain(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed(format!("{}: {error}", path.display()))
}
