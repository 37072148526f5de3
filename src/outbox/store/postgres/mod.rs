//! The outbox on PostgreSQL. Whoever changes the order of a lane (adds to it, closes its head) first locks the lane's row,
//! in a statement of its own: what follows then sees all that earlier ones did. Locks are taken in one order: lane, item.

mod enqueue;
mod leases;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::port::Presence;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use enqueue::{enqueue, enqueue_full_states};
use leases::{lose_leases, take_leases};

use super::rows::{presence_from, presence_text, problem_from, problem_text, with_words};
use super::{Counts, Decision, LaneView, OutboxStore, Settlement};
use crate::audit::Recorder;
use crate::outbox::announce;
use crate::outbox::narrate::{self, Event};
use crate::outbox::{Claimed, Item, OperationView, Status, may_follow};
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;
use crate::storage::postgres::{Batch, Drain, Parameter, Postgres, Transaction, column};
use crate::webhooks::Listening;
use crate::webhooks::store::postgres::note;

/// The outbox's store on PostgreSQL.
pub struct PostgresOutbox {
    database: Postgres,
    bodies: Arc<Bodies>,
    recorder: Arc<Recorder>,
    listening: Arc<Listening>,
    settle: Drain<Settle>,
}

impl PostgresOutbox {
    pub fn new(database: Postgres, bodies: Arc<Bodies>, recorder: Arc<Recorder>, listening: Arc<Listening>) -> Self {
        let settle = database.drain(Settle { recorder: Arc::clone(&recorder), listening: Arc::clone(&listening) });
        Self { database, bodies, recorder, listening, settle }
    }

    async fn read_items(&self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Item>, StoreError> {
        items_of(&self.database.query(sql, parameters).await?)
    }
}

#[async_trait]
impl OutboxStore for PostgresOutbox {
    async fn claim(
        &self,
        holder: Uuid,
        now: Timestamp,
        lease_ms: i64,
        limit: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let sql =
            items!("is_head AND due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let due = transaction.query(sql, &[&now.micros(), &limit]).await?;
        let due = items_of(&due)?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let (lost, mut claimed): (Vec<Item>, Vec<Item>) =
            due.into_iter().partition(|item| item.status == Status::Sending);
        lose_leases(&transaction, &lost, now, now, &self.recorder).await?;
        let until = now.plus_millis(lease_ms);
        take_leases(&transaction, &mut claimed, holder, now, until, &self.recorder).await?;
        let presences = presences(&transaction, &claimed).await?;
        transaction.commit().await?;
        let with_presence = |item: Item| {
            let presence = presences.get(&item.id).copied();
            Claimed { item, presence }
        };
        Ok(claimed.into_iter().map(with_presence).collect())
    }

    async fn settle(&self, settlement: Settlement) -> Result<bool, StoreError> {
        self.settle.write(settlement).await
    }

    async fn take_back(&self, now: Timestamp, look_up_at: Timestamp) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let sql = items!(
            "is_open AND status IN ('sending', 'unknown') AND holder IS NOT NULL AND holder NOT IN (SELECT id FROM replica WHERE expires_at > now_micros()) LIMIT 10000 \
             FOR UPDATE SKIP LOCKED"
        );
        let orphans = items_of(&transaction.query(sql, &[]).await?)?;
        lose_leases(&transaction, &orphans, now, look_up_at, &self.recorder).await?;
        transaction.commit().await?;
        Ok(orphans.len())
    }

    async fn release(&self, holder: Uuid, in_flight: HashSet<Uuid>, now: Timestamp) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let sql = items!(
            "is_open AND status IN ('sending', 'unknown') AND holder = $1 AND NOT id = ANY($2) ORDER BY id FOR UPDATE"
        );
        let in_flight: Vec<Uuid> = in_flight.into_iter().collect();
        let unsent = items_of(&transaction.query(sql, &[&holder, &in_flight]).await?)?;
        for item in unsent.iter().filter(|item| item.status == Status::Sending) {
            transaction.audit(narrate::record(&self.recorder, item, Status::Retry, &Event::Unsent)?);
        }
        let sql = "UPDATE outbox SET status = CASE status WHEN 'sending' THEN 'retry' ELSE status END, \
                   fence = fence + 1, holder = NULL, due_at = $2, updated_at = $2 WHERE id = ANY($1)";
        transaction.execute(sql, &[&column(&unsent, |item| item.id), &now.micros()]).await?;
        transaction.commit().await?;
        Ok(unsent.len())
    }

