//! The portal that must hold every dossier of the province (Cổng Dịch vụ công quốc gia).

use async_trait::async_trait;

use crate::agreement::NationalDossier;
use crate::dossier::{Dossier, DossierCode, StatusReport, Step};

use super::PortError;

/// What a call to the portal does. The portal separates creating from changing; so does the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortalOperation {
    Insert,
    Update,
    AppendStep,
    Report,
}

impl PortalOperation {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::AppendStep => "append_step",
            Self::Report => "report",
        }
    }
}

/// What may be done when a call's outcome is unknown. Declared per operation in the adapter's profile; never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAmbiguity {
    /// Ask whether the portal has the dossier. Presence proves that a dossier of this code is there, not which content
    /// it has; the full state is sent as an update afterwards.
    LookUp,
    /// Send the same full state again: doing it twice is doing it once.
    Resend,
    /// Nothing is safe: an operator decides.
    Park,
}

/// Whether the portal holds a dossier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Present,
    Absent,
}

/// A portal to which dossiers are sent. Implementations keep no state other than an upstream session.
#[async_trait]
pub trait DossierPortal: Send + Sync {
    /// Creates a dossier. `AlreadyExists` if the portal has one of this code.
    async fn insert(&self, dossier: &Dossier) -> Result<(), PortError>;

    /// Replaces a dossier by its full state. `NotFound` if the portal has none of this code.
    async fn update(&self, dossier: &Dossier) -> Result<(), PortError>;

    /// Appends one processing step. `NotFound` if the portal does not have the dossier.
    async fn append_step(&self, dossier: &DossierCode, step: &Step) -> Result<(), PortError>;

    /// Tells where a dossier that was born on the portal stands here. `NotFound` if the portal knows none of this code.
    async fn report(&self, report: &StatusReport) -> Result<(), PortError>;

    /// What the portal tells of its dossier of this code; `None` if it has none. A read: it changes nothing.
    async fn look_up(&self, dossier: &DossierCode) -> Result<Option<NationalDossier>, PortError>;

    /// What this portal's profile allows after an unknown outcome.
    fn after_ambiguity(&self, operation: PortalOperation) -> AfterAmbiguity;
}
