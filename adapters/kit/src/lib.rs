//! How an adapter plugs in ([`card`]), and what adapters share: the HTTP client, the breaker, secrets, wire time.
//! Knows no outside system, and never reads a setting that belongs to one adapter.

pub mod breaker;
pub mod card;
pub mod http;
pub mod secret;
pub mod wire_time;

pub use card::{Card, Ports, Tools, Words, merge};
pub use secret::Secret;
