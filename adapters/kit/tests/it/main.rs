//! What the kit promises to adapters, one module a promise.

mod breaker;
mod card;
mod http;
mod resilience;
mod secret;
mod shared_session;
mod wire_time;
