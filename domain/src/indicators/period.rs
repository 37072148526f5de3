//! The period that figures are for, in Vietnam dates.

use jiff::civil::{Date, DateTime};
use jiff::{Span, ToSpan};

use crate::time::Timestamp;

/// A stretch of whole days: a month, a quarter, or any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    from: Timestamp,
    /// The first instant that no longer belongs to it.
    until: Timestamp,
    /// How many such periods a year has, where the formula of the sync rate divides a year by it.
    a_year: Option<u32>,
    /// It is looked at from here, if it is not over then.
    as_of: Option<Timestamp>,
}

impl Period {
    /// `None` if there is no such month.
    pub fn month(year: i16, month: i8) -> Option<Self> {
        Self::from_first_day(Date::new(year, month, 1).ok()?, 1.month(), 12)
    }

    /// A quarter (quý) from 1 to 4; `None` if there is no such quarter.
    pub fn quarter(year: i16, quarter: i8) -> Option<Self> {
        let month = quarter.checked_sub(1)?.checked_mul(3)?.checked_add(1)?;
        Self::from_first_day(Date::new(year, month, 1).ok()?, 3.months(), 4)
    }

    /// From the first to the last day, both included; a month or a quarter if these are its days. `None` if they are the wrong
    /// way round.
    pub fn days(first: Date, last: Date) -> Option<Self> {
        let after = last.checked_add(1.day()).ok()?;
        let days = (first <= last).then(|| Self::between(first, after, None)).flatten()?;
        let month = Self::month(first.year(), first.month());
        let quarter = Self::quarter(first.year(), (first.month() - 1) / 3 + 1);
        let same = |known: &Self| (known.from, known.until) == (days.from, days.until);
        Some([month, quarter].into_iter().flatten().find(same).unwrap_or(days))
    }

    fn from_first_day(first: Date, length: Span, a_year: u32) -> Option<Self> {
        Self::between(first, first.checked_add(length).ok()?, Some(a_year))
    }

    fn between(first: Date, after: Date, a_year: Option<u32>) -> Option<Self> {
        let midnight = |day: Date| Timestamp::from_vietnam(DateTime::from_parts(day, jiff::civil::Time::MIN)).ok();
        Some(Self { from: midnight(first)?, until: midnight(after)?, a_year, as_of: None })
    }

    /// The same, looked at from an instant: what is unfinished is judged then, if the period is not over.
    #[must_use]
    pub fn as_of(self, instant: Timestamp) -> Self {
        Self { as_of: Some(instant), ..self }
    }

    /// Its first instant.
    pub fn begin(&self) -> Timestamp {
        self.from
    }

    pub fn contains(&self, instant: Timestamp) -> bool {
        self.from <= instant && instant < self.until
    }

    /// The last second of the period, at which unfinished dossiers are judged; or from when it is looked at, if that is earlier. (A
    /// choice: the reference says "the end of the period", which of a period under way lies ahead.)
    pub fn end(&self) -> Timestamp {
        let end = self.until.plus_millis(-1000);
        self.as_of.map_or(end, |instant| instant.min(end))
    }

    /// 12 for a month, 4 for a quarter.
    pub fn a_year(&self) -> Option<u32> {
        self.a_year
    }
}
