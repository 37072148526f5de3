//! What can go wrong in one call to the portal, as it was seen, and what it means at the port: the same thing means
//! less for a read, which may always be asked again, than for a write.

use std::time::Duration;

use lienthong_adapter_kit::http::CallError;
use lienthong_adapter_kit::shared_session::SharedSessionError;
use lienthong_domain::invalid::Message;
use lienthong_domain::port::{PortError, PortErrorKind};

/// A call that did not end in "accepted". Notes are technical and carry nothing of a body.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CallFailure {
    /// Nothing of this call was written, or the portal documents that it took nothing.
    #[error("not taken: {0}")]
    NotTaken(String),
    /// Not even tried, for a reason of our own.
    #[error("not tried: {0}")]
    NotTried(String),
    #[error("asked to pause")]
    RateLimited { retry_after: Option<Duration> },
    /// Not asked, lest it be more than the portal allows.
    #[error("our quota is used up")]
    QuotaSpent { retry_after: Duration },
    #[error("credential refused: {note}")]
    CredentialRefused { code: Option<String>, note: String },
    /// It was written, and no answer came that settles it.
    #[error("unsettled: {note}")]
    Unsettled { code: Option<String>, note: String },
    #[error("unreadable: {0}")]
    Unreadable(String),
    #[error("the portal has it already")]
    Exists { code: Option<String> },
    #[error("the portal does not have it")]
    Missing { code: Option<String>, reason: Message },
    #[error("refused")]
    Rejected { code: Option<String>, reason: Message },
}

impl From<CallError> for CallFailure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotSent { note } => Self::NotTaken(note),
            CallError::NotTried { note } => Self::NotTried(note),
            CallError::OverQuota { retry_after } => Self::QuotaSpent { retry_after },
            CallError::Ambiguous { note } => Self::Unsettled { code: None, note },
        }
    }
}

/// Without the store nobody may log in, and so nothing is sent.
impl From<SharedSessionError> for CallFailure {
    fn from(error: SharedSessionError) -> Self {
        Self::NotTried(error.to_string())
    }
}

impl CallFailure {
    /// For a call that may have changed something.
    pub(crate) fn of_write(self) -> PortError {
        let was_not_asked = matches!(self, Self::NotTried(_) | Self::QuotaSpent { .. });
        let (kind, code, note) = match self {
            Self::NotTried(note) => (PortErrorKind::Unavailable, None, Some(note)),
            Self::NotTaken(note) => (PortErrorKind::Unavailable, None, Some(note)),
            Self::RateLimited { retry_after } => (PortErrorKind::RateLimited { retry_after }, None, None),
            Self::QuotaSpent { retry_after } => (PortErrorKind::QuotaSpent { retry_after }, None, None),
            Self::CredentialRefused { code, note } => (PortErrorKind::OurCredentialRefused, code, Some(note)),
            Self::Unsettled { code, note } => (PortErrorKind::OutcomeUnknown, code, Some(note)),
            Self::Unreadable(note) => (PortErrorKind::Unreadable, None, Some(note)),
            Self::Exists { code } => (PortErrorKind::AlreadyExists, code, None),
            Self::Missing { code, .. } => (PortErrorKind::NotFound, code, None),
            Self::Rejected { code, reason } => (PortErrorKind::Rejected { reason }, code, None),
        };
        PortError { was_not_asked, ..port_error(kind, code, note) }
    }

    /// For a call that changed nothing, whatever became of it: what is not settled may be asked again.
    pub(crate) fn of_read(self) -> PortError {
        match self {
            Self::Unsettled { code, note } => port_error(PortErrorKind::Unavailable, code, Some(note)),
            Self::Unreadable(note) => port_error(PortErrorKind::Unavailable, None, Some(note)),
            Self::Exists { code } => {
                port_error(PortErrorKind::Unavailable, code, Some("an answer that fits no read".to_owned()))
            }
            // The question was refused, for example for want of rights: that says nothing about the dossier.
            Self::Rejected { code, .. } => {
                port_error(PortErrorKind::Unavailable, code, Some("a read was refused".to_owned()))
            }
            other => other.of_write(),
        }
    }
}

fn port_error(kind: PortErrorKind, code: Option<String>, note: Option<String>) -> PortError {
    PortError { upstream_code: code, note, ..PortError::new(crate::NAME, kind) }
}

/// A refusal of our own, before anything was sent.
pub(crate) fn refused_here(reason: Message) -> PortError {
    port_error(PortErrorKind::Rejected { reason }, None, Some("refused before sending".to_owned())).not_asked()
}
