//! Endpoints of local systems as they are called.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use lienthong_adapter_kit::breaker::BreakerSettings;
use lienthong_domain::catalogue::AgencyRegister;
use reqwest::Url;

use super::tables::network;
use super::{WebhookEndpoint, WebhookSettings};
use crate::outbox::RetrySchedule;
use crate::webhooks::{Endpoint, EndpointTerms, EventKind, Malformed, Rules, SigningKey};

/// A call that was not heard of so long after it should have ended was not made.
const GRACE_MS: u64 = 5000;

impl WebhookEndpoint {
    /// Where it is called: with TLS, or at an address in one of the networks.
    pub(super) fn address(&self, networks: &[IpNet]) -> Option<Url> {
        let url = Url::parse(&self.url).ok().filter(|url| url.username().is_empty() && url.password().is_none())?;
        let host = url.host_str()?.trim_matches(['[', ']']);
        let address: Option<IpAddr> = host.parse().ok();
        let is_near = address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)));
        (url.scheme() == "https" || (url.scheme() == "http" && is_near)).then_some(url)
    }

    /// The secret, and the one before it while there is one.
    fn keys(&self) -> Result<Vec<SigningKey>, Malformed> {
        let given = [&self.secret, &self.previous_secret].into_iter().filter(|secret| !secret.is_empty());
        given.map(SigningKey::parse).collect()
    }

    fn terms(&self, networks: &[IpNet]) -> Option<EndpointTerms> {
        Some(EndpointTerms {
            name: self.name.clone(),
            url: self.address(networks)?,
            client: self.client.clone(),
            events: self.events.clone(),
            keys: self.keys().ok()?,
        })
    }
}

impl WebhookSettings {
    pub(super) fn networks(&self) -> Vec<IpNet> {
        self.networks.iter().filter_map(|text| network(text)).collect()
    }

    /// What anybody is told of.
    pub fn events(&self) -> impl Iterator<Item = EventKind> {
        self.endpoints.iter().flat_map(|endpoint| endpoint.events.iter().copied())
    }

    /// The endpoints that there are.
    pub fn endpoints(&self, breaker: &BreakerSettings) -> Result<Vec<Endpoint>, reqwest::Error> {
        let (networks, timeout) = (self.networks(), Duration::from_millis(self.timeout_ms));
        let terms = self.endpoints.iter().filter_map(|endpoint| endpoint.terms(&networks));
        terms.map(|terms| Endpoint::new(terms, &networks, timeout, breaker.clone())).collect()
    }

    /// What is told to whom.
    pub fn rules(&self, breaker: &BreakerSettings, agencies: &Arc<AgencyRegister>) -> Result<Rules, reqwest::Error> {
        Ok(Rules {
            endpoints: self.endpoints(breaker)?.into_iter().map(Arc::new).collect(),
            agencies: Arc::clone(agencies),
            retry: RetrySchedule {
                delays_ms: self.retry_delays_ms.iter().map(|delay| i64::from(*delay)).collect(),
                jitter_percent: self.retry_jitter_percent.into(),
                give_up_after_ms: i64::from(self.give_up_after_hours) * 3_600_000,
            },
            parallel: self.parallel_calls,
            lease_ms: (self.timeout_ms + GRACE_MS).cast_signed(),
            most_waiting: self.most_waiting,
            keep_ms: i64::from(self.keep_days) * 86_400_000,
        })
    }
}
