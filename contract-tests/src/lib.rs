//! Promises, checked: what every adapter, the API and the code base must keep.

pub mod port_suites;
