//! Reads the JSON of a message while it arrives, and sets aside what is long in it: a text beyond a limit is a file in base64,
//! and goes to the disk as it comes. What is left is short, whatever was sent.

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use lienthong_domain::inbox::SetAside;
use uuid::Uuid;

use crate::storage::StoreError;
use crate::storage::files::{Files, KeptFile, Writing};

/// How much is read of a message.
#[derive(Debug, Clone, Copy)]
pub struct MessageLimits {
    /// Of the message without what was set aside.
    pub message_bytes: usize,
    /// A text that is longer is set aside.
    pub text_bytes: usize,
    pub file_bytes: u64,
    pub files: usize,
    /// The longest pause between two parts of it.
    pub pause: Duration,
}

impl MessageLimits {
    /// With room for a text of this length.
    pub(super) fn with_text(self, bytes: usize) -> Self {
        let longer = bytes.saturating_sub(self.text_bytes);
        Self { text_bytes: self.text_bytes + longer, message_bytes: self.message_bytes + longer, ..self }
    }
}

/// Values of all kinds in one message: each costs far more memory than the bytes in which it is written.
const MOST_VALUES: usize = 20_000;
/// A message that is refused is read on for so long, and thrown away: whoever sends all of it before it listens sees the refusal
/// and not a reset, and does not send it again for ever.
const DRAIN: Duration = Duration::from_secs(5);

/// A message that has arrived.
pub(super) struct Received {
    pub(super) message: Vec<u8>,
    pub(super) aside: SetAside,
    /// `None`: its text was no base64.
    pub(super) files: Vec<Option<KeptFile>>,
}

/// Why a message was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReceived {
    #[error("the message without its files is longer than {0} bytes")]
    MessageTooLong(usize),
    #[error("a file is longer than {0} bytes")]
    FileTooLong(u64),
    #[error("more than {0} files")]
    TooManyFiles(usize),
    #[error("more than {0} values")]
    TooManyValues(usize),
    #[error("it came too slowly")]
    TooSlow,
    #[error("it was broken off")]
    BrokenOff,
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) async fn receive(body: Body, files: &Files, limits: MessageLimits) -> Result<Received, NotReceived> {
    let mut scanner = Scanner {
        message: Vec::new(),
        // Random, and not told to anybody: no text of the message can be taken for one that was set aside.
        aside: SetAside::new(Uuid::new_v4().to_string()),
        files: Vec::new(),
        state: State::Between,
        values: 0,
        store: files,
        limits,
    };
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = tokio::time::timeout(limits.pause, chunks.next()).await.map_err(|_| NotReceived::TooSlow)? {
        if let Err(refused) = scanner.feed(&chunk.map_err(|_| NotReceived::BrokenOff)?).await {
            drop(scanner);
            let rest = async { while let Some(Ok(_)) = chunks.next().await {} };
            let _ = tokio::time::timeout(DRAIN, rest).await;
            return Err(refused);
        }
    }
    match scanner.state {
        State::Aside(_) => Err(NotReceived::BrokenOff),
        State::Between | State::Text { .. } => {
            Ok(Received { message: scanner.message, aside: scanner.aside, files: scanner.files })
        }
    }
}

struct Scanner<'a> {
    message: Vec<u8>,
    aside: SetAside,
    files: Vec<Option<KeptFile>>,
    state: State,
    values: usize,
    store: &'a Files,
    limits: MessageLimits,
}

enum State {
    /// Between texts.
    Between,
    /// In a text that began at this place of the message.
    Text { start: usize, is_escaped: bool },
    /// In one that was too long.
    Aside(Box<Aside>),
}

struct Aside {
    /// `None` once it is no base64: the rest is skipped.
    writing: Option<Writing>,
    decoder: Decoder,
    is_escaped: bool,
}

