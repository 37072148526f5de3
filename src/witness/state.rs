//! What a witness remembers: of each log the head that it cosigned last, a file each, and its own key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::Ed25519KeyPair;

use crate::audit::log::{Checkpoint, MOST_NOTE_BYTES, Note};
use crate::storage::StoreError;
use crate::storage::hex;
use crate::storage::keys::read_or_create;

pub(super) struct State {
    folder: PathBuf,
    /// Held as long as this witness lives: two that share a folder could each cosign another head.
    _lock: File,
}

impl State {
    pub(super) fn open(folder: &Path) -> Result<(Ed25519KeyPair, Self), StoreError> {
        let explain = |error: &dyn std::fmt::Display| StoreError::Failed(format!("{}: {error}", folder.display()));
        fs::create_dir_all(folder).map_err(|error| explain(&error))?;
        let lock = File::create(folder.join("witness.lock")).map_err(|error| explain(&error))?;
        lock.try_lock().map_err(|_| explain(&"another witness uses this folder"))?;
        // Only a witness that has never cosigned anything may make its key: another one would contradict what it said.
        let is_new = !folder.join("logs").exists();
        let seed = read_or_create(&folder.join("witness-1.key"), is_new)?;
        let key = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| explain(&"the key cannot be used"))?;
        fs::create_dir_all(folder.join("logs")).map_err(|error| explain(&error))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| explain(&error))?;
        Ok((key, Self { folder: folder.join("logs"), _lock: lock }))
    }

    fn file(&self, origin: &str) -> PathBuf {
        self.folder.join(hex::write(digest(&SHA256, origin.as_bytes()).as_ref()))
    }

    fn read(file: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(file)?.take(MOST_NOTE_BYTES as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Failed(format!("{}: {error}", file.display()))),
        }
    }

    pub(super) fn newest(&self, origin: &str) -> Result<Option<Checkpoint>, StoreError> {
        let file = self.file(origin);
        let read = |bytes: Vec<u8>| -> Result<Checkpoint, StoreError> {
            let checkpoint = Note::parse(&bytes).and_then(|note| Checkpoint::parse(note.text()));
            checkpoint.map_err(|error| StoreError::Failed(format!("{}: {error}", file.display())))
        };
        Self::read(&file)?.map(read).transpose()
    }

    pub(super) fn by_hash(&self, hash: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let is_hash = hash.len() == 64 && hash.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if is_hash { Self::read(&self.folder.join(hash)) } else { Ok(None) }
    }

    /// Durable when this returns.
    pub(super) fn keep(&self, origin: &str, note: &Note) -> Result<(), StoreError> {
        let file = self.file(origin);
        let beside = file.with_extension("new");
        let write = || -> io::Result<()> {
            let mut written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&beside)?;
            written.write_all(note.to_string().as_bytes())?;
            written.sync_data()?;
            fs::rename(&beside, &file)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| StoreError::Failed(format!("{}: {error}", file.display())))
    }
}
