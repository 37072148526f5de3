//! The outbox on SQLite. Of the open items of a lane the first is the head; closing it promotes the next.

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::port::Presence;
use lienthong_domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::rows::{item_of, presence_from, problem_of, problem_text, status_of};
use super::{Counts, Decision, LaneView, OutboxStore, Settlement};
use crate::audit::Recorder;
use crate::outbox::narrate::{self, Event};
use crate::outbox::{Claimed, Item, Learned, NewItem, OperationView, Problem, Status, may_follow};
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;
use crate::storage::sqlite::{Sqlite, Transaction};

/// A statement over whole items: the columns of [`item_of`] in its order, and what is asked of them.
macro_rules! items {
    ($rest:literal) => {
        concat!(
            "SELECT id, operation_id, client_id, agency_id, route, lane, kind, ordinal, body_id, status, attempts, ",
            "lost_leases, fence, due_at, first_tried_at, problem, accepted_at, updated_at FROM outbox WHERE ",
            $rest
        )
    };
}

const BY_ID: &str = items!("id = ?1");
const BY_OPERATION: &str = items!("operation_id = ?1 ORDER BY seq LIMIT 1000");
const DUE: &str = items!("is_head = 1 AND due_at IS NOT NULL AND due_at <= ?1 ORDER BY due_at LIMIT ?2");
const SENDING: &str = items!("is_head = 1 AND due_at IS NOT NULL AND status = 'sending'");
const WAITING: &str =
    items!("is_open = 1 AND status IN ('unknown', 'dead') AND is_head = 1 AND due_at IS NULL ORDER BY seq LIMIT ?1");

/// The outbox's store on SQLite.
pub struct SqliteOutbox {
    database: Sqlite,
    bodies: Arc<Bodies>,
    recorder: Arc<Recorder>,
}

impl SqliteOutbox {
    pub fn new(database: Sqlite, bodies: Arc<Bodies>, recorder: Arc<Recorder>) -> Self {
        Self { database, bodies, recorder }
    }
}

/// Adds a full state. If the lane stands still because an earlier full state was refused, this one takes its place: the
/// refused one had no effect, and this one says all that it said. Otherwise it goes to the end of its lane.
pub fn enqueue_full_state(
    transaction: &mut Transaction<'_>,
    item: &NewItem,
    recorder: &Recorder,
) -> Result<(), StoreError> {
    let connection = transaction.connection;
    let refused = connection
        .prepare_cached(items!(
            "route = ?1 AND lane = ?2 AND is_open = 1 AND is_head = 1 AND status = 'dead' AND kind = ?3"
        ))?
        .query_row((item.route, &item.lane, item.kind), item_of)
        .optional()?;
    let Some(refused) = refused else { return enqueue(transaction, item) };
    transaction.audit(narrate::record(recorder, &refused, Status::Cancelled, &Event::Superseded)?);
    let accepted_at = item.accepted_at.micros();
    connection
        .prepare_cached(
            "UPDATE outbox SET id = ?2, operation_id = ?3, client_id = ?4, agency_id = ?5, ordinal = ?6, body_id = ?7, \
             status = 'accepted', attempts = 0, lost_leases = 0, fence = fence + 1, due_at = ?8, first_tried_at = NULL, \
             problem = NULL, accepted_at = ?8, updated_at = ?8 WHERE id = ?1",
        )?
        .execute(rusqlite::params![
            refused.id.as_bytes(),
            item.id.as_bytes(),
            item.operation_id.as_bytes(),
            item.client_id,
            item.agency_id,
            item.ordinal,
            item.body_id.as_bytes(),
            accepted_at,
        ])?;
    // The refused one keeps its own row, closed, so that its operation still says what became of it.
    connection
        .prepare_cached(
            "INSERT INTO outbox (id, operation_id, client_id, agency_id, route, lane, kind, ordinal, body_id, status, \
             is_open, is_head, attempts, problem, accepted_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'cancelled', 0, 0, ?10, ?11, ?12, ?13)",
        )?
        .execute(rusqlite::params![
            refused.id.as_bytes(),
            refused.operation_id.as_bytes(),
            refused.client_id,
            refused.agency_id,
            refused.route,
            refused.lane,
            refused.kind,
            refused.ordinal,
            refused.body_id.as_bytes(),
            refused.attempts,
            problem_text(refused.problem.as_ref())?,
            refused.accepted_at.micros(),
            accepted_at,
        ])?;
    Ok(())
}

