//! What the report reads, on SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::{BodyRow, Changed, HeldStore, Steps, StoredDossier, content_of};
use crate::agreement::Place;
use crate::outbox::portal::{ROUTE, STEP};
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;
use crate::storage::sqlite::Sqlite;

/// The report's store on SQLite.
pub(super) struct SqliteHeld {
    database: Sqlite,
    bodies: Arc<Bodies>,
}

impl SqliteHeld {
    pub(super) fn new(database: Sqlite, bodies: Arc<Bodies>) -> Self {
        Self { database, bodies }
    }
}

#[async_trait]
impl HeldStore for SqliteHeld {
    async fn count(&self, changed: Changed) -> Result<u64, StoreError> {
        let agencies = agencies_of(&changed)?;
        let read = move |connection: &Connection| {
            let sql = "SELECT count(*) FROM dossier WHERE updated_at >= ?1 \
                       AND (?2 IS NULL OR agency_id IN (SELECT value FROM json_each(?2)))";
            let parameters = (changed.since.micros(), agencies);
            let count: i64 = connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?;
            Ok(count.cast_unsigned())
        };
        self.database.readers.read(read).await
    }

    async fn page(&self, changed: Changed, after: Place, limit: usize) -> Result<Vec<StoredDossier>, StoreError> {
        let (agencies, bodies) = (agencies_of(&changed)?, Arc::clone(&self.bodies));
        let read = move |connection: &Connection| {
            let sql = "SELECT d.code, d.agency_id, d.updated_at, d.revision, l.acknowledged_revision, \
                       d.body_id, b.wrapped_key, b.sealed \
                       FROM dossier d LEFT JOIN body b ON b.id = d.body_id \
                       LEFT JOIN lane l ON l.route = ?1 AND l.lane = d.code \
                       WHERE (d.updated_at, d.code) > (?2, ?3) AND d.updated_at >= ?4 \
                       AND (?5 IS NULL OR d.agency_id IN (SELECT value FROM json_each(?5))) \
                       ORDER BY d.updated_at, d.code LIMIT ?6";
            let mut statement = connection.prepare_cached(sql)?;
            let parameters = (ROUTE, after.at, after.code, changed.since.micros(), agencies, limit.cast_signed());
            let rows = statement.query_map(parameters, |row| Ok((dossier_of(row)?, body_of(row, 5)?)))?;
            rows.map(|row| {
                let (mut dossier, body) = row?;
                dossier.content = content_of(&bodies, body)?;
                dossier.steps = steps_of(connection, &bodies, &dossier.code)?;
                Ok(dossier)
            })
            .collect()
        };
        self.database.readers.read(read).await
    }
}

fn agencies_of(changed: &Changed) -> Result<Option<String>, StoreError> {
    changed.agencies.as_ref().map(serde_json::to_string).transpose().map_err(StoreError::failed)
}

fn steps_of(connection: &Connection, bodies: &Bodies, code: &str) -> Result<Steps, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM outbox o WHERE o.route = ?1 AND o.lane = ?2 AND o.is_open = 1 AND o.kind = ?3 \
               AND o.ordinal = s.ordinal), s.body_id, b.wrapped_key, b.sealed \
               FROM dossier_step s LEFT JOIN body b ON b.id = s.body_id WHERE s.code = ?2 ORDER BY s.ordinal";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((ROUTE, code, STEP), |row| Ok((row.get(0)?, body_of(row, 1)?)))?;
    let mut steps = Steps::default();
    for row in rows {
        let (waits, body) = row?;
        steps.add(bodies, waits, body)?;
    }
    Ok(steps)
}

fn body_of(row: &Row<'_>, first: usize) -> rusqlite::Result<BodyRow> {
    Ok((Uuid::from_bytes(row.get(first)?), row.get(first + 1)?, row.get(first + 2)?))
}

fn dossier_of(row: &Row<'_>) -> rusqlite::Result<StoredDossier> {
    Ok(StoredDossier {
        code: row.get(0)?,
        agency_id: row.get(1)?,
        updated_at: row.get(2)?,
        revision: row.get(3)?,
        acknowledged_revision: row.get(4)?,
        content: None,
        steps: Steps::default(),
    })
}
