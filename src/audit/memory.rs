//! What was signed last, remembered outside the database and its backups: a database that was put back to an earlier state
//! is recognised by it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::log::{Checkpoint, Note};
use super::names;
use super::signer::Signer;
use crate::storage::StoreError;

/// A file for each name of a log, beside the keys.
pub struct Memory {
    folder: PathBuf,
}

impl Memory {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// By the last part of the log's name: the folder is of one deployment.
    fn file(&self, name: &str) -> PathBuf {
        let name = name.rsplit('/').next().unwrap_or(name);
        self.folder.join(format!("audit-{name}.checkpoint"))
    }

    /// The highest number of a name under which this shard's log was signed here.
    pub fn newest_number(&self, shard: &str) -> Result<Option<u32>, StoreError> {
        let explain = |error: io::Error| StoreError::Failed(format!("{}: {error}", self.folder.display()));
        let half_year = shard.rsplit('/').next().unwrap_or(shard);
        let mut newest = None;
        for entry in fs::read_dir(&self.folder).map_err(explain)? {
            let file = entry.map_err(explain)?.file_name();
            let name = file.to_str().and_then(|file| file.strip_prefix("audit-")?.strip_suffix(".checkpoint"));
            let Some((_, number)) = name.map(names::parse).filter(|(of, _)| *of == half_year) else { continue };
            self.must_be_named(&names::name(shard, number))?;
            newest = newest.max(Some(number));
        }
        Ok(newest)
    }

    /// A checkpoint that somebody put here under another name than its own would be looked for in vain.
    fn must_be_named(&self, name: &str) -> Result<(), StoreError> {
        let file = self.file(name);
        let bytes = fs::read(&file).map_err(|error| StoreError::Failed(format!("{}: {error}", file.display())))?;
        let origin = Note::parse(&bytes).and_then(|note| Checkpoint::parse(note.text())).map(|found| found.origin);
        match origin {
            Ok(origin) if origin != name => Err(StoreError::Failed(format!(
                "{}: it is of {origin}; rename it to {}",
                file.display(),
                self.file(&origin).display()
            ))),
            _ => Ok(()),
        }
    }

    /// The newest checkpoint that is known here under this name; none if none was signed here yet.
    pub fn newest(&self, signer: &Signer, name: &str) -> Result<Option<Checkpoint>, StoreError> {
        let file = self.file(name);
        let explain = |why: String| {
            StoreError::Failed(format!(
                "{}: {why}. It tells what was signed last of the audit log; put the newest checkpoint that is known elsewhere \
                 in its place (docs/operations/audit.md)",
                file.display()
            ))
        };
        let note = match fs::read(&file) {
            Ok(bytes) => Note::parse(&bytes).map_err(|error| explain(error.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(explain(error.to_string())),
        };
        note.verify(&signer.verifiers(name)?).map_err(|error| explain(error.to_string()))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| explain(error.to_string()))?;
        if checkpoint.origin != name {
            return Err(explain(format!("it is of {}", checkpoint.origin)));
        }
        Ok(Some(checkpoint))
    }

    /// Remembers a checkpoint, durably, before anyone is told of it; an older one than what is known changes nothing.
    pub fn remember(&self, signer: &Signer, checkpoint: &Checkpoint, note: &[u8]) -> Result<(), StoreError> {
        if self.newest(signer, &checkpoint.origin)?.is_some_and(|known| known.size >= checkpoint.size) {
            return Ok(());
        }
        let file = self.file(&checkpoint.origin);
        let beside = file.with_extension(format!("new-{}", uuid::Uuid::now_v7()));
        let write = || -> io::Result<()> {
            let mut written = File::create_new(&beside)?;
            written.write_all(note)?;
            written.sync_data()?;
            fs::rename(&beside, &file)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&beside);
            StoreError::Failed(format!("{}: {error}", file.display()))
        })
    }
}
