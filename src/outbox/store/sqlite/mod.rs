//! The outbox on SQLite. Of the open items of a lane the first is the head; closing it promotes the next.

mod enqueue;
mod leases;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::port::Presence;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use uuid::Uuid;
use zeroize::Zeroizing;

pub use enqueue::{enqueue, enqueue_full_state};
use leases::{lose_lease, take_lease};

use super::rows::{presence_from, presence_text, problem_from, problem_text, with_words};
use super::{Counts, Decision, LaneView, OutboxStore, Settlement};
use crate::audit::Recorder;
use crate::outbox::announce;
use crate::outbox::narrate::{self, Event};
use crate::outbox::{Claimed, Item, Learned, OperationView, Problem, Status, may_follow};
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;
use crate::storage::sqlite::{Sqlite, Transaction, now_micros};
use crate::webhooks::Listening;
use crate::webhooks::store::sqlite::note;

const BY_ID: &str = items!("id = ?1");
const BY_OPERATION: &str = items!("operation_id = ?1 ORDER BY position LIMIT 1000");
const DUE: &str = items!("is_head = 1 AND due_at IS NOT NULL AND due_at <= ?1 ORDER BY due_at LIMIT ?2");
// What is held is being sent or looked up.
const ORPHANS: &str = items!(
    "is_open = 1 AND status IN ('sending', 'unknown') AND holder IS NOT NULL \
     AND holder NOT IN (SELECT id FROM replica WHERE expires_at > ?1) LIMIT 10000"
);
const HELD_BY: &str = items!("is_open = 1 AND status IN ('sending', 'unknown') AND holder = ?1");
const WAITING: &str =
    items!("is_open = 1 AND status IN ('unknown', 'dead') AND is_head = 1 AND due_at IS NULL ORDER BY id LIMIT ?1");

/// The outbox's store on SQLite.
pub struct SqliteOutbox {
    database: Sqlite,
    bodies: Arc<Bodies>,
    recorder: Arc<Recorder>,
    listening: Arc<Listening>,
}

impl SqliteOutbox {
    pub fn new(database: Sqlite, bodies: Arc<Bodies>, recorder: Arc<Recorder>, listening: Arc<Listening>) -> Self {
        Self { database, bodies, recorder, listening }
    }
}

#[async_trait]
impl OutboxStore for SqliteOutbox {
    async fn claim(
        &self,
        holder: Uuid,
        now: Timestamp,
        lease_ms: i64,
        limit: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        let recorder = Arc::clone(&self.recorder);
        self.database
            .writer
            .write(move |transaction| {
                let due = select(transaction.connection, DUE, (now.micros(), limit.cast_signed() as i64))?;
                let mut claimed = Vec::with_capacity(due.len());
                for mut item in due {
                    if item.status == Status::Sending {
                        lose_lease(transaction, &item, now, now, &recorder)?;
                        continue;
                    }
                    take_lease(transaction, &mut item, holder, now, now.plus_millis(lease_ms), &recorder)?;
                    let presence = presence_of(transaction.connection, &item.route, &item.lane)?;
                    claimed.push(Claimed { item, presence });
                }
                Ok(claimed)
            })
            .await
    }

    async fn settle(&self, settlement: Settlement) -> Result<bool, StoreError> {
        let (recorder, listening) = (Arc::clone(&self.recorder), Arc::clone(&self.listening));
        let settle =
            move |transaction: &mut Transaction<'_>| settle_one(transaction, &settlement, &recorder, &listening);
        self.database.writer.write(settle).await
    }

    async fn take_back(&self, now: Timestamp, look_up_at: Timestamp) -> Result<usize, StoreError> {
        let recorder = Arc::clone(&self.recorder);
        self.database
            .writer
            .write(move |transaction| {
                let orphans = select(transaction.connection, ORPHANS, [now_micros()])?;
                for item in &orphans {
                    lose_lease(transaction, item, now, look_up_at, &recorder)?;
                }
                Ok(orphans.len())
            })
            .await
    }

    async fn release(&self, holder: Uuid, in_flight: HashSet<Uuid>, now: Timestamp) -> Result<usize, StoreError> {
        let recorder = Arc::clone(&self.recorder);
        self.database
            .writer
            .write(move |transaction| {
                let held = select(transaction.connection, HELD_BY, [holder.as_bytes()])?;
                let unsent: Vec<&Item> = held.iter().filter(|item| !in_flight.contains(&item.id)).collect();
                for item in &unsent {
                    let is_sending = item.status == Status::Sending;
                    if is_sending {
                        transaction.audit(narrate::record(&recorder, item, Status::Retry, &Event::Unsent)?);
                    }
                    let to = if is_sending { Status::Retry } else { item.status };
                    transaction
                        .connection
                        .prepare_cached(
                            "UPDATE outbox SET status = ?2, fence = fence + 1, holder = NULL, due_at = ?3, updated_at = ?3 \
                             WHERE id = ?1",
                        )?
                        .execute((item.id.as_bytes(), to.as_str(), now.micros()))?;
                }
                Ok(unsent.len())
            })
            .await
    }