    async fn decide(&self, decision: Decision) -> Result<Item, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let ids = [decision.id].to_vec();
        lock_lanes(&transaction, &ids).await?;
        let found = lock_items(&transaction, &ids).await?;
        let mut item = found.into_iter().next().ok_or(StoreError::NotApplicable)?;
        if !may_follow(item.status, decision.to) {
            return Err(StoreError::NotApplicable);
        }
        transaction.audit(narrate::record(&self.recorder, &item, decision.to, &Event::Operator)?);
        let sql = "UPDATE outbox SET status = $2, is_open = $3, is_head = is_head AND $3, due_at = $4, problem = $5, \
                   lost_leases = 0, first_tried_at = NULL, fence = fence + 1, holder = NULL, updated_at = $6 WHERE id = $1";
        let due_at = (decision.to == Status::Retry).then_some(decision.now);
        let events = announce::event(&self.listening, &item, decision.to, due_at, decision.now);
        note(&transaction, events.as_slice()).await?;
        let due_at = due_at.map(Timestamp::micros);
        let problem = problem_text(with_words(item.problem.clone(), decision.words.as_deref()).as_ref())?;
        let now = decision.now.micros();
        let (to, is_open) = (decision.to.as_str(), decision.to.is_open());
        transaction.execute(sql, &[&decision.id, &to, &is_open, &due_at, &problem, &now]).await?;
        if !is_open {
            promote_next(&transaction, &[&item]).await?;
        }
        transaction.commit().await?;
        item.status = decision.to;
        Ok(item)
    }

    async fn body(&self, id: Uuid) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let found = self.database.query("SELECT wrapped_key, sealed FROM body WHERE id = $1", &[&id]).await?;
        found.first().map(|row| self.bodies.open(id, row.get(0), row.get(1))).transpose()
    }

    async fn operation(&self, id: Uuid) -> Result<Option<OperationView>, StoreError> {
        let items = self.read_items(items!("operation_id = $1 ORDER BY position LIMIT 1000"), &[&id]).await?;
        Ok((!items.is_empty()).then_some(OperationView { items }))
    }

    async fn item(&self, id: Uuid) -> Result<Option<Item>, StoreError> {
        Ok(self.read_items(items!("id = $1"), &[&id]).await?.into_iter().next())
    }

    async fn lane(&self, route: &'static str, lane: String) -> Result<LaneView, StoreError> {
        let sql = "SELECT lane.presence, lane.acknowledged_revision, lane.acknowledged_at, \
                   (SELECT count(*) FROM outbox WHERE route = $1 AND lane = $2 AND is_open), head.status, head.problem \
                   FROM lane LEFT JOIN LATERAL (SELECT status, problem FROM outbox \
                   WHERE route = $1 AND lane = $2 AND is_open ORDER BY position LIMIT 1) AS head ON true \
                   WHERE lane.route = $1 AND lane.lane = $2";
        let found = self.database.query(sql, &[&route, &lane]).await?;
        found.first().map_or(Ok(LaneView::default()), lane_of)
    }

    async fn waiting(&self, limit: usize) -> Result<Vec<Item>, StoreError> {
        let sql =
            items!("is_open AND status IN ('unknown', 'dead') AND is_head AND due_at IS NULL ORDER BY id LIMIT $1");
        self.read_items(sql, &[&i64::try_from(limit).unwrap_or(i64::MAX)]).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let sql = "SELECT status, count(*) FROM outbox WHERE is_open GROUP BY status";
        let rows = self.database.query(sql, &[]).await?;
        let of = |row: &Row| Ok((status_of(row.get(0))?, row.get(1)));
        Ok(Counts { by_status: rows.iter().map(of).collect::<Result<_, StoreError>>()? })
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT min(due_at) FROM outbox WHERE is_head AND due_at IS NOT NULL";
        let rows = self.database.query(sql, &[]).await?;
        Ok(rows.first().and_then(|row| row.get::<_, Option<i64>>(0)).map(Timestamp::from_micros))
    }
}