/// Adds an item at the end of its lane, in the transaction of what made it necessary.
pub fn enqueue(transaction: &mut Transaction<'_>, item: &NewItem) -> Result<(), StoreError> {
    let connection = transaction.connection;
    let lane_is_busy: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM outbox WHERE route = ?1 AND lane = ?2 AND is_open = 1)")?
        .query_row((item.route, &item.lane), |row| row.get(0))?;
    let accepted_at = item.accepted_at.micros();
    connection
        .prepare_cached(
            "INSERT INTO outbox (id, operation_id, client_id, agency_id, route, lane, kind, ordinal, body_id, status, \
             is_open, is_head, due_at, accepted_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'accepted', 1, ?10, ?11, ?11, ?11)",
        )?
        .execute(rusqlite::params![
            item.id.as_bytes(),
            item.operation_id.as_bytes(),
            item.client_id,
            item.agency_id,
            item.route,
            item.lane,
            item.kind,
            item.ordinal,
            item.body_id.as_bytes(),
            !lane_is_busy,
            accepted_at,
        ])?;
    Ok(())
}

#[async_trait]
impl OutboxStore for SqliteOutbox {
    async fn claim(&self, now: Timestamp, lease_ms: i64, limit: usize) -> Result<Vec<Claimed>, StoreError> {
        let recorder = Arc::clone(&self.recorder);
        self.database
            .writer
            .write(move |transaction| {
                let due = {
                    let mut statement = transaction.connection.prepare_cached(DUE)?;
                    let rows = statement.query_map((now.micros(), limit.cast_signed() as i64), item_of)?;
                    rows.collect::<Result<Vec<_>, _>>()?
                };
                let mut claimed = Vec::with_capacity(due.len());
                for mut item in due {
                    if item.status == Status::Sending {
                        lose_lease(transaction, &item, now, now, &recorder)?;
                        continue;
                    }
                    take_lease(transaction, &mut item, now, now.plus_millis(lease_ms), &recorder)?;
                    let presence = presence_of(transaction.connection, &item.route, &item.lane)?;
                    claimed.push(Claimed { item, presence });
                }
                Ok(claimed)
            })
            .await
    }

    async fn settle(&self, settlement: Settlement) -> Result<bool, StoreError> {
        let recorder = Arc::clone(&self.recorder);
        self.database.writer.write(move |transaction| settle_one(transaction, &settlement, &recorder)).await
    }

    async fn take_back_leases(&self, now: Timestamp, look_up_at: Timestamp) -> Result<usize, StoreError> {
        let recorder = Arc::clone(&self.recorder);
        self.database
            .writer
            .write(move |transaction| {
                let orphans = {
                    let mut statement = transaction.connection.prepare_cached(SENDING)?;
                    statement.query_map([], item_of)?.collect::<Result<Vec<_>, _>>()?
                };
                for item in &orphans {
                    lose_lease(transaction, item, now, look_up_at, &recorder)?;
                }
                // Whoever was looking into these has gone too; their state does not change.
                let looked_into = transaction
                    .connection
                    .prepare_cached(
                        "UPDATE outbox SET fence = fence + 1, due_at = ?1 \
                         WHERE is_head = 1 AND status = 'unknown' AND due_at IS NOT NULL AND due_at > ?1",
                    )?
                    .execute([look_up_at.micros()])?;
                Ok(orphans.len() + looked_into)
            })
            .await
    }

    async fn decide(&self, decision: Decision) -> Result<Item, StoreError> {
        let recorder = Arc::clone(&self.recorder);
        self.database
            .writer
            .write(move |transaction| {
                let mut item = find(transaction.connection, decision.id)?.ok_or(StoreError::NotApplicable)?;
                if !may_follow(item.status, decision.to) {
                    return Err(StoreError::NotApplicable);
                }
                transaction.audit(narrate::record(&recorder, &item, decision.to, &Event::Operator)?);
                let due_at = (decision.to == Status::Retry).then_some(decision.now);
                transaction
                    .connection
                    .prepare_cached(
                        "UPDATE outbox SET status = ?2, is_open = ?3, is_head = is_head AND ?3, due_at = ?4, \
                         problem = ?5, lost_leases = 0, first_tried_at = NULL, fence = fence + 1, \
                         updated_at = ?6 WHERE id = ?1",
                    )?
                    .execute(rusqlite::params![
                        decision.id.as_bytes(),
                        decision.to.as_str(),
                        decision.to.is_open(),
                        due_at.map(Timestamp::micros),
                        problem_text(with_words(item.problem.clone(), decision.words.as_deref()).as_ref())?,
                        decision.now.micros(),
                    ])?;
                if !decision.to.is_open() {
                    promote_next(transaction.connection, &item.route, &item.lane)?;
                }
                item.status = decision.to;
                Ok(item)
            })
            .await
    }

