//! Percentages with two decimals, in whole hundredths: no floats anywhere.

use std::fmt;

/// A percentage in hundredths: 86.67 % is 8667. Written with a dot and always two decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Percent(u32);

impl Percent {
    pub const ZERO: Percent = Percent(0);
    pub const FULL: Percent = Percent(10_000);

    /// From whole percents, as thresholds are written. More than 100 is brought to 100.
    pub const fn whole(percent: u8) -> Self {
        Self(if percent > 100 { 10_000 } else { percent as u32 * 100 })
    }

    /// `numerator ÷ denominator`, rounded half up to two decimals; `None` if the denominator is zero. A numerator beyond
    /// its denominator is brought to 100.00.
    pub fn of(numerator: u64, denominator: u64) -> Option<Self> {
        Self::of_wide(u128::from(numerator), u128::from(denominator))
    }

    /// The product of two shares, rounded once. Counts of dossiers lie below 2^50: no product overflows.
    pub(super) fn of_product(one: (u64, u64), other: (u64, u64)) -> Option<Self> {
        let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
        Self::of_wide(product(one.0, other.0), product(one.1, other.1))
    }

    fn of_wide(numerator: u128, denominator: u128) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        let doubled = numerator.min(denominator) * 20_000 + denominator;
        Some(u32::try_from(doubled / (2 * denominator)).map_or(Self::FULL, Self))
    }

    pub const fn hundredths(self) -> u32 {
        self.0
    }

    /// Whether a share reaches this threshold: the share itself is compared, not its rounded percentage (79.996 % is
    /// written 80.00 and does not reach 80 %).
    pub(super) fn is_reached_by(self, numerator: u64, denominator: u64) -> bool {
        u128::from(numerator) * 10_000 >= u128::from(denominator) * u128::from(self.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}
