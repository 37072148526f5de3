//! The inbox on PostgreSQL. Whatever changes a dossier's messages first takes the lock of its code: there may be no row yet that
//! could be locked.

use std::collections::HashSet;

use async_trait::async_trait;
use lienthong_domain::inbox::IncomingKind;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Beginning, Decide, InboxItem, InboxStore, PageQuery, Receive, Stored, Tell, Told, items};
use crate::inbox::InboxStatus;
use crate::outbox::store::postgres::enqueue;
use crate::storage::StoreError;
use crate::storage::postgres::{Parameter, Postgres, Transaction};
use crate::webhooks::EventKind;
use crate::webhooks::store::postgres::{note, take_back};

/// The topic's store on PostgreSQL.
pub(super) struct PostgresInbox {
    database: Postgres,
}

impl PostgresInbox {
    pub(super) fn new(database: Postgres) -> Self {
        Self { database }
    }
}

#[async_trait]
impl InboxStore for PostgresInbox {
    async fn receive(&self, write: Receive) -> Result<Stored, StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        lock(&transaction, &write.item.national_code).await?;
        let stored = receive(&transaction, write).await?;
        transaction.commit().await?;
        Ok(stored)
    }

    async fn find(&self, id: Uuid) -> Result<Option<InboxItem>, StoreError> {
        self.database.query(items!("id = $1"), &[&id]).await?.first().map(item_of).transpose()
    }

    async fn page(&self, query: PageQuery) -> Result<Vec<InboxItem>, StoreError> {
        let sql = items!(
            "status = $1 AND (is_head OR status = 'conflict') AND (ready_at, id) > ($2, $3) AND ready_at <= $4 \
             AND agency_id = ANY($6) ORDER BY ready_at, id LIMIT $5"
        );
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let (at, id) = query.after;
        let parameters: [Parameter<'_>; 6] =
            [&query.status.as_str(), &at.micros(), &id, &query.now.micros(), &limit, &query.agencies];
        let rows = self.database.query(sql, &parameters).await?;
        rows.iter().map(item_of).collect()
    }

    async fn beginning(&self, national_code: String) -> Result<Option<Beginning>, StoreError> {
        Ok(self.database.query(BEGINNING, &[&national_code]).await?.first().map(beginning_of))
    }

    async fn known_files(&self, files: Vec<Uuid>) -> Result<HashSet<Uuid>, StoreError> {
        let sql = "SELECT id FROM kept_file WHERE id = ANY($1)";
        Ok(self.database.query(sql, &[&files]).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn gone_files(&self, limit: usize) -> Result<Vec<Uuid>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.database.query("SELECT id FROM kept_file WHERE is_gone LIMIT $1", &[&limit]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn forget_files(&self, files: Vec<Uuid>) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        transaction.execute("DELETE FROM kept_file WHERE id = ANY($1) AND is_gone", &[&files]).await?;
        transaction.commit().await
    }

    async fn local_code(&self, national_code: String) -> Result<Option<String>, StoreError> {
        let sql = "SELECT local_code FROM inbox_item WHERE national_code = $1 AND local_code IS NOT NULL \
                   ORDER BY decided_at DESC LIMIT 1";
        Ok(self.database.query(sql, &[&national_code]).await?.first().map(|row| row.get(0)))
    }

    async fn national_code(&self, local_code: String) -> Result<Option<String>, StoreError> {
        let sql = "SELECT national_code FROM inbox_item WHERE local_code = $1 AND begins AND status = 'acknowledged' \
                   ORDER BY decided_at DESC LIMIT 1";
        Ok(self.database.query(sql, &[&local_code]).await?.first().map(|row| row.get(0)))
    }

    async fn decide(&self, decision: Decide) -> Result<(), StoreError> {
        let sql = "SELECT national_code FROM inbox_item WHERE id = $1";
        let found = self.database.query(sql, &[&decision.id]).await?;
        let national_code: String = found.first().ok_or(StoreError::Conflict)?.get(0);
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        lock(&transaction, &national_code).await?;
        let sql = "UPDATE inbox_item SET status = $2, is_head = false, local_code = $3, decided_at = $4, decided_by = $5, \
                   operation_id = $6 WHERE id = $1 AND (status = 'conflict' OR (status = 'waiting' AND is_head))";
        let Decide { id, to, local_code, by, tell, record, now } = decision;
        let operation_id = tell.as_ref().map(|tell| tell.item.operation_id);
        let changed =
            transaction.execute(sql, &[&id, &to.as_str(), &local_code, &now.micros(), &by, &operation_id]).await?;
        if changed != 1 {
            return Err(StoreError::Conflict);
        }
        promote(&transaction, &national_code, now).await?;
        if let Some(Tell { item, body }) = tell {
            enqueue(&transaction, &[&item]).await?;
            transaction.keep_body(body);
        }
        transaction.audit(record);
        transaction.commit().await
    }
}

async fn lock(transaction: &Transaction<'_>, national_code: &str) -> Result<(), StoreError> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended('inbox/' || $1, 0))";
    transaction.query(sql, &[&national_code]).await.map(drop)
}

async fn receive(transaction: &Transaction<'_>, write: Receive) -> Result<Stored, StoreError> {
    let Receive { item, body, agency_is_guess, files, links, records: [new, conflict, repeat], hold_ms } = write;
    let sql = "SELECT digest, status FROM inbox_item \
               WHERE portal = $1 AND kind = $2 AND national_code = $3 AND reference = $4";
    let kind = item.kind.as_str();
    let known = transaction.query(sql, &[&item.portal, &kind, &item.national_code, &item.reference]).await?;
    let same = known.iter().find(|row| row.get::<_, &[u8]>(0) == item.digest);
    if let Some(same) = same {
        transaction.audit(repeat);
        return Ok(Stored::Repeat { was_conflict: same.get::<_, &str>(1) == InboxStatus::Conflict.as_str() });
    }
    let (status, record, stored) = match known.is_empty() {
        true => (InboxStatus::Waiting, new, Stored::New),
        false => (InboxStatus::Conflict, conflict, Stored::Conflict),
    };
    let begun = transaction.query(BEGINNING, &[&item.national_code]).await?.first().map(beginning_of);
    let begins = stored == Stored::New && item.kind.begins_a_dossier();
    let (agency_id, procedure_code, is_guess) = match &begun {
        Some(begun) if agency_is_guess => {
            (&begun.agency_id, item.procedure_code.as_ref().or(begun.procedure_code.as_ref()), false)
        }
        _ => (&item.agency_id, item.procedure_code.as_ref(), agency_is_guess && !begins),
    };
    let sql = "INSERT INTO inbox_item (id, portal, kind, national_code, reference, digest, begins, agency_id, agency_is_guess, \
               procedure_code, body_id, has_content, files, status, is_head, received_at, ready_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, true, $12, $13, false, $14, $15)";
    let (received_at, ready_at) = (item.received_at.micros(), item.ready_at.micros());
    transaction
        .execute(
            sql,
            &[
                &item.id,
                &item.portal,
                &kind,
                &item.national_code,
                &item.reference,
                &item.digest.as_slice(),
                &item.kind.begins_a_dossier(),
                agency_id,
                &is_guess,
                &procedure_code,
                &item.body_id,
                &item.files,
                &status.as_str(),
                &received_at,
                &ready_at,
            ],
        )
        .await?;
    transaction.keep_body(body);
    let sql = "INSERT INTO kept_file (id, body_id, is_gone) SELECT file, $2, false FROM unnest($1::uuid[]) AS file";
    transaction.execute(sql, &[&files, &item.body_id]).await?;
    if !links.is_empty() {
        let sql = "INSERT INTO linked_file (item_id, n, body_id, status, attempts, next_at, since_at) \
                   SELECT $2, n, $3, 'waiting', 0, $4, $4 FROM unnest($1::bigint[]) AS n";
        transaction.execute(sql, &[&links, &item.id, &item.body_id, &received_at]).await?;
    }
    transaction.audit(record);
    if begins {
        // What came before it is for whoever it is for.
        let sql = "UPDATE inbox_item SET agency_id = $2, procedure_code = coalesce(procedure_code, $3), agency_is_guess = false \
                   WHERE national_code = $1 AND agency_is_guess AND status IN ('waiting', 'conflict')";
        transaction.execute(sql, &[&item.national_code, agency_id, &procedure_code]).await?;
    }
    if stored == Stored::Conflict {
        let sql = "SELECT id, kind, national_code, agency_id, procedure_code, ready_at FROM inbox_item WHERE id = $1";
        let rows = transaction.query(sql, &[&item.id]).await?;
        let events: Vec<_> = rows.iter().map(|row| told_of(row, 0).event(EventKind::InboxConflict)).collect();
        note(transaction, &events).await?;
    }
    let hold_ms = if begins || begun.is_some() { 0 } else { hold_ms };
    promote(transaction, &item.national_code, item.ready_at.plus_millis(hold_ms)).await?;
    Ok(stored)
}

const BEGINNING: &str = "SELECT agency_id, procedure_code FROM inbox_item \
                         WHERE national_code = $1 AND begins AND status <> 'conflict' ORDER BY id LIMIT 1";

fn beginning_of(row: &Row) -> Beginning {
    Beginning { agency_id: row.get(0), procedure_code: row.get(1) }
}

/// Makes the first waiting item of a dossier its head, and only that one. A new head may be seen from then on, and local systems are
/// told of it.
async fn promote(transaction: &Transaction<'_>, national_code: &str, ready_at: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE inbox_item SET is_head = NOT is_head, ready_at = CASE WHEN is_head THEN ready_at ELSE $2 END \
               WHERE national_code = $1 AND is_head <> (status = 'waiting' AND id = (SELECT first.id FROM inbox_item AS first \
               WHERE first.national_code = $1 AND first.status = 'waiting' ORDER BY first.begins DESC, first.id LIMIT 1)) \
               RETURNING is_head, id, kind, national_code, agency_id, procedure_code, ready_at";
    let changed = transaction.query(sql, &[&national_code, &ready_at.micros()]).await?;
    let (heads, others): (Vec<_>, Vec<_>) = changed.iter().partition(|row| row.get::<_, bool>(0));
    let events: Vec<_> = heads.into_iter().map(|row| told_of(row, 1).event(EventKind::InboxReady)).collect();
    let gone: Vec<Uuid> = others.into_iter().map(|row| row.get(1)).collect();
    note(transaction, &events).await?;
    take_back(transaction, &gone).await
}

fn told_of(row: &Row, from: usize) -> Told {
    Told {
        id: row.get(from),
        kind: row.get(from + 1),
        national_code: row.get(from + 2),
        agency_id: row.get(from + 3),
        procedure_code: row.get(from + 4),
        ready_at: row.get(from + 5),
    }
}

fn item_of(row: &Row) -> Result<InboxItem, StoreError> {
    let unknown = |name: &str| StoreError::Failed(format!("inbox_item.{name}"));
    let digest: &[u8] = row.get(5);
    Ok(InboxItem {
        id: row.get(0),
        portal: row.get(1),
        kind: IncomingKind::parse(row.get(2)).map_err(|_| unknown("kind"))?,
        national_code: row.get(3),
        reference: row.get(4),
        digest: digest.try_into().map_err(StoreError::failed)?,
        agency_id: row.get(6),
        procedure_code: row.get(7),
        body_id: row.get(8),
        files: row.get(9),
        status: InboxStatus::parse(row.get(10)).map_err(|_| unknown("status"))?,
        is_head: row.get(11),
        received_at: Timestamp::from_micros(row.get(12)),
        ready_at: Timestamp::from_micros(row.get(13)),
        local_code: row.get(14),
        decided_at: row.get::<_, Option<i64>>(15).map(Timestamp::from_micros),
        decided_by: row.get(16),
        operation_id: row.get(17),
    })
}
