//! Quotas the other way: what other systems allow us. A call waits a bounded while for its place.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use lienthong_adapter_kit::upstream_quota::UpstreamQuotas;
use tokio::time::Instant;

use super::{Charge, Quota, Quotas, Verdict};

/// What one other system allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamLimits {
    pub all: Quota,
    /// Of each agency.
    pub agency: Option<Quota>,
    /// How long a call waits.
    pub wait: Duration,
}

impl Quota {
    /// Never more than `calls` in any stretch of `window`, of which `at_once` may come together: what is given back while
    /// the window lasts and what may come at once are `calls` in all.
    pub fn strict(calls: u32, at_once: u32, window: Duration) -> Self {
        let later = calls.saturating_sub(at_once).max(1);
        Self { requests: at_once, window: window * at_once / later }
    }
}

/// The quotas in force, for adapters that outlast them.
#[derive(Default)]
pub struct UpstreamQuotasInForce(RwLock<Option<Arc<Quotas>>>);

impl UpstreamQuotasInForce {
    pub fn replace(&self, quotas: &Arc<Quotas>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(quotas));
    }
}

#[async_trait]
impl UpstreamQuotas for UpstreamQuotasInForce {
    async fn take(&self, upstream: &str, agency: Option<&str>, most: Duration) -> Result<(), Duration> {
        let quotas = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        match quotas {
            Some(quotas) => quotas.take(upstream, agency, most).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl UpstreamQuotas for Quotas {
    async fn take(&self, upstream: &str, agency: Option<&str>, most: Duration) -> Result<(), Duration> {
        let Some(limits) = self.table.upstreams.get(upstream) else { return Ok(()) };
        let until = Instant::now() + limits.wait.min(most);
        let of_agency = limits.agency.zip(agency).map(|(quota, agency)| Charge {
            policy: "upstream-agency",
            key: format!("upstream:{upstream}:{agency}"),
            quota,
        });
        let of_all = Charge { policy: "upstream", key: format!("upstream:{upstream}"), quota: limits.all };
        // One after the other: what the narrow one has given is not asked for again while the wide one is waited for.
        for charge in of_agency.into_iter().chain([of_all]) {
            while let Verdict::Denied { retry_after, .. } = self.judge(std::slice::from_ref(&charge)).await {
                if Instant::now() + retry_after > until {
                    return Err(retry_after);
                }
                tokio::time::sleep(retry_after).await;
            }
        }
        Ok(())
    }
}
