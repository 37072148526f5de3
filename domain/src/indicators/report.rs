//! The figures: each indicator with numerator, denominator, percentage, and points where the formula gives them.

use super::tally::Counts;
use super::{Indicator, Percent, Period, Tally};
use crate::invalid::Message;

/// What the sync rate (1.4) needs beside the synchronised dossiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncBasis {
    /// Dossiers received in the period, per the national statistics system of procedures.
    pub by_statistics: Option<u32>,
    /// Dossiers received in the whole year before: the formula divides them by 12 or by 4.
    pub last_year: Option<u32>,
}

/// All figures of one tally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The version of the formula's terms.
    pub version: String,
    pub period: Period,
    /// Dossiers that were received in the period.
    pub counted: u64,
    pub outside_of_period: u64,
    /// Without a time of receipt: not counted.
    pub not_received: u64,
    results: Vec<IndicatorResult>,
}

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndicatorResult {
    pub indicator: Indicator,
    pub value: Value,
    /// 3.3 alone: the share times the sync rate.
    pub times_sync_rate: Option<Percent>,
    /// The part of all points that is earned; `None` where the formula does not tell it, such as below a threshold.
    pub earned: Option<Percent>,
    /// Points earned, in hundredths, where the reference also tells all points of the indicator by themselves.
    pub points_in_hundredths: Option<u32>,
    /// Dossiers left out because something is not known.
    pub undecided: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Share {
        numerator: u64,
        denominator: u64,
        percent: Percent,
    },
    /// The denominator is zero.
    NotApplicable,
    /// It cannot be computed: neither zero nor full.
    NotObservable(NotObservable),
}

crate::code_enum! {
    /// Why an indicator cannot be computed.
    pub enum NotObservable: "Vì sao không tính được. / Why it cannot be computed." {
        PublicationUnknown = "publication_unknown" => "Cần ngày ban hành, công khai và hiệu lực của quyết định công bố thủ tục; dữ liệu hồ sơ không có",
        PetitionsUnknown = "petitions_unknown" => "Cần dữ liệu xử lý phản ánh, kiến nghị; hệ thống đó không có giao diện công khai",
        ReceivedUnknown = "received_unknown" => "Cần số hồ sơ tiếp nhận theo hệ thống thống kê, hoặc tổng số của năm trước cho một tháng hay quý",
        NothingDecided = "nothing_decided" => "Không xác định được với hồ sơ nào, vì thiếu thông tin",
    }
}

impl NotObservable {
    pub const fn english(self) -> &'static str {
        match self {
            Self::PublicationUnknown => {
                "Needs the dates at which decisions on procedures were published, disclosed and took effect: dossiers do not tell them"
            }
            Self::PetitionsUnknown => "Needs the handling of petitions: that system has no public interface",
            Self::ReceivedUnknown => {
                "Needs the number received per the statistics system, or last year's total for a month or a quarter"
            }
            Self::NothingDecided => "Could not be decided for any dossier, because something is not known",
        }
    }
}

impl Report {
    /// Every indicator, in the order of [`Indicator::ALL`].
    pub fn results(&self) -> &[IndicatorResult] {
        &self.results
    }

    pub fn result(&self, indicator: Indicator) -> &IndicatorResult {
        // The results are one for each of `ALL`, which is in the order of the enum.
        &self.results[indicator as usize]
    }
}

impl IndicatorResult {
    pub fn source(&self) -> Message {
        self.indicator.source()
    }
}

impl Value {
    fn share(&self) -> Option<Share> {
        match *self {
            Value::Share { numerator, denominator, .. } => Some((numerator, denominator)),
            Value::NotApplicable | Value::NotObservable(_) => None,
        }
    }
}

/// Numerator and denominator, the denominator not zero.
type Share = (u64, u64);