impl Scanner<'_> {
    async fn feed(&mut self, mut chunk: &[u8]) -> Result<(), NotReceived> {
        while !chunk.is_empty() {
            let read = match &mut self.state {
                State::Between => {
                    let read = chunk.iter().position(|byte| *byte == b'"').map_or(chunk.len(), |at| at + 1);
                    self.message.extend_from_slice(&chunk[..read]);
                    self.values += chunk[..read].iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
                    if self.values > MOST_VALUES {
                        return Err(NotReceived::TooManyValues(MOST_VALUES));
                    }
                    if chunk[read - 1] == b'"' {
                        self.state = State::Text { start: self.message.len(), is_escaped: false };
                    }
                    read
                }
                State::Text { start, is_escaped } => {
                    let room = self.limits.text_bytes - (self.message.len() - *start);
                    let end = end_of_text(&chunk[..chunk.len().min(room + 1)], is_escaped);
                    let read = end.map_or(chunk.len().min(room + 1), |at| at + 1);
                    self.message.extend_from_slice(&chunk[..read]);
                    let (start, is_too_long) = (*start, end.is_none() && read > room);
                    if end.is_some() {
                        self.state = State::Between;
                    } else if is_too_long {
                        self.set_aside(start).await?;
                    }
                    read
                }
                State::Aside(aside) => {
                    let end = end_of_text(chunk, &mut aside.is_escaped);
                    aside.write(&chunk[..end.unwrap_or(chunk.len())], self.limits.file_bytes).await?;
                    if end.is_some() {
                        self.files.push(aside.finish().await?);
                        self.message.push(b'"');
                        self.state = State::Between;
                    }
                    end.map_or(chunk.len(), |at| at + 1)
                }
            };
            chunk = &chunk[read..];
            if self.message.len() > self.limits.message_bytes {
                return Err(NotReceived::MessageTooLong(self.limits.message_bytes));
            }
        }
        Ok(())
    }

    /// The text that began at this place goes to the disk from now on; its number stands in its place.
    async fn set_aside(&mut self, start: usize) -> Result<(), NotReceived> {
        if self.files.len() == self.limits.files {
            return Err(NotReceived::TooManyFiles(self.limits.files));
        }
        let text = self.message.split_off(start);
        self.message.extend_from_slice(self.aside.placeholder(self.files.len()).as_bytes());
        let mut aside = Aside {
            writing: Some(self.store.begin().await?),
            decoder: Decoder::default(),
            // What was read ends in the midst of an escape if an odd number of backslashes stands at its end.
            is_escaped: text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1,
        };
        aside.write(&text, self.limits.file_bytes).await?;
        self.state = State::Aside(Box::new(aside));
        Ok(())
    }
}

/// Where the text ends, if it does in this chunk.
fn end_of_text(chunk: &[u8], is_escaped: &mut bool) -> Option<usize> {
    chunk.iter().position(|byte| match (*is_escaped, byte) {
        (true, _) => {
            *is_escaped = false;
            false
        }
        (false, b'\\') => {
            *is_escaped = true;
            false
        }
        (false, byte) => *byte == b'"',
    })
}

impl Aside {
    async fn write(&mut self, text: &[u8], most: u64) -> Result<(), NotReceived> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        match self.decoder.decode(text) {
            Some(bytes) => writing.write(&bytes).await?,
            None => self.writing = None,
        }
        match &self.writing {
            Some(writing) if writing.bytes() > most => Err(NotReceived::FileTooLong(most)),
            _ => Ok(()),
        }
    }

    async fn finish(&mut self) -> Result<Option<KeptFile>, StoreError> {
        let (Some(mut writing), Some(rest)) = (self.writing.take(), self.decoder.finish()) else { return Ok(None) };
        writing.write(&rest).await?;
        writing.finish().await.map(Some)
    }
}

/// Base64 inside a JSON text, a part at a time: escapes are undone, line breaks are nothing.
#[derive(Default)]
pub(super) struct Decoder {
    /// What does not make a whole group yet.
    dense: Vec<u8>,
    escape: Escape,
    /// Nothing but padding may follow.
    is_padded: bool,
}

#[derive(Default, Clone, Copy)]
enum Escape {
    #[default]
    None,
    Backslash,
    /// `\u`: so many digits, and their value.
    Unicode(u8, u32),
}

impl Decoder {
    /// `None` once it is no base64.
    pub(super) fn decode(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        for byte in text {
            let unescaped = match (self.escape, *byte) {
                (Escape::None, b'\\') => {
                    self.escape = Escape::Backslash;
                    continue;
                }
                (Escape::None, byte) => byte,
                (Escape::Backslash, b'u') => {
                    self.escape = Escape::Unicode(0, 0);
                    continue;
                }
                (Escape::Backslash, byte) => {
                    self.escape = Escape::None;
                    match byte {
                        b'/' => b'/',
                        b'n' | b'r' | b't' => b'\n',
                        _ => return None,
                    }
                }
                (Escape::Unicode(digits, value), digit) => {
                    let value = value * 16 + char::from(digit).to_digit(16)?;
                    if digits < 3 {
                        self.escape = Escape::Unicode(digits + 1, value);
                        continue;
                    }
                    self.escape = Escape::None;
                    u8::try_from(value).ok()?
                }
            };
            match unescaped {
                b' ' | b'\n' | b'\r' | b'\t' => continue,
                b'=' => self.is_padded = true,
                _ if self.is_padded => return None,
                _ => {}
            }
            self.dense.push(unescaped);
        }
        let whole = self.dense.len() / 4 * 4;
        let rest = self.dense.split_off(whole);
        let groups = std::mem::replace(&mut self.dense, rest);
        STANDARD.decode(groups).ok()
    }

