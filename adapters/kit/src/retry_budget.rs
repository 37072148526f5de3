//! How many calls may be repeated at once: a share of the calls that were made. Where one in a hundred fails, each is
//! repeated; where all fail, repeating would only double the load on a system that is already in trouble.

use std::sync::{Mutex, PoisonError};

use deserr::{Deserr, ValuePointerRef};
use lienthong_domain::invalid::{InvalidFields, Refusal, json_pointer};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields, validate = limits_hold -> InvalidFields)]
pub struct RetryBudgetSettings {
    /// Repeated calls for a hundred first ones. 0: none is repeated.
    pub percent: u32,
    /// So many may be saved up.
    pub most_saved: u32,
}

fn limits_hold(
    settings: RetryBudgetSettings,
    location: ValuePointerRef<'_>,
) -> Result<RetryBudgetSettings, InvalidFields> {
    let place = json_pointer(location);
    let mut wrong = InvalidFields::default();
    if settings.percent > 100 {
        wrong.push(format!("{place}/percent"), Refusal::new("value", "Tối đa 100.", "At most 100."));
    }
    if !(1..=10_000).contains(&settings.most_saved) {
        wrong.push(format!("{place}/most_saved"), Refusal::new("value", "Từ 1 đến 10000.", "From 1 to 10000."));
    }
    wrong.into_result(settings)
}

/// The budget of one outside system. Begins full.
#[derive(Debug)]
pub struct RetryBudget {
    settings: RetryBudgetSettings,
    /// In hundredths of a call.
    saved: Mutex<u32>,
}

impl RetryBudget {
    pub fn new(settings: RetryBudgetSettings) -> Self {
        let full = if settings.percent == 0 { 0 } else { settings.most_saved * 100 };
        Self { settings, saved: Mutex::new(full) }
    }

    /// A first call was made.
    pub fn earn(&self) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        *saved = saved.saturating_add(self.settings.percent).min(self.settings.most_saved * 100);
    }

    /// Whether a call may be repeated; if so, it is paid for.
    pub fn spend(&self) -> bool {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let left = saved.checked_sub(100);
        *saved = left.unwrap_or(*saved);
        left.is_some()
    }
}
