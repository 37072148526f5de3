//! Every effect the portal let happen, in order, for ever: what a test compares the gateway's own account with.
//! An entry must never be changed or dropped; when the ledger is full, the portal stops taking effects instead.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dossiers::Item;
use crate::faults::FaultKind;
use crate::locks::hold;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Insert,
    Update,
    AppendStep,
    /// The status of a dossier that was born on the portal.
    ReportStatus,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// From 1, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    pub operation: Effect,
    /// Dossier code; of a status report the national one.
    pub code: String,
    /// The beginning of the dossier's note or of the step's or report's content: by it a test tells which message this was.
    pub mark: String,
    /// Of the content as received, 16 hexadecimal digits; the same content gives the same digest in every run.
    pub digest: String,
    /// False when an update stored what was there already, or a status report said what the one before it said.
    pub changed: bool,
    /// The injected fault that hit the answer, if one did.
    pub fault: Option<FaultKind>,
}

#[derive(Debug)]
struct Kept {
    at: Timestamp,
    operation: Effect,
    code: Arc<str>,
    mark: Box<str>,
    digest: u64,
    changed: bool,
    fault: Option<FaultKind>,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    entries: Mutex<Vec<Kept>>,
    promised: AtomicU64,
    limit: u64,
}

impl Ledger {
    pub(crate) fn new(limit: u64) -> Self {
        Self { entries: Mutex::default(), promised: AtomicU64::new(0), limit }
    }

    /// Room for `count` entries, taken before any of the effects so that a batch is written whole or not at all.
    pub(crate) fn reserve(&self, count: u64) -> bool {
        let taken = self.promised.fetch_update(Relaxed, Relaxed, |promised| {
            promised.checked_add(count).filter(|total| *total <= self.limit)
        });
        taken.is_ok()
    }

    pub(crate) fn give_back(&self, count: u64) {
        let _ = self.promised.fetch_update(Relaxed, Relaxed, |promised| Some(promised.saturating_sub(count)));
    }

    pub(crate) fn write(
        &self,
        operation: Effect,
        code: &Arc<str>,
        item: &Item<'_>,
        changed: bool,
        fault: Option<FaultKind>,
    ) {
        let (mark, digest) = (item.mark.clone(), item.digest);
        let entry = Kept { at: Timestamp::now(), operation, code: Arc::clone(code), mark, digest, changed, fault };
        hold(&self.entries).push(entry);
    }

    /// Entries with a number above `after`, at most `limit`.
    pub(crate) fn page(&self, after: u64, limit: usize) -> Vec<LedgerEntry> {
        let entries = hold(&self.entries);
        let first = usize::try_from(after).unwrap_or(usize::MAX).min(entries.len());
        let shown = entries[first..].iter().take(limit).enumerate();
        shown.map(|(offset, kept)| kept.tell((first + offset) as u64 + 1)).collect()
    }

    pub(crate) fn clear(&self) {
        let mut entries = hold(&self.entries);
        entries.clear();
        self.promised.store(0, Relaxed);
    }
}

impl Kept {
    fn tell(&self, seq: u64) -> LedgerEntry {
        LedgerEntry {
            seq,
            at: self.at,
            operation: self.operation,
            code: self.code.to_string(),
            mark: self.mark.to_string(),
            digest: format!("{:016x}", self.digest),
            changed: self.changed,
            fault: self.fault,
        }
    }
}
