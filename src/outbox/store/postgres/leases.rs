//! Leases: taken with a claim, lost with their holder.

use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use crate::audit::Recorder;
use crate::outbox::narrate::{self, Event};
use crate::outbox::{Item, Status};
use crate::storage::StoreError;
use crate::storage::postgres::{Parameter, Transaction, column};

pub(super) async fn take_leases(
    transaction: &Transaction<'_>,
    items: &mut [Item],
    holder: Uuid,
    now: Timestamp,
    until: Timestamp,
    recorder: &Recorder,
) -> Result<(), StoreError> {
    for item in items.iter_mut() {
        if item.is_to_be_sent() {
            transaction.audit(narrate::record(recorder, item, Status::Sending, &Event::Send)?);
        }
        item.lease(now, until);
    }
    let sql = "UPDATE outbox SET status = new.status, attempts = new.attempts, fence = new.fence, holder = $5, due_at = $6, \
               updated_at = $7, first_tried_at = coalesce(first_tried_at, $7) \
               FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS new (id, status, attempts, fence) \
               WHERE outbox.id = new.id";
    let items = &*items;
    let ids = column(items, |item| item.id);
    let statuses = column(items, |item| item.status.as_str());
    let attempts = column(items, |item| item.attempts);
    let fences = column(items, |item| item.fence);
    let parameters: [Parameter<'_>; 7] = [&ids, &statuses, &attempts, &fences, &holder, &until.micros(), &now.micros()];
    transaction.execute(sql, &parameters).await.map(drop)
}

/// Whoever held these leases has gone while requests may have been on their way. Whoever was only looking into an unknown
/// outcome has changed nothing.
pub(super) async fn lose_leases(
    transaction: &Transaction<'_>,
    items: &[Item],
    now: Timestamp,
    look_up_at: Timestamp,
    recorder: &Recorder,
) -> Result<(), StoreError> {
    if items.is_empty() {
        return Ok(());
    }
    for item in items.iter().filter(|item| item.status == Status::Sending) {
        transaction.audit(narrate::record(recorder, item, Status::Unknown, &Event::LostLease)?);
    }
    let sql = "UPDATE outbox SET status = 'unknown', lost_leases = lost_leases + (status = 'sending')::int, \
               fence = fence + 1, holder = NULL, due_at = $2, updated_at = $3 WHERE id = ANY($1)";
    let ids = column(items, |item| item.id);
    transaction.execute(sql, &[&ids, &look_up_at.micros(), &now.micros()]).await.map(drop)
}
