//! How an adapter plugs in ([`card`]), and what adapters share: the HTTP client, the cache, secrets, wire time; what keeps
//! trouble of one system from becoming trouble of all (the breaker, the budgets of time and of retries, quotas); and what
//! concerns several replicas: whether this one may act ([`standing`]), the session of all ([`shared_session`]).
//! Knows no outside system, and never reads a setting that belongs to one adapter.

#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what comes from outside ends in an answer, not in a panic"
)]

pub mod breaker;
pub mod cache;
pub mod card;
mod guarded_body;
pub mod http;
pub mod metrics;
pub mod retry_budget;
pub mod secret;
pub mod shared_session;
pub mod standing;
pub mod time_budget;
pub mod trace;
pub mod upstream_quota;
pub mod wire_time;

pub use card::{Card, Ports, Tools, Words, merge};
pub use secret::Secret;
