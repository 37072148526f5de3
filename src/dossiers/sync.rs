//! Accepting the full state of a dossier: permission, the rules of its procedure, its transition, then one transaction.

use lienthong_adapter_kit::trace;
use lienthong_domain::catalogue::{ProcedureCode, Standing};
use lienthong_domain::dossier::{Dossier, DossierCode, DossierState, Edge, IdentityNumber, StatusReport, edge};
use lienthong_domain::invalid::{InvalidFields, Refusal};
use lienthong_domain::scalar::Scalar;
use serde_json::Value;
use uuid::Uuid;

use super::store::{DossierRow, PutDossier, Report};
use super::{Dossiers, REPORT, ROUTE, SYNC};
use crate::access::Client;
use crate::audit::{Draft, Kind, Outcome};
use crate::http::json;
use crate::http::problem::{Code, Problem};
use crate::outbox::NewItem;
use crate::storage::StoreError;

/// What became of a full state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) code: String,
    pub(super) revision: i64,
    pub(super) operation_id: Uuid,
    /// The content is that of the last accepted revision: nothing is sent again.
    pub(super) is_unchanged: bool,
}

/// A request that keeps losing to others is given back after so many tries.
const MOST_TRIES: usize = 5;

impl Dossiers {
    /// Accepts the full state in `body` for the dossier of the request path.
    pub(super) async fn sync(
        &self,
        client: &Client,
        code: &DossierCode,
        body: Value,
        expected: Option<i64>,
    ) -> Result<Accepted, Problem> {
        let result = self.try_sync(client, code, body, expected).await;
        if let Err(problem) = &result {
            self.record_refusal(client, code.as_str(), &code.agency().normalised(), SYNC, problem).await?;
        }
        result
    }

