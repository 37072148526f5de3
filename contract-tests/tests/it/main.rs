//! Promises, checked: one module a subject.

mod bad_input;
mod conversation;
mod portal_dvcqg;
mod scenarios;
mod support;
