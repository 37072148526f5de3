//! One version of the formulas for one period, and what it says of a dossier. Pure: the same dossier, the same judgement.

use super::{FormulaTerms, HeldDossier, Indicator, Period, Punctuality, Reason, on_time, shares};
use crate::time::WorkingCalendar;

/// Terms, period and working calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    terms: FormulaTerms,
    period: Period,
    calendar: WorkingCalendar,
}

/// What one indicator says of one dossier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// In the numerator and in the denominator.
    Met,
    /// In the denominator only.
    Costs(Reason),
    /// In neither, because something is not known.
    Undecided(Reason),
    /// In neither: the indicator is not about such a dossier.
    NotConcerned,
}

/// Whether a dossier is counted at all. (Choice: every indicator is about the dossiers that were received in the period,
/// which the reference says of the sync rate alone.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    Counted,
    OutsideOfPeriod,
    /// It has no time of receipt.
    NotReceived,
}

/// A dossier costs points in an indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cost {
    pub indicator: Indicator,
    pub reason: Reason,
}

/// What a formula says of one dossier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    counting: Counting,
    punctuality: Option<Punctuality>,
    /// In the order of [`Indicator::JUDGED`].
    verdicts: [Verdict; Indicator::JUDGED.len()],
    receipt_is_missing: bool,
}

impl Formula {
    pub fn new(terms: FormulaTerms, period: Period, calendar: WorkingCalendar) -> Self {
        Self { terms, period, calendar }
    }

    pub fn terms(&self) -> &FormulaTerms {
        &self.terms
    }

    pub fn period(&self) -> &Period {
        &self.period
    }

    pub fn calendar(&self) -> &WorkingCalendar {
        &self.calendar
    }

    pub fn judge(&self, dossier: &HeldDossier) -> Judgement {
        let nothing = |counting| Judgement {
            counting,
            punctuality: None,
            verdicts: [Verdict::NotConcerned; Indicator::JUDGED.len()],
            receipt_is_missing: false,
        };
        let Some(received) = dossier.received_at else {
            let receipt_is_missing = self.receipt_is_missing(dossier);
            return Judgement { receipt_is_missing, ..nothing(Counting::NotReceived) };
        };
        if !self.period.contains(received) {
            return nothing(Counting::OutsideOfPeriod);
        }
        let punctuality = on_time::judge(dossier, received, self);
        let verdicts = Indicator::JUDGED.map(|indicator| self.verdict(indicator, dossier, punctuality.verdict));
        Judgement { punctuality: Some(punctuality), verdicts, ..nothing(Counting::Counted) }
    }

    fn verdict(&self, indicator: Indicator, dossier: &HeldDossier, on_time: Verdict) -> Verdict {
        match indicator {
            Indicator::OnTime => on_time,
            Indicator::OnlineShare => shares::online(dossier),
            Indicator::OnlinePayment => shares::paid_online(dossier),
            Indicator::ElectronicResult => shares::electronic_result(dossier),
            Indicator::Digitised => shares::digitised(dossier),
            Indicator::Reuse => shares::reuse(dossier),
            Indicator::NationalRepository => shares::national_repository(dossier),
            Indicator::PopulationData => shares::population_data(dossier, &self.terms),
            Indicator::Satisfaction => shares::satisfaction(dossier, on_time),
            Indicator::PublicationDecided
            | Indicator::PublicationDisclosed
            | Indicator::SyncRate
            | Indicator::PetitionsInTime => Verdict::NotConcerned,
        }
    }

    /// Whether its states say that it was received in the period, though no time of receipt is told. (Choice: the first such
    /// state stands for the receipt. The dossier is still not counted.)
    fn receipt_is_missing(&self, dossier: &HeldDossier) -> bool {
        let received = dossier.history.iter().filter(|entry| entry.state.implies_receipt());
        received.map(|entry| entry.at).min().is_some_and(|first| self.period.contains(first))
    }
}

impl Judgement {
    pub fn counting(&self) -> Counting {
        self.counting
    }

    /// How the verdict on time was found; `None` if the dossier is not counted.
    pub fn punctuality(&self) -> Option<&Punctuality> {
        self.punctuality.as_ref()
    }

    /// The sync rate counts whatever is counted.
    pub fn verdict(&self, indicator: Indicator) -> Verdict {
        match (indicator, self.counting) {
            (Indicator::SyncRate, Counting::Counted) => Verdict::Met,
            (Indicator::SyncRate, _) if self.receipt_is_missing => Verdict::Costs(Reason::ReceiptTimeMissing),
            _ => indicator.place().map_or(Verdict::NotConcerned, |place| self.verdicts[place]),
        }
    }

    /// Every indicator in which the dossier costs points, and why.
    pub fn costs(&self) -> impl Iterator<Item = Cost> + '_ {
        Indicator::ALL.iter().filter_map(|indicator| match self.verdict(*indicator) {
            Verdict::Costs(reason) => Some(Cost { indicator: *indicator, reason }),
            _ => None,
        })
    }
}
