//! A message as a test or a person hands it to the portal for sending, and what shall go wrong with it on the way.
//! It must never hold more than was asked for: what is not given here is not sent, save the address of a file.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::files::OutgoingFile;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutgoingKind {
    /// A new dossier, which the portal then holds.
    Dossier,
    /// More of a dossier that the portal holds.
    Supplement,
    /// `NhanChungTuThueDat`
    TaxVoucher,
    TaxNotice,
    /// A notice made on the portal, which then holds it like a dossier.
    TradePromotion,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outgoing {
    pub kind: OutgoingKind,
    /// The members of `data` under the names of the wire; of a tax notice the elements of `ROW_LIST`.
    #[serde(default)]
    pub data: Map<String, Value>,
    /// In place of the service that the kind has.
    #[serde(default)]
    pub service: Option<String>,
    /// In place of what the kind says: true for a supplement, else false.
    #[serde(default)]
    pub is_updating: Option<bool>,
    /// `isSync`, which is else left out.
    #[serde(default)]
    pub is_sync: Option<bool>,
    /// One for a dossier, supplement or tax voucher (by its address) and for a tax notice (in place of the XML); of a
    /// trade promotion the first is the application and the others the papers, all inside the message.
    #[serde(default)]
    pub files: Vec<OutgoingFile>,
    #[serde(default)]
    pub faults: SendingFaults,
}

/// All off by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SendingFaults {
    /// How many deliveries, each with its own attempts; 1 to 100.
    pub times: u32,
    /// The deliveries at the same moment and not one after the other.
    pub at_once: bool,
    pub cut: Option<Cut>,
    /// How many attempts are cut, the first ones of the message.
    pub cut_attempts: u32,
    pub hold: Hold,
    /// `data` is not compared with the reference: for messages that the province must refuse.
    pub as_given: bool,
}

impl Default for SendingFaults {
    fn default() -> Self {
        Self { times: 1, at_once: false, cut: None, cut_attempts: 1, hold: Hold::No, as_given: false }
    }
}

/// When the portal ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// When the first byte of the answer is there, unread: the province has the message.
    WhenAnswered,
    /// When the request is written: the province may have it or not.
    WhenWritten,
}

/// How long a message waits before its first attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    #[default]
    No,
    ForMs(u64),
    UntilReleased,
}

impl Outgoing {
    pub fn new(kind: OutgoingKind) -> Self {
        Self {
            kind,
            data: Map::new(),
            service: None,
            is_updating: None,
            is_sync: None,
            files: Vec::new(),
            faults: SendingFaults::default(),
        }
    }

    /// The same message with one member of `data` more, or another value of it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn with_file(mut self, file: OutgoingFile) -> Self {
        self.files.push(file);
        self
    }

    #[must_use]
    pub fn with_faults(self, faults: SendingFaults) -> Self {
        Self { faults, ..self }
    }

    /// The dossier code under the name that this kind has for it; empty if it is not given.
    pub fn code(&self) -> &str {
        let name = match self.kind {
            OutgoingKind::Dossier | OutgoingKind::Supplement => "MaHoSoQG",
            OutgoingKind::TaxVoucher | OutgoingKind::TradePromotion => "MaHoSo",
            OutgoingKind::TaxNotice => "MA_HSO",
        };
        self.data.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}
