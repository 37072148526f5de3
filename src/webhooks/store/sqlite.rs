//! Events and notices on SQLite.

use std::collections::BTreeMap;

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use rusqlite::Connection;
use uuid::Uuid;

use super::{Again, Called, EventRow, Row, Settle, WebhookStore, count_sql, notices};
use crate::audit::SealedRecord;
use crate::storage::StoreError;
use crate::storage::sqlite::{Sqlite, Transaction};
use crate::webhooks::{NewEvent, Notice, NoticeStatus};

/// Notes an event, in the transaction in which it happens.
pub fn note(transaction: &Transaction<'_>, event: &NewEvent) -> Result<(), StoreError> {
    let sql = "INSERT INTO event (id, kind, agency_id, lane, subject, data, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    transaction.connection.prepare_cached(sql)?.execute((
        event.id.as_bytes(),
        event.kind.as_str(),
        &event.agency_id,
        &event.lane,
        event.subject.as_bytes(),
        event.data.to_string(),
        event.at.micros(),
    ))?;
    Ok(())
}

/// What was noted of this and nobody was told of yet has not happened after all.
pub fn take_back(transaction: &Transaction<'_>, subject: Uuid) -> Result<(), StoreError> {
    transaction.connection.prepare_cached("DELETE FROM event WHERE subject = ?1")?.execute([subject.as_bytes()])?;
    Ok(())
}

/// The store on SQLite.
pub(super) struct SqliteWebhooks {
    database: Sqlite,
}

impl SqliteWebhooks {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }
}

