//! The audit record of each transition of an outbox item.

use super::store::Settlement;
use super::{Item, Status};
use crate::audit::{Draft, Kind, Outcome, Recorder, SealedRecord};
use crate::storage::StoreError;

/// Characters of a problem's kind and the other side's code that fit into a record.
const MOST_CODE: usize = 64;

/// What moved the item.
pub(super) enum Event<'a> {
    /// It was claimed; its request is about to leave.
    Send,
    /// Whoever was sending it has gone.
    LostLease,
    /// It was claimed, and its claimer never learned of it: nothing was sent.
    Unsent,
    Settled(&'a Settlement),
    Operator,
    /// A newer full state took the place of this one, which had been refused.
    Superseded,
}

/// The record of `item` moving to `to`.
pub(super) fn record(
    recorder: &Recorder,
    item: &Item,
    to: Status,
    event: &Event<'_>,
) -> Result<SealedRecord, StoreError> {
    let (kind, op, code) = match event {
        Event::Send => (Kind::Send, "outbox.send", None),
        Event::LostLease => (Kind::Outcome, "outbox.lease_lost", None),
        Event::Unsent => (Kind::Outcome, "outbox.unsent", None),
        Event::Settled(settlement) => {
            let kind = if item.status == Status::Unknown { Kind::Lookup } else { Kind::Outcome };
            let code = settlement.problem.as_ref().map(|problem| match &problem.upstream_code {
                Some(code) => format!("{}:{code}", problem.kind).chars().take(MOST_CODE).collect(),
                None => problem.kind.clone(),
            });
            (kind, settlement.operation, code)
        }
        Event::Operator => (Kind::Operator, "outbox.decide", None),
        Event::Superseded => (Kind::Outcome, "outbox.supersede", None),
    };
    let key = item.identity_key();
    let mut draft = Draft::new(kind, op, Outcome { code, decision: to.as_str(), status: None })
        .client(&item.client_id, &item.agency_id)
        .subject(&item.lane);
    draft.key = Some(&key);
    draft.route = Some(&item.route);
    draft.dir = matches!(kind, Kind::Send | Kind::Outcome | Kind::Lookup).then_some("out");
    recorder.seal(&draft)
}
