//! Scenarios over the real wire, each a function of its volume.

pub mod agreement;
pub mod ambiguity;
pub mod catalogue;
pub mod cold;
pub mod copy;
pub mod database;
pub mod hostile;
pub mod kills;
pub mod overload;
pub mod poison;
pub mod power_cut;
pub mod replicas;
pub mod rotation;
pub mod slow;
pub mod tampering;
