//! Events and notices on PostgreSQL. Ends of calls share a lock, for each has a lane of its own; whatever else changes which notice is
//! the first of a lane has that lock alone.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use tokio_postgres::Row as PostgresRow;
use uuid::Uuid;

use super::{Again, Called, EventRow, Row, Settle, WebhookStore, count_sql, notices};
use crate::audit::SealedRecord;
use crate::storage::StoreError;
use crate::storage::postgres::{Parameter, Postgres, Transaction, column};
use crate::webhooks::{NewEvent, Notice, NoticeStatus};

/// Notes events, in the transaction in which they happen.
pub async fn note(transaction: &Transaction<'_>, events: &[NewEvent]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO event (id, kind, agency_id, lane, subject, data, at) SELECT * FROM \
               unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::bigint[])";
    let (ids, kinds) = (column(events, |event| event.id), column(events, |event| event.kind.as_str()));
    let (agencies, lanes) =
        (column(events, |event| event.agency_id.as_str()), column(events, |event| event.lane.as_str()));
    let (subjects, data) = (column(events, |event| event.subject), column(events, |event| event.data.to_string()));
    let times = column(events, |event| event.at.micros());
    let parameters: [Parameter<'_>; 7] = [&ids, &kinds, &agencies, &lanes, &subjects, &data, &times];
    transaction.execute(sql, &parameters).await.map(drop)
}

/// What was noted of these and nobody was told of yet has not happened after all.
pub async fn take_back(transaction: &Transaction<'_>, subjects: &[Uuid]) -> Result<(), StoreError> {
    if subjects.is_empty() {
        return Ok(());
    }
    transaction.execute("DELETE FROM event WHERE subject = ANY($1)", &[&subjects]).await.map(drop)
}

/// The store on PostgreSQL.
pub(super) struct PostgresWebhooks {
    database: Postgres,
}

impl PostgresWebhooks {
    pub(super) fn new(database: Postgres) -> Self {
        Self { database }
    }
}

#[async_trait]
impl WebhookStore for PostgresWebhooks {
    async fn events(&self, now: Timestamp, limit: usize) -> Result<Vec<NewEvent>, StoreError> {
        let sql =
            "SELECT id, kind, agency_id, lane, subject, data, at FROM event WHERE at <= $1 ORDER BY at, id LIMIT $2";
        let rows = self.database.query(sql, &[&now.micros(), &(limit.cast_signed() as i64)]).await?;
        let read = |row: &PostgresRow| {
            EventRow {
                id: row.get(0),
                kind: row.get(1),
                agency_id: row.get(2),
                lane: row.get(3),
                subject: row.get(4),
                data: row.get(5),
                at: row.get(6),
            }
            .read()
        };
        rows.iter().map(read).collect()
    }

    async fn replace(&self, events: Vec<Uuid>, notices: Vec<Notice>) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        lock_alone(&transaction).await?;
        let gone = transaction.query("DELETE FROM event WHERE id = ANY($1) RETURNING id", &[&events]).await?;
        let known: HashSet<Uuid> = gone.iter().map(|row| row.get(0)).collect();
        // What was taken back meanwhile nobody is told of.
        let notices: Vec<&Notice> = notices.iter().filter(|notice| known.contains(&notice.event)).collect();
        let sql = "INSERT INTO webhook_notice (endpoint, event_id, position, client_id, agency_id, lane, kind, payload, status, attempts, \
                   since_at, reason, updated_at) SELECT new.endpoint, new.event, new.n + last.position, new.client, new.agency, new.lane, \
                   new.kind, new.payload, new.status, 0, new.at, new.reason, new.at FROM \
                   unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], \
                   $10::text[]) WITH ORDINALITY AS new (endpoint, event, client, agency, lane, kind, payload, status, at, reason, n), \
                   (SELECT coalesce(max(position), 0) AS position FROM webhook_notice) AS last";
        let of = || notices.iter().copied();
        let (endpoints, ids) = (column(of(), |notice| notice.endpoint.as_str()), column(of(), |notice| notice.event));
        let clients = column(of(), |notice| notice.client_id.as_str());
        let agencies = column(of(), |notice| notice.agency_id.as_str());
        let lanes = column(of(), |notice| notice.lane.as_str());
        let kinds = column(of(), |notice| notice.kind.as_str());
        let payloads = column(of(), |notice| notice.payload.as_str());
        let statuses = column(of(), |notice| notice.status.as_str());
        let times = column(of(), |notice| notice.since_at.micros());
        let reasons = column(of(), |notice| notice.reason.map(|reason| reason.as_str()));
        let parameters: [Parameter<'_>; 10] =
            [&endpoints, &ids, &clients, &agencies, &lanes, &kinds, &payloads, &statuses, &times, &reasons];
        transaction.execute(sql, &parameters).await?;
        let due = notices.iter().map(|notice| notice.since_at).min().unwrap_or(Timestamp::from_micros(0));
        let lanes = notices.iter().map(|notice| (notice.endpoint.clone(), notice.lane.clone())).collect();
        promote(&transaction, &lanes, due).await?;
        transaction.commit().await
    }

    async fn claim(
        &self,
        endpoint: String,
        now: Timestamp,
        again_at: Timestamp,
        limit: usize,
    ) -> Result<Vec<Notice>, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let sql = notices!(
            "WHERE endpoint = $1 AND status = 'waiting' AND next_at <= $2 ORDER BY next_at, position LIMIT $3 FOR UPDATE SKIP LOCKED"
        );
        let rows = transaction.query(sql, &[&endpoint, &now.micros(), &(limit.cast_signed() as i64)]).await?;
        let mut due = read(&rows)?;
        let sql = "UPDATE webhook_notice SET attempts = attempts + 1, next_at = $3, updated_at = $4 \
                   WHERE endpoint = $1 AND event_id = ANY($2)";
        let events = column(&due, |notice| notice.event);
        transaction.execute(sql, &[&endpoint, &events, &again_at.micros(), &now.micros()]).await?;
        transaction.commit().await?;
        due.iter_mut().for_each(|notice| (notice.attempts, notice.next_at) = (notice.attempts + 1, Some(again_at)));
        Ok(due)
    }

    async fn settle(&self, end: Settle) -> Result<bool, StoreError> {
        let (status, next_at, reason) = match end.to {
            Called::Delivered => (NoticeStatus::Delivered, None, None),
            Called::Again { at, reason } => (NoticeStatus::Waiting, Some(at), Some(reason)),
            Called::Dead(reason) => (NoticeStatus::Dead, None, Some(reason)),
        };
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        lock_with_others(&transaction).await?;
        let sql = "UPDATE webhook_notice SET status = $4, next_at = $5, reason = $6, http_status = $7, updated_at = $8 \
                   WHERE endpoint = $1 AND event_id = $2 AND attempts = $3 AND status = 'waiting' RETURNING endpoint, lane";
        let parameters: [Parameter<'_>; 8] = [
            &end.endpoint,
            &end.event,
            &end.attempts,
            &status.as_str(),
            &next_at.map(Timestamp::micros),
            &reason.map(|reason| reason.as_str()),
            &end.http_status,
            &end.now.micros(),
        ];
        let lanes = lanes_of(&transaction.query(sql, &parameters).await?);
        if lanes.is_empty() {
            return Ok(false);
        }
        if status != NoticeStatus::Waiting {
            promote(&transaction, &lanes, end.now).await?;
        }
        if end.disables {
            let sql = "INSERT INTO webhook_disabled (endpoint, at) VALUES ($1, $2) ON CONFLICT (endpoint) DO NOTHING";
            transaction.execute(sql, &[&end.endpoint, &end.now.micros()]).await?;
        }
        transaction.audit(end.record.clone());
        transaction.commit().await?;
        Ok(true)
    }

    async fn open_again(&self, again: Again, now: Timestamp, record: SealedRecord) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        lock_alone(&transaction).await?;
        let sql = "UPDATE webhook_notice SET status = 'waiting', attempts = 0, next_at = NULL, since_at = $4, updated_at = $4 \
                   WHERE ($1::text IS NULL OR endpoint = $1) AND ($2::uuid IS NULL OR event_id = $2) \
                   AND (status = 'dead' OR (status = 'delivered' AND updated_at >= $3)) RETURNING endpoint, lane";
        let since = again.delivered_since.map(Timestamp::micros);
        let opened = transaction.query(sql, &[&again.endpoint, &again.event, &since, &now.micros()]).await?;
        let lanes = lanes_of(&opened);
        // Their first is another one now, perhaps.
        let sql = "UPDATE webhook_notice SET next_at = NULL FROM unnest($1::text[], $2::text[]) AS its (endpoint, lane) \
                   WHERE webhook_notice.endpoint = its.endpoint AND webhook_notice.lane = its.lane AND status = 'waiting'";
        let (endpoints, names) = columns(&lanes);
        transaction.execute(sql, &[&endpoints, &names]).await?;
        promote(&transaction, &lanes, now).await?;
        transaction.audit(record);
        transaction.commit().await?;
        Ok(opened.len())
    }

    async fn list(
        &self,
        endpoint: Option<String>,
        status: NoticeStatus,
        limit: usize,
    ) -> Result<Vec<Notice>, StoreError> {
        let sql = notices!("WHERE ($1::text IS NULL OR endpoint = $1) AND status = $2 ORDER BY position DESC LIMIT $3");
        let limit = limit.cast_signed() as i64;
        read(&self.database.query(sql, &[&endpoint, &status.as_str(), &limit]).await?)
    }

    async fn counts(&self, status: NoticeStatus) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = self.database.query(count_sql(status), &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1).cast_unsigned())).collect())
    }

    async fn disabled(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = self.database.query("SELECT endpoint, at FROM webhook_disabled ORDER BY 1", &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), Timestamp::from_micros(row.get(1)))).collect())
    }

    async fn enable(&self, endpoint: String, record: SealedRecord) -> Result<bool, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let was_disabled =
            transaction.execute("DELETE FROM webhook_disabled WHERE endpoint = $1", &[&endpoint]).await? > 0;
        if was_disabled {
            transaction.audit(record);
        }
        transaction.commit().await?;
        Ok(was_disabled)
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        lock_alone(&transaction).await?;
        let sql = "DELETE FROM webhook_notice WHERE (endpoint, event_id) IN \
                   (SELECT endpoint, event_id FROM webhook_notice WHERE updated_at < $1 ORDER BY updated_at LIMIT $2) \
                   RETURNING endpoint, lane";
        let gone = transaction.query(sql, &[&before.micros(), &(limit.cast_signed() as i64)]).await?;
        promote(&transaction, &lanes_of(&gone), before).await?;
        transaction.commit().await?;
        Ok(gone.len())
    }
}

