//! Liên Thông: the gateway between a province's one-stop systems and the national systems.
//! The modules in reading order: the topics, what they stand on, and what puts it all together.

#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what comes from outside ends in an answer, not in a panic"
)]

pub mod agreement;
pub mod catalogue;
pub mod dossiers;
pub mod erasure;
pub mod inbox;

pub mod access;
pub mod audit;
pub mod guarded_http;
pub mod http;
pub mod keyring;
pub mod outbox;
pub mod replicas;
pub mod storage;
pub mod upstream_sessions;
pub mod webhooks;
pub mod witness;

pub mod adapters;
pub mod cli;
pub mod config;
pub mod telemetry;
pub mod wiring;
