//! How often each operation was called, accepted, refused and why, and which faults were injected.
//! They must never influence a reply.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use crate::faults::FaultKind;
use crate::locks::hold;
use crate::operation::Operation;

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Wrong user name or password.
    Login,
    /// No such session, or it has ended.
    Session,
    /// A field is unknown, missing, too long, of the wrong kind or outside its code list.
    Field,
    /// `madonvi` or the dossier code belongs to another agency than the account.
    Agency,
    /// The procedure is not in the catalogue.
    Procedure,
    /// Insert of a code that is there.
    Exists,
    /// Update, step or status report of a code that is not there.
    Missing,
    /// Status report for a dossier that the local side itself has inserted.
    NotBornHere,
    /// The dossier is in the plan's poison list.
    Poison,
    /// The `refuse` fault.
    Injected,
    /// The ledger is full.
    Full,
}

impl Reason {
    pub const ALL: [Reason; 11] = [
        Reason::Login,
        Reason::Session,
        Reason::Field,
        Reason::Agency,
        Reason::Procedure,
        Reason::Exists,
        Reason::Missing,
        Reason::NotBornHere,
        Reason::Poison,
        Reason::Injected,
        Reason::Full,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Reason::Login => "login",
            Reason::Session => "session",
            Reason::Field => "field",
            Reason::Agency => "agency",
            Reason::Procedure => "procedure",
            Reason::Exists => "exists",
            Reason::Missing => "missing",
            Reason::NotBornHere => "not_born_here",
            Reason::Poison => "poison",
            Reason::Injected => "injected",
            Reason::Full => "full",
        }
    }
}

/// A snapshot. Only what is not zero is listed under `refused` and `faults`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub operations: BTreeMap<String, OperationCounters>,
    /// Calls of no operation: wrong `dstcode`, unknown path or service, a body that is not a JSON object.
    pub unreadable: u64,
    /// Calls by the portal's own name of the service, with a session or without.
    pub services: BTreeMap<String, u64>,
    /// The most calls that were under way at one time.
    pub most_under_way: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCounters {
    pub calls: u64,
    /// Calls that did what was asked, whatever answer the caller then saw.
    pub accepted: u64,
    pub refused: BTreeMap<String, u64>,
    pub faults: BTreeMap<String, u64>,
    /// Injected faults after which the caller cannot know whether the call took effect.
    pub ambiguous: u64,
}

impl Counters {
    /// Injected faults of `operation` after which the caller cannot know; 0 for an unknown name.
    pub fn ambiguous(&self, operation: &str) -> u64 {
        self.operations.get(operation).map_or(0, |counters| counters.ambiguous)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    operations: [OperationTally; Operation::ALL.len()],
    unreadable: AtomicU64,
    services: Mutex<BTreeMap<&'static str, u64>>,
    under_way: AtomicU64,
    most_under_way: AtomicU64,
}

/// A call that is under way.
pub(crate) struct UnderWay<'a>(&'a Tally);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

#[derive(Debug, Default)]
struct OperationTally {
    calls: AtomicU64,
    accepted: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    faults: [AtomicU64; FaultKind::ALL.len()],
}

impl Tally {
    pub(crate) fn unreadable(&self) {
        self.unreadable.fetch_add(1, Relaxed);
    }

    pub(crate) fn begun(&self) -> UnderWay<'_> {
        let now = self.under_way.fetch_add(1, Relaxed) + 1;
        self.most_under_way.fetch_max(now, Relaxed);
        UnderWay(self)
    }

    pub(crate) fn served(&self, service: &'static str) {
        *hold(&self.services).entry(service).or_default() += 1;
    }

    pub(crate) fn called(&self, operation: Operation) {
        self.operations[operation as usize].calls.fetch_add(1, Relaxed);
    }

    pub(crate) fn accepted(&self, operation: Operation) {
        self.operations[operation as usize].accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self, operation: Operation, reason: Reason) {
        self.operations[operation as usize].refused[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn injected(&self, operation: Operation, kind: FaultKind) {
        self.operations[operation as usize].faults[kind as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Counters {
        let operations = Operation::ALL
            .into_iter()
            .map(|operation| (operation.name().to_owned(), self.operations[operation as usize].snapshot()))
            .collect();
        let services = hold(&self.services).iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect();
        let (unreadable, most_under_way) = (self.unreadable.load(Relaxed), self.most_under_way.load(Relaxed));
        Counters { operations, unreadable, services, most_under_way }
    }

    pub(crate) fn clear(&self) {
        self.unreadable.store(0, Relaxed);
        self.most_under_way.store(0, Relaxed);
        hold(&self.services).clear();
        for tally in &self.operations {
            let all = [&tally.calls, &tally.accepted].into_iter().chain(&tally.refused).chain(&tally.faults);
            all.for_each(|count| count.store(0, Relaxed));
        }
    }
}

impl OperationTally {
    fn snapshot(&self) -> OperationCounters {
        let listed = |name: &'static str, count: &AtomicU64| {
            let count = count.load(Relaxed);
            (count > 0).then(|| (name.to_owned(), count))
        };
        let ambiguous = FaultKind::ALL.iter().filter(|kind| kind.is_ambiguous());
        OperationCounters {
            calls: self.calls.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            refused: Reason::ALL.iter().filter_map(|r| listed(r.name(), &self.refused[*r as usize])).collect(),
            faults: FaultKind::ALL.iter().filter_map(|k| listed(k.name(), &self.faults[*k as usize])).collect(),
            ambiguous: ambiguous.map(|kind| self.faults[*kind as usize].load(Relaxed)).sum(),
        }
    }
}