    async fn body(&self, id: Uuid) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let sealed: Option<(Vec<u8>, Vec<u8>)> = self
            .database
            .readers
            .read(move |connection| {
                Ok(connection
                    .prepare_cached("SELECT wrapped_key, sealed FROM body WHERE id = ?1")?
                    .query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?)
            })
            .await?;
        sealed.map(|(wrapped_key, sealed)| self.bodies.open(id, &wrapped_key, &sealed)).transpose()
    }

    async fn operation(&self, id: Uuid) -> Result<Option<OperationView>, StoreError> {
        let items = self.read_items(BY_OPERATION, id.as_bytes().to_vec()).await?;
        Ok((!items.is_empty()).then_some(OperationView { items }))
    }

    async fn item(&self, id: Uuid) -> Result<Option<Item>, StoreError> {
        self.database.readers.read(move |connection| find(connection, id)).await
    }

    async fn lane(&self, route: &'static str, lane: String) -> Result<LaneView, StoreError> {
        self.database.readers.read(move |connection| lane_view(connection, route, &lane)).await
    }

    async fn waiting(&self, limit: usize) -> Result<Vec<Item>, StoreError> {
        self.read_items(WAITING, limit.cast_signed() as i64).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.database
            .readers
            .read(|connection| {
                let mut statement = connection
                    .prepare_cached("SELECT status, count(*) FROM outbox WHERE is_open = 1 GROUP BY status")?;
                let rows = statement.query_map([], |row| Ok((status_of(&row.get::<_, String>(0)?)?, row.get(1)?)))?;
                Ok(Counts { by_status: rows.collect::<Result<_, _>>()? })
            })
            .await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.database
            .readers
            .read(|connection| {
                let due: Option<i64> = connection
                    .prepare_cached("SELECT min(due_at) FROM outbox WHERE is_head = 1 AND due_at IS NOT NULL")?
                    .query_row([], |row| row.get(0))?;
                Ok(due.map(Timestamp::from_micros))
            })
            .await
    }
}

impl SqliteOutbox {
    async fn read_items<P>(&self, sql: &'static str, parameter: P) -> Result<Vec<Item>, StoreError>
    where
        P: rusqlite::ToSql + Send + 'static,
    {
        self.database
            .readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(sql)?;
                Ok(statement.query_map([parameter], item_of)?.collect::<Result<Vec<_>, _>>()?)
            })
            .await
    }
}

fn take_lease(
    transaction: &mut Transaction<'_>,
    item: &mut Item,
    now: Timestamp,
    until: Timestamp,
    recorder: &Recorder,
) -> Result<(), StoreError> {
    let is_attempt = item.status != Status::Unknown;
    if is_attempt {
        transaction.audit(narrate::record(recorder, item, Status::Sending, &Event::Send)?);
        item.status = Status::Sending;
        item.attempts += 1;
    }
    item.fence += 1;
    item.due_at = Some(until);
    item.first_tried_at = item.first_tried_at.or(Some(now));
    transaction
        .connection
        .prepare_cached(
            "UPDATE outbox SET status = ?2, attempts = ?3, fence = ?4, due_at = ?5, updated_at = ?6, \
             first_tried_at = coalesce(first_tried_at, ?6) WHERE id = ?1",
        )?
        .execute((item.id.as_bytes(), item.status.as_str(), item.attempts, item.fence, until.micros(), now.micros()))?;
    Ok(())
}

/// Whoever held the lease has gone while a request may have been on its way.
fn lose_lease(
    transaction: &mut Transaction<'_>,
    item: &Item,
    now: Timestamp,
    look_up_at: Timestamp,
    recorder: &Recorder,
) -> Result<(), StoreError> {
    transaction.audit(narrate::record(recorder, item, Status::Unknown, &Event::LostLease)?);
    transaction
        .connection
        .prepare_cached(
            "UPDATE outbox SET status = 'unknown', lost_leases = lost_leases + 1, fence = fence + 1, due_at = ?2, \
             updated_at = ?3 WHERE id = ?1",
        )?
        .execute((item.id.as_bytes(), look_up_at.micros(), now.micros()))?;
    Ok(())
}

