//! The files of a message on their way to the disk: those that were set aside are there already, short ones follow.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lienthong_domain::inbox::{IncomingFile, Source};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::set_aside::{Decoder, MessageLimits};
use crate::storage::StoreError;
use crate::storage::files::{Files, KeptFile, new_secret};
use crate::storage::hex;

/// A file as it stands in the body of its message.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileEntry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kept: Option<KeptEntry>,
    /// Where the portal has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<String>,
    /// If it is fetched from there: what its key is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<LinkSecret>,
}

/// What the key of a linked file is made of.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct LinkSecret(String);

impl LinkSecret {
    fn new() -> Result<Self, StoreError> {
        Ok(Self(URL_SAFE_NO_PAD.encode(new_secret()?.as_slice())))
    }

    pub(super) fn bytes(&self) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        key_in(&self.0)
    }
}

fn key_in(text: &str) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(StoreError::failed)?);
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(StoreError::Failed("the key of a file".into()));
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

/// A file that is kept here. Who has this can open it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeptEntry {
    pub(super) id: Uuid,
    key: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) media_type: String,
}

impl KeptEntry {
    pub(super) fn key(&self) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        key_in(&self.key)
    }
}

/// Why a message's files are not taken: which one, from 1, and what it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadFile {
    #[error("tệp {0}: không phải base64")]
    NotBase64(usize),
    #[error("tệp {0}: loại {1} không được nhận")]
    Type(usize, String),
    #[error("tệp {0}: rỗng")]
    Empty(usize),
    #[error("tệp {0}: dài hơn {1} byte")]
    TooLong(usize, u64),
    #[error("nhiều hơn {0} tệp")]
    TooMany(usize),
    #[error("một trường dài hơn {0} byte mà không phải tệp")]
    LongText(usize),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The files in the body of a message.
pub(super) fn files_of(body: &[u8]) -> Result<Vec<FileEntry>, StoreError> {
    #[derive(Deserialize)]
    struct Body {
        files: Vec<FileEntry>,
    }
    serde_json::from_slice(body).map(|body: Body| body.files).map_err(StoreError::failed)
}

/// All files of a message, durable, in the order of the message; and what they are in its body. Those that are at an address are
/// only prepared, if `fetches`.
pub(super) async fn keep(
    files: &Files,
    message: &[IncomingFile],
    mut aside: Vec<Option<KeptFile>>,
    limits: MessageLimits,
    types: &[String],
    fetches: bool,
) -> Result<(Vec<FileEntry>, Vec<KeptFile>), BadFile> {
    if message.len() > limits.files {
        return Err(BadFile::TooMany(limits.files));
    }
    let is_named = |place: usize| message.iter().any(|file| file.source == Source::SetAside(place));
    // What was set aside and is no file of the message is a text that is too long for what it is.
    if !(0..aside.len()).all(is_named) {
        return Err(BadFile::LongText(limits.text_bytes));
    }
    let (mut entries, mut kept) = (Vec::new(), Vec::new());
    for (n, file) in message.iter().enumerate() {
        let n = n + 1;
        let name = file.name.as_ref().map(|name| name.expose().as_str().to_owned());
        let stored = match &file.source {
            Source::Link(link) => {
                let secret = fetches.then(LinkSecret::new).transpose()?;
                entries.push(FileEntry { name, kept: None, link: Some(link.as_str().to_owned()), secret });
                continue;
            }
            Source::SetAside(place) => aside.get_mut(*place).and_then(Option::take).ok_or(BadFile::NotBase64(n))?,
            Source::Written(text) => write(files, text, n, limits.file_bytes).await?,
        };
        let stands = entry(&stored, n, file.known_type, types)?;
        entries.push(FileEntry { name, kept: Some(stands), link: None, secret: None });
        kept.push(stored);
    }
    Ok((entries, kept))
}

fn entry(file: &KeptFile, n: usize, known: Option<&str>, types: &[String]) -> Result<KeptEntry, BadFile> {
    if file.bytes == 0 {
        return Err(BadFile::Empty(n));
    }
    let media_type = known.unwrap_or_else(|| type_of(file));
    if !types.iter().any(|taken| taken == media_type) {
        return Err(BadFile::Type(n, media_type.to_owned()));
    }
    Ok(KeptEntry {
        id: file.id,
        key: URL_SAFE_NO_PAD.encode(file.key.as_slice()),
        bytes: file.bytes,
        sha256: hex::write(&file.sha256),
        media_type: media_type.to_owned(),
    })
}

/// By what it is, not by what it is called.
pub(super) fn type_of(file: &KeptFile) -> &'static str {
    infer::get(&file.head).map_or("application/octet-stream", |found| found.mime_type())
}

async fn write(files: &Files, text: &str, n: usize, most: u64) -> Result<KeptFile, BadFile> {
    let mut decoder = Decoder::default();
    let bytes = decoder.decode(text.as_bytes()).filter(|_| decoder.finish().is_some()).ok_or(BadFile::NotBase64(n))?;
    if bytes.len() as u64 > most {
        return Err(BadFile::TooLong(n, most));
    }
    let mut writing = files.begin().await?;
    writing.write(&bytes).await?;
    Ok(writing.finish().await?)
}
