//! Promises, checked: one module a subject.

mod architecture;
mod backup;
mod bad_input;
mod conversation;
mod documents;
mod limits;
mod logs;
mod portal_dvcqg;
mod postgres_server;
mod scenarios;
mod storage_copy;
mod stores;
mod support;
