//! How often: quotas of a client, of one operation of a client, and of all clients together; and what other systems allow
//! us. Alone a gateway counts by
//! itself; replicas count together in Redis or Valkey, and each by itself while that is away.

mod headers;
mod local;
mod shared;
mod upstream;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::counter;

use self::local::Local;
pub use self::shared::{Shared, SharedSettings};
pub use self::upstream::{UpstreamLimits, UpstreamQuotasInForce};
use super::authenticate::Identity;
use crate::http::problem::{Code, Problem};
use crate::telemetry::metrics::QUOTA_DENIED;

/// So many requests may come at once; they are given back evenly within the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    pub requests: u32,
    pub window: Duration,
}

/// Which quota holds for whom.
#[derive(Debug, Clone, Default)]
pub struct QuotaTable {
    pub all: Option<Quota>,
    pub client: Option<Quota>,
    /// Of one client instead.
    pub of_client: HashMap<String, Quota>,
    /// Of each client at one operation.
    pub of_operation: HashMap<String, Quota>,
    /// Of each client at the token endpoint.
    pub token: Option<Quota>,
    /// What other systems allow us, by the adapter's name.
    pub upstreams: HashMap<String, UpstreamLimits>,
}

/// One quota that a request is charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Its name in the headers.
    pub policy: &'static str,
    /// Who else is charged to the same.
    pub key: String,
    pub quota: Quota,
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub requests: u32,
    /// Until all of it is there again.
    pub until_whole: Duration,
}

/// What a request may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was charged to each; what is left of each, in their order.
    Allowed(Vec<Left>),
    /// It was charged to none (when counted together), or to those before (when counted here).
    Denied { at: usize, retry_after: Duration },
}

/// Counts.
pub struct Quotas {
    table: QuotaTable,
    local: Arc<Local>,
    shared: Option<Arc<Shared>>,
}

impl QuotaTable {
    fn quotas(&self) -> HashSet<Quota> {
        let one = [self.all, self.client, self.token].into_iter().flatten();
        let outwards = self.upstreams.values().flat_map(|limits| [Some(limits.all), limits.agency]).flatten();
        let inwards = self.of_client.values().chain(self.of_operation.values()).copied();
        one.chain(inwards).chain(outwards).collect()
    }

    /// What a request is charged to, the narrowest first.
    fn charges(&self, client: &str, operation: &str) -> Vec<Charge> {
        let of_operation = self.of_operation.get(operation).map(|quota| Charge {
            policy: "client-operation",
            key: format!("operation:{operation}:{client}"),
            quota: *quota,
        });
        let of_client = self.of_client.get(client).copied().or(self.client);
        let of_client = of_client.map(|quota| Charge { policy: "client", key: format!("client:{client}"), quota });
        let of_all = self.all.map(|quota| Charge { policy: "all", key: "all".to_owned(), quota });
        of_operation.into_iter().chain(of_client).chain(of_all).collect()
    }
}

impl Quotas {
    pub fn new(table: QuotaTable, shared: Option<Arc<Shared>>) -> Self {
        Self { table, local: Arc::default(), shared }
    }

    /// Other quotas in their place: what was counted on those that are the same goes on.
    pub fn followed_by(&self, table: QuotaTable, shared: Option<Arc<Shared>>) -> Self {
        Self { table, local: Arc::clone(&self.local), shared }
    }

    /// Forgets what was counted on quotas that are not of this table: once it is in force.
    pub fn keep_only_these(&self) {
        self.local.keep_only(&self.table.quotas());
    }

    pub fn shared(&self) -> Option<&Arc<Shared>> {
        self.shared.as_ref()
    }

    async fn judge(&self, charges: &[Charge]) -> Verdict {
        if let Some(shared) = &self.shared {
            if let Some(verdict) = shared.judge(charges).await {
                return verdict;
            }
            return self.local.judge(charges, shared.share_while_away());
        }
        self.local.judge(charges, 100)
    }

    /// Refuses a request to the token endpoint in the name of a client that asks too often.
    pub async fn charge_token(&self, client: &str) -> Result<(), Problem> {
        let Some(quota) = self.table.token else { return Ok(()) };
        let charges = [Charge { policy: "token", key: format!("token:{client}"), quota }];
        match self.judge(&charges).await {
            Verdict::Allowed(_) => Ok(()),
            Verdict::Denied { at, retry_after } => Err(exceeded(&charges[at], client, retry_after)),
        }
    }
}

/// The name of the operation that a request is for, put beside it by the layer that found its rule.
#[derive(Debug, Clone, Copy)]
pub struct OperationName(pub &'static str);

/// Layer: charges each request of a client, and tells in the standard headers what is left.
pub async fn limit(State(quotas): State<Arc<Quotas>>, request: Request, next: Next) -> Response {
    let client = request.extensions().get::<Identity>().map(|identity| identity.client.id.clone()).unwrap_or_default();
    let operation = request.extensions().get::<OperationName>().map_or("", |name| name.0);
    let charges = quotas.table.charges(&client, operation);
    let verdict = quotas.judge(&charges).await;
    let mut response = match &verdict {
        Verdict::Allowed(_) => next.run(request).await,
        Verdict::Denied { at, retry_after } => exceeded(&charges[*at], &client, *retry_after).into_response(),
    };
    headers::write(&charges, &verdict, response.headers_mut());
    response
}

fn exceeded(charge: &Charge, client: &str, retry_after: Duration) -> Problem {
    let of = if charge.policy == "all" { String::new() } else { client.to_owned() };
    counter!(QUOTA_DENIED.name, "policy" => charge.policy, "client" => of).increment(1);
    let Quota { requests, window } = charge.quota;
    let seconds = window.as_secs_f64();
    Problem::new(Code::QuotaExceeded).violated(charge.policy).retry_after(retry_after).detail(
        format!("Hạn mức “{}”: {requests} yêu cầu trong {seconds} giây.", charge.policy),
        format!("The quota \"{}\" is {requests} requests in {seconds} seconds.", charge.policy),
    )
}
