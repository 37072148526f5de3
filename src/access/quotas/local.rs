//! Counting in this process alone.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota as Cells, RateLimiter};

use super::{Charge, Left, Quota, Verdict};

type Limiter = RateLimiter<String, DashMapStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// One limiter for each quota that is in use.
#[derive(Default)]
pub(super) struct Local {
    limiters: RwLock<HashMap<(Quota, u32), Arc<Limiter>>>,
}

/// Keys that are remembered before those that are whole again are forgotten.
const MOST_KEYS: usize = 10_000;

impl Local {
    /// `percent` of each quota is this process's to give.
    pub(super) fn judge(&self, charges: &[Charge], percent: u32) -> Verdict {
        let mut left = Vec::with_capacity(charges.len());
        for (at, charge) in charges.iter().enumerate() {
            let Some(limiter) = self.limiter(charge.quota, percent) else { continue };
            match limiter.check_key(&charge.key) {
                Ok(state) => {
                    let requests = state.remaining_burst_capacity();
                    let used = charge.quota.requests.saturating_sub(requests);
                    left.push(Left {
                        requests,
                        until_whole: charge.quota.window * used / charge.quota.requests.max(1),
                    });
                }
                Err(not_until) => {
                    let retry_after = not_until.wait_time_from(DefaultClock::default().now());
                    return Verdict::Denied { at, retry_after: retry_after.max(Duration::from_millis(1)) };
                }
            }
        }
        Verdict::Allowed(left)
    }

    /// Forgets what was counted on other quotas than these.
    pub(super) fn keep_only(&self, quotas: &HashSet<Quota>) {
        let mut limiters = self.limiters.write().unwrap_or_else(PoisonError::into_inner);
        limiters.retain(|(quota, _), _| quotas.contains(quota));
    }

    fn limiter(&self, quota: Quota, percent: u32) -> Option<Arc<Limiter>> {
        let name = (quota, percent);
        if let Some(known) = self.limiters.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            if known.len() > MOST_KEYS {
                known.retain_recent();
            }
            return Some(Arc::clone(known));
        }
        let requests = u64::from(quota.requests) * u64::from(percent) / 100;
        let requests = NonZeroU32::new(u32::try_from(requests).unwrap_or(u32::MAX).max(1))?;
        let cells = Cells::with_period(quota.window / requests.get())?.allow_burst(requests);
        let limiter = Arc::new(RateLimiter::dashmap(cells).with_middleware::<StateInformationMiddleware>());
        let mut limiters = self.limiters.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(limiters.entry(name).or_insert(limiter)))
    }
}