#[async_trait]
impl WebhookStore for SqliteWebhooks {
    async fn events(&self, now: Timestamp, limit: usize) -> Result<Vec<NewEvent>, StoreError> {
        let read = move |connection: &Connection| {
            let sql = "SELECT id, kind, agency_id, lane, subject, data, at FROM event WHERE at <= ?1 ORDER BY at, id LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map((now.micros(), limit.cast_signed()), |row| {
                Ok(EventRow {
                    id: Uuid::from_bytes(row.get(0)?),
                    kind: row.get(1)?,
                    agency_id: row.get(2)?,
                    lane: row.get(3)?,
                    subject: Uuid::from_bytes(row.get(4)?),
                    data: row.get(5)?,
                    at: row.get(6)?,
                })
            })?;
            rows.map(|row| row?.read()).collect()
        };
        self.database.readers.read(read).await
    }

    async fn replace(&self, events: Vec<Uuid>, notices: Vec<Notice>) -> Result<(), StoreError> {
        self.database.writer.write(move |transaction| replace(transaction, &events, &notices)).await
    }

    async fn claim(
        &self,
        endpoint: String,
        now: Timestamp,
        again_at: Timestamp,
        limit: usize,
    ) -> Result<Vec<Notice>, StoreError> {
        let claim = move |transaction: &mut Transaction<'_>| {
            let sql = notices!(
                "WHERE endpoint = ?1 AND status = 'waiting' AND next_at <= ?2 ORDER BY next_at, position LIMIT ?3"
            );
            let due = select(transaction.connection, sql, (&endpoint, now.micros(), limit.cast_signed()))?;
            let take = |mut notice: Notice| {
                (notice.attempts, notice.next_at) = (notice.attempts + 1, Some(again_at));
                let sql = "UPDATE webhook_notice SET attempts = ?3, next_at = ?4, updated_at = ?5 WHERE endpoint = ?1 AND event_id = ?2";
                let key = (&notice.endpoint, notice.event.as_bytes());
                let values = (notice.attempts, again_at.micros(), now.micros());
                transaction.connection.prepare_cached(sql)?.execute((key.0, key.1, values.0, values.1, values.2))?;
                Ok(notice)
            };
            due.into_iter().map(take).collect()
        };
        self.database.writer.write(claim).await
    }

    async fn settle(&self, end: Settle) -> Result<bool, StoreError> {
        self.database.writer.write(move |transaction| settle(transaction, &end)).await
    }

    async fn open_again(&self, again: Again, now: Timestamp, record: SealedRecord) -> Result<usize, StoreError> {
        let open = move |transaction: &mut Transaction<'_>| {
            let sql = "UPDATE webhook_notice SET status = 'waiting', attempts = 0, next_at = NULL, since_at = ?4, updated_at = ?4 \
                       WHERE (?1 IS NULL OR endpoint = ?1) AND (?2 IS NULL OR event_id = ?2) \
                       AND (status = 'dead' OR (status = 'delivered' AND updated_at >= ?3)) RETURNING endpoint, lane";
            let event = again.event.map(|event| event.as_bytes().to_vec());
            let since = again.delivered_since.map(Timestamp::micros);
            let lanes = lanes(transaction.connection, sql, (&again.endpoint, event, since, now.micros()))?;
            for (endpoint, lane) in &lanes {
                // Its first is another one now, perhaps.
                let sql =
                    "UPDATE webhook_notice SET next_at = NULL WHERE endpoint = ?1 AND lane = ?2 AND status = 'waiting'";
                transaction.connection.prepare_cached(sql)?.execute((endpoint, lane))?;
                promote(transaction.connection, endpoint, lane, now)?;
            }
            transaction.audit(record.clone());
            Ok(lanes.len())
        };
        self.database.writer.write(open).await
    }

    async fn list(
        &self,
        endpoint: Option<String>,
        status: NoticeStatus,
        limit: usize,
    ) -> Result<Vec<Notice>, StoreError> {
        let read = move |connection: &Connection| {
            let sql = notices!("WHERE (?1 IS NULL OR endpoint = ?1) AND status = ?2 ORDER BY position DESC LIMIT ?3");
            select(connection, sql, (&endpoint, status.as_str(), limit.cast_signed()))
        };
        self.database.readers.read(read).await
    }

    async fn counts(&self, status: NoticeStatus) -> Result<BTreeMap<String, u64>, StoreError> {
        let read = move |connection: &Connection| {
            let sql = count_sql(status);
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database.readers.read(read).await
    }

    async fn disabled(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let read = |connection: &Connection| {
            let mut statement = connection.prepare_cached("SELECT endpoint, at FROM webhook_disabled ORDER BY 1")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, Timestamp::from_micros(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database.readers.read(read).await
    }

    async fn enable(&self, endpoint: String, record: SealedRecord) -> Result<bool, StoreError> {
        let enable = move |transaction: &mut Transaction<'_>| {
            let sql = "DELETE FROM webhook_disabled WHERE endpoint = ?1";
            let was_disabled = transaction.connection.prepare_cached(sql)?.execute([&endpoint])? > 0;
            if was_disabled {
                transaction.audit(record.clone());
            }
            Ok(was_disabled)
        };
        self.database.writer.write(enable).await
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let forget = move |transaction: &mut Transaction<'_>| {
            let sql = "DELETE FROM webhook_notice WHERE (endpoint, event_id) IN \
                       (SELECT endpoint, event_id FROM webhook_notice WHERE updated_at < ?1 ORDER BY updated_at LIMIT ?2) \
                       RETURNING endpoint, lane";
            let lanes = lanes(transaction.connection, sql, (before.micros(), limit.cast_signed()))?;
            for (endpoint, lane) in &lanes {
                promote(transaction.connection, endpoint, lane, before)?;
            }
            Ok(lanes.len())
        };
        self.database.writer.write(forget).await
    }
}

