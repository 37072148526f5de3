//! The files that a configuration was read from, each known by what stood in it: one that was written again and says the
//! same is no change. What stood in a secret file is not kept.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

/// Files with digests of their contents; none of one that could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Option<[u8; 32]>>);

impl Files {
    /// Reads a file, and remembers it.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<String> {
        let text = std::fs::read_to_string(path);
        self.0.insert(path.to_owned(), text.as_ref().ok().map(|text| sha256(text.as_bytes())));
        text
    }

    /// The same files as they are now.
    pub fn now(&self) -> Self {
        let look = |path: &PathBuf| (path.clone(), std::fs::read(path).ok().map(|bytes| sha256(&bytes)));
        Self(self.0.keys().map(look).collect())
    }
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut value = [0; 32];
    value.copy_from_slice(digest(&SHA256, bytes).as_ref());
    value
}
