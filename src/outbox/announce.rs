//! Which moves of an item local systems are told of: its end, and that it waits for a person.

use lienthong_domain::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{Item, Status, portal};
use crate::webhooks::{EventKind, Listening, NewEvent};

/// The event of `item` moving to `to`, if there is one and anybody listens. `due_at`: when something is done with it again.
pub(super) fn event(
    listening: &Listening,
    item: &Item,
    to: Status,
    due_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<NewEvent> {
    let kind = match to {
        Status::Delivered => EventKind::OperationDelivered,
        Status::Dead | Status::Unknown if due_at.is_none() => EventKind::OperationStuck,
        Status::Skipped | Status::Cancelled => EventKind::OperationEnded,
        _ => return None,
    };
    listening.is_for(kind).then(|| NewEvent {
        id: Uuid::now_v7(),
        kind,
        agency_id: item.agency_id.clone(),
        lane: item.lane.clone(),
        subject: item.operation_id,
        data: json!({
            "operationId": item.operation_id, "itemId": item.id, "kind": item.kind, "ordinal": item.ordinal, "status": to.as_str(),
            "resource": resource(item), "agencyCode": item.agency_id,
        }),
        at: now,
    })
}

/// The path of what it is about.
pub(super) fn resource(item: &Item) -> String {
    // What reports on a dossier of the portal has that one's code, under which none is here.
    match item.kind == portal::REPORT {
        true => "/v1/inbox-items".to_owned(),
        false => format!("/v1/dossiers/{}", item.lane),
    }
}
