//! How this topic's outbox items reach the portal. Insert or update is decided from what the portal is known to hold;
//! when its answer shows that we were wrong, the other one is sent, once.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use lienthong_domain::dossier::{Dossier, DossierCode, StatusReport, Step};
use lienthong_domain::port::{AfterAmbiguity, DossierPortal, PortError, PortErrorKind, PortalOperation, Presence};
use lienthong_domain::scalar::Scalar;

use super::{REPORT, STEP};
use crate::http::json;
use crate::outbox::{Attempt, Claimed, Delivery, Learned};

/// Delivers dossiers and steps through a portal.
pub struct PortalDelivery {
    portal: RwLock<Arc<dyn DossierPortal>>,
}

impl PortalDelivery {
    pub fn new(portal: Arc<dyn DossierPortal>) -> Self {
        Self { portal: RwLock::new(portal) }
    }

    /// The next attempt goes through this one; those under way end as they began.
    pub fn replace(&self, portal: Arc<dyn DossierPortal>) {
        *self.portal.write().unwrap_or_else(PoisonError::into_inner) = portal;
    }

    fn portal(&self) -> Arc<dyn DossierPortal> {
        Arc::clone(&self.portal.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn planned(claimed: &Claimed) -> PortalOperation {
        if claimed.item.kind == STEP {
            return PortalOperation::AppendStep;
        }
        if claimed.item.kind == REPORT {
            return PortalOperation::Report;
        }
        match claimed.presence {
            Some(Presence::Present) => PortalOperation::Update,
            Some(Presence::Absent) | None => PortalOperation::Insert,
        }
    }

    async fn sync(portal: &dyn DossierPortal, claimed: &Claimed, dossier: &Dossier) -> Attempt {
        let planned = Self::planned(claimed);
        let first = put(portal, planned, dossier).await;
        let (done, result) = match (planned, first) {
            (PortalOperation::Insert, Err(error)) if error.kind == PortErrorKind::AlreadyExists => {
                (PortalOperation::Update, put(portal, PortalOperation::Update, dossier).await)
            }
            (PortalOperation::Update, Err(error)) if error.kind == PortErrorKind::NotFound => {
                (PortalOperation::Insert, put(portal, PortalOperation::Insert, dossier).await)
            }
            (planned, result) => (planned, result),
        };
        let learned = match &result {
            Ok(()) => Learned { presence: Some(Presence::Present), acknowledged_revision: Some(claimed.item.ordinal) },
            Err(error) => Learned { presence: presence_shown_by(error, done, planned), acknowledged_revision: None },
        };
        Attempt { operation: name_of(done), result, learned }
    }
}

async fn put(portal: &dyn DossierPortal, operation: PortalOperation, dossier: &Dossier) -> Result<(), PortError> {
    match operation {
        PortalOperation::Update => portal.update(dossier).await,
        PortalOperation::Insert | PortalOperation::AppendStep | PortalOperation::Report => portal.insert(dossier).await,
    }
}

/// What a failed call still shows: after a switch, the first answer told whether the dossier is there.
fn presence_shown_by(error: &PortError, done: PortalOperation, planned: PortalOperation) -> Option<Presence> {
    match error.kind {
        PortErrorKind::AlreadyExists => Some(Presence::Present),
        PortErrorKind::NotFound => Some(Presence::Absent),
        _ if done != planned && done == PortalOperation::Update => Some(Presence::Present),
        _ if done != planned => Some(Presence::Absent),
        _ => None,
    }
}

fn name_of(operation: PortalOperation) -> &'static str {
    match operation {
        PortalOperation::Insert => "dossier.insert",
        PortalOperation::Update => "dossier.update",
        PortalOperation::AppendStep => "dossier.append_step",
        PortalOperation::Report => "dossier.report",
    }
}

#[async_trait]
impl Delivery for PortalDelivery {
    async fn attempt(&self, claimed: &Claimed, body: &[u8]) -> Attempt {
        let portal = self.portal();
        if claimed.item.kind == STEP {
            let result = match (DossierCode::parse(&claimed.item.lane), read::<Step>(body)) {
                (Ok(code), Ok(step)) => portal.append_step(&code, &step).await,
                _ => Err(unreadable_body()),
            };
            return Attempt { operation: name_of(PortalOperation::AppendStep), result, learned: Learned::default() };
        }
        if claimed.item.kind == REPORT {
            let result = match read::<StatusReport>(body) {
                Ok(report) => portal.report(&report).await,
                Err(()) => Err(unreadable_body()),
            };
            return Attempt { operation: name_of(PortalOperation::Report), result, learned: Learned::default() };
        }
        match read::<Dossier>(body) {
            Ok(dossier) => Self::sync(&*portal, claimed, &dossier).await,
            Err(()) => {
                let operation = name_of(Self::planned(claimed));
                Attempt { operation, result: Err(unreadable_body()), learned: Learned::default() }
            }
        }
    }

    fn after_ambiguity(&self, claimed: &Claimed) -> AfterAmbiguity {
        self.portal().after_ambiguity(Self::planned(claimed))
    }

    async fn look_up(&self, claimed: &Claimed) -> Result<Presence, PortError> {
        match DossierCode::parse(&claimed.item.lane) {
            Ok(code) => {
                let found = self.portal().look_up(&code).await?;
                Ok(if found.is_some() { Presence::Present } else { Presence::Absent })
            }
            Err(_) => Err(unreadable_body()),
        }
    }
}

fn read<T: deserr::Deserr<lienthong_domain::invalid::InvalidFields>>(body: &[u8]) -> Result<T, ()> {
    let value = serde_json::from_slice(body).map_err(|_| ())?;
    json::read(value).map_err(|_| ())
}

/// What was accepted no longer reads: a newer program has stricter rules. An operator must look.
fn unreadable_body() -> PortError {
    let reason = lienthong_domain::invalid::Message::new(
        "Nội dung đã nhận không còn hợp lệ với phiên bản này.",
        "What was accepted is no longer valid for this version.",
    );
    PortError::new("gateway", PortErrorKind::Rejected { reason }).with_note("stored_body_unreadable").not_asked()
}
