//! Our view of one dossier: what was accepted, what still waits, and what the portal has acknowledged.

use lienthong_domain::dossier::{DossierCode, IdentityNumber, Owner};
use serde_json::Value;
use uuid::Uuid;

use super::representation::{DossierView, StepView, SyncView, operation_path};
use super::store::DossierRow;
use super::{Dossiers, ROUTE};
use crate::access::Client;
use crate::audit::{Draft, Kind, Outcome};
use crate::http::json;
use crate::http::problem::{Code, Problem};
use crate::outbox::Status;
use crate::storage::StoreError;

/// At most so many steps are shown with a dossier.
const MOST_STEPS: usize = 500;

impl Dossiers {
    pub(super) async fn view(&self, client: &Client, code: &DossierCode) -> Result<(i64, DossierView), Problem> {
        let not_found = || Problem::new(Code::DossierNotFound);
        let row = self.store.find(code.as_str()).await?.ok_or_else(not_found)?;
        // Someone else's dossier looks like none.
        if !client.covers(&code.agency(), &self.agencies, self.clock.now().date_in_vietnam()) {
            return Err(not_found());
        }
        let dossier = self.stored_json(row.body_id).await?;
        // A body leaves only after the record that says so is durable.
        let outcome = Outcome { status: Some(200), ..Outcome::decided("shown") };
        let mut draft =
            Draft::new(Kind::BodyRead, "dossier.view", outcome).client(&client.id, &row.agency_id).subject(&row.code);
        let owner: Option<Owner> = dossier.get("owner").and_then(|owner| json::read(owner.clone()).ok());
        draft.person = owner.as_ref().and_then(Owner::person).map(IdentityNumber::as_str);
        self.audit.append(self.recorder.seal(&draft)?).await?;
        let mut steps = Vec::new();
        for step in self.store.steps(&row.code, MOST_STEPS).await? {
            let (ordinal, accepted_at) = (step.ordinal, step.accepted_at);
            steps.push(StepView { ordinal, accepted_at, step: self.stored_json(step.body_id).await? });
        }
        let sync = self.sync_view(&row).await?;
        let DossierRow { code, revision, accepted_at, updated_at, .. } = row;
        Ok((revision, DossierView { code, revision, accepted_at, updated_at, dossier, steps, sync }))
    }

    async fn stored_json(&self, body: Uuid) -> Result<Value, StoreError> {
        match self.outbox.body(body).await? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(StoreError::failed),
            None => Ok(Value::Null),
        }
    }

    /// What the portal is known to hold, never what we hope it holds.
    async fn sync_view(&self, row: &DossierRow) -> Result<SyncView, StoreError> {
        let lane = self.outbox.lane(ROUTE, row.code.clone()).await?;
        let is_held = lane.acknowledged_revision == Some(row.revision);
        // Nothing waits and yet the portal never acknowledged this revision: an operator let the lane go on without it.
        let at_rest = if is_held { Status::Delivered } else { Status::Skipped };
        let (status, problem) = lane.head.unwrap_or((at_rest, None));
        Ok(SyncView {
            status,
            open_items: lane.open_items,
            acknowledged_revision: lane.acknowledged_revision,
            acknowledged_at: lane.acknowledged_at,
            problem,
            operation: operation_path(row.operation_id),
        })
    }
}
