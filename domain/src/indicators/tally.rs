//! Counts judgements, one dossier at a time: constant memory, apart from the lists that are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Counting, Formula, HeldDossier, Indicator, Judgement, Reason, Verdict};
use crate::dossier::DossierCode;

/// The counts of one formula: of a province, or of one agency. Each dossier is to be added once: nothing remembers which
/// were. The order does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    formula: Arc<Formula>,
    pub(super) counted: u64,
    pub(super) outside_of_period: u64,
    pub(super) not_received: u64,
    /// In the order of [`Indicator::JUDGED`].
    pub(super) counts: [Counts; Indicator::JUDGED.len()],
    lists: BTreeMap<Indicator, Listing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) met: u64,
    pub(super) costs: u64,
    /// Of those that cost: how many count twice.
    pub(super) twice: u64,
    pub(super) undecided: u64,
}

/// The first dossiers by code, at most so many: which ones does not depend on the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listing {
    most: usize,
    entries: BTreeSet<(DossierCode, Reason)>,
}

impl Listing {
    fn add(&mut self, code: &DossierCode, reason: Reason) {
        let is_full = self.entries.len() >= self.most;
        if is_full && self.entries.last().is_none_or(|last| (&last.0, last.1) <= (code, reason)) {
            return;
        }
        self.entries.insert((code.clone(), reason));
        if self.entries.len() > self.most {
            self.entries.pop_last();
        }
    }
}

/// Two tallies cannot be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tallies have different formulas, periods, calendars or lists")]
pub struct TallyMismatch;

impl Tally {
    pub fn new(formula: Arc<Formula>) -> Self {
        Self {
            formula,
            counted: 0,
            outside_of_period: 0,
            not_received: 0,
            counts: Default::default(),
            lists: BTreeMap::new(),
        }
    }

    /// Keeps the codes of dossiers that cost points in the indicator or are undecided in it, at most `most` of them. To be
    /// asked for before dossiers are added.
    pub fn listing(mut self, indicator: Indicator, most: usize) -> Self {
        self.lists.insert(indicator, Listing { most, entries: BTreeSet::new() });
        self
    }

    pub fn formula(&self) -> &Formula {
        &self.formula
    }

    /// Judges a dossier and counts it.
    pub fn add(&mut self, dossier: &HeldDossier) -> Judgement {
        let judgement = self.formula.judge(dossier);
        match judgement.counting() {
            Counting::Counted => self.counted += 1,
            Counting::OutsideOfPeriod => self.outside_of_period += 1,
            Counting::NotReceived => self.not_received += 1,
        }
        for (counts, indicator) in self.counts.iter_mut().zip(Indicator::JUDGED) {
            match judgement.verdict(indicator) {
                Verdict::Met => counts.met += 1,
                Verdict::Costs(reason) => {
                    counts.costs += 1;
                    counts.twice += u64::from(reason == Reason::LateAndComplaint);
                }
                Verdict::Undecided(_) => counts.undecided += 1,
                Verdict::NotConcerned => {}
            }
        }
        for (indicator, listing) in &mut self.lists {
            if let Verdict::Costs(reason) | Verdict::Undecided(reason) = judgement.verdict(*indicator) {
                listing.add(&dossier.code, reason);
            }
        }
        judgement
    }

    /// Adds what another tally has counted of other dossiers.
    pub fn merge(&mut self, other: &Tally) -> Result<(), TallyMismatch> {
        let same_lists = self.lists.len() == other.lists.len()
            && self.lists.iter().zip(&other.lists).all(|(a, b)| (a.0, a.1.most) == (b.0, b.1.most));
        if self.formula != other.formula || !same_lists {
            return Err(TallyMismatch);
        }
        self.counted += other.counted;
        self.outside_of_period += other.outside_of_period;
        self.not_received += other.not_received;
        for (counts, more) in self.counts.iter_mut().zip(&other.counts) {
            counts.met += more.met;
            counts.costs += more.costs;
            counts.twice += more.twice;
            counts.undecided += more.undecided;
        }
        for (listing, more) in self.lists.values_mut().zip(other.lists.values()) {
            more.entries.iter().for_each(|(code, reason)| listing.add(code, *reason));
        }
        Ok(())
    }

    /// The dossiers that were listed for an indicator, by code; none if it was not asked for.
    pub fn listed(&self, indicator: Indicator) -> impl Iterator<Item = (&DossierCode, Reason)> + '_ {
        let entries = self.lists.get(&indicator).into_iter().flat_map(|listing| &listing.entries);
        entries.map(|(code, reason)| (code, *reason))
    }
}
