//! Promises, checked: one module a subject.
#![allow(clippy::print_stdout, reason = "some print the figures that they have checked")]

mod access;
mod agreement;
mod anchors;
mod architecture;
mod audit_log;
mod audit_records;
mod backup;
mod bad_input;
mod catalogue;
mod catalogue_copy;
mod conversation;
mod documents;
mod edge;
mod erasure;
mod idempotency;
mod inbox;
mod keyring;
mod limits;
mod logs;
mod portal_dvcqg;
mod postgres_server;
mod qd766;
mod running;
mod scenarios;
mod storage_copy;
mod stores;
mod support;
mod telemetry;
mod webhooks;
