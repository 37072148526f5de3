//! What went wrong at a port, as a decision that the caller can act on. The other side's words stay in `note`.

use std::time::Duration;

use crate::invalid::Message;

/// The closed list of decisions. A new kind is a new decision, not a new cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortErrorKind {
    /// The request did not reach the other side, or it said that it took nothing: try again later.
    Unavailable,
    /// The other side asks for a pause.
    RateLimited { retry_after: Option<Duration> },
    /// We did not ask: what the other side allows us in a given time is used up.
    QuotaSpent { retry_after: Duration },
    /// A business refusal: the same request will be refused again. The reason is for people.
    Rejected { reason: Message },
    /// The other side already holds what was to be created.
    AlreadyExists,
    /// The other side does not hold what was to be changed or read.
    NotFound,
    /// Our account or certificate was refused: nothing will work until an operator acts.
    OurCredentialRefused,
    /// An answer came that cannot be understood. It proves neither success nor failure.
    Unreadable,
    /// The request may or may not have taken effect.
    OutcomeUnknown,
}

impl PortErrorKind {
    /// The stable name used in storage, metrics and the audit log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::RateLimited { .. } => "rate_limited",
            Self::QuotaSpent { .. } => "quota_spent",
            Self::Rejected { .. } => "rejected",
            Self::AlreadyExists => "already_exists",
            Self::NotFound => "not_found",
            Self::OurCredentialRefused => "our_credential_refused",
            Self::Unreadable => "unreadable",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }
}

/// A failed call at a port.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{system}: {}{}", kind.name(), note.as_deref().map(|n| format!(" ({n})")).unwrap_or_default())]
pub struct PortError {
    /// The adapter's name, for example `portal-dvcqg`.
    pub system: &'static str,
    pub kind: PortErrorKind,
    /// The other side's own code, as received, at most 64 characters.
    pub upstream_code: Option<String>,
    /// A short technical note for operators. Never personal data, never a body.
    pub note: Option<String>,
    /// The other side was not asked for what was to be done: this says nothing about whether it works.
    pub was_not_asked: bool,
}

impl PortError {
    pub fn new(system: &'static str, kind: PortErrorKind) -> Self {
        Self { system, kind, upstream_code: None, note: None, was_not_asked: false }
    }

    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        let code: String = code.into();
        self.upstream_code = Some(code.chars().take(64).collect());
        self
    }

    pub fn not_asked(mut self) -> Self {
        self.was_not_asked = true;
        self
    }

    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}
