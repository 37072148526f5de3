//! Leases: taken with a claim, lost with their holder.

use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use crate::audit::Recorder;
use crate::outbox::narrate::{self, Event};
use crate::outbox::{Item, Status};
use crate::storage::StoreError;
use crate::storage::sqlite::Transaction;

pub(super) fn take_lease(
    transaction: &mut Transaction<'_>,
    item: &mut Item,
    holder: Uuid,
    now: Timestamp,
    until: Timestamp,
    recorder: &Recorder,
) -> Result<(), StoreError> {
    if item.is_to_be_sent() {
        transaction.audit(narrate::record(recorder, item, Status::Sending, &Event::Send)?);
    }
    item.lease(now, until);
    transaction
        .connection
        .prepare_cached(
            "UPDATE outbox SET status = ?2, attempts = ?3, fence = ?4, holder = ?5, due_at = ?6, updated_at = ?7, \
             first_tried_at = coalesce(first_tried_at, ?7) WHERE id = ?1",
        )?
        .execute(rusqlite::params![
            item.id.as_bytes(),
            item.status.as_str(),
            item.attempts,
            item.fence,
            holder.as_bytes(),
            until.micros(),
            now.micros(),
        ])?;
    Ok(())
}

/// Whoever held the lease has gone while a request may have been on its way. Whoever was only looking into an unknown
/// outcome has changed nothing.
pub(super) fn lose_lease(
    transaction: &mut Transaction<'_>,
    item: &Item,
    now: Timestamp,
    look_up_at: Timestamp,
    recorder: &Recorder,
) -> Result<(), StoreError> {
    let was_sending = item.status == Status::Sending;
    if was_sending {
        transaction.audit(narrate::record(recorder, item, Status::Unknown, &Event::LostLease)?);
    }
    transaction
        .connection
        .prepare_cached(
            "UPDATE outbox SET status = 'unknown', lost_leases = lost_leases + ?2, fence = fence + 1, holder = NULL, \
             due_at = ?3, updated_at = ?4 WHERE id = ?1",
        )?
        .execute((item.id.as_bytes(), was_sending, look_up_at.micros(), now.micros()))?;
    Ok(())
}
