//! What people, or the policy, do with a case: send it again, or say that it is none.

use std::sync::Arc;

use lienthong_domain::agreement::Repair;
use lienthong_domain::time::Clock;
use uuid::Uuid;

use super::case::{Case, CaseStatus};
use super::store::{AgreementStore, Decide, Resend};
use crate::audit::{Draft, Kind, Outcome, Recorder, SealedRecord};
use crate::dossiers::store::{DossierRow, DossierStore};
use crate::outbox::NewItem;
use crate::outbox::portal::{ROUTE, STEP, SYNC};
use crate::outbox::store::OutboxStore;
use crate::replicas::Bell;
use crate::storage::StoreError;

/// Decides about cases.
#[derive(Clone)]
pub struct Decisions {
    pub store: Arc<dyn AgreementStore>,
    pub dossiers: Arc<dyn DossierStore>,
    pub outbox: Arc<dyn OutboxStore>,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<dyn Clock>,
    /// Rung when something was enqueued.
    pub bell: Bell,
}

/// Why it was not done.
#[derive(Debug)]
pub enum NotDecided {
    NotFound,
    /// It is not open any more.
    NotOpen(CaseStatus),
    /// There is nothing here that could be sent again.
    NothingToSend,
    /// What would be sent was erased.
    Erased,
    /// The dossier has changed, or something of it is on its way: that comes first.
    OnItsWay,
    Store(StoreError),
}

impl From<StoreError> for NotDecided {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Steps that are sent again with their dossier.
const MOST_STEPS: usize = 10_000;

impl Decisions {
    /// Sends the dossier of a case again; returns the operation that does. `purpose`: a fixed word for the log.
    pub async fn repair(&self, case: Uuid, by: &str, purpose: &'static str) -> Result<Uuid, NotDecided> {
        let case = self.open_case(case).await?;
        if case.repair == Repair::Ask {
            return Err(NotDecided::NothingToSend);
        }
        let row = self.dossiers.find(&case.code).await?.ok_or(NotDecided::NothingToSend)?;
        if self.outbox.body(row.body_id).await?.is_none() {
            return Err(NotDecided::Erased);
        }
        let send = self.send_of(&case, &row).await?;
        let operation = send.operation_id;
        let record = self.record("agreement.repair", &case, purpose)?;
        self.decide(&case, CaseStatus::Repaired, by, None, Some(send), record).await?;
        self.bell.ring();
        Ok(operation)
    }

    /// A person says that it is none.
    pub async fn dismiss(&self, case: Uuid, by: &str, words: String) -> Result<(), NotDecided> {
        let case = self.open_case(case).await?;
        let record = self.record("agreement.dismiss", &case, "operator")?;
        self.decide(&case, CaseStatus::Dismissed, by, Some(words), None, record).await
    }

    async fn open_case(&self, id: Uuid) -> Result<Case, NotDecided> {
        let case = self.store.case(id).await?.ok_or(NotDecided::NotFound)?;
        if case.status == CaseStatus::Open { Ok(case) } else { Err(NotDecided::NotOpen(case.status)) }
    }

    /// The full state; and every step after it, if the portal has lost the dossier.
    async fn send_of(&self, case: &Case, row: &DossierRow) -> Result<Resend, NotDecided> {
        let (operation_id, now) = (Uuid::now_v7(), self.clock.now());
        let item = |kind: &'static str, ordinal: i64, body_id: Uuid| NewItem {
            id: Uuid::now_v7(),
            operation_id,
            client_id: row.client_id.clone(),
            agency_id: row.agency_id.clone(),
            route: ROUTE,
            lane: row.code.clone(),
            kind,
            ordinal,
            body_id,
            accepted_at: now,
            traceparent: None,
        };
        let mut items = vec![item(SYNC, row.revision, row.body_id)];
        if case.repair == Repair::Resend {
            let steps = self.dossiers.steps(&row.code, MOST_STEPS).await?;
            items.extend(steps.into_iter().map(|step| item(STEP, step.ordinal, step.body_id)));
        }
        let (expected_revision, expected_steps) = (row.revision, row.steps);
        Ok(Resend { code: row.code.clone(), expected_revision, expected_steps, operation_id, items })
    }

    fn record(&self, op: &'static str, case: &Case, purpose: &'static str) -> Result<SealedRecord, StoreError> {
        let mut draft = Draft::new(Kind::Decide, op, Outcome::decided("done")).subject(&case.code);
        draft.agency = Some(&case.agency_id);
        draft.purpose = Some(purpose);
        self.recorder.seal(&draft)
    }

    async fn decide(
        &self,
        case: &Case,
        to: CaseStatus,
        by: &str,
        words: Option<String>,
        send: Option<Resend>,
        record: SealedRecord,
    ) -> Result<(), NotDecided> {
        let decide = Decide { case: case.id, to, by: by.to_owned(), words, send, record, now: self.clock.now() };
        match self.store.decide(decide).await {
            Err(StoreError::Conflict) => Err(NotDecided::OnItsWay),
            Err(StoreError::NotApplicable) => {
                let now = self.store.case(case.id).await?;
                Err(now.map_or(NotDecided::NotFound, |case| NotDecided::NotOpen(case.status)))
            }
            done => Ok(done?),
        }
    }
}
