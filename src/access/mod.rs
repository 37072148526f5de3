//! Who may call, proved how, for what; and how a repeated request is recognised.

pub mod administer;
mod authenticate;
mod certificate;
pub mod client;
pub mod idempotency;
pub mod issuers;
pub mod oauth;
pub mod public_key;
pub mod quotas;
pub mod register;
pub mod store;
pub mod tokens;

pub use authenticate::{Access, Caller, Identity, authenticate};
pub use certificate::PeerCertificate;
pub use client::{Client, Scope};
