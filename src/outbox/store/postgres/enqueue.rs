//! Adding to lanes. Whoever adds first locks the lane's row, in a statement of its own.

use super::items_of;
use crate::audit::Recorder;
use crate::outbox::narrate::{self, Event};
use crate::outbox::{Item, NewItem, Status};
use crate::storage::StoreError;
use crate::storage::postgres::{Parameter, Transaction, column};

/// A lane that is added to; its row is locked.
struct Lane<'a> {
    route: &'static str,
    name: &'a str,
    /// The next position to give.
    next: i64,
    /// The position that a refused head has left.
    freed: Option<i64>,
    has_head: bool,
}

impl Lane<'_> {
    /// The position of the next item, and whether that item is the lane's head.
    fn place(&mut self) -> (i64, bool) {
        let position = self.freed.take().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        (position, !std::mem::replace(&mut self.has_head, true))
    }
}

/// Adds items at the ends of their lanes, in the transaction of what made them necessary.
pub async fn enqueue(transaction: &Transaction<'_>, items: &[&NewItem]) -> Result<(), StoreError> {
    let (mut lanes, _) = lock_and_lengthen(transaction, items).await?;
    insert(transaction, items, &mut lanes).await
}

/// Adds full states. One whose lane stands still because an earlier full state was refused takes its place: the refused
/// one had no effect, and this one says all that it said. The others go to the ends of their lanes.
pub async fn enqueue_full_states(
    transaction: &Transaction<'_>,
    items: &[&NewItem],
    recorder: &Recorder,
) -> Result<(), StoreError> {
    let (mut lanes, heads) = lock_and_lengthen(transaction, items).await?;
    let is_replaced = |head: &&Item| {
        let takes_its_place =
            |item: &&NewItem| (item.route, &item.lane, item.kind) == (&head.route, &head.lane, &head.kind);
        head.status == Status::Dead && items.iter().any(takes_its_place)
    };
    let refused: Vec<&Item> = heads.iter().filter(is_replaced).collect();
    for head in &refused {
        transaction.audit(narrate::record(recorder, head, Status::Cancelled, &Event::Superseded)?);
        let lane = find(&mut lanes, &head.route, &head.lane)?;
        (lane.freed, lane.has_head) = (Some(head.position), false);
    }
    if !refused.is_empty() {
        let sql = "UPDATE outbox SET status = 'cancelled', is_open = false, is_head = false, due_at = NULL, \
                   fence = fence + 1, updated_at = now_micros() WHERE id = ANY($1)";
        transaction.execute(sql, &[&column(refused, |item| item.id)]).await?;
    }
    insert(transaction, items, &mut lanes).await
}

/// Locks the items' lanes, makes room in them, and reads the heads that they have. The lock keeps a head from being closed.
async fn lock_and_lengthen<'a>(
    transaction: &Transaction<'_>,
    items: &[&'a NewItem],
) -> Result<(Vec<Lane<'a>>, Vec<Item>), StoreError> {
    // Locked in the order of the column, as elsewhere.
    let mut named = column(items.iter().copied(), |item| (item.route, item.lane.as_str()));
    named.sort_unstable();
    let groups: Vec<&[(&'static str, &'a str)]> = named.chunk_by(|one, next| one == next).collect();
    let routes = column(&groups, |group| group[0].0);
    let names = column(&groups, |group| group[0].1);
    let added = column(&groups, |group| i64::try_from(group.len()).unwrap_or(i64::MAX));
    let sql = "INSERT INTO lane AS old (route, lane, tail) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) \
               ON CONFLICT (route, lane) DO UPDATE SET tail = old.tail + excluded.tail RETURNING route, lane, tail";
    let lengthened = transaction.query(sql, &[&routes, &names, &added]).await?;
    let lane =
        |at: usize| Lane { route: routes[at], name: names[at], next: 1 - added[at], freed: None, has_head: false };
    let mut lanes: Vec<Lane<'a>> = (0..groups.len()).map(lane).collect();
    for row in &lengthened {
        let tail: i64 = row.get(2);
        find(&mut lanes, row.get(0), row.get(1))?.next += tail;
    }
    let heads = if lanes.iter().all(|lane| lane.next == 1) {
        Vec::new()
    } else {
        let sql = items!("is_open AND is_head AND (route, lane) IN (SELECT * FROM unnest($1::text[], $2::text[]))");
        items_of(&transaction.query(sql, &[&routes, &names]).await?)?
    };
    for head in &heads {
        find(&mut lanes, &head.route, &head.lane)?.has_head = true;
    }
    Ok((lanes, heads))
}

fn find<'l, 'a>(lanes: &'l mut [Lane<'a>], route: &str, name: &str) -> Result<&'l mut Lane<'a>, StoreError> {
    let found = lanes.binary_search_by(|lane| (lane.route, lane.name).cmp(&(route, name)));
    found.map(|at| &mut lanes[at]).map_err(|_| StoreError::Failed(format!("lane {route} {name} was not asked for")))
}

async fn insert(transaction: &Transaction<'_>, items: &[&NewItem], lanes: &mut [Lane<'_>]) -> Result<(), StoreError> {
    let sql = "INSERT INTO outbox (id, operation_id, client_id, agency_id, route, lane, position, kind, ordinal, body_id, \
               status, is_open, is_head, due_at, accepted_at, updated_at, traceparent) \
               SELECT id, operation_id, client_id, agency_id, route, lane, position, kind, ordinal, body_id, \
               'accepted', true, is_head, accepted_at, accepted_at, accepted_at, traceparent \
               FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], \
               $8::text[], $9::bigint[], $10::uuid[], $11::boolean[], $12::bigint[], $13::text[]) \
               AS new (id, operation_id, client_id, agency_id, route, lane, position, kind, ordinal, body_id, is_head, \
               accepted_at, traceparent)";
    let places = items.iter().map(|item| Ok(find(lanes, item.route, &item.lane)?.place()));
    let (positions, are_heads): (Vec<i64>, Vec<bool>) =
        places.collect::<Result<Vec<_>, StoreError>>()?.into_iter().unzip();
    let all = || items.iter().copied();
    let ids = column(all(), |item| item.id);
    let operations = column(all(), |item| item.operation_id);
    let clients = column(all(), |item| item.client_id.as_str());
    let agencies = column(all(), |item| item.agency_id.as_str());
    let routes = column(all(), |item| item.route);
    let names = column(all(), |item| item.lane.as_str());
    let kinds = column(all(), |item| item.kind);
    let ordinals = column(all(), |item| item.ordinal);
    let bodies = column(all(), |item| item.body_id);
    let times = column(all(), |item| item.accepted_at.micros());
    let traces = column(all(), |item| item.traceparent.as_deref());
    let parameters: [Parameter<'_>; 13] = [
        &ids,
        &operations,
        &clients,
        &agencies,
        &routes,
        &names,
        &positions,
        &kinds,
        &ordinals,
        &bodies,
        &are_heads,
        &times,
        &traces,
    ];
    transaction.execute(sql, &parameters).await.map(drop)
}
