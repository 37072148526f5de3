//! The fault plan as people write it: a seed, rates per operation, poisoned dossiers.
//! It must never be taken over unchecked: a misspelt operation would be a fault that never happens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{FaultKind, OperationFaults};
use crate::operation::Operation;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultPlan {
    pub seed: u64,
    /// Keyed by operation: `login`, `insert`, `update`, `append_steps`, `look_up`, `catalogue`, `tech_id`, `report_status`.
    pub operations: BTreeMap<String, OperationFaults>,
    /// Dossier code to the message with which every write of it is refused.
    pub poison: BTreeMap<String, String>,
}

impl FaultPlan {
    pub fn none() -> Self {
        Self::default()
    }

    /// Spreads `rate` evenly over all kinds that an operation can suffer, for all operations.
    pub fn realistic(seed: u64, rate: f64) -> Self {
        let mut plan = Self { seed, ..Self::default() };
        for operation in Operation::ALL {
            let kinds: Vec<FaultKind> = applicable(operation).collect();
            let mut faults = OperationFaults::default();
            for kind in &kinds {
                faults.set_rate(*kind, rate / kinds.len() as f64);
            }
            plan.operations.insert(operation.name().into(), faults);
        }
        plan
    }

    /// The same plan with the faults of one operation replaced.
    #[must_use]
    pub fn with(mut self, operation: Operation, faults: OperationFaults) -> Self {
        self.operations.insert(operation.name().into(), faults);
        self
    }

    /// All that is wrong with the plan, in one text.
    pub fn check(&self) -> Result<(), String> {
        let mut mistakes = Vec::new();
        for (name, faults) in &self.operations {
            match Operation::named(name) {
                None => mistakes.push(format!("faults.operations.{name}: no such operation")),
                Some(operation) => check_operation(operation, faults, &mut mistakes),
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join("; ")) }
    }
}

fn applicable(operation: Operation) -> impl Iterator<Item = FaultKind> {
    FaultKind::ALL.iter().copied().filter(move |kind| kind.applies_to(operation))
}

fn check_operation(operation: Operation, faults: &OperationFaults, mistakes: &mut Vec<String>) {
    let place = format!("faults.operations.{}", operation.name());
    let mut total = 0.0;
    for kind in FaultKind::ALL {
        let rate = faults.rate(*kind);
        total += rate;
        if !(0.0..=1.0).contains(&rate) {
            mistakes.push(format!("{place}.{}: a rate is between 0 and 1", kind.name()));
        }
        if rate > 0.0 && !kind.applies_to(operation) {
            mistakes.push(format!("{place}.{}: does not apply to this operation", kind.name()));
        }
    }
    // A hair above 1 is what fifteen equal shares of 1 may add up to.
    if total > 1.000_001 {
        mistakes.push(format!("{place}: the rates together exceed 1"));
    }
    if faults.delay_ms.0 > faults.delay_ms.1 {
        mistakes.push(format!("{place}.delay_ms: the least is above the most"));
    }
}
