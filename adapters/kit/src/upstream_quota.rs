//! What another system allows: so many calls of all together, and of each agency. Counted by the core, for all replicas
//! together where it can.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

/// The quotas of other systems, as adapters see them.
#[async_trait]
pub trait UpstreamQuotas: Send + Sync {
    /// Takes one call out of the upstream's quota, and out of the agency's; waits for it as long as the configuration says,
    /// and never longer than `most`. If there is none: how long until there may be one.
    async fn take(&self, upstream: &str, agency: Option<&str>, most: Duration) -> Result<(), Duration>;
}

/// For tests, and for a process that nobody has given quotas.
struct Unlimited;

#[async_trait]
impl UpstreamQuotas for Unlimited {
    async fn take(&self, _: &str, _: Option<&str>, _: Duration) -> Result<(), Duration> {
        Ok(())
    }
}

pub fn unlimited() -> Arc<dyn UpstreamQuotas> {
    Arc::new(Unlimited)
}