    /// The end: a group that is not whole is no base64.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let is_whole = self.dense.is_empty() && matches!(self.escape, Escape::None);
        is_whole.then(Vec::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::LeastFree;

    const LIMITS: MessageLimits = MessageLimits {
        message_bytes: 2000,
        text_bytes: 100,
        file_bytes: 50_000,
        files: 3,
        pause: Duration::from_millis(200),
    };

    /// In pieces of this size, as a slow network brings it.
    async fn received(text: &str, piece: usize) -> Result<(Received, Vec<Option<Vec<u8>>>), NotReceived> {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().to_owned(), LeastFree::default());
        let pieces: Vec<_> =
            text.as_bytes().chunks(piece).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        let received = receive(Body::from_stream(futures::stream::iter(pieces)), &files, LIMITS).await?;
        let mut contents = Vec::new();
        for kept in &received.files {
            let Some(kept) = kept else {
                contents.push(None);
                continue;
            };
            let (mut reading, mut all) = (files.read(kept.id, &kept.key).await?.unwrap(), Vec::new());
            while let Some(part) = reading.next().await? {
                all.extend(part);
            }
            contents.push(Some(all));
        }
        Ok((received, contents))
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
    }

    #[tokio::test]
    async fn long_texts_are_files_and_the_rest_is_as_it_was_however_it_comes() {
        let (one, two) = (bytes(30_000), bytes(301));
        // As .NET, PHP and Java write it: escaped plus signs, escaped slashes, line breaks.
        let of_one = STANDARD.encode(&one).replace('+', "\\u002B").replace('/', "\\/");
        let encoded = STANDARD.encode(&two);
        let of_two = encoded.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned());
        let of_two = of_two.collect::<Vec<_>>().join("\\r\\n");
        let message = format!("{{\"a\": \"ngắn \\\"và\\\\\", \"b\": [\"{of_one}\"], \"c\": \"{of_two}\", \"d\": 1}}");
        for piece in [1, 3, 100, 101, 1000, message.len()] {
            let (received, files) = received(&message, piece).await.unwrap();
            assert_eq!(files, [Some(one.clone()), Some(two.clone())], "pieces of {piece}");
            let expected = format!(
                "{{\"a\": \"ngắn \\\"và\\\\\", \"b\": [\"{}\"], \"c\": \"{}\", \"d\": 1}}",
                received.aside.placeholder(0),
                received.aside.placeholder(1)
            );
            assert_eq!(String::from_utf8(received.message).unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn what_is_no_base64_is_no_file_and_what_follows_is_read() {
        let good = STANDARD.encode(bytes(300));
        let padded_within = format!("{}{}", STANDARD.encode(bytes(200)), good);
        for bad in [
            "x".repeat(201),
            "á".repeat(120),
            padded_within,
            format!("{good}="),
            format!("{good}\\u0141"),
            "-_".repeat(80),
        ] {
            let (received, files) = received(&format!("[\"{bad}\", \"{good}\"]"), 64).await.unwrap();
            assert_eq!(files, [None, Some(bytes(300))]);
            assert!(received.message.len() < 200);
        }
    }

    #[tokio::test]
    async fn every_limit_holds_and_leaves_nothing() {
        let file = |length| format!("\"{}\"", STANDARD.encode(bytes(length)));
        let cases = [
            (format!("[{}]", file(60_000)), "a file is longer"),
            (format!("[{0},{0},{0},{0}]", file(100)), "more than 3 files"),
            (format!("[{}]", "\"short\",".repeat(400)), "the message without its files"),
            (format!("[{}", " ".repeat(3000)), "the message without its files"),
            (format!("[{}", &file(1000)[..900]), "broken off"),
        ];
        for (message, expected) in cases {
            let refused = received(&message, 777).await.err().unwrap().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
