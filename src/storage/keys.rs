//! Secret keys of the deployment, one file each (0600) in a folder outside the database and its backups.
//! A missing key is never replaced silently while a database that needs it exists.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use super::StoreError;
use super::generations::{Generation, KeyName, Purpose, in_use};

const KEY_BYTES: usize = 32;

/// 32 bytes that nobody else knows.
pub type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// The keys: those that wrap body keys, one for digests of contents, those that sign checkpoints of the audit log (seeds of
/// Ed25519), one per audit shard.
pub struct Keys {
    folder: PathBuf,
    digest: hmac::Key,
    cursor: hmac::Key,
    shards: Mutex<HashMap<String, hmac::Key>>,
    in_use: RwLock<Arc<InUse>>,
}

/// Keys of which there are several after the other, as they are in use now.
struct InUse {
    generations: Vec<Generation>,
    /// The newest last.
    wrapping: Vec<(u32, KeyBytes)>,
    signing: Vec<(u32, Arc<Ed25519KeyPair>)>,
}

impl Keys {
    /// Reads the keys. With `create`, missing ones are made: allowed only while there is no database yet.
    pub fn open(folder: &Path, create: bool, generations: &[Generation]) -> Result<Self, StoreError> {
        if create {
            fs::create_dir_all(folder).map_err(|error| explain(folder, &error))?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(|error| explain(folder, &error))?;
        }
        let read = |name: &str| read_or_create(&folder.join(name), create);
        if create {
            Purpose::ALL.into_iter().try_for_each(|purpose| read(&KeyName::first(purpose).file()).map(drop))?;
        }
        Ok(Self {
            in_use: RwLock::new(Arc::new(InUse::load(folder, generations)?)),
            digest: hmac_key(&*read("digest.key")?),
            cursor: hmac_key(&*read("cursor.key")?),
            shards: Mutex::default(),
            folder: folder.to_owned(),
        })
    }

    /// Goes on with the keys that are in use now.
    pub fn take_up(&self, generations: &[Generation]) -> Result<(), StoreError> {
        if self.in_use().generations != generations {
            let loaded = Arc::new(InUse::load(&self.folder, generations)?);
            *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        }
        Ok(())
    }

