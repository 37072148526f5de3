//! What the report reads, on PostgreSQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{BodyRow, Changed, HeldStore, Steps, StoredDossier, content_of};
use crate::agreement::Place;
use crate::outbox::portal::{ROUTE, STEP};
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;
use crate::storage::postgres::{Parameter, Postgres};

/// The report's store on PostgreSQL.
pub(super) struct PostgresHeld {
    database: Postgres,
    bodies: Arc<Bodies>,
}

impl PostgresHeld {
    pub(super) fn new(database: Postgres, bodies: Arc<Bodies>) -> Self {
        Self { database, bodies }
    }

    /// The steps of these dossiers.
    async fn steps(&self, codes: &[&str]) -> Result<HashMap<String, Steps>, StoreError> {
        let sql = "SELECT s.code, EXISTS (SELECT 1 FROM outbox o WHERE o.route = $1 AND o.lane = s.code AND o.is_open \
                   AND o.kind = $3 AND o.ordinal = s.ordinal), s.body_id, b.wrapped_key, b.sealed \
                   FROM dossier_step s LEFT JOIN body b ON b.id = s.body_id WHERE s.code = ANY($2) ORDER BY s.code, s.ordinal";
        let mut steps: HashMap<String, Steps> = HashMap::new();
        for row in self.database.query(sql, &[&ROUTE, &codes, &STEP]).await? {
            steps.entry(row.get(0)).or_default().add(&self.bodies, row.get(1), body_of(&row, 2))?;
        }
        Ok(steps)
    }
}

#[async_trait]
impl HeldStore for PostgresHeld {
    async fn count(&self, changed: Changed) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM dossier WHERE updated_at >= $1 \
                   AND ($2::text[] IS NULL OR agency_id = ANY($2))";
        let rows = self.database.query(sql, &[&changed.since.micros(), &changed.agencies]).await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0)).cast_unsigned())
    }

    async fn page(&self, changed: Changed, after: Place, limit: usize) -> Result<Vec<StoredDossier>, StoreError> {
        let sql = "SELECT d.code, d.agency_id, d.updated_at, d.revision, l.acknowledged_revision, \
                   d.body_id, b.wrapped_key, b.sealed \
                   FROM dossier d LEFT JOIN body b ON b.id = d.body_id \
                   LEFT JOIN lane l ON l.route = $1 AND l.lane = d.code \
                   WHERE (d.updated_at, d.code) > ($2, $3) AND d.updated_at >= $4 \
                   AND ($5::text[] IS NULL OR d.agency_id = ANY($5)) ORDER BY d.updated_at, d.code LIMIT $6";
        let (since, limit) = (changed.since.micros(), limit.cast_signed() as i64);
        let parameters: [Parameter<'_>; 6] = [&ROUTE, &after.at, &after.code, &since, &changed.agencies, &limit];
        let rows = self.database.query(sql, &parameters).await?;
        let codes: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        let mut steps = self.steps(&codes).await?;
        rows.iter()
            .map(|row| {
                let code: String = row.get(0);
                Ok(StoredDossier {
                    steps: steps.remove(&code).unwrap_or_default(),
                    code,
                    agency_id: row.get(1),
                    updated_at: row.get(2),
                    revision: row.get(3),
                    acknowledged_revision: row.get(4),
                    content: content_of(&self.bodies, body_of(row, 5))?,
                })
            })
            .collect()
    }
}

fn body_of(row: &Row, first: usize) -> BodyRow {
    (row.get(first), row.get(first + 1), row.get(first + 2))
}
