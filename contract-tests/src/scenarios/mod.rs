//! Scenarios over the real wire, each a function of its volume.

pub mod ambiguity;
pub mod kills;
pub mod poison;
