//! Files that are too large for a row: each encrypted under a key of its own that stands in the body of whatever it belongs to.
//! When that body goes, nothing can open the file any more, wherever a copy of it is.

mod sealed;

use std::io::ErrorKind;
use std::path::PathBuf;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use lienthong_domain::time::Timestamp;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;
use zeroize::Zeroizing;

use sealed::{CHUNK, Opener, SEALED_CHUNK, Sealer};

use super::StoreError;
use super::disk::LeastFree;

/// What tells the kind of a file stands within so many bytes.
const HEAD: usize = 8192;

/// A folder of such files. Replicas must all see the same one.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
    least_free: LeastFree,
}

/// The key of a file that is written when what it belongs to is stored already: a secret stands there, and each file under it has a key
/// of its own, also one that is begun again.
pub fn key_under(secret: &[u8; 32], file: Uuid) -> Zeroizing<[u8; 32]> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), file.as_bytes());
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(tag.as_ref());
    key
}

/// A secret for [`key_under`].
pub fn new_secret() -> Result<Zeroizing<[u8; 32]>, StoreError> {
    sealed::new_key()
}

/// A file that is durable. Whoever has the key reads it. It goes away again with this value, unless something that names it is
/// about to be stored ([`KeptFile::settle`]).
pub struct KeptFile {
    pub id: Uuid,
    pub key: Zeroizing<[u8; 32]>,
    pub bytes: u64,
    pub sha256: [u8; 32],
    /// Its first bytes.
    pub head: Vec<u8>,
    place: Part,
}

impl KeptFile {
    /// From now on it stays. Whether what names it was stored need not be known: a file that nothing names is swept.
    pub fn settle(mut self) {
        self.place.0 = None;
    }
}

impl Files {
    /// The folder is made with its first file.
    pub fn new(folder: PathBuf, least_free: LeastFree) -> Self {
        Self { folder, least_free }
    }

    /// Begins a file under a key of its own, unless the disk is nearly full. One that is never finished leaves nothing but a part that
    /// is taken away later.
    pub async fn begin(&self) -> Result<Writing, StoreError> {
        self.begin_with(Uuid::now_v7(), sealed::new_key()?).await
    }

    /// Begins a file whose key is made of a secret and its id: [`key_under`].
    pub async fn begin_under(&self, secret: &[u8; 32]) -> Result<Writing, StoreError> {
        let id = Uuid::now_v7();
        self.begin_with(id, key_under(secret, id)).await
    }

    async fn begin_with(&self, id: Uuid, key: Zeroizing<[u8; 32]>) -> Result<Writing, StoreError> {
        let (folder, least_free) = (self.folder.clone(), self.least_free);
        let make_room = move || {
            std::fs::create_dir_all(&folder)
                .map_err(|error| StoreError::Failed(format!("{}: {error}", folder.display())))?;
            if least_free.is_gone(&folder) { Err(StoreError::DiskFull) } else { Ok(()) }
        };
        tokio::task::spawn_blocking(make_room).await.map_err(StoreError::failed)??;
        let part = self.folder.join(format!("{id}.part"));
        let file = File::create_new(&part).await.map_err(failed)?;
        Ok(Writing {
            sealer: Sealer::new(id, key)?,
            folder: self.folder.clone(),
            part: Part(Some(part)),
            file,
            pending: Vec::with_capacity(CHUNK),
            digest: Context::new(&SHA256),
            head: Vec::new(),
            bytes: 0,
        })
    }