struct Settle {
    recorder: Arc<Recorder>,
    listening: Arc<Listening>,
}

#[async_trait]
impl Batch for Settle {
    type Write = Settlement;
    type Done = bool;

    fn keys<'a>(&self, _: &'a Settlement) -> Vec<&'a str> {
        // Two settlements of one item are told apart below: the second finds another fence or state.
        Vec::new()
    }

    async fn write(
        &self,
        transaction: &Transaction<'_>,
        writes: &[Settlement],
    ) -> Result<Vec<Result<bool, StoreError>>, StoreError> {
        let ids = column(writes, |settlement| settlement.id);
        lock_lanes(transaction, &ids).await?;
        let found = lock_items(transaction, &ids).await?;
        let mut items: HashMap<Uuid, Item> = found.into_iter().map(|item| (item.id, item)).collect();
        let (mut settled, mut results) = (Vec::new(), Vec::with_capacity(writes.len()));
        for settlement in writes {
            let holds = |item: &Item| item.fence == settlement.fence && may_follow(item.status, settlement.to);
            let applies = items.get(&settlement.id).is_some_and(holds);
            results.push(Ok(applies));
            if applies && let Some(item) = items.remove(&settlement.id) {
                transaction.audit(narrate::record(&self.recorder, &item, settlement.to, &Event::Settled(settlement))?);
                settled.push((settlement, item));
            }
        }
        let events = settled.iter().filter_map(|(settlement, item)| {
            announce::event(&self.listening, item, settlement.to, settlement.due_at, settlement.now)
        });
        note(transaction, &events.collect::<Vec<_>>()).await?;
        if !settled.is_empty() {
            write_settled(transaction, &settled).await?;
        }
        Ok(results)
    }
}

async fn write_settled(transaction: &Transaction<'_>, settled: &[(&Settlement, Item)]) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET status = new.status, is_open = new.is_open, is_head = is_head AND new.is_open, \
               holder = NULL, due_at = new.due_at, problem = new.problem, updated_at = new.updated_at \
               FROM unnest($1::uuid[], $2::text[], $3::boolean[], $4::bigint[], $5::text[], $6::bigint[]) \
               AS new (id, status, is_open, due_at, problem, updated_at) WHERE outbox.id = new.id";
    let ids = column(settled, |(settlement, _)| settlement.id);
    let statuses = column(settled, |(settlement, _)| settlement.to.as_str());
    let open = column(settled, |(settlement, _)| settlement.to.is_open());
    let due = column(settled, |(settlement, _)| settlement.due_at.map(Timestamp::micros));
    let problems = settled.iter().map(|(settlement, _)| problem_text(settlement.problem.as_ref()));
    let problems = problems.collect::<Result<Vec<_>, _>>()?;
    let times = column(settled, |(settlement, _)| settlement.now.micros());
    let closed: Vec<&Item> =
        settled.iter().filter(|(settlement, _)| !settlement.to.is_open()).map(|(_, item)| item).collect();
    let parameters: [Parameter<'_>; 6] = [&ids, &statuses, &open, &due, &problems, &times];
    transaction.execute(sql, &parameters).await?;
    promote_next(transaction, &closed).await?;
    remember(transaction, settled).await
}

/// Of each lane whose head was closed, makes the next open item the head.
async fn promote_next(transaction: &Transaction<'_>, closed: &[&Item]) -> Result<(), StoreError> {
    if closed.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE outbox SET is_head = true FROM (SELECT (SELECT id FROM outbox AS open WHERE open.route = gone.route \
               AND open.lane = gone.lane AND open.is_open ORDER BY position LIMIT 1) AS id \
               FROM unnest($1::text[], $2::text[]) AS gone (route, lane)) AS next \
               WHERE outbox.id = next.id AND NOT outbox.is_head";
    let routes = column(closed.iter().copied(), |item| item.route.as_str());
    let lanes = column(closed.iter().copied(), |item| item.lane.as_str());
    transaction.execute(sql, &[&routes, &lanes]).await.map(drop)
}

/// What attempts taught about their lanes.
async fn remember(transaction: &Transaction<'_>, settled: &[(&Settlement, Item)]) -> Result<(), StoreError> {
    let taught: Vec<_> = settled
        .iter()
        .filter(|(settlement, _)| {
            settlement.learned.presence.is_some() || settlement.learned.acknowledged_revision.is_some()
        })
        .collect();
    if taught.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE lane SET presence = coalesce(new.presence, lane.presence), \
               acknowledged_revision = coalesce(new.revision, lane.acknowledged_revision), \
               acknowledged_at = coalesce(new.at, lane.acknowledged_at) \
               FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) \
               AS new (route, lane, presence, revision, at) WHERE lane.route = new.route AND lane.lane = new.lane";
    let taught = || taught.iter().copied();
    let routes = column(taught(), |(_, item)| item.route.as_str());
    let lanes = column(taught(), |(_, item)| item.lane.as_str());
    let presences = column(taught(), |(settlement, _)| settlement.learned.presence.map(presence_text));
    let revisions = column(taught(), |(settlement, _)| settlement.learned.acknowledged_revision);
    let times =
        column(taught(), |(settlement, _)| settlement.learned.acknowledged_revision.map(|_| settlement.now.micros()));
    transaction.execute(sql, &[&routes, &lanes, &presences, &revisions, &times]).await.map(drop)
}

