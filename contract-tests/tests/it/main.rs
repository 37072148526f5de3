//! Promises, checked: one module a subject.

mod bad_input;
mod portal_dvcqg;
mod scenarios;
mod support;
