//! One time that the whole catalogue is asked for: how it stands, so that whoever leads next goes on with it.

use lienthong_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::Change;

/// The last run, or the one that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub began_at: Option<Timestamp>,
    /// `None` while it is under way.
    pub ended_at: Option<Timestamp>,
    /// When the last run ended that has asked for everything.
    pub completed_at: Option<Timestamp>,
    /// When it goes on, or the next one begins.
    pub next_at: Timestamp,
    /// Procedures that are still to be asked for.
    pub remaining: Vec<Listed>,
    pub report: Report,
    /// An operator wants one now.
    pub asked_at: Option<Timestamp>,
    /// And has seen that the list has become much shorter.
    pub may_shrink: bool,
}

/// A procedure of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub code: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Procedures on the list, each counted once.
    pub listed: usize,
    /// Calls for details.
    pub asked: usize,
    pub added: usize,
    pub changed: usize,
    pub withdrawn: usize,
    pub restored: usize,
    /// What could not be taken over, and why; the first of them.
    pub failed: Vec<Failed>,
    /// How many there were.
    pub failures: usize,
    /// Why it ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// How often it has gone on after a pause.
    pub pauses: u32,
}

/// One thing that could not be taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    pub list: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub reason: String,
}

/// Why a run ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "why")]
pub enum Stopped {
    /// The list could not be got.
    NoList { reason: String },
    /// So much is missing on the list that it may be the list that is wrong.
    Shrunk { known: usize, missing: usize },
}

/// Failures that are told one by one.
const MOST_FAILED: usize = 100;

impl Report {
    pub fn count(&mut self, change: Change) {
        *match change {
            Change::Added => &mut self.added,
            Change::Changed => &mut self.changed,
            Change::Withdrawn => &mut self.withdrawn,
            Change::Restored => &mut self.restored,
        } += 1;
    }

    pub fn fail(&mut self, list: &str, code: Option<&str>, reason: String) {
        self.failures += 1;
        if self.failed.len() < MOST_FAILED {
            self.failed.push(Failed { list: list.to_owned(), code: code.map(str::to_owned), reason });
        }
    }
}

impl Run {
    /// Before there was any.
    pub fn first(now: Timestamp) -> Self {
        Self {
            began_at: None,
            ended_at: None,
            completed_at: None,
            next_at: now,
            remaining: Vec::new(),
            report: Report::default(),
            asked_at: None,
            may_shrink: false,
        }
    }

    pub fn is_under_way(&self) -> bool {
        self.began_at.is_some() && self.ended_at.is_none()
    }
}
