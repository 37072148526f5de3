//! The procedures a deployment knows, with the dates between which each may be received.

use std::collections::HashMap;

use jiff::civil::Date;

use super::ProcedureCode;

/// One procedure of the national catalogue. `withdrawn_from` is the first day on which no new dossier may be received.
#[derive(Debug, Clone)]
pub struct Procedure {
    pub code: ProcedureCode,
    pub name: String,
    pub withdrawn_from: Option<Date>,
    /// What replaces it, if it was withdrawn.
    pub successor: Option<ProcedureCode>,
}

/// Whether a dossier received on some day may use a procedure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    InForce,
    /// The register has no such procedure: the portal decides.
    Unknown,
    Withdrawn {
        since: Date,
        successor: Option<ProcedureCode>,
    },
}

/// Procedures by national code.
#[derive(Debug, Clone, Default)]
pub struct ProcedureRegister {
    entries: HashMap<String, Procedure>,
}

impl ProcedureRegister {
    /// Entries without a national code are left out: nobody can withdraw what is only local.
    pub fn new(procedures: impl IntoIterator<Item = Procedure>) -> Self {
        let entries = procedures.into_iter().filter_map(|p| Some((p.code.national()?.to_owned(), p))).collect();
        Self { entries }
    }

    pub fn find(&self, code: &ProcedureCode) -> Option<&Procedure> {
        self.entries.get(code.national()?)
    }

    /// The standing of a procedure for a dossier received on `day` (Vietnam date): a procedure withdrawn later does
    /// not touch dossiers received before.
    pub fn standing(&self, code: &ProcedureCode, day: Date) -> Standing {
        match self.find(code) {
            None => Standing::Unknown,
            Some(Procedure { withdrawn_from: Some(since), successor, .. }) if *since <= day => {
                Standing::Withdrawn { since: *since, successor: successor.clone() }
            }
            Some(_) => Standing::InForce,
        }
    }
}