fn settle_one(
    transaction: &mut Transaction<'_>,
    settlement: &Settlement,
    recorder: &Recorder,
) -> Result<bool, StoreError> {
    let connection = transaction.connection;
    let Some(item) = find(connection, settlement.id)? else { return Ok(false) };
    if item.fence != settlement.fence || !may_follow(item.status, settlement.to) {
        return Ok(false);
    }
    transaction.audit(narrate::record(recorder, &item, settlement.to, &Event::Settled(settlement))?);
    let is_open = settlement.to.is_open();
    connection
        .prepare_cached(
            "UPDATE outbox SET status = ?2, is_open = ?3, is_head = is_head AND ?3, due_at = ?4, problem = ?5, \
             updated_at = ?6 WHERE id = ?1",
        )?
        .execute(rusqlite::params![
            settlement.id.as_bytes(),
            settlement.to.as_str(),
            is_open,
            settlement.due_at.map(Timestamp::micros),
            problem_text(settlement.problem.as_ref())?,
            settlement.now.micros(),
        ])?;
    if settlement.learned != Learned::default() {
        remember(connection, &item, settlement)?;
    }
    if !is_open {
        promote_next(connection, &item.route, &item.lane)?;
    }
    Ok(true)
}

fn remember(connection: &Connection, item: &Item, settlement: &Settlement) -> Result<(), StoreError> {
    let learned = settlement.learned;
    let presence = learned.presence.map(|presence| match presence {
        Presence::Present => "present",
        Presence::Absent => "absent",
    });
    let acknowledged_at = learned.acknowledged_revision.map(|_| settlement.now.micros());
    connection
        .prepare_cached(
            "INSERT INTO lane (route, lane, presence, acknowledged_revision, acknowledged_at) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (route, lane) DO UPDATE SET \
             presence = coalesce(excluded.presence, presence), \
             acknowledged_revision = coalesce(excluded.acknowledged_revision, acknowledged_revision), \
             acknowledged_at = coalesce(excluded.acknowledged_at, acknowledged_at)",
        )?
        .execute((&item.route, &item.lane, presence, learned.acknowledged_revision, acknowledged_at))?;
    Ok(())
}

fn promote_next(connection: &Connection, route: &str, lane: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE outbox SET is_head = 1 WHERE seq = \
             (SELECT seq FROM outbox WHERE route = ?1 AND lane = ?2 AND is_open = 1 ORDER BY seq LIMIT 1)",
        )?
        .execute((route, lane))?;
    Ok(())
}

fn find(connection: &Connection, id: Uuid) -> Result<Option<Item>, StoreError> {
    Ok(connection.prepare_cached(BY_ID)?.query_row([id.as_bytes()], item_of).optional()?)
}

fn presence_of(connection: &Connection, route: &str, lane: &str) -> Result<Option<Presence>, StoreError> {
    let text: Option<Option<String>> = connection
        .prepare_cached("SELECT presence FROM lane WHERE route = ?1 AND lane = ?2")?
        .query_row((route, lane), |row| row.get(0))
        .optional()?;
    Ok(text.flatten().and_then(|text| presence_from(&text)))
}

fn lane_view(connection: &Connection, route: &str, lane: &str) -> Result<LaneView, StoreError> {
    let mut view = connection
        .prepare_cached(
            "SELECT presence, acknowledged_revision, acknowledged_at FROM lane WHERE route = ?1 AND lane = ?2",
        )?
        .query_row((route, lane), |row| {
            let presence: Option<String> = row.get(0)?;
            Ok(LaneView {
                presence: presence.as_deref().and_then(presence_from),
                acknowledged_revision: row.get(1)?,
                acknowledged_at: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros),
                ..LaneView::default()
            })
        })
        .optional()?
        .unwrap_or_default();
    view.open_items = connection
        .prepare_cached("SELECT count(*) FROM outbox WHERE route = ?1 AND lane = ?2 AND is_open = 1")?
        .query_row((route, lane), |row| row.get(0))?;
    view.head = connection
        .prepare_cached(
            "SELECT status, problem FROM outbox WHERE route = ?1 AND lane = ?2 AND is_open = 1 ORDER BY seq LIMIT 1",
        )?
        .query_row((route, lane), |row| Ok((status_of(&row.get::<_, String>(0)?)?, problem_of(row.get(1)?)?)))
        .optional()?;
    Ok(view)
}

/// The operator's words beside what the other side said, which stays.
fn with_words(problem: Option<Problem>, words: Option<&str>) -> Option<Problem> {
    let Some(words) = words else { return problem };
    let before = problem.unwrap_or(Problem { kind: "operator".into(), upstream_code: None, note: None, reason: None });
    Some(Problem { note: Some(words.to_owned()), ..before })
}
