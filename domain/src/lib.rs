//! The words and the ports of the gateway: types that cannot hold a wrong value, and the small traits by which
//! the gateway meets other systems. No I/O, no runtime, no HTTP, no SQL.

#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what comes from outside ends in an answer, not in a panic"
)]

pub mod agreement;
pub mod catalogue;
pub mod dossier;
pub mod inbox;
pub mod indicators;
pub mod invalid;
pub mod link;
pub mod list;
pub mod money;
pub mod personal;
pub mod port;
pub mod scalar;
pub mod text;
pub mod time;
