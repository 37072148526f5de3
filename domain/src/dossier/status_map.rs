//! From a local system's own (status, sub-status) pair to a dossier state, by a table per agency.
//!
//! A table may not make dossiers look further than they are: sending a state other than the one that is meant is
//! refused at load time unless the entry carries a reason, and each use of such an entry is audited.

use std::collections::HashMap;

use deserr::Deserr;
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use super::DossierState;
use crate::invalid::{InvalidFields, Message};
use crate::text::Text;

/// A status as the local system writes it. The pair is looked up first, then the status alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalStatus {
    /// Trạng thái của hệ thống địa phương. / The local system's status.
    pub status: Text<1, 100>,
    /// Trạng thái phụ. / Its sub-status.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_status: Option<Text<1, 100>>,
}

/// One line of a table: `means` is what the local status says of the dossier; `sent_as` is what the nation is told.
#[derive(Debug, Clone)]
pub struct StatusMapEntry {
    pub status: String,
    pub sub_status: Option<String>,
    pub means: DossierState,
    pub sent_as: Option<DossierState>,
    pub override_reason: Option<String>,
}

/// What a local status was mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappedState {
    pub state: DossierState,
    /// The entry tells the nation another state than the one meant: its use is audited.
    pub is_override: bool,
}

/// Why a table was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusMapMistake {
    /// The entry's number, from 0.
    pub entry: usize,
    pub message: Message,
}

/// The table of one agency.
#[derive(Debug, Clone, Default)]
pub struct StatusMap {
    entries: HashMap<(String, Option<String>), MappedState>,
}

impl StatusMap {
    /// All mistakes at once, or the table.
    pub fn new(lines: impl IntoIterator<Item = StatusMapEntry>) -> Result<Self, Vec<StatusMapMistake>> {
        let mut entries = HashMap::new();
        let mut mistakes = Vec::new();
        for (entry, line) in lines.into_iter().enumerate() {
            let state = line.sent_as.unwrap_or(line.means);
            let is_override = state != line.means;
            let has_reason = line.override_reason.as_deref().is_some_and(|reason| !reason.trim().is_empty());
            if is_override && !has_reason {
                mistakes.push(StatusMapMistake {
                    entry,
                    message: Message::new(
                        format!(
                            "“{}” được gửi thành “{}”: cần override_reason.",
                            line.means.vietnamese(),
                            state.vietnamese()
                        ),
                        format!("`{}` would be sent as `{}`: an override_reason is needed.", line.means, state),
                    ),
                });
            }
            // What the local system sends is kept in NFC; a table may have been typed on another keyboard.
            let key = (line.status.nfc().collect(), line.sub_status.map(|sub| sub.nfc().collect()));
            if entries.insert(key, MappedState { state, is_override }).is_some() {
                mistakes.push(StatusMapMistake {
                    entry,
                    message: Message::new("Trạng thái này đã có trong bảng.", "This status is in the table already."),
                });
            }
        }
        if mistakes.is_empty() { Ok(Self { entries }) } else { Err(mistakes) }
    }

    pub fn find(&self, local: &LocalStatus) -> Option<MappedState> {
        let status = local.status.as_str().to_owned();
        let pair = (status.clone(), local.sub_status.as_ref().map(|sub| sub.as_str().to_owned()));
        self.entries.get(&pair).or_else(|| self.entries.get(&(status, None))).copied()
    }
}
