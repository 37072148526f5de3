//! Adding to lanes.

use rusqlite::{Connection, OptionalExtension};

use super::item_of;
use crate::audit::Recorder;
use crate::outbox::narrate::{self, Event};
use crate::outbox::{NewItem, Status};
use crate::storage::StoreError;
use crate::storage::sqlite::Transaction;

/// Adds a full state. If the lane stands still because an earlier full state was refused, this one takes its place: the
/// refused one had no effect, and this one says all that it said. Otherwise it goes to the end of its lane.
pub fn enqueue_full_state(
    transaction: &mut Transaction<'_>,
    item: &NewItem,
    recorder: &Recorder,
) -> Result<(), StoreError> {
    let connection = transaction.connection;
    let position = lengthen(connection, item)?;
    if position == 1 {
        return insert(connection, item, position, true);
    }
    let refused = connection
        .prepare_cached(items!(
            "route = ?1 AND lane = ?2 AND is_open = 1 AND is_head = 1 AND status = 'dead' AND kind = ?3"
        ))?
        .query_row((item.route, &item.lane, item.kind), item_of)
        .optional()?;
    let Some(refused) = refused else {
        let is_head = !is_busy(connection, item)?;
        return insert(connection, item, position, is_head);
    };
    transaction.audit(narrate::record(recorder, &refused, Status::Cancelled, &Event::Superseded)?);
    connection
        .prepare_cached(
            "UPDATE outbox SET status = 'cancelled', is_open = 0, is_head = 0, due_at = NULL, fence = fence + 1, \
             updated_at = ?2 WHERE id = ?1",
        )?
        .execute((refused.id.as_bytes(), item.accepted_at.micros()))?;
    insert(connection, item, refused.position, true)
}

/// Adds an item at the end of its lane, in the transaction of what made it necessary.
pub fn enqueue(transaction: &mut Transaction<'_>, item: &NewItem) -> Result<(), StoreError> {
    let connection = transaction.connection;
    let position = lengthen(connection, item)?;
    let is_head = position == 1 || !is_busy(connection, item)?;
    insert(connection, item, position, is_head)
}

/// The next position of the item's lane.
fn lengthen(connection: &Connection, item: &NewItem) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached(
            "INSERT INTO lane (route, lane, tail) VALUES (?1, ?2, 1) \
             ON CONFLICT (route, lane) DO UPDATE SET tail = tail + 1 RETURNING tail",
        )?
        .query_row((item.route, &item.lane), |row| row.get(0))?)
}

fn is_busy(connection: &Connection, item: &NewItem) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM outbox WHERE route = ?1 AND lane = ?2 AND is_open = 1)")?
        .query_row((item.route, &item.lane), |row| row.get(0))?)
}

fn insert(connection: &Connection, item: &NewItem, position: i64, is_head: bool) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO outbox (id, operation_id, client_id, agency_id, route, lane, position, kind, ordinal, body_id, \
             status, is_open, is_head, due_at, accepted_at, updated_at, traceparent) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'accepted', 1, ?11, ?12, ?12, ?12, ?13)",
        )?
        .execute(rusqlite::params![
            item.id.as_bytes(),
            item.operation_id.as_bytes(),
            item.client_id,
            item.agency_id,
            item.route,
            item.lane,
            position,
            item.kind,
            item.ordinal,
            item.body_id.as_bytes(),
            is_head,
            item.accepted_at.micros(),
            item.traceparent,
        ])?;
    Ok(())
}
