//! Who may call, for which agencies, and how a repeated request is recognised.

mod clients;
pub mod idempotency;

pub use clients::{Caller, Client, Clients, authenticate};