impl Tally {
    /// The figures of what was added so far.
    pub fn report(&self, basis: &SyncBasis) -> Report {
        let sync = sync_rate(self.counted, self.formula().period(), basis);
        Report {
            version: self.formula().terms().version.clone(),
            period: *self.formula().period(),
            counted: self.counted,
            outside_of_period: self.outside_of_period,
            not_received: self.not_received,
            results: Indicator::ALL.iter().map(|indicator| self.result(*indicator, &sync)).collect(),
        }
    }

    fn result(&self, indicator: Indicator, sync: &Value) -> IndicatorResult {
        let counts = indicator.place().map(|place| self.counts[place]).unwrap_or_default();
        let value = match indicator {
            Indicator::PublicationDecided | Indicator::PublicationDisclosed => {
                Value::NotObservable(NotObservable::PublicationUnknown)
            }
            Indicator::PetitionsInTime => Value::NotObservable(NotObservable::PetitionsUnknown),
            Indicator::SyncRate => *sync,
            _ => share_of(counts),
        };
        let share = value.share();
        let earned = share.and_then(|share| self.earned(indicator, share, sync.share()));
        IndicatorResult {
            indicator,
            value,
            times_sync_rate: (indicator == Indicator::OnlineShare)
                .then(|| Percent::of_product(share?, sync.share()?))
                .flatten(),
            earned: earned.and_then(|(n, d)| Percent::of(n, d)),
            points_in_hundredths: earned
                .zip(indicator.full_points())
                .and_then(|((n, d), full)| rounded(n * 100 * u64::from(full), d)),
            undecided: counts.undecided,
        }
    }

    /// The part of all points that is earned. 1.4: each missing dossier costs its part. 3.3: from the threshold on all, times
    /// the sync rate. 4.2, 4.3, 5.4: from the threshold on, all. The reference says nothing of what is left below a
    /// threshold, or of the others.
    fn earned(&self, indicator: Indicator, share: Share, sync: Option<Share>) -> Option<Share> {
        let terms = self.formula().terms();
        let (full_at, full) = match indicator {
            Indicator::SyncRate => return Some(share),
            Indicator::OnlineShare => (terms.online_share_full_at, sync?),
            Indicator::Digitised => (terms.digitised_full_at, (1, 1)),
            Indicator::Reuse => (terms.reuse_full_at, (1, 1)),
            Indicator::Satisfaction => (terms.satisfaction_full_at, (1, 1)),
            _ => return None,
        };
        full_at.is_reached_by(share.0, share.1).then_some(full)
    }
}

/// Rounded half up to a whole number.
fn rounded(numerator: u64, denominator: u64) -> Option<u32> {
    u32::try_from((2 * numerator + denominator) / (2 * denominator)).ok()
}

fn share_of(counts: Counts) -> Value {
    let denominator = counts.met + counts.costs;
    // Who is late and disliked is taken off twice; a share below zero is zero (a choice).
    match share(counts.met.saturating_sub(counts.twice), denominator) {
        Value::NotApplicable if counts.undecided > 0 => Value::NotObservable(NotObservable::NothingDecided),
        value => value,
    }
}

fn share(numerator: u64, denominator: u64) -> Value {
    Percent::of(numerator, denominator).map_or(Value::NotApplicable, |percent| Value::Share {
        numerator,
        denominator,
        percent,
    })
}

/// 1.4: synchronised ÷ max(received per statistics, received per synchronised data). Where the statistics are empty, a month's
/// or quarter's part of last year's total stands for them. (Choices: it takes their place in the maximum, so that no rate is
/// above 100 %; it is rounded half up to whole dossiers; a figure of 0 is not empty.)
fn sync_rate(synchronised: u64, period: &Period, basis: &SyncBasis) -> Value {
    let part_of_last_year = || {
        let (total, parts) = (u64::from(basis.last_year?), u64::from(period.a_year()?));
        Some((2 * total + parts) / (2 * parts))
    };
    match basis.by_statistics.map(u64::from).or_else(part_of_last_year) {
        Some(received) => share(synchronised, received.max(synchronised)),
        None => Value::NotObservable(NotObservable::ReceivedUnknown),
    }
}