fn replace(transaction: &Transaction<'_>, events: &[Uuid], notices: &[Notice]) -> Result<(), StoreError> {
    let connection = transaction.connection;
    let mut known = Vec::with_capacity(events.len());
    for event in events {
        if connection.prepare_cached("DELETE FROM event WHERE id = ?1")?.execute([event.as_bytes()])? > 0 {
            known.push(event);
        }
    }
    let sql = "SELECT coalesce(max(position), 0) FROM webhook_notice";
    let mut position: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    // What was taken back meanwhile nobody is told of.
    for notice in notices.iter().filter(|notice| known.contains(&&notice.event)) {
        position += 1;
        let sql = "INSERT INTO webhook_notice (endpoint, event_id, position, client_id, agency_id, lane, kind, payload, status, attempts, \
                   since_at, reason, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?11, ?10)";
        connection.prepare_cached(sql)?.execute(rusqlite::params![
            notice.endpoint,
            notice.event.as_bytes(),
            position,
            notice.client_id,
            notice.agency_id,
            notice.lane,
            notice.kind.as_str(),
            notice.payload,
            notice.status.as_str(),
            notice.since_at.micros(),
            notice.reason.map(|reason| reason.as_str()),
        ])?;
        promote(connection, &notice.endpoint, &notice.lane, notice.since_at)?;
    }
    Ok(())
}

/// Makes the first waiting notice of a lane due, unless it has its time.
fn promote(connection: &Connection, endpoint: &str, lane: &str, at: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE webhook_notice SET next_at = ?3 WHERE next_at IS NULL AND (endpoint, event_id) = \
               (SELECT endpoint, event_id FROM webhook_notice WHERE endpoint = ?1 AND lane = ?2 AND status = 'waiting' \
               ORDER BY position LIMIT 1)";
    connection.prepare_cached(sql)?.execute((endpoint, lane, at.micros()))?;
    Ok(())
}

fn settle(transaction: &mut Transaction<'_>, end: &Settle) -> Result<bool, StoreError> {
    let connection = transaction.connection;
    let (status, next_at, reason) = match end.to {
        Called::Delivered => (NoticeStatus::Delivered, None, None),
        Called::Again { at, reason } => (NoticeStatus::Waiting, Some(at), Some(reason)),
        Called::Dead(reason) => (NoticeStatus::Dead, None, Some(reason)),
    };
    let sql = "UPDATE webhook_notice SET status = ?4, next_at = ?5, reason = ?6, http_status = ?7, updated_at = ?8 \
               WHERE endpoint = ?1 AND event_id = ?2 AND attempts = ?3 AND status = 'waiting' RETURNING endpoint, lane";
    let parameters = rusqlite::params![
        end.endpoint,
        end.event.as_bytes(),
        end.attempts,
        status.as_str(),
        next_at.map(Timestamp::micros),
        reason.map(|reason| reason.as_str()),
        end.http_status,
        end.now.micros(),
    ];
    let lanes = lanes(connection, sql, parameters)?;
    let Some((endpoint, lane)) = lanes.first() else { return Ok(false) };
    if status != NoticeStatus::Waiting {
        promote(connection, endpoint, lane, end.now)?;
    }
    if end.disables {
        let sql = "INSERT INTO webhook_disabled (endpoint, at) VALUES (?1, ?2) ON CONFLICT (endpoint) DO NOTHING";
        connection.prepare_cached(sql)?.execute((endpoint, end.now.micros()))?;
    }
    transaction.audit(end.record.clone());
    Ok(true)
}

/// The lanes that a statement returns.
fn lanes(
    connection: &Connection,
    sql: &'static str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn select(
    connection: &Connection,
    sql: &'static str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Notice>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, |row| {
        Ok(Row {
            endpoint: row.get(0)?,
            event: Uuid::from_bytes(row.get(1)?),
            client_id: row.get(2)?,
            agency_id: row.get(3)?,
            lane: row.get(4)?,
            kind: row.get(5)?,
            payload: row.get(6)?,
            status: row.get(7)?,
            attempts: row.get(8)?,
            next_at: row.get(9)?,
            since_at: row.get(10)?,
            reason: row.get(11)?,
            http_status: row.get(12)?,
            updated_at: row.get(13)?,
        })
    })?;
    rows.map(|row| row?.read()).collect()
}
