//! The way in before any use case: TLS and its certificates, connections, quotas.

mod connections;
mod quotas;
mod slow;
mod tls;
mod upstream;
