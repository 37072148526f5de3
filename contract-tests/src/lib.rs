//! Promises, checked: what every adapter, the API and the code base must keep. Scenarios are functions of their volume:
//! the tests run them small, `cargo xtask prove` runs them whole.
#![allow(clippy::print_stdout, reason = "proofs and benchmarks print what they found")]

pub mod authority;
pub mod catalogue;
pub mod gateway;
pub mod issuer;
pub mod load;
pub mod pace;
pub mod port_suites;
pub mod postgres;
pub mod redis;
pub mod scenarios;
pub mod timestamp_authority;
pub mod token;
