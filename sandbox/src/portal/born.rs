//! The dossiers that citizens made on the portal: what they gave, and what the province has reported of each since.
//! A report must never replace an earlier one in the history: the real portal is not known to drop a repeated status.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::check::text_of;
use crate::dossiers::{Item, WriteError};
use crate::faults::FaultKind;
use crate::ledger::{Effect, Ledger};
use crate::locks::hold;

/// One dossier that was made on the portal, under its national code.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PortalBorn {
    pub code: String,
    /// What the citizen gave with the new dossier, under the names of the wire.
    pub given: Map<String, Value>,
    /// What the citizen gave later, in the order in which it was made.
    pub supplements: Vec<Map<String, Value>>,
    /// Of the last report, like the three below: `MaHoSoDonVi`.
    pub local_code: Option<String>,
    /// `TrangThai`; none before the first report.
    pub status: Option<String>,
    /// `NoiDung`
    pub note: Option<String>,
    /// `TaiLieuXuLy`
    pub documents: Vec<Value>,
    /// Every accepted report as received, in order; the same one twice is there twice.
    pub history: Vec<Map<String, Value>>,
}

#[derive(Debug, Default)]
pub(crate) struct Born(Mutex<BTreeMap<String, PortalBorn>>);

impl Born {
    /// Holds a new dossier. One that is there already stays as it is: a citizen makes a dossier once.
    pub(crate) fn bear(&self, code: &str, given: Map<String, Value>) {
        let mut held = hold(&self.0);
        held.entry(code.to_owned()).or_insert_with(|| PortalBorn {
            code: code.to_owned(),
            given,
            ..Default::default()
        });
    }

    /// False if there is no such dossier.
    pub(crate) fn supplement(&self, code: &str, given: Map<String, Value>) -> bool {
        let mut held = hold(&self.0);
        let Some(born) = held.get_mut(code) else { return false };
        born.supplements.push(given);
        true
    }

    pub(crate) fn report(
        &self,
        item: &Item<'_>,
        report: &Map<String, Value>,
        ledger: &Ledger,
        fault: Option<FaultKind>,
    ) -> Result<(), WriteError> {
        let mut held = hold(&self.0);
        let Some(born) = held.get_mut(item.code) else { return Err(WriteError::Missing(item.code.to_owned())) };
        if !ledger.reserve(1) {
            return Err(WriteError::Full);
        }
        let changed = born.history.last() != Some(report);
        ledger.write(Effect::ReportStatus, &Arc::from(item.code), item, changed, fault);
        born.take(report);
        Ok(())
    }

    pub(crate) fn has(&self, code: &str) -> bool {
        hold(&self.0).contains_key(code)
    }

    pub(crate) fn get(&self, code: &str) -> Option<PortalBorn> {
        hold(&self.0).get(code).cloned()
    }

    /// Dossiers with a code above `after`, by code, at most `limit`.
    pub(crate) fn page(&self, after: &str, limit: usize) -> Vec<PortalBorn> {
        hold(&self.0).values().filter(|born| born.code.as_str() > after).take(limit).cloned().collect()
    }

    /// Forgets all, and the rest under the same lock, or a report between the two would be in the ledger and not here.
    pub(crate) fn clear(&self, the_rest: impl FnOnce()) {
        let mut held = hold(&self.0);
        held.clear();
        the_rest();
    }
}

impl PortalBorn {
    fn take(&mut self, report: &Map<String, Value>) {
        let text = |name: &str| text_of(report, name).map(str::to_owned);
        self.local_code = text("MaHoSoDonVi");
        self.status = text("TrangThai");
        self.note = text("NoiDung");
        self.documents = report.get("TaiLieuXuLy").and_then(Value::as_array).cloned().unwrap_or_default();
        self.history.push(report.clone());
    }
}
