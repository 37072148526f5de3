//! The eight things a caller can do at the portal, as faults and counters name them.
//! It must never name a wire service: one service may be two operations.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Login,
    Insert,
    Update,
    AppendSteps,
    LookUp,
    Catalogue,
    TechId,
    ReportStatus,
}

impl Operation {
    pub const ALL: [Operation; 8] = [
        Operation::Login,
        Operation::Insert,
        Operation::Update,
        Operation::AppendSteps,
        Operation::LookUp,
        Operation::Catalogue,
        Operation::TechId,
        Operation::ReportStatus,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Operation::Login => "login",
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::AppendSteps => "append_steps",
            Operation::LookUp => "look_up",
            Operation::Catalogue => "catalogue",
            Operation::TechId => "tech_id",
            Operation::ReportStatus => "report_status",
        }
    }

    pub fn named(name: &str) -> Option<Operation> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }
}
