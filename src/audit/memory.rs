//! What was signed last, remembered outside the database and its backups: a database that was put back to an earlier state
//! is recognised by it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::log::{Checkpoint, Note};
use super::signer::Signer;
use crate::storage::StoreError;

/// A file for each shard, beside the keys.
pub struct Memory {
    folder: PathBuf,
}

impl Memory {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The last name of the shard: the folder is of one deployment.
    fn file(&self, shard: &str) -> PathBuf {
        let name = shard.rsplit('/').next().unwrap_or(shard);
        self.folder.join(format!("audit-{name}.checkpoint"))
    }

    /// The newest checkpoint that is known here; none if none was signed here yet.
    pub fn newest(&self, signer: &Signer, shard: &str) -> Result<Option<Checkpoint>, StoreError> {
        let file = self.file(shard);
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
        note.verify(&[signer.verifier(shard)?]).map_err(|error| explain(error.to_string()))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| explain(error.to_string()))?;
        if checkpoint.origin != shard {
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