    async fn try_sync(
        &self,
        client: &Client,
        code: &DossierCode,
        body: Value,
        expected: Option<i64>,
    ) -> Result<Accepted, Problem> {
        let (dossier, is_override) = self.read_dossier(code, body)?;
        // As of today: whoever writes the date of receipt must not choose its own permissions by it.
        if !client.covers(&code.agency(), &self.agencies, self.clock.now().date_in_vietnam()) {
            return Err(agency_not_allowed());
        }
        if !client.may_use(&dossier.procedure_code) {
            return Err(procedure_not_allowed());
        }
        self.check_procedure(&dossier)?;
        let content = serde_json::to_vec(&dossier).map_err(StoreError::failed)?;
        let digest = self.keys.digest(&[b"dossier", &content]);
        for _ in 0..MOST_TRIES {
            let current = self.store.find(code.as_str()).await?;
            if let Some(row) = &current {
                check_procedure_of(client, row)?;
            }
            // First: a repeat of what was stored has succeeded already, whatever it expects (RFC 9110 §13.1.1).
            if let Some(row) = current.as_ref().filter(|row| row.digest == digest) {
                return Ok(Accepted {
                    code: row.code.clone(),
                    revision: row.revision,
                    operation_id: row.operation_id,
                    is_unchanged: true,
                });
            }
            if expected.is_some_and(|revision| current.as_ref().map(|row| row.revision) != Some(revision)) {
                return Err(Problem::new(Code::PreconditionFailed));
            }
            let unusual = check_transition(current.as_ref(), &dossier)?;
            let purpose = if is_override { Some("state_override") } else { unusual.then_some("unusual_transition") };
            let mut write = self.write_of(client, &dossier, &content, digest, current.as_ref(), purpose)?;
            write.report = self.report_of(&dossier, current.as_ref(), &write.item).await?;
            let accepted = Accepted {
                code: write.row.code.clone(),
                revision: write.row.revision,
                operation_id: write.row.operation_id,
                is_unchanged: false,
            };
            match self.store.put(write).await {
                Ok(()) => {
                    self.bell.ring();
                    return Ok(accepted);
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// The body as a dossier: its code is that of the path, its state may come from the agency's status table.
    fn read_dossier(&self, code: &DossierCode, mut body: Value) -> Result<(Dossier, bool), Problem> {
        let (mut is_override, mut wrong) = (false, InvalidFields::default());
        if let Value::Object(members) = &mut body {
            let given = members.entry("code").or_insert_with(|| Value::from(code.as_str()));
            if given.is_string() && given != code.as_str() {
                *given = Value::from(code.as_str());
                wrong.push(
                    "/code",
                    Refusal::new(
                        "code_differs",
                        "Mã hồ sơ trong thân khác với mã trên đường dẫn.",
                        "The code in the body is not the one in the path.",
                    ),
                );
            }
            is_override = self.map_local_status(code, members).unwrap_or_else(|unknown| {
                wrong.append(unknown);
                // So that the missing state is not told as well: its place is where the status is wrong.
                members.insert("state".into(), Value::from(DossierState::Registered.as_str()));
                false
            });
        }
        match json::read::<Dossier>(body) {
            Ok(dossier) => wrong.into_result((dossier, is_override)).map_err(Problem::from),
            Err(others) => {
                wrong.append(others);
                Err(wrong.into())
            }
        }
    }

    fn map_local_status(
        &self,
        code: &DossierCode,
        members: &mut serde_json::Map<String, Value>,
    ) -> Result<bool, InvalidFields> {
        if members.contains_key("state") {
            return Ok(false);
        }
        let Some(local) = members.get("localStatus").filter(|value| value.is_object()) else { return Ok(false) };
        // A wrong localStatus is reported with all other fields when the whole body is read.
        let Ok(local) = json::read(local.clone()) else { return Ok(false) };
        let today = self.clock.now().date_in_vietnam();
        match self.status_maps.find(&code.agency(), &local, &self.agencies, today) {
            Some(mapped) => {
                members.insert("state".into(), Value::from(mapped.state.as_str()));
                Ok(mapped.is_override)
            }
            None => Err(InvalidFields::one(
                "/localStatus",
                Refusal::new(
                    "unknown_status",
                    "Bảng trạng thái của cơ quan không có trạng thái này; bổ sung bảng hoặc gửi state.",
                    "The agency's status table does not have this status; add it there, or send state.",
                ),
            )),
        }
    }

    /// A procedure that was withdrawn may not be used for a dossier received after that.
    fn check_procedure(&self, dossier: &Dossier) -> Result<(), InvalidFields> {
        let Standing::Withdrawn { since, successor } =
            self.procedures.standing(&dossier.procedure_code, day_of(dossier))
        else {
            return Ok(());
        };
        let (vi, en) = match successor {
            Some(next) => (format!("; thay bằng {next}"), format!("; use {next} instead")),
            None => (String::new(), String::new()),
        };
        Err(InvalidFields::one(
            "/procedureCode",
            Refusal::new(
                "procedure_withdrawn",
                format!("Thủ tục này đã bị bãi bỏ từ {since}{vi}."),
                format!("This procedure was withdrawn on {since}{en}."),
            ),
        ))
    }

    fn write_of(
        &self,
        client: &Client,
        dossier: &Dossier,
        content: &[u8],
        digest: [u8; 32],
        current: Option<&DossierRow>,
        purpose: Option<&'static str>,
    ) -> Result<PutDossier, StoreError> {
        let now = self.clock.now();
        let (operation_id, revision) = (Uuid::now_v7(), current.map_or(0, |row| row.revision) + 1);
        let agency_id = dossier.code.agency().normalised();
        let body = self.bodies.seal(content)?;
        let item = NewItem {
            id: Uuid::now_v7(),
            operation_id,
            client_id: client.id.clone(),
            agency_id: agency_id.clone(),
            route: ROUTE,
            lane: dossier.code.as_str().to_owned(),
            kind: SYNC,
            ordinal: revision,
            body_id: body.id,
            accepted_at: now,
            traceparent: trace::current(),
        };
        let procedure = dossier.procedure_code.original();
        let mut draft = Draft::new(Kind::Accept, SYNC, Outcome { status: Some(202), ..Outcome::decided("accepted") })
            .client(&client.id, &agency_id)
            .subject(dossier.code.as_str())
            .body(&body);
        draft.person = dossier.owner.person().map(IdentityNumber::as_str);
        draft.procedure = Some(procedure);
        draft.purpose = purpose;
        draft.dir = Some("in");
        let record = self.recorder.seal(&draft)?;
        let row = DossierRow {
            code: dossier.code.as_str().to_owned(),
            client_id: client.id.clone(),
            agency_id,
            procedure_code: procedure.to_owned(),
            revision,
            digest,
            state: dossier.state,
            step_state: None,
            steps: 0,
            body_id: body.id,
            operation_id,
            accepted_at: now,
            updated_at: now,
        };
        let expected_revision = current.map(|row| row.revision);
        Ok(PutDossier { row, expected_revision, body, item, report: None, record })
    }

    /// What the portal is told of a dossier that was born there: that it stands elsewhere now, or what has come of it.
    async fn report_of(
        &self,
        dossier: &Dossier,
        current: Option<&DossierRow>,
        sent: &NewItem,
    ) -> Result<Option<Report>, StoreError> {
        // Taking it has told the portal that it was received.
        let before = current.map_or(DossierState::Received, |row| row.state);
        let has_results = matches!(dossier.state, DossierState::Finished | DossierState::ResultReturned);
        let Some(origins) = self.origins.as_ref().filter(|_| has_results || dossier.state != before) else {
            return Ok(None);
        };
        let known = origins.national_code(&dossier.code).await;
        let Some(national_code) = known.map_err(|error| StoreError::Unavailable(error.to_string()))? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let report = StatusReport {
            national_code,
            local_code: Some(dossier.code.clone()),
            state: dossier.state,
            note: None,
            results: if has_results { dossier.results.to_vec() } else { Vec::new() },
            at: now,
        };
        let body = self.bodies.seal(&serde_json::to_vec(&report).map_err(StoreError::failed)?)?;
        let item = NewItem {
            id: Uuid::now_v7(),
            lane: report.national_code.as_str().to_owned(),
            kind: REPORT,
            ordinal: now.micros(),
            body_id: body.id,
            ..sent.clone()
        };
        Ok(Some(Report { item, body }))
    }

    /// A refused request leaves a record too: "you never took it" can be answered.
    pub(super) async fn record_refusal(
        &self,
        client: &Client,
        subject: &str,
        agency: &str,
        op: &'static str,
        problem: &Problem,
    ) -> Result<(), StoreError> {
        let is_ours = problem.code.status().is_server_error();
        if is_ours {
            return Ok(());
        }
        let outcome = Outcome {
            code: Some(problem.code.as_str().to_owned()),
            decision: "refused",
            status: Some(problem.code.status().as_u16()),
        };
        let mut draft = Draft::new(Kind::Refuse, op, outcome).client(&client.id, agency).subject(subject);
        draft.dir = Some("in");
        self.audit.append(self.recorder.seal(&draft)?).await
    }
}

/// The day by which a procedure is judged: that of receipt, else of submission.
fn day_of(dossier: &Dossier) -> jiff::civil::Date {
    dossier.received_at.unwrap_or(dossier.submitted_at).date_in_vietnam()
}

/// Whether the transition is unusual; an error if it may not happen.
fn check_transition(current: Option<&DossierRow>, dossier: &Dossier) -> Result<bool, Problem> {
    let from = current.map(|row| row.state);
    let has_reason = dossier.transition_reason.is_some();
    judge_edge(edge(from, dossier.state), has_reason, from, dossier.state)
}

/// Shared by full states and steps.
pub(super) fn judge_edge(
    edge: Edge,
    has_reason: bool,
    from: Option<lienthong_domain::dossier::DossierState>,
    to: lienthong_domain::dossier::DossierState,
) -> Result<bool, Problem> {
    let (from_vi, from_en) = from.map_or(("chưa gửi", "not sent"), |state| (state.vietnamese(), state.as_str()));
    let detail = |problem: Problem, vi: &str, en: &str| {
        problem.detail(format!("“{from_vi}” → “{}”: {vi}", to.vietnamese()), format!("`{from_en}` → `{to}`: {en}"))
    };
    match edge {
        Edge::Allowed => Ok(false),
        Edge::NeedsReason if has_reason => Ok(true),
        Edge::NeedsReason => Err(detail(
            Problem::new(Code::TransitionNeedsReason),
            "thứ tự khác thường, gửi kèm transitionReason.",
            "unusual, send a transitionReason with it.",
        )),
        Edge::Refused => Err(detail(Problem::new(Code::TransitionNotAllowed), "không thể xảy ra.", "cannot happen.")),
    }
}

pub(super) fn agency_not_allowed() -> Problem {
    Problem::new(Code::AgencyNotAllowed).detail(
        "Mã hồ sơ thuộc một cơ quan mà hệ thống này không được ghi.",
        "The dossier code belongs to an agency for which this client may not write.",
    )
}

fn procedure_not_allowed() -> Problem {
    Problem::new(Code::ProcedureNotAllowed).detail(
        "Hệ thống này không được gửi hồ sơ của thủ tục này.",
        "This client may not send dossiers of this procedure.",
    )
}

/// A dossier that is there already is judged by its own procedure, whatever the request would make of it.
pub(super) fn check_procedure_of(client: &Client, row: &DossierRow) -> Result<(), Problem> {
    let may = client.procedures.is_empty()
        || ProcedureCode::parse(&row.procedure_code).is_ok_and(|procedure| client.may_use(&procedure));
    if may { Ok(()) } else { Err(procedure_not_allowed()) }
}

/// The code of a request path.
pub(super) fn read_code(text: &str) -> Result<DossierCode, Problem> {
    DossierCode::parse(text).map_err(|refusal| Problem::field("#/path/code", refusal))
}