    /// Opens a file for reading; `None` if it is not there.
    pub async fn read(&self, id: Uuid, key: &[u8; 32]) -> Result<Option<Reading>, StoreError> {
        match File::open(self.path(id)).await {
            Ok(file) => {
                let left = file.metadata().await.map_err(failed)?.len();
                Ok(Some(Reading { file, left, opener: Some(Opener::new(id, key)?) }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Takes a file away; one that is not there is away already.
    pub async fn remove(&self, id: Uuid) -> Result<(), StoreError> {
        for path in [self.path(id), self.folder.join(format!("{id}.part"))] {
            match tokio::fs::remove_file(path).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Goes through all files that are older than `whole_before`, and parts of such that are older than `parts_before`.
    pub async fn walk(&self, parts_before: Timestamp, whole_before: Timestamp) -> Result<Walk, StoreError> {
        let folder = self.folder.clone();
        let begin = move || match std::fs::read_dir(folder) {
            Ok(entries) => Ok(Some(entries)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        };
        let entries = tokio::task::spawn_blocking(begin).await.map_err(StoreError::failed)??;
        Ok(Walk { entries, parts_before, whole_before })
    }

    fn path(&self, id: Uuid) -> PathBuf {
        self.folder.join(id.to_string())
    }
}

/// On its way through the folder.
pub struct Walk {
    entries: Option<std::fs::ReadDir>,
    parts_before: Timestamp,
    whole_before: Timestamp,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub whole: Vec<Uuid>,
    pub parts: Vec<Uuid>,
}

impl Walk {
    /// Looks at so many names more; `None` after the last one.
    pub async fn next(&mut self, names: usize) -> Result<Option<Found>, StoreError> {
        let Some(mut entries) = self.entries.take() else { return Ok(None) };
        let (parts_before, whole_before) = (made(self.parts_before), made(self.whole_before));
        let look = move || {
            let mut found = Found::default();
            for _ in 0..names {
                let Some(entry) = entries.next() else { return Ok((None, found)) };
                let name = entry?.file_name();
                let Some(name) = name.to_str() else { continue };
                let (id, before, of_its_kind) = match name.strip_suffix(".part") {
                    Some(id) => (id, parts_before, &mut found.parts),
                    None => (name, whole_before, &mut found.whole),
                };
                of_its_kind.extend(id.parse::<Uuid>().ok().filter(|id| id.as_u128() >> 80 < before));
            }
            Ok((Some(entries), found))
        };
        let (entries, found) = tokio::task::spawn_blocking(look).await.map_err(StoreError::failed)?.map_err(failed)?;
        self.entries = entries;
        Ok(Some(found))
    }
}

/// Ids are time-ordered (UUIDv7): they begin with milliseconds in 48 bits.
fn made(at: Timestamp) -> u128 {
    u128::try_from(at.micros() / 1000).unwrap_or_default()
}

/// A file that goes away with this value.
struct Part(Option<PathBuf>);

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(part) = &self.0 {
            let _ = std::fs::remove_file(part);
        }
    }
}

/// A file on its way to the disk, a chunk at a time in memory.
pub struct Writing {
    folder: PathBuf,
    part: Part,
    file: File,
    sealer: Sealer,
    pending: Vec<u8>,
    digest: Context,
    head: Vec<u8>,
    bytes: u64,
}

impl Writing {
    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        self.bytes += bytes.len() as u64;
        self.digest.update(bytes);
        let wanted = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..wanted]);
        while !bytes.is_empty() {
            // A full chunk waits until more comes: the last one is sealed otherwise.
            if self.pending.len() == CHUNK {
                let sealed = self.sealer.seal(std::mem::take(&mut self.pending), false)?;
                self.file.write_all(&sealed).await.map_err(failed)?;
                self.pending.reserve(CHUNK);
            }
            let (now, later) = bytes.split_at((CHUNK - self.pending.len()).min(bytes.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Makes it durable: the bytes first, then its name.
    pub async fn finish(mut self) -> Result<KeptFile, StoreError> {
        let sealed = self.sealer.seal(std::mem::take(&mut self.pending), true)?;
        self.file.write_all(&sealed).await.map_err(failed)?;
        self.file.flush().await.map_err(failed)?;
        self.file.sync_all().await.map_err(failed)?;
        let (id, folder) = (self.sealer.id, self.folder.clone());
        let part = self.part.0.take().unwrap_or_default();
        let place = Part(Some(folder.join(id.to_string())));
        let name = folder.join(id.to_string());
        tokio::task::spawn_blocking(move || {
            std::fs::rename(&part, name)?;
            std::fs::File::open(&folder)?.sync_all()
        })
        .await
        .map_err(StoreError::failed)?
        .map_err(failed)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.digest.finish().as_ref());
        Ok(KeptFile { id, key: self.sealer.key.clone(), bytes: self.bytes, sha256, head: self.head, place })
    }
}

/// A file that is read, a chunk at a time.
pub struct Reading {
    file: File,
    /// Bytes of the file that were not read yet.
    left: u64,
    opener: Option<Opener>,
}

impl Reading {
    /// The next bytes; none at its end. Fails where a byte was changed, or the end is missing.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(mut opener) = self.opener.take() else { return Ok(None) };
        let mut sealed = Vec::with_capacity(SEALED_CHUNK);
        (&mut self.file).take(SEALED_CHUNK as u64).read_to_end(&mut sealed).await.map_err(failed)?;
        self.left = self.left.saturating_sub(sealed.len() as u64);
        let opened = opener.open(sealed, self.left == 0)?;
        self.opener = Some(opener).filter(|_| self.left > 0);
        Ok(Some(opened))
    }
}

fn failed(error: std::io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull,
        _ => StoreError::Failed(format!("a file: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn kept(files: &Files, bytes: &[u8]) -> KeptFile {
        let mut writing = files.begin().await.unwrap();
        for part in bytes.chunks(7777) {
            writing.write(part).await.unwrap();
        }
        writing.finish().await.unwrap()
    }

    async fn read(files: &Files, kept: &KeptFile) -> Result<Vec<u8>, StoreError> {
        let (mut reading, mut all) = (files.read(kept.id, &kept.key).await?.unwrap(), Vec::new());
        while let Some(part) = reading.next().await? {
            all.extend(part);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_file_reads_as_it_was_written_whatever_its_length_and_its_bytes_are_not_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().to_owned(), LeastFree::default());
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
            let bytes: Vec<u8> = b"nguyen van a ".iter().copied().cycle().take(length).collect();
            let kept = kept(&files, &bytes).await;
            assert_eq!((kept.bytes, read(&files, &kept).await.unwrap()), (length as u64, bytes));
            let stored = std::fs::read(files.path(kept.id)).unwrap();
            assert!(!stored.windows(12).any(|window| window == b"nguyen van a"), "the file is in the clear");
        }
    }

    #[tokio::test]
    async fn a_file_that_was_changed_cut_or_exchanged_does_not_open() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().to_owned(), LeastFree::default());
        let bytes = vec![7; 2 * CHUNK + 100];
        let (kept, other) = (kept(&files, &bytes).await, kept(&files, &bytes).await);
        let path = files.path(kept.id);
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        changed[CHUNK + 40] ^= 1;
        let swapped =
            [&whole[SEALED_CHUNK..2 * SEALED_CHUNK], &whole[..SEALED_CHUNK], &whole[2 * SEALED_CHUNK..]].concat();
        let of_other = std::fs::read(files.path(other.id)).unwrap();
        let damaged =
            [changed, swapped, whole[..2 * SEALED_CHUNK].to_vec(), whole[..SEALED_CHUNK].to_vec(), vec![], of_other];
        for damaged in damaged {
            std::fs::write(&path, damaged).unwrap();
            assert!(read(&files, &kept).await.is_err());
        }
    }

    #[tokio::test]
    async fn what_is_not_settled_goes_away_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().to_owned(), LeastFree::default());
        let (gone, stays) = (kept(&files, b"one").await, kept(&files, b"two").await);
        stays.settle();
        drop(gone);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn what_is_never_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().to_owned(), LeastFree::default());
        let mut writing = files.begin().await.unwrap();
        writing.write(&vec![1; 3 * CHUNK]).await.unwrap();
        drop(writing);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
