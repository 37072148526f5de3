//! The inbox on SQLite.

use std::collections::HashSet;

use async_trait::async_trait;
use lienthong_domain::inbox::IncomingKind;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::{Beginning, Decide, InboxItem, InboxStore, PageQuery, Receive, Stored, Tell, Told, items};
use crate::inbox::InboxStatus;
use crate::outbox::store::sqlite::enqueue;
use crate::storage::StoreError;
use crate::storage::sqlite::{Sqlite, Transaction};
use crate::webhooks::EventKind;
use crate::webhooks::store::sqlite::{note, take_back};

/// The topic's store on SQLite.
pub(super) struct SqliteInbox {
    database: Sqlite,
}

impl SqliteInbox {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }
}

#[async_trait]
impl InboxStore for SqliteInbox {
    async fn receive(&self, write: Receive) -> Result<Stored, StoreError> {
        self.database.writer.take_in(move |transaction| receive(transaction, &write)).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<InboxItem>, StoreError> {
        self.database
            .readers
            .look_up(move |connection| {
                Ok(connection.prepare_cached(items!("id = ?1"))?.query_row([id.as_bytes()], item_of).optional()?)
            })
            .await
    }

    async fn page(&self, query: PageQuery) -> Result<Vec<InboxItem>, StoreError> {
        self.database
            .readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(items!(
                    "status = ?1 AND (is_head = 1 OR status = 'conflict') AND (ready_at, id) > (?2, ?3) AND ready_at <= ?4 \
                     AND agency_id IN (SELECT value FROM json_each(?6)) ORDER BY ready_at, id LIMIT ?5"
                ))?;
                let agencies = serde_json::to_string(&query.agencies).map_err(StoreError::failed)?;
                let (at, id) = query.after;
                let limit = query.limit.cast_signed() as i64;
                let rows = statement.query_map(
                    (query.status.as_str(), at.micros(), id.as_bytes(), query.now.micros(), limit, agencies),
                    item_of,
                )?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn beginning(&self, national_code: String) -> Result<Option<Beginning>, StoreError> {
        self.database.readers.look_up(move |connection| beginning(connection, &national_code)).await
    }

    async fn known_files(&self, files: Vec<Uuid>) -> Result<HashSet<Uuid>, StoreError> {
        let read = move |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM kept_file WHERE id = ?1")?;
            let mut known = HashSet::new();
            for file in files {
                if statement.exists([file.as_bytes()])? {
                    known.insert(file);
                }
            }
            Ok(known)
        };
        self.database.readers.read(read).await
    }

    async fn gone_files(&self, limit: usize) -> Result<Vec<Uuid>, StoreError> {
        let read = move |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare_cached("SELECT id FROM kept_file WHERE is_gone = 1 LIMIT ?1")?;
            let rows = statement.query_map([limit.cast_signed()], |row| row.get(0).map(Uuid::from_bytes))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database.readers.read(read).await
    }

    async fn forget_files(&self, files: Vec<Uuid>) -> Result<(), StoreError> {
        let forget = move |transaction: &mut Transaction<'_>| {
            for file in &files {
                transaction
                    .connection
                    .prepare_cached("DELETE FROM kept_file WHERE id = ?1 AND is_gone = 1")?
                    .execute([file.as_bytes()])?;
            }
            Ok(())
        };
        self.database.writer.write(forget).await
    }

    async fn local_code(&self, national_code: String) -> Result<Option<String>, StoreError> {
        let sql = "SELECT local_code FROM inbox_item WHERE national_code = ?1 AND local_code IS NOT NULL \
                   ORDER BY decided_at DESC LIMIT 1";
        let read = move |connection: &rusqlite::Connection| {
            Ok(connection.prepare_cached(sql)?.query_row([national_code], |row| row.get(0)).optional()?)
        };
        self.database.readers.look_up(read).await
    }

    async fn national_code(&self, local_code: String) -> Result<Option<String>, StoreError> {
        let sql = "SELECT national_code FROM inbox_item WHERE local_code = ?1 AND begins = 1 AND status = 'acknowledged' \
                   ORDER BY decided_at DESC LIMIT 1";
        let read = move |connection: &rusqlite::Connection| {
            Ok(connection.prepare_cached(sql)?.query_row([local_code], |row| row.get(0)).optional()?)
        };
        self.database.readers.look_up(read).await
    }