    fn in_use(&self) -> Arc<InUse> {
        Arc::clone(&self.in_use.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key that wraps each body's own key from now on, with its number.
    pub fn wrapping(&self) -> Result<(i64, KeyBytes), StoreError> {
        let in_use = self.in_use();
        let newest = in_use.wrapping.last().map(|(number, key)| (i64::from(*number), key.clone()));
        newest.ok_or_else(|| StoreError::Failed("no key of contents is in use".into()))
    }

    /// Every key that may have wrapped something, the newest first: those in use, then those that another replica may have taken into
    /// use a moment ago.
    pub fn wrappings(&self) -> impl Iterator<Item = KeyBytes> + '_ {
        let in_use = self.in_use();
        let known: Vec<u32> = in_use.wrapping.iter().map(|(number, _)| *number).collect();
        let newest_first: Vec<KeyBytes> = in_use.wrapping.iter().rev().map(|(_, key)| key.clone()).collect();
        let others = std::iter::once_with(move || self.files().unwrap_or_default()).flatten().filter_map(move |name| {
            let is_other = name.purpose == Purpose::Contents && !known.contains(&name.number);
            is_other.then(|| read_or_create(&self.folder.join(name.file()), false).ok()).flatten()
        });
        newest_first.into_iter().chain(others)
    }

    /// Keys of which there may be several, as they are in the folder.
    pub fn files(&self) -> Result<Vec<KeyName>, StoreError> {
        let found = fs::read_dir(&self.folder).map_err(|error| explain(&self.folder, &error))?;
        let mut names: Vec<KeyName> =
            found.filter_map(|entry| KeyName::of_file(entry.ok()?.file_name().to_str()?)).collect();
        names.sort();
        Ok(names)
    }

    /// Removes the file of a key. What it opened opens no more.
    pub fn destroy(&self, name: KeyName) -> Result<(), StoreError> {
        self.destroy_file(&name.file())
    }

    fn destroy_file(&self, name: &str) -> Result<(), StoreError> {
        let file = self.folder.join(name);
        let remove = || -> io::Result<()> {
            // Over the bytes first: what the file system keeps of them then is zeroes, on most.
            let length = fs::metadata(&file)?.len();
            let mut open = OpenOptions::new().write(true).open(&file)?;
            open.write_all(&vec![0; usize::try_from(length).unwrap_or(KEY_BYTES)])?;
            open.sync_all()?;
            fs::remove_file(&file)?;
            fs::File::open(&self.folder)?.sync_all()
        };
        match remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(explain(&file, &error)),
            _ => Ok(()),
        }
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

    /// Names of the keys that are needed in a half-year: those of always, and that of its audit shard.
    pub fn names(&self, half_year: &str) -> Vec<String> {
        let in_use = self.in_use();
        let names =
            Purpose::ALL.into_iter().flat_map(|purpose| super::generations::in_use(&in_use.generations, purpose));
        let always = ["digest.key", "cursor.key"].map(str::to_owned);
        names.map(KeyName::file).chain(always).chain([shard_file(half_year)]).collect()
    }

    /// Makes those of the named keys that are not there.
    pub fn make<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Result<(), StoreError> {
        names.into_iter().try_for_each(|name| read_or_create(&self.folder.join(name), true).map(drop))
    }

    /// The folder, outside the database and its backups.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The keys that sign checkpoints of the audit log, the newest last.
    pub fn signing(&self) -> Vec<Arc<Ed25519KeyPair>> {
        self.in_use().signing.iter().map(|(_, key)| Arc::clone(key)).collect()
    }

    /// Those that signed before: their numbers cannot sign any more, and what they have signed can be verified.
    pub fn retired_signing(&self) -> Vec<Generation> {
        let is_retired =
            |generation: &&Generation| generation.key.purpose == Purpose::Log && generation.retired_at.is_some();
        self.in_use().generations.iter().filter(is_retired).cloned().collect()
    }

    /// By what others verify what a key signs.
    pub fn public(&self, name: KeyName) -> Result<[u8; 32], StoreError> {
        let mut public = [0; 32];
        public.copy_from_slice(signing_key(&self.folder, name)?.public_key().as_ref());
        Ok(public)
    }

    /// Destroys the pseudonym key of a half-year whose log is not kept any more: nothing leads from its records to a person then.
    pub fn destroy_shard(&self, shard: &str) -> Result<(), StoreError> {
        let half_year = shard.rsplit('/').next().unwrap_or(shard);
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).remove(half_year);
        self.destroy_file(&shard_file(shard))
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

impl InUse {
    fn load(folder: &Path, generations: &[Generation]) -> Result<Self, StoreError> {
        let wrapping = in_use(generations, Purpose::Contents).into_iter().map(|name| {
            let key = read_or_create(&folder.join(name.file()), false)?;
            Ok((name.number, key))
        });
        let signing = in_use(generations, Purpose::Log)
            .into_iter()
            .map(|name| Ok((name.number, Arc::new(signing_key(folder, name)?))));
        Ok(Self {
            wrapping: wrapping.collect::<Result<_, StoreError>>()?,
            signing: signing.collect::<Result<_, StoreError>>()?,
            generations: generations.to_vec(),
        })
    }
}

fn signing_key(folder: &Path, name: KeyName) -> Result<Ed25519KeyPair, StoreError> {
    let seed = read_or_create(&folder.join(name.file()), false)?;
    let key = Ed25519KeyPair::from_seed_unchecked(&*seed);
    key.map_err(|_| StoreError::Failed(format!("{} cannot be a key of Ed25519", name.file())))
}

/// A value by which this key of the folder is recognised, and which tells nothing about it. An error if the key is not there.
pub fn check_value(folder: &Path, name: &str) -> Result<[u8; 32], StoreError> {
    let key = hmac_key(&*read_or_create(&folder.join(name), false)?);
    let mut value = [0; 32];
    value.copy_from_slice(hmac::sign(&key, b"lienthong/key-check/v1").as_ref());
    Ok(value)
}

/// The file with the key of a log's pseudonyms, by the log's name or its half-year alone.
pub fn shard_file(shard: &str) -> String {
    format!("shard-{}.key", shard.rsplit('/').next().unwrap_or(shard))
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
