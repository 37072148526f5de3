//! A local system takes a message or refuses it. The portal is told through the outbox, in the same transaction.

use lienthong_adapter_kit::trace;
use lienthong_domain::dossier::{DossierCode, DossierState, StatusReport};
use lienthong_domain::inbox::{IncomingKind, NationalCode};
use lienthong_domain::invalid::Refusal;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::text::Text;
use uuid::Uuid;

use super::representation::{Acknowledgement, ItemView, Rejection};
use super::store::{Decide, InboxItem, Tell};
use super::{Inbox, InboxStatus};
use crate::access::Client;
use crate::audit::{Draft, Kind, Outcome};
use crate::http::problem::{Code, Problem};
use crate::outbox::{NewItem, portal};
use crate::storage::StoreError;

/// What a local system says of a message.
struct Said {
    to: InboxStatus,
    op: &'static str,
    local_code: Option<DossierCode>,
    note: Option<Text<1, 2000>>,
}

impl Inbox {
    pub(super) async fn acknowledge(
        &self,
        client: &Client,
        id: Uuid,
        said: Acknowledgement,
    ) -> Result<ItemView, Problem> {
        let Acknowledgement { local_code, note } = said;
        self.decide(client, id, Said { to: InboxStatus::Acknowledged, op: "inbox.acknowledge", local_code, note }).await
    }

    pub(super) async fn reject(&self, client: &Client, id: Uuid, said: Rejection) -> Result<ItemView, Problem> {
        let Rejection { local_code, reason } = said;
        self.decide(client, id, Said { to: InboxStatus::Rejected, op: "inbox.reject", local_code, note: Some(reason) })
            .await
    }

    /// The dossier's code here: as it is said, or as it was said of an earlier message. The portal follows a dossier by it.
    async fn local_code(
        &self,
        client: &Client,
        item: &InboxItem,
        said: Option<DossierCode>,
    ) -> Result<Option<DossierCode>, Problem> {
        let today = self.clock.now().date_in_vietnam();
        if let Some(code) = said {
            let is_ours = client.covers(&code.agency(), &self.agencies, today);
            return if is_ours { Ok(Some(code)) } else { Err(Problem::new(Code::AgencyNotAllowed)) };
        }
        let known = self.store.local_code(item.national_code.clone()).await?;
        let known = known.and_then(|code| DossierCode::parse(&code).ok());
        if known.is_none() && is_told(item.kind) {
            let refusal = Refusal::new(
                "required",
                "Cần mã hồ sơ của địa phương: Cổng theo dõi hồ sơ bằng mã này.",
                "The dossier's code here is needed: the portal follows the dossier by it.",
            );
            return Err(Problem::field("/localCode", refusal));
        }
        Ok(known)
    }

    async fn decide(&self, client: &Client, id: Uuid, said: Said) -> Result<ItemView, Problem> {
        let item = self.find(client, id).await?;
        if !matches!(item.status, InboxStatus::Waiting | InboxStatus::Conflict) {
            // The same decision once more has been carried out already.
            let named = said.local_code.as_ref().map(|code| code.as_str());
            let is_same = item.status == said.to && (named.is_none() || named == item.local_code.as_deref());
            return if is_same { Ok(item.into()) } else { Err(Problem::new(Code::InboxDecided)) };
        }
        let code = self.local_code(client, &item, said.local_code.clone()).await?;
        let said = Said { local_code: code, ..said };
        let local_code = said.local_code.as_ref().map(|code| code.as_str().to_owned());
        let now = self.clock.now();
        let state = is_told(item.kind).then(|| reported(item.kind, said.to));
        let tell = state.map(|state| self.tell(client, &item, &said, state)).transpose()?;
        let outcome = Outcome { status: Some(200), ..Outcome::decided("done") };
        let draft =
            Draft::new(Kind::Decide, said.op, outcome).client(&client.id, &item.agency_id).subject(&item.national_code);
        let decision = Decide {
            id: item.id,
            to: said.to,
            local_code: local_code.clone(),
            by: client.id.clone(),
            record: self.recorder.seal(&draft)?,
            tell,
            now,
        };
        let operation_id = decision.tell.as_ref().map(|tell| tell.item.operation_id);
        match self.store.decide(decision).await {
            Ok(()) => {
                self.bell.ring();
                Ok(InboxItem { status: said.to, local_code, decided_at: Some(now), operation_id, ..item }.into())
            }
            Err(StoreError::Conflict) => Err(Problem::new(Code::InboxDecided)),
            Err(error) => Err(error.into()),
        }
    }

    fn tell(&self, client: &Client, item: &InboxItem, said: &Said, state: DossierState) -> Result<Tell, StoreError> {
        let now = self.clock.now();
        let national_code = NationalCode::parse(&item.national_code)
            .map_err(|_| StoreError::Failed("a national code that cannot be".into()))?;
        let report = StatusReport {
            national_code,
            local_code: said.local_code.clone(),
            state,
            note: said.note.clone(),
            results: Vec::new(),
            at: now,
        };
        let body = self.bodies.seal(&serde_json::to_vec(&report).map_err(StoreError::failed)?)?;
        let item = NewItem {
            id: Uuid::now_v7(),
            operation_id: Uuid::now_v7(),
            client_id: client.id.clone(),
            agency_id: item.agency_id.clone(),
            route: portal::ROUTE,
            lane: item.national_code.clone(),
            kind: portal::REPORT,
            ordinal: now.micros(),
            body_id: body.id,
            accepted_at: now,
            traceparent: trace::current(),
        };
        Ok(Tell { item, body })
    }
}

/// Whether the portal follows it: what is no dossier is not reported.
fn is_told(kind: IncomingKind) -> bool {
    match kind {
        IncomingKind::DossierSubmitted | IncomingKind::DossierSupplemented | IncomingKind::PromotionNotified => true,
        IncomingKind::TaxPaid | IncomingKind::TaxNotice => false,
    }
}

/// Which state of its dossier the portal is told.
fn reported(kind: IncomingKind, to: InboxStatus) -> DossierState {
    match (kind, to == InboxStatus::Acknowledged) {
        (IncomingKind::DossierSupplemented, true) => DossierState::Processing,
        (IncomingKind::DossierSupplemented, false) => DossierState::SupplementRequested,
        (_, true) => DossierState::Received,
        (_, false) => DossierState::NotAccepted,
    }
}
