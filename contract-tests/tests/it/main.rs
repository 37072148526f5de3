//! Promises, checked: one module a subject.

mod portal_dvcqg;
mod scenarios;