async fn lock_alone(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended('webhooks', 0))";
    transaction.query(sql, &[]).await.map(drop)
}

async fn lock_with_others(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let sql = "SELECT pg_advisory_xact_lock_shared(hashtextextended('webhooks', 0))";
    transaction.query(sql, &[]).await.map(drop)
}

/// Makes the first waiting notice of each lane due, unless it has its time.
async fn promote(
    transaction: &Transaction<'_>,
    lanes: &HashSet<(String, String)>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE webhook_notice SET next_at = $3 FROM (SELECT its.endpoint, (SELECT event_id FROM webhook_notice AS first \
               WHERE first.endpoint = its.endpoint AND first.lane = its.lane AND first.status = 'waiting' ORDER BY first.position LIMIT 1) \
               AS event_id FROM unnest($1::text[], $2::text[]) AS its (endpoint, lane)) AS head \
               WHERE webhook_notice.endpoint = head.endpoint AND webhook_notice.event_id = head.event_id AND next_at IS NULL";
    let (endpoints, names) = columns(lanes);
    transaction.execute(sql, &[&endpoints, &names, &at.micros()]).await.map(drop)
}

fn columns(lanes: &HashSet<(String, String)>) -> (Vec<&str>, Vec<&str>) {
    lanes.iter().map(|(endpoint, lane)| (endpoint.as_str(), lane.as_str())).unzip()
}

/// The lanes that a statement returns, each once.
fn lanes_of(rows: &[PostgresRow]) -> HashSet<(String, String)> {
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn read(rows: &[PostgresRow]) -> Result<Vec<Notice>, StoreError> {
    let read = |row: &PostgresRow| {
        Row {
            endpoint: row.get(0),
            event: row.get(1),
            client_id: row.get(2),
            agency_id: row.get(3),
            lane: row.get(4),
            kind: row.get(5),
            payload: row.get(6),
            status: row.get(7),
            attempts: row.get(8),
            next_at: row.get(9),
            since_at: row.get(10),
            reason: row.get(11),
            http_status: row.get(12),
            updated_at: row.get(13),
        }
        .read()
    };
    rows.iter().map(read).collect()
}