    async fn decide(&self, decision: Decision) -> Result<Item, StoreError> {
        let (recorder, listening) = (Arc::clone(&self.recorder), Arc::clone(&self.listening));
        self.database
            .writer
            .write(move |transaction| {
                let mut item = find(transaction.connection, decision.id)?.ok_or(StoreError::NotApplicable)?;
                if !may_follow(item.status, decision.to) {
                    return Err(StoreError::NotApplicable);
                }
                transaction.audit(narrate::record(&recorder, &item, decision.to, &Event::Operator)?);
                let due_at = (decision.to == Status::Retry).then_some(decision.now);
                if let Some(event) = announce::event(&listening, &item, decision.to, due_at, decision.now) {
                    note(transaction, &event)?;
                }
                transaction
                    .connection
                    .prepare_cached(
                        "UPDATE outbox SET status = ?2, is_open = ?3, is_head = is_head AND ?3, due_at = ?4, \
                         problem = ?5, lost_leases = 0, first_tried_at = NULL, fence = fence + 1, \
                         holder = NULL, updated_at = ?6 WHERE id = ?1",
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
        self.database.readers.look_up(move |connection| find(connection, id)).await
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
        self.database.readers.read(move |connection| select(connection, sql, [parameter])).await
    }
}

fn settle_one(
    transaction: &mut Transaction<'_>,
    settlement: &Settlement,
    recorder: &Recorder,
    listening: &Listening,
) -> Result<bool, StoreError> {
    let connection = transaction.connection;
    let Some(item) = find(connection, settlement.id)? else { return Ok(false) };
    if item.fence != settlement.fence || !may_follow(item.status, settlement.to) {
        return Ok(false);
    }
    transaction.audit(narrate::record(recorder, &item, settlement.to, &Event::Settled(settlement))?);
    if let Some(event) = announce::event(listening, &item, settlement.to, settlement.due_at, settlement.now) {
        note(transaction, &event)?;
    }
    let is_open = settlement.to.is_open();
    connection
        .prepare_cached(
            "UPDATE outbox SET status = ?2, is_open = ?3, is_head = is_head AND ?3, holder = NULL, due_at = ?4, \
             problem = ?5, updated_at = ?6 WHERE id = ?1",
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
    let presence = learned.presence.map(presence_text);
    let acknowledged_at = learned.acknowledged_revision.map(|_| settlement.now.micros());
    connection
        .prepare_cached(
            "UPDATE lane SET presence = coalesce(?3, presence), \
             acknowledged_revision = coalesce(?4, acknowledged_revision), \
             acknowledged_at = coalesce(?5, acknowledged_at) WHERE route = ?1 AND lane = ?2",
        )?
        .execute((&item.route, &item.lane, presence, learned.acknowledged_revision, acknowledged_at))?;
    Ok(())
}

fn promote_next(connection: &Connection, route: &str, lane: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE outbox SET is_head = 1 WHERE id = \
             (SELECT id FROM outbox WHERE route = ?1 AND lane = ?2 AND is_open = 1 ORDER BY position LIMIT 1)",
        )?
        .execute((route, lane))?;
    Ok(())
}

fn select(connection: &Connection, sql: &'static str, parameters: impl Params) -> Result<Vec<Item>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map(parameters, item_of)?.collect::<Result<_, _>>()?)
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
            "SELECT status, problem FROM outbox WHERE route = ?1 AND lane = ?2 AND is_open = 1 ORDER BY position LIMIT 1",
        )?
        .query_row((route, lane), |row| Ok((status_of(&row.get::<_, String>(0)?)?, problem_of(row, 1)?)))
        .optional()?;
    Ok(view)
}

fn item_of(row: &Row<'_>) -> rusqlite::Result<Item> {
    let id = |at: usize| Ok::<_, rusqlite::Error>(Uuid::from_bytes(row.get(at)?));
    Ok(Item {
        id: id(0)?,
        operation_id: id(1)?,
        client_id: row.get(2)?,
        agency_id: row.get(3)?,
        route: row.get(4)?,
        lane: row.get(5)?,
        kind: row.get(6)?,
        ordinal: row.get(7)?,
        body_id: id(8)?,
        status: status_of(&row.get::<_, String>(9)?)?,
        attempts: row.get(10)?,
        lost_leases: row.get(11)?,
        fence: row.get(12)?,
        due_at: row.get::<_, Option<i64>>(13)?.map(Timestamp::from_micros),
        first_tried_at: row.get::<_, Option<i64>>(14)?.map(Timestamp::from_micros),
        problem: problem_of(row, 15)?,
        accepted_at: Timestamp::from_micros(row.get(16)?),
        updated_at: Timestamp::from_micros(row.get(17)?),
        position: row.get(18)?,
        traceparent: row.get(19)?,
    })
}

fn status_of(text: &str) -> rusqlite::Result<Status> {
    Status::parse(text).map_err(|_| rusqlite::Error::InvalidColumnType(0, "status".into(), Type::Text))
}

fn problem_of(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Problem>> {
    let text: Option<String> = row.get(at)?;
    problem_from(text.as_deref())
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
}
