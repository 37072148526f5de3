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

/// What is listed of an indicator.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listing {
    most: usize,
    costs: FirstCodes,
    undecided: FirstCodes,
}

impl Listing {
    fn add(&mut self, code: &DossierCode, verdict: Verdict) {
        match verdict {
            Verdict::Costs(reason) => self.costs.add(self.most, code, reason),
            Verdict::Undecided(reason) => self.undecided.add(self.most, code, reason),
            Verdict::Met | Verdict::NotConcerned => {}
        }
    }
}

/// The first dossiers by code, at most so many: which ones does not depend on the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct FirstCodes {
    entries: BTreeSet<(DossierCode, Reason)>,
    /// How many others there were.
    left_out: u64,
}

impl FirstCodes {
    fn add(&mut self, most: usize, code: &DossierCode, reason: Reason) {
        let is_full = self.entries.len() >= most;
        if is_full && self.entries.last().is_none_or(|last| (&last.0, last.1) <= (code, reason)) {
            self.left_out += 1;
            return;
        }
        self.entries.insert((code.clone(), reason));
        if self.entries.len() > most {
            self.entries.pop_last();
            self.left_out += 1;
        }
    }

    fn merge(&mut self, most: usize, other: &Self) {
        self.left_out += other.left_out;
        other.entries.iter().for_each(|(code, reason)| self.add(most, code, *reason));
    }

    fn listed(&self, costs_points: bool) -> Listed<'_> {
        Listed { costs_points, left_out: self.left_out, entries: &self.entries }
    }
}

/// Dossiers of an indicator, by code.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// Or they are undecided.
    pub costs_points: bool,
    /// How many others there are.
    pub left_out: u64,
    entries: &'a BTreeSet<(DossierCode, Reason)>,
}

impl<'a> Listed<'a> {
    pub fn iter(self) -> impl Iterator<Item = (&'a DossierCode, Reason)> {
        self.entries.iter().map(|(code, reason)| (code, *reason))
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

    /// Keeps the codes of dossiers that cost points in the indicator, and of those that are undecided in it, at most `most` of each.
    /// To be asked for before dossiers are added.
    pub fn listing(mut self, indicator: Indicator, most: usize) -> Self {
        self.lists.insert(indicator, Listing { most, costs: FirstCodes::default(), undecided: FirstCodes::default() });
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
            listing.add(&dossier.code, judgement.verdict(*indicator));
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
            listing.costs.merge(listing.most, &more.costs);
            listing.undecided.merge(listing.most, &more.undecided);
        }
        Ok(())
    }

    /// The dossiers that cost points in an indicator, then those that are undecided in it; none if they were not asked for.
    pub fn listed(&self, indicator: Indicator) -> impl Iterator<Item = Listed<'_>> {
        let listing = self.lists.get(&indicator).into_iter();
        listing.flat_map(|listing| [listing.costs.listed(true), listing.undecided.listed(false)])
    }
}
