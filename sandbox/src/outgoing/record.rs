//! What became of each message: its attempts, and what the province last said. Tests wait here for an end.
//! A message must never leave it but by a reset: when it is full, no further message is taken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::answer::Answer;
use super::letter::Letter;
use super::message::{Hold, OutgoingKind};
use crate::files::{FileAtHand, SentFile};
use crate::locks::hold;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendingState {
    /// Waits to be released.
    Held,
    /// Attempts are under way, or pauses between them.
    Sending,
    /// At least one delivery was acknowledged.
    Delivered,
    /// None was acknowledged, and the province has refused one.
    Refused,
    /// No attempt was acknowledged or refused, and none is left.
    GivenUp,
}

/// A message with all that has happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentMessage {
    /// From 1; never given twice, not even after a reset.
    pub id: u64,
    pub kind: OutgoingKind,
    /// Dossier code, as far as the message has one.
    pub code: String,
    /// Where it goes, without address and prefix.
    pub path: String,
    pub state: SendingState,
    /// In the order in which they ended.
    pub attempts: Vec<Attempt>,
    pub last_answer: Option<Answer>,
    /// The files that are fetched by address.
    pub files: Vec<SentFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1, over all deliveries of the message.
    pub number: u32,
    /// From 1 to the `times` of the message.
    pub delivery: u32,
    pub began_at: Timestamp,
    pub took_ms: u64,
    /// Whether it was one of those that the message wanted cut.
    pub was_cut: bool,
    pub answer: Answer,
}

impl SentMessage {
    /// Whether nothing more will happen to it.
    pub fn is_settled(&self) -> bool {
        !matches!(self.state, SendingState::Held | SendingState::Sending)
    }
}

#[derive(Debug)]
pub(super) struct Kept {
    message: SentMessage,
    files: Vec<Arc<FileAtHand>>,
    attempts_begun: u32,
}

impl Kept {
    fn tell(&self) -> SentMessage {
        SentMessage { files: self.files.iter().map(|file| file.tell()).collect(), ..self.message.clone() }
    }
}

#[derive(Debug)]
struct Kepts {
    last_id: u64,
    messages: BTreeMap<u64, Kept>,
}

#[derive(Debug)]
pub(super) struct Record {
    kept: Mutex<Kepts>,
    changed: watch::Sender<()>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::new(Kepts { last_id: 0, messages: BTreeMap::new() }), changed: watch::Sender::new(()) }
    }

    pub(super) fn count(&self) -> usize {
        hold(&self.kept).messages.len()
    }

    pub(super) fn open(&self, letter: &Letter, is_held: bool) -> u64 {
        let mut kept = hold(&self.kept);
        kept.last_id += 1;
        let id = kept.last_id;
        let is_held = is_held || letter.faults.hold == Hold::UntilReleased;
        let message = SentMessage {
            id,
            kind: letter.kind,
            code: letter.code.clone(),
            path: letter.path.to_owned(),
            state: if is_held { SendingState::Held } else { SendingState::Sending },
            attempts: Vec::new(),
            last_answer: None,
            files: Vec::new(),
        };
        kept.messages.insert(id, Kept { message, files: letter.files.clone(), attempts_begun: 0 });
        id
    }

    /// The number of the attempt that begins now.
    pub(super) fn begin_attempt(&self, id: u64) -> u32 {
        let mut kept = hold(&self.kept);
        let Some(kept) = kept.messages.get_mut(&id) else { return 1 };
        kept.attempts_begun += 1;
        kept.attempts_begun
    }

    pub(super) fn end_attempt(&self, id: u64, attempt: Attempt) {
        self.change(id, |message| {
            message.last_answer = Some(attempt.answer.clone());
            message.attempts.push(attempt);
        });
    }

    pub(super) fn set_state(&self, id: u64, state: SendingState) {
        self.change(id, |message| message.state = state);
    }

    /// Lets those of the messages that are held go, all at once; false if one of them is not known.
    pub(super) fn release(&self, ids: &[u64]) -> bool {
        let mut kept = hold(&self.kept);
        if ids.iter().any(|id| !kept.messages.contains_key(id)) {
            return false;
        }
        for id in ids {
            if let Some(kept) = kept.messages.get_mut(id).filter(|kept| kept.message.state == SendingState::Held) {
                kept.message.state = SendingState::Sending;
            }
        }
        drop(kept);
        self.changed.send_replace(());
        true
    }

    pub(super) fn get(&self, id: u64) -> Option<SentMessage> {
        hold(&self.kept).messages.get(&id).map(Kept::tell)
    }

    /// Messages with a number above `after`, at most `limit`.
    pub(super) fn page(&self, after: u64, limit: usize) -> Vec<SentMessage> {
        let kept = hold(&self.kept);
        kept.messages.range(after.saturating_add(1)..).take(limit).map(|(_, kept)| kept.tell()).collect()
    }

    /// Waits until the message (none once it is forgotten) is as wanted.
    pub(super) async fn until(&self, id: u64, is_wanted: impl Fn(Option<&SentMessage>) -> bool) {
        let mut changes = self.changed.subscribe();
        loop {
            let is_there = is_wanted(hold(&self.kept).messages.get(&id).map(|kept| &kept.message));
            // The sender is in this record, so it cannot be gone.
            if is_there || changes.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn clear(&self) {
        hold(&self.kept).messages.clear();
        self.changed.send_replace(());
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut SentMessage)) {
        if let Some(kept) = hold(&self.kept).messages.get_mut(&id) {
            change(&mut kept.message);
        }
        self.changed.send_replace(());
    }
}