    async fn decide(&self, decision: Decide) -> Result<(), StoreError> {
        self.database.writer.write(move |transaction| decide(transaction, &decision)).await
    }
}

fn receive(transaction: &mut Transaction<'_>, write: &Receive) -> Result<Stored, StoreError> {
    let (item, [new, conflict, repeat]) = (&write.item, &write.records);
    let known: Vec<([u8; 32], String)> = transaction
        .connection
        .prepare_cached(
            "SELECT digest, status FROM inbox_item WHERE portal = ?1 AND kind = ?2 AND national_code = ?3 AND reference = ?4",
        )?
        .query_map((&item.portal, item.kind.as_str(), &item.national_code, &item.reference), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    if let Some((_, status)) = known.iter().find(|(digest, _)| *digest == item.digest) {
        transaction.audit(repeat.clone());
        return Ok(Stored::Repeat { was_conflict: status == InboxStatus::Conflict.as_str() });
    }
    let (status, record, stored) = match known.is_empty() {
        true => (InboxStatus::Waiting, new, Stored::New),
        false => (InboxStatus::Conflict, conflict, Stored::Conflict),
    };
    let begun = beginning(transaction.connection, &item.national_code)?;
    let begins = stored == Stored::New && item.kind.begins_a_dossier();
    let (agency_id, procedure_code, is_guess) = match &begun {
        Some(begun) if write.agency_is_guess => {
            (&begun.agency_id, item.procedure_code.as_ref().or(begun.procedure_code.as_ref()), false)
        }
        _ => (&item.agency_id, item.procedure_code.as_ref(), write.agency_is_guess && !begins),
    };
    transaction
        .connection
        .prepare_cached(
            "INSERT INTO inbox_item (id, portal, kind, national_code, reference, digest, begins, agency_id, agency_is_guess, \
             procedure_code, body_id, has_content, files, status, is_head, received_at, ready_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1, ?12, ?13, 0, ?14, ?15)",
        )?
        .execute(rusqlite::params![
            item.id.as_bytes(),
            item.portal,
            item.kind.as_str(),
            item.national_code,
            item.reference,
            item.digest,
            item.kind.begins_a_dossier(),
            agency_id,
            is_guess,
            procedure_code,
            item.body_id.as_bytes(),
            item.files,
            status.as_str(),
            item.received_at.micros(),
            item.ready_at.micros(),
        ])?;
    transaction.keep_body(&write.body)?;
    for file in &write.files {
        transaction
            .connection
            .prepare_cached("INSERT INTO kept_file (id, body_id, is_gone) VALUES (?1, ?2, 0)")?
            .execute((file.as_bytes(), item.body_id.as_bytes()))?;
    }
    for n in &write.links {
        transaction
            .connection
            .prepare_cached(
                "INSERT INTO linked_file (item_id, n, body_id, status, attempts, next_at, since_at) \
                 VALUES (?1, ?2, ?3, 'waiting', 0, ?4, ?4)",
            )?
            .execute((item.id.as_bytes(), n, item.body_id.as_bytes(), item.received_at.micros()))?;
    }
    transaction.audit(record.clone());
    if begins {
        // What came before it is for whoever it is for.
        transaction
            .connection
            .prepare_cached(
                "UPDATE inbox_item SET agency_id = ?2, procedure_code = coalesce(procedure_code, ?3), agency_is_guess = 0 \
                 WHERE national_code = ?1 AND agency_is_guess = 1 AND status IN ('waiting', 'conflict')",
            )?
            .execute((&item.national_code, agency_id, procedure_code))?;
    }
    if stored == Stored::Conflict {
        let sql = "SELECT id, kind, national_code, agency_id, procedure_code, ready_at FROM inbox_item WHERE id = ?1";
        let told =
            transaction.connection.prepare_cached(sql)?.query_row([item.id.as_bytes()], |row| told_of(row, 0))?;
        note(transaction, &told.event(EventKind::InboxConflict))?;
    }
    let hold_ms = if begins || begun.is_some() { 0 } else { write.hold_ms };
    promote(transaction, &item.national_code, item.ready_at.plus_millis(hold_ms))?;
    Ok(stored)
}

fn beginning(connection: &rusqlite::Connection, national_code: &str) -> Result<Option<Beginning>, StoreError> {
    let sql = "SELECT agency_id, procedure_code FROM inbox_item \
               WHERE national_code = ?1 AND begins = 1 AND status <> 'conflict' ORDER BY id LIMIT 1";
    let read = |row: &Row<'_>| Ok(Beginning { agency_id: row.get(0)?, procedure_code: row.get(1)? });
    Ok(connection.prepare_cached(sql)?.query_row([national_code], read).optional()?)
}

/// Makes the first waiting item of a dossier its head, and only that one. A new head may be seen from then on, and local systems are
/// told of it.
fn promote(transaction: &Transaction<'_>, national_code: &str, ready_at: Timestamp) -> Result<(), StoreError> {
    let changed: Vec<(bool, Told)> = transaction
        .connection
        .prepare_cached(
            "UPDATE inbox_item SET is_head = NOT is_head, ready_at = CASE is_head WHEN 1 THEN ready_at ELSE ?2 END \
             WHERE national_code = ?1 AND is_head <> (status = 'waiting' AND id = (SELECT first.id FROM inbox_item AS first \
             WHERE first.national_code = ?1 AND first.status = 'waiting' ORDER BY first.begins DESC, first.id LIMIT 1)) \
             RETURNING is_head, id, kind, national_code, agency_id, procedure_code, ready_at",
        )?
        .query_map((national_code, ready_at.micros()), |row| Ok((row.get(0)?, told_of(row, 1)?)))?
        .collect::<Result<_, _>>()?;
    for (is_head, told) in changed {
        match is_head {
            true => note(transaction, &told.event(EventKind::InboxReady))?,
            false => take_back(transaction, told.id)?,
        }
    }
    Ok(())
}

fn told_of(row: &Row<'_>, from: usize) -> rusqlite::Result<Told> {
    Ok(Told {
        id: Uuid::from_bytes(row.get(from)?),
        kind: row.get(from + 1)?,
        national_code: row.get(from + 2)?,
        agency_id: row.get(from + 3)?,
        procedure_code: row.get(from + 4)?,
        ready_at: row.get(from + 5)?,
    })
}

fn decide(transaction: &mut Transaction<'_>, decision: &Decide) -> Result<(), StoreError> {
    let national_code: Option<String> = transaction
        .connection
        .prepare_cached(
            "UPDATE inbox_item SET status = ?2, is_head = 0, local_code = ?3, decided_at = ?4, decided_by = ?5, \
             operation_id = ?6 WHERE id = ?1 AND (status = 'conflict' OR (status = 'waiting' AND is_head = 1)) \
             RETURNING national_code",
        )?
        .query_row(
            (
                decision.id.as_bytes(),
                decision.to.as_str(),
                &decision.local_code,
                decision.now.micros(),
                &decision.by,
                decision.tell.as_ref().map(|tell| *tell.item.operation_id.as_bytes()),
            ),
            |row| row.get(0),
        )
        .optional()?;
    let national_code = national_code.ok_or(StoreError::Conflict)?;
    promote(transaction, &national_code, decision.now)?;
    if let Some(Tell { item, body }) = &decision.tell {
        transaction.keep_body(body)?;
        enqueue(transaction, item)?;
    }
    transaction.audit(decision.record.clone());
    Ok(())
}

fn item_of(row: &Row<'_>) -> rusqlite::Result<InboxItem> {
    let unknown = |at, name: &str| rusqlite::Error::InvalidColumnType(at, name.into(), Type::Text);
    let kind: String = row.get(2)?;
    let status: String = row.get(10)?;
    Ok(InboxItem {
        id: Uuid::from_bytes(row.get(0)?),
        portal: row.get(1)?,
        kind: IncomingKind::parse(&kind).map_err(|_| unknown(2, "kind"))?,
        national_code: row.get(3)?,
        reference: row.get(4)?,
        digest: row.get(5)?,
        agency_id: row.get(6)?,
        procedure_code: row.get(7)?,
        body_id: Uuid::from_bytes(row.get(8)?),
        files: row.get(9)?,
        status: InboxStatus::parse(&status).map_err(|_| unknown(10, "status"))?,
        is_head: row.get(11)?,
        received_at: Timestamp::from_micros(row.get(12)?),
        ready_at: Timestamp::from_micros(row.get(13)?),
        local_code: row.get(14)?,
        decided_at: row.get::<_, Option<i64>>(15)?.map(Timestamp::from_micros),
        decided_by: row.get(16)?,
        operation_id: row.get::<_, Option<[u8; 16]>>(17)?.map(Uuid::from_bytes),
    })
}
