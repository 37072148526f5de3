//! Accepting processing steps: in order after the dossier itself, each an outbox item of its own, so that an unknown
//! outcome parks exactly one step.

use lienthong_adapter_kit::trace;
use lienthong_domain::dossier::{DossierCode, DossierState, Step, edge};
use lienthong_domain::invalid::{InvalidFields, Refusal};
use serde_json::Value;
use uuid::Uuid;

use super::store::{AppendSteps, DossierRow};
use super::sync::{agency_not_allowed, check_procedure_of, judge_edge};
use super::{Dossiers, ROUTE, STEP};
use crate::access::Client;
use crate::access::idempotency::{Key, KeyedReply};
use crate::audit::{Draft, Kind, Outcome};
use crate::http::json;
use crate::http::problem::{Code, Problem};
use crate::outbox::NewItem;
use crate::storage::StoreError;

/// What repeats of the request are recognised by.
pub(super) struct Repeat {
    pub(super) key: Key,
    pub(super) fingerprint: [u8; 32],
}

impl Dossiers {
    /// Accepts the steps in `body` (one object or a list) and returns the stored answer.
    pub(super) async fn accept_steps(
        &self,
        client: &Client,
        code: &DossierCode,
        body: Value,
        repeat: Repeat,
    ) -> Result<Vec<u8>, Problem> {
        let result = self.try_accept_steps(client, code, body, repeat).await;
        if let Err(problem) = &result {
            self.record_refusal(client, code.as_str(), &code.agency().normalised(), STEP, problem).await?;
        }
        result
    }

    async fn try_accept_steps(
        &self,
        client: &Client,
        code: &DossierCode,
        body: Value,
        repeat: Repeat,
    ) -> Result<Vec<u8>, Problem> {
        let steps = self.read_steps(body)?;
        if !client.covers(&code.agency(), &self.agencies, self.clock.now().date_in_vietnam()) {
            return Err(agency_not_allowed());
        }
        for _ in 0..5 {
            let Some(current) = self.store.find(code.as_str()).await? else {
                return Err(Problem::new(Code::StepBeforeDossier).detail(
                    "Gửi hồ sơ trước (PUT /v1/dossiers/{code}), rồi mới gửi tiến độ.",
                    "Send the dossier first (PUT /v1/dossiers/{code}), then its steps.",
                ));
            };
            check_procedure_of(client, &current)?;
            let (write, reply) = self.steps_write(client, &current, &steps, &repeat)?;
            match self.store.append_steps(write).await {
                Ok(()) => {
                    self.bell.ring();
                    return Ok(reply);
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    fn read_steps(&self, body: Value) -> Result<Vec<Step>, InvalidFields> {
        let Value::Array(items) = body else { return json::read::<Step>(body).map(|step| vec![step]) };
        let most = self.limits.steps_per_request;
        if items.is_empty() || items.len() > most {
            return Err(InvalidFields::one(
                "",
                Refusal::new(
                    "too_many",
                    format!("Cần 1 đến {most} bước trong một yêu cầu."),
                    format!("1 to {most} steps a request are needed."),
                ),
            ));
        }
        json::read::<Vec<Step>>(Value::Array(items))
    }

    fn steps_write(
        &self,
        client: &Client,
        current: &DossierRow,
        steps: &[Step],
        repeat: &Repeat,
    ) -> Result<(AppendSteps, Vec<u8>), Problem> {
        let (now, operation_id) = (self.clock.now(), Uuid::now_v7());
        let (mut bodies, mut items, mut records) = (Vec::new(), Vec::new(), Vec::new());
        let mut before: Option<DossierState> = current.step_state;
        for (step, ordinal) in steps.iter().zip(current.steps + 1..) {
            let is_unusual =
                judge_edge(edge(before, step.state), step.transition_reason.is_some(), before, step.state)?;
            before = Some(step.state);
            let body = self.bodies.seal(&serde_json::to_vec(step).map_err(StoreError::failed)?)?;
            let outcome = Outcome { status: Some(202), ..Outcome::decided("accepted") };
            let mut draft = Draft::new(Kind::Accept, STEP, outcome)
                .client(&client.id, &current.agency_id)
                .subject(&current.code)
                .body(&body);
            draft.procedure = Some(&current.procedure_code);
            draft.purpose = is_unusual.then_some("unusual_transition");
            draft.dir = Some("in");
            records.push(self.recorder.seal(&draft)?);
            items.push(NewItem {
                id: Uuid::now_v7(),
                operation_id,
                client_id: client.id.clone(),
                agency_id: current.agency_id.clone(),
                route: ROUTE,
                lane: current.code.clone(),
                kind: STEP,
                ordinal,
                body_id: body.id,
                accepted_at: now,
                traceparent: trace::current(),
            });
            bodies.push(body);
        }
        let reply = super::http::steps_reply(&current.code, current.steps, items.len(), operation_id);
        let write = AppendSteps {
            code: current.code.clone(),
            expected_steps: current.steps,
            step_state: before.unwrap_or(current.state),
            bodies,
            items,
            records,
            reply: KeyedReply {
                client_id: client.id.clone(),
                key: repeat.key.clone(),
                fingerprint: repeat.fingerprint,
                status: 202,
                reply: reply.clone(),
                stored_at: now,
            },
            now,
        };
        Ok((write, reply))
    }
}
