//! Everything that can go wrong on the way or at the portal, and the plan that says how often.
//! It must never draw from a clock or a random source: the same plan and the same calls give the same faults.

mod draw;
mod kind;
mod plan;

pub(crate) use draw::{CallCounts, CompiledPlan, Draw};
pub use kind::{FaultKind, OperationFaults};
pub use plan::FaultPlan;
