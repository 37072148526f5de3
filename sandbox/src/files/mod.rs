//! The files that citizens attached on the portal: registered with an outgoing message, served to who asks for them.
//! A body larger than its file must never be in memory whole: it is made while it is sent.

mod serve;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::locks::hold;
pub(crate) use serve::routes;

/// Most bytes of all files together; beyond it, a message with a file is not taken.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// Most bytes of one file made here.
const LARGEST_MADE: usize = 64 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutgoingFile {
    pub name: String,
    #[serde(default = "pdf")]
    pub content_type: String,
    pub content: FileContent,
    #[serde(default)]
    pub habit: FileHabit,
}

fn pdf() -> String {
    "application/pdf".into()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileContent {
    Text(String),
    Bytes(Vec<u8>),
    /// What begins and ends like a PDF, of this many bytes (at least 32, at most 64 MiB).
    Pdf(usize),
}

/// What happens when the file is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileHabit {
    #[default]
    Honest,
    /// A program of Windows in place of the file, under the file's own content type.
    WrongType,
    /// The file and then more, without a length and without an end.
    Endless,
    /// The file and then more, with its true length.
    Oversize {
        bytes: u64,
    },
    /// The whole file, a little at a time.
    SlowDrip {
        over_ms: u64,
    },
    Redirect {
        to: String,
    },
    NotFound,
    /// A `Content-Length` of this value; fewer bytes follow, or the file is cut there.
    WrongLength {
        bytes: u64,
    },
}

/// A file as the list of messages shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentFile {
    pub id: String,
    pub name: String,
    pub url: String,
    pub habit: FileHabit,
    /// How often it was asked for.
    pub fetches: u64,
}

/// A file with its bytes and its future address, not yet served.
#[derive(Debug)]
pub(crate) struct FileAtHand {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) bytes: Bytes,
    content_type: String,
    habit: FileHabit,
    fetches: AtomicU64,
}

impl FileAtHand {
    pub(crate) fn new(file: OutgoingFile, files_url: &str) -> Self {
        let id = Uuid::now_v7().to_string();
        let url = format!("{}/_files/{id}", files_url.trim_end_matches('/'));
        let bytes = file.content.bytes();
        let OutgoingFile { name, content_type, habit, .. } = file;
        Self { id, name, url, bytes, content_type, habit, fetches: AtomicU64::new(0) }
    }

    pub(crate) fn tell(&self) -> SentFile {
        SentFile {
            id: self.id.clone(),
            name: self.name.clone(),
            url: self.url.clone(),
            habit: self.habit.clone(),
            fetches: self.fetches.load(Relaxed),
        }
    }
}

impl FileContent {
    fn bytes(self) -> Bytes {
        const HEAD: &[u8] = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n";
        const TAIL: &[u8] = b"\n%%EOF\n";
        match self {
            FileContent::Text(text) => text.into(),
            FileContent::Bytes(bytes) => bytes.into(),
            FileContent::Pdf(size) => {
                let filling = size.clamp(32, LARGEST_MADE) - HEAD.len() - TAIL.len();
                [HEAD, &vec![b' '; filling], TAIL].concat().into()
            }
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Files(Mutex<HashMap<String, Arc<FileAtHand>>>);

impl Files {
    /// Serves these from now on, all of them or none.
    pub(crate) fn keep(&self, files: &[Arc<FileAtHand>]) -> Result<(), String> {
        let mut kept = hold(&self.0);
        let size: usize = kept.values().chain(files).map(|file| file.bytes.len()).sum();
        if size > MOST_BYTES {
            return Err(format!("files: all files together may have {MOST_BYTES} bytes"));
        }
        kept.extend(files.iter().map(|file| (file.id.clone(), Arc::clone(file))));
        Ok(())
    }

    fn get(&self, id: &str) -> Option<Arc<FileAtHand>> {
        hold(&self.0).get(id).cloned()
    }

    pub(crate) fn clear(&self) {
        hold(&self.0).clear();
    }
}
