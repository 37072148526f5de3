//! Writes as the topics make them, with made-up contents.

use lienthong::access::idempotency::{Key, KeyedReply};
use lienthong::audit::{Draft, Kind, Outcome, SealedRecord};
use lienthong::dossiers::store::{AppendSteps, DossierRow, PutDossier};
use lienthong::outbox::store::Settlement;
use lienthong::outbox::{Claimed, Learned, NewItem, Status};
use lienthong_domain::dossier::DossierState;
use lienthong_domain::time::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue};
use uuid::Uuid;

use super::Stores;

pub(crate) const ROUTE: &str = "test-route";
/// Milliseconds.
pub(crate) const LEASE: i64 = 1000;

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000).plus_millis(millis)
}

pub(crate) fn new_item(lane: &str, ordinal: i64) -> NewItem {
    NewItem {
        id: Uuid::now_v7(),
        operation_id: Uuid::now_v7(),
        client_id: "client".into(),
        agency_id: "H15".into(),
        route: ROUTE,
        lane: lane.into(),
        kind: "test",
        ordinal,
        body_id: Uuid::now_v7(),
        accepted_at: at(0),
        traceparent: None,
    }
}

pub(crate) fn settlement(claimed: &Claimed, to: Status, due: Option<i64>) -> Settlement {
    Settlement {
        id: claimed.item.id,
        fence: claimed.item.fence,
        operation: match (claimed.item.status, to) {
            (Status::Unknown, Status::Dead) => "outbox.quarantine",
            (Status::Unknown, _) => "outbox.look_up",
            _ => "dossier.insert",
        },
        to,
        due_at: due.map(at),
        problem: None,
        learned: Learned::default(),
        now: at(1),
    }
}

/// A full state whose content is its code and revision.
pub(crate) fn put(stores: &Stores, code: &str, expected_revision: Option<i64>) -> PutDossier {
    let revision = expected_revision.unwrap_or(0) + 1;
    let body = stores.bodies.seal(format!("{code} at {revision}").as_bytes()).unwrap();
    let item = NewItem { kind: "dossier.sync", body_id: body.id, ..new_item(code, revision) };
    let row = DossierRow {
        code: code.into(),
        client_id: "client".into(),
        agency_id: "H15".into(),
        procedure_code: "1.000656".into(),
        revision,
        digest: [u8::try_from(revision % 256).unwrap(); 32],
        state: DossierState::Received,
        step_state: None,
        steps: 0,
        body_id: body.id,
        operation_id: item.operation_id,
        accepted_at: item.accepted_at,
        updated_at: item.accepted_at,
    };
    let record = record(stores, "dossier.sync", code, revision);
    PutDossier { row, expected_revision, body, item, report: None, record }
}

/// `count` steps after the expected ones, answered under `key`.
pub(crate) fn steps(stores: &Stores, code: &str, expected_steps: i64, count: i64, key: &str) -> AppendSteps {
    let numbers = expected_steps + 1..=expected_steps + count;
    let bodies: Vec<_> =
        numbers.clone().map(|n| stores.bodies.seal(format!("{code} step {n}").as_bytes()).unwrap()).collect();
    let of = |(ordinal, body_id)| NewItem { kind: "dossier.step", body_id, ..new_item(code, ordinal) };
    AppendSteps {
        code: code.into(),
        expected_steps,
        step_state: DossierState::Processing,
        items: numbers.clone().zip(bodies.iter().map(|body| body.id)).map(of).collect(),
        records: numbers.map(|n| record(stores, "dossier.step", code, n)).collect(),
        bodies,
        reply: reply("client", key),
        now: at(0),
    }
}

/// The log shows `op` and `ordinal` in the clear.
pub(crate) fn record(stores: &Stores, op: &'static str, subject: &str, ordinal: i64) -> SealedRecord {
    let outcome = Outcome { code: Some(ordinal.to_string()), ..Outcome::decided("accepted") };
    stores.recorder.seal(&Draft::new(Kind::Accept, op, outcome).subject(subject)).unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    let headers = HeaderMap::from_iter([("idempotency-key".parse().unwrap(), HeaderValue::from_str(text).unwrap())]);
    Key::of_request(&headers).ok().unwrap()
}

pub(crate) fn reply(client_id: &str, text: &str) -> KeyedReply {
    KeyedReply {
        client_id: client_id.into(),
        key: key(text),
        fingerprint: [7; 32],
        status: 202,
        reply: format!("answer to {client_id} {text}").into_bytes(),
        stored_at: at(0),
    }
}
