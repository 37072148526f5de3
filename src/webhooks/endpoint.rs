//! Where local systems are called, and what is known of how it goes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use lienthong_adapter_kit::breaker::{Answer, Breaker, BreakerSettings, Outcome, Permit, State};
use reqwest::{Client, Url};

use super::{EventKind, SigningKey};
use crate::guarded_http::{self, Allowed};

/// An endpoint as it is configured.
pub struct EndpointTerms {
    /// 1 to 64 letters, digits, `.`, `_`, `-`.
    pub name: String,
    pub url: Url,
    /// Whose it is: it is told what this client may read.
    pub client: String,
    pub events: Vec<EventKind>,
    /// All of them sign: while a secret is changed the receiver may have either.
    pub keys: Vec<SigningKey>,
}

/// An endpoint in force.
pub struct Endpoint {
    pub terms: EndpointTerms,
    pub(super) http: Client,
    pub(super) allowed: Arc<Allowed>,
    /// Whether it answers at all: while it does not, one call in a while asks.
    breaker: Mutex<Breaker>,
    /// Start of the breaker's time.
    started: Instant,
}

impl Endpoint {
    /// `networks`: not public, and may be reached. `timeout`: for a whole call.
    pub fn new(
        terms: EndpointTerms,
        networks: &[IpNet],
        timeout: Duration,
        breaker: BreakerSettings,
    ) -> Result<Self, reqwest::Error> {
        let host = terms.url.host_str().unwrap_or_default();
        let host = terms.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let allowed = Allowed::hosts(&[host]).unwrap_or_default().with_networks(networks.to_vec());
        let allowed = Arc::new(allowed);
        let http = guarded_http::client(&allowed, timeout, timeout)?;
        let breaker = Mutex::new(Breaker::new(breaker));
        Ok(Self { terms, http, allowed, breaker, started: Instant::now() })
    }

    /// Leave for up to `room` calls, one while it does not answer; `None`: it is left alone.
    pub(super) fn permits(&self, room: usize) -> Option<(Permit, usize)> {
        self.with(|breaker, now| match breaker.permits(now) {
            Answer::Permit(permit) => Some((permit, if breaker.state() == State::Closed { room } else { 1 })),
            Answer::Denied { .. } => None,
        })
    }

    /// Nobody was called.
    pub(super) fn give_back(&self, permit: Permit) {
        self.with(|breaker, now| breaker.give_back(now, permit));
    }

    pub(super) fn answered(&self, permit: Permit, outcome: Outcome) {
        let (before, after) = self.with(|breaker, now| {
            let before = breaker.state();
            breaker.record(now, permit, outcome);
            (before, breaker.state())
        });
        if before != after && after != State::HalfOpen {
            let answers = after == State::Closed;
            tracing::warn!(endpoint = self.terms.name, answers, "a webhook's endpoint");
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Breaker, u64) -> T) -> T {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        change(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}
