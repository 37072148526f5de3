//! The adapter as the core sees it: through its card, over a real socket, against fixtures of the wire.

mod fake_portal;
mod support;

mod accounts;
mod addressing;
mod catalogue;
mod codes;
mod golden;
mod inbound;
mod reasons;
mod replicas;
mod replies;
mod sessions;
mod settings;
mod transport;
