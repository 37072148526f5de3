//! Dossiers on SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::dossier::DossierState;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::{AppendSteps, DossierRow, DossierStore, PageQuery, PutDossier, StepRow};
use crate::access::idempotency::store::sqlite::keep;
use crate::audit::Recorder;
use crate::outbox::store::sqlite::{enqueue, enqueue_full_state};
use crate::storage::StoreError;
use crate::storage::sqlite::{Sqlite, Transaction};

/// Columns of [`row_of`], in its order.
macro_rules! dossiers {
    ($rest:literal) => {
        concat!(
            "SELECT code, client_id, agency_id, procedure_code, revision, digest, state, step_state, steps, body_id, ",
            "operation_id, accepted_at, updated_at FROM dossier WHERE ",
            $rest
        )
    };
}

/// The topic's store on SQLite.
pub(super) struct SqliteDossiers {
    database: Sqlite,
    recorder: Arc<Recorder>,
}

impl SqliteDossiers {
    pub(super) fn new(database: Sqlite, recorder: Arc<Recorder>) -> Self {
        Self { database, recorder }
    }
}

#[async_trait]
impl DossierStore for SqliteDossiers {
    async fn find(&self, code: &str) -> Result<Option<DossierRow>, StoreError> {
        let code = code.to_owned();
        self.database
            .readers
            .look_up(move |connection| {
                Ok(connection.prepare_cached(dossiers!("code = ?1"))?.query_row([code], row_of).optional()?)
            })
            .await
    }

    async fn put(&self, write: PutDossier) -> Result<(), StoreError> {
        let recorder = Arc::clone(&self.recorder);
        self.database
            .writer
            .accept(move |transaction| {
                put_row(transaction, &write)?;
                transaction.keep_body(&write.body)?;
                enqueue_full_state(transaction, &write.item, &recorder)?;
                if let Some(report) = &write.report {
                    transaction.keep_body(&report.body)?;
                    enqueue(transaction, &report.item)?;
                }
                transaction.audit(write.record.clone());
                Ok(())
            })
            .await
    }

    async fn append_steps(&self, write: AppendSteps) -> Result<(), StoreError> {
        self.database
            .writer
            .accept(move |transaction| {
                keep(transaction, &write.reply)?;
                let updated_at = change_time(transaction, write.now)?;
                let added = i64::try_from(write.items.len()).map_err(StoreError::failed)?;
                let changed = transaction
                    .connection
                    .prepare_cached(
                        "UPDATE dossier SET steps = steps + ?3, step_state = ?4, updated_at = ?5 \
                         WHERE code = ?1 AND steps = ?2",
                    )?
                    .execute((&write.code, write.expected_steps, added, write.step_state.as_str(), updated_at))?;
                if changed != 1 {
                    return Err(StoreError::Conflict);
                }
                for (body, item) in write.bodies.iter().zip(&write.items) {
                    transaction.keep_body(body)?;
                    transaction
                        .connection
                        .prepare_cached(
                            "INSERT INTO dossier_step (code, ordinal, client_id, agency_id, body_id, accepted_at) \
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        )?
                        .execute((
                            &write.code,
                            item.ordinal,
                            &item.client_id,
                            &item.agency_id,
                            body.id.as_bytes(),
                            write.now.micros(),
                        ))?;
                    enqueue(transaction, item)?;
                }
                write.records.iter().for_each(|record| transaction.audit(record.clone()));
                Ok(())
            })
            .await
    }

    async fn steps(&self, code: &str, limit: usize) -> Result<Vec<StepRow>, StoreError> {
        let code = code.to_owned();
        self.database
            .readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT ordinal, body_id, accepted_at FROM dossier_step WHERE code = ?1 ORDER BY ordinal LIMIT ?2",
                )?;
                let rows = statement.query_map((code, limit.cast_signed() as i64), |row| {
                    Ok(StepRow {
                        ordinal: row.get(0)?,
                        body_id: Uuid::from_bytes(row.get(1)?),
                        accepted_at: Timestamp::from_micros(row.get(2)?),
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn page(&self, query: PageQuery) -> Result<Vec<DossierRow>, StoreError> {
        self.database
            .readers
            .read(move |connection| {
                let (after, code) = query.after.unwrap_or((Timestamp::from_micros(i64::MIN), String::new()));
                let since = query.updated_since.map_or(i64::MIN, Timestamp::micros);
                let mut statement = connection.prepare_cached(dossiers!(
                    "(updated_at, code) > (?1, ?2) AND updated_at >= ?3 AND (?4 IS NULL OR state = ?4) \
                     ORDER BY updated_at, code LIMIT ?5"
                ))?;
                let rows = statement.query_map(
                    (
                        after.micros(),
                        code,
                        since,
                        query.state.map(DossierState::as_str),
                        query.limit.cast_signed() as i64,
                    ),
                    row_of,
                )?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

/// The time of a change: never before that of an earlier commit, so that whoever follows the list misses nothing.
fn change_time(transaction: &Transaction<'_>, now: Timestamp) -> Result<i64, StoreError> {
    let newest: Option<i64> = transaction
        .connection
        .prepare_cached("SELECT max(updated_at) FROM dossier")?
        .query_row([], |row| row.get(0))?;
    Ok(newest.map_or(now.micros(), |newest| now.micros().max(newest + 1)))
}

fn put_row(transaction: &mut Transaction<'_>, write: &PutDossier) -> Result<(), StoreError> {
    let row = &write.row;
    let updated_at = change_time(transaction, row.updated_at)?;
    let changed = transaction
        .connection
        .prepare_cached(
            "INSERT INTO dossier (code, client_id, agency_id, procedure_code, revision, digest, state, step_state, steps, \
             body_id, operation_id, accepted_at, updated_at) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, 0, ?8, ?9, ?10, ?10 \
             WHERE ?11 IS NULL OR EXISTS (SELECT 1 FROM dossier WHERE code = ?1) \
             ON CONFLICT (code) DO UPDATE SET client_id = excluded.client_id, agency_id = excluded.agency_id, \
             procedure_code = excluded.procedure_code, revision = excluded.revision, digest = excluded.digest, \
             state = excluded.state, body_id = excluded.body_id, operation_id = excluded.operation_id, \
             updated_at = excluded.updated_at WHERE revision = ?11",
        )?
        .execute(rusqlite::params![
            row.code,
            row.client_id,
            row.agency_id,
            row.procedure_code,
            row.revision,
            row.digest,
            row.state.as_str(),
            row.body_id.as_bytes(),
            row.operation_id.as_bytes(),
            updated_at,
            write.expected_revision,
        ])?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<DossierRow> {
    let state = |text: String| {
        DossierState::parse(&text)
            .map_err(|_| rusqlite::Error::InvalidColumnType(6, "state".into(), rusqlite::types::Type::Text))
    };
    Ok(DossierRow {
        code: row.get(0)?,
        client_id: row.get(1)?,
        agency_id: row.get(2)?,
        procedure_code: row.get(3)?,
        revision: row.get(4)?,
        digest: row.get(5)?,
        state: state(row.get(6)?)?,
        step_state: row.get::<_, Option<String>>(7)?.map(state).transpose()?,
        steps: row.get(8)?,
        body_id: Uuid::from_bytes(row.get(9)?),
        operation_id: Uuid::from_bytes(row.get(10)?),
        accepted_at: Timestamp::from_micros(row.get(11)?),
        updated_at: Timestamp::from_micros(row.get(12)?),
    })
}