/// What the other side is known to hold of the items' lanes.
async fn presences(transaction: &Transaction<'_>, items: &[Item]) -> Result<HashMap<Uuid, Presence>, StoreError> {
    let sql = "SELECT outbox.id, lane.presence FROM outbox JOIN lane USING (route, lane) \
               WHERE outbox.id = ANY($1) AND lane.presence IS NOT NULL";
    let rows = transaction.query(sql, &[&column(items, |item| item.id)]).await?;
    Ok(rows.iter().filter_map(|row| Some((row.get(0), presence_from(row.get(1))?))).collect())
}

/// The lanes of these items, in order; an item never changes its lane.
async fn lock_lanes(transaction: &Transaction<'_>, ids: &Vec<Uuid>) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM lane WHERE (route, lane) IN (SELECT route, lane FROM outbox WHERE id = ANY($1)) \
               ORDER BY route, lane FOR UPDATE";
    transaction.execute(sql, &[ids]).await.map(drop)
}

async fn lock_items(transaction: &Transaction<'_>, ids: &Vec<Uuid>) -> Result<Vec<Item>, StoreError> {
    items_of(&transaction.query(items!("id = ANY($1) ORDER BY id FOR UPDATE"), &[ids]).await?)
}

fn items_of(rows: &[Row]) -> Result<Vec<Item>, StoreError> {
    rows.iter().map(item_of).collect()
}

fn item_of(row: &Row) -> Result<Item, StoreError> {
    Ok(Item {
        id: row.get(0),
        operation_id: row.get(1),
        client_id: row.get(2),
        agency_id: row.get(3),
        route: row.get(4),
        lane: row.get(5),
        kind: row.get(6),
        ordinal: row.get(7),
        body_id: row.get(8),
        status: status_of(row.get(9))?,
        attempts: row.get(10),
        lost_leases: row.get(11),
        fence: row.get(12),
        due_at: row.get::<_, Option<i64>>(13).map(Timestamp::from_micros),
        first_tried_at: row.get::<_, Option<i64>>(14).map(Timestamp::from_micros),
        problem: problem_from(row.get(15))?,
        accepted_at: Timestamp::from_micros(row.get(16)),
        updated_at: Timestamp::from_micros(row.get(17)),
        position: row.get(18),
        traceparent: row.get(19),
    })
}

fn lane_of(row: &Row) -> Result<LaneView, StoreError> {
    let head = row.get::<_, Option<&str>>(4);
    let head = head.map(|status| Ok::<_, StoreError>((status_of(status)?, problem_from(row.get(5))?)));
    Ok(LaneView {
        presence: row.get::<_, Option<&str>>(0).and_then(presence_from),
        acknowledged_revision: row.get(1),
        acknowledged_at: row.get::<_, Option<i64>>(2).map(Timestamp::from_micros),
        open_items: row.get(3),
        head: head.transpose()?,
    })
}

fn status_of(text: &str) -> Result<Status, StoreError> {
    Status::parse(text).map_err(|_| StoreError::Failed("outbox.status".into()))
}
