//! Adding to lanes. Whoever adds first locks the lane's row, in a statement of its own.

use std::collections::HashMap;

use super::items_of;
use crate::audit::Recorder;
use crate::outbox::narrate::{self, Event};
use crate::outbox::{Item, NewItem, Status};
use crate::storage::StoreError;
use crate::storage::postgres::{Parameter, Transaction, column};

/// Adds items at the ends of their lanes, in the transaction of what made them necessary.
pub async fn enqueue(transaction: &Transaction<'_>, items: &[&NewItem]) -> Result<(), StoreError> {
    let has_earlier = lock_and_lengthen(transaction, items).await?;
    insert(transaction, items, has_earlier, &HashMap::new()).await
}

/// Adds full states. One whose lane stands still because an earlier full state was refused takes its place: the refused
/// one had no effect, and this one says all that it said. The others go to the ends of their lanes.
pub async fn enqueue_full_states(
    transaction: &Transaction<'_>,
    items: &[&NewItem],
    recorder: &Recorder,
) -> Result<(), StoreError> {
    if !lock_and_lengthen(transaction, items).await? {
        return insert(transaction, items, false, &HashMap::new()).await;
    }
    let refused = refused_heads(transaction, items).await?;
    let places: HashMap<(&str, &str), i64> =
        refused.iter().map(|item| ((item.route.as_str(), item.lane.as_str()), item.position)).collect();
    if !refused.is_empty() {
        for item in &refused {
            transaction.audit(narrate::record(recorder, item, Status::Cancelled, &Event::Superseded)?);
        }
        let sql = "UPDATE outbox SET status = 'cancelled', is_open = false, is_head = false, due_at = NULL, \
                   fence = fence + 1, updated_at = now_micros() WHERE id = ANY($1)";
        transaction.execute(sql, &[&column(&refused, |item| item.id)]).await?;
    }
    insert(transaction, items, true, &places).await
}

/// Locks the items' lanes and makes room in them; returns whether any of them had an item before.
async fn lock_and_lengthen(transaction: &Transaction<'_>, items: &[&NewItem]) -> Result<bool, StoreError> {
    // In the order of the column, as elsewhere: the database's own alphabet may be another.
    let sql = "INSERT INTO lane AS old (route, lane, tail) \
               SELECT route, lane, count(*) FROM unnest($1::text[], $2::text[]) AS new (route, lane) \
               GROUP BY route, lane ORDER BY route COLLATE \"C\", lane COLLATE \"C\" \
               ON CONFLICT (route, lane) DO UPDATE SET tail = old.tail + excluded.tail RETURNING tail";
    let (routes, lanes) = lanes_of(items);
    let tails = transaction.query(sql, &[&routes, &lanes]).await?;
    let room: i64 = tails.iter().map(|row| row.get::<_, i64>(0)).sum();
    Ok(room > i64::try_from(items.len()).unwrap_or(i64::MAX))
}

async fn refused_heads(transaction: &Transaction<'_>, items: &[&NewItem]) -> Result<Vec<Item>, StoreError> {
    let sql = items!(
        "is_open AND is_head AND status = 'dead' AND \
         (route, lane, kind) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[])) ORDER BY id FOR UPDATE"
    );
    let (routes, lanes) = lanes_of(items);
    let kinds = column(items.iter().copied(), |item| item.kind);
    items_of(&transaction.query(sql, &[&routes, &lanes, &kinds]).await?)
}

fn lanes_of<'a>(items: &[&'a NewItem]) -> (Vec<&'static str>, Vec<&'a str>) {
    (column(items.iter().copied(), |item| item.route), column(items.iter().copied(), |item| item.lane.as_str()))
}

/// Inserts items whose lanes are locked and long enough: at the given places, or at the ends.
async fn insert(
    transaction: &Transaction<'_>,
    items: &[&NewItem],
    has_earlier: bool,
    places: &HashMap<(&str, &str), i64>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO outbox (id, operation_id, client_id, agency_id, route, lane, position, kind, ordinal, body_id, \
               status, is_open, is_head, due_at, accepted_at, updated_at) \
               SELECT new.id, operation_id, client_id, agency_id, new.route, new.lane, \
               coalesce(new.place, lane.tail - new.behind), kind, ordinal, body_id, 'accepted', true, \
               new.place IS NOT NULL OR (new.is_first AND NOT ($14 AND EXISTS (SELECT 1 FROM outbox AS old \
               WHERE old.route = new.route AND old.lane = new.lane AND old.is_open))), \
               accepted_at, accepted_at, accepted_at \
               FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], \
               $8::bigint[], $9::uuid[], $10::bigint[], $11::bigint[], $12::bigint[], $13::boolean[]) \
               AS new (id, operation_id, client_id, agency_id, route, lane, kind, ordinal, body_id, accepted_at, place, \
               behind, is_first) JOIN lane ON lane.route = new.route AND lane.lane = new.lane";
    // From the last one backwards: how many of the same lane come behind each, and which is the lane's first.
    let mut seen: HashMap<(&str, &str), i64> = HashMap::new();
    let mut behind = vec![0_i64; items.len()];
    for (item, behind) in items.iter().zip(&mut behind).rev() {
        let count = seen.entry((item.route, &item.lane)).or_default();
        *behind = *count;
        *count += 1;
    }
    let is_first: Vec<bool> =
        items.iter().zip(&behind).map(|(item, behind)| seen[&(item.route, item.lane.as_str())] == behind + 1).collect();
    let all = || items.iter().copied();
    let ids = column(all(), |item| item.id);
    let operations = column(all(), |item| item.operation_id);
    let clients = column(all(), |item| item.client_id.as_str());
    let agencies = column(all(), |item| item.agency_id.as_str());
    let (routes, lanes) = lanes_of(items);
    let kinds = column(all(), |item| item.kind);
    let ordinals = column(all(), |item| item.ordinal);
    let bodies = column(all(), |item| item.body_id);
    let times = column(all(), |item| item.accepted_at.micros());
    let places = column(all(), |item| places.get(&(item.route, item.lane.as_str())).copied());
    let parameters: [Parameter<'_>; 14] = [
        &ids,
        &operations,
        &clients,
        &agencies,
        &routes,
        &lanes,
        &kinds,
        &ordinals,
        &bodies,
        &times,
        &places,
        &behind,
        &is_first,
        &has_earlier,
    ];
    transaction.execute(sql, &parameters).await.map(drop)
}
