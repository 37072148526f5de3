//! How an adapter plugs in ([`card`]), and what adapters share: the HTTP client, the breaker, the cache, secrets, wire time; and
//! what concerns several replicas: whether this one may act ([`standing`]), the session of all ([`shared_session`]).
//! Knows no outside system, and never reads a setting that belongs to one adapter.

pub mod breaker;
pub mod cache;
pub mod card;
mod guarded_body;
pub mod http;
pub mod secret;
pub mod shared_session;
pub mod standing;
pub mod wire_time;

pub use card::{Card, Ports, Tools, Words, merge};
pub use secret::Secret;
