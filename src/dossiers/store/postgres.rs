//! Dossiers on PostgreSQL. A write first takes its dossier's row, and draws everything else (places in the lane, places in
//! the log) after that: two writes of one dossier keep their order.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::dossier::DossierState;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use tokio_postgres::Row;

use super::{AppendSteps, DossierRow, DossierStore, PageQuery, PutDossier, StepRow};
use crate::access::idempotency::store::postgres::keep;
use crate::audit::Recorder;
use crate::outbox::NewItem;
use crate::outbox::store::postgres::{enqueue, enqueue_full_states};
use crate::storage::StoreError;
use crate::storage::postgres::{Batch, Drain, Postgres, Transaction, column, settled_before};

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

/// The topic's store on PostgreSQL.
pub(super) struct PostgresDossiers {
    database: Postgres,
    put: Drain<Put>,
    append_steps: Drain<Append>,
}

impl PostgresDossiers {
    pub(super) fn new(database: Postgres, recorder: Arc<Recorder>) -> Self {
        Self { put: database.drain(Put { recorder }), append_steps: database.drain(Append), database }
    }
}

struct Put {
    recorder: Arc<Recorder>,
}

#[async_trait]
impl Batch for Put {
    type Write = PutDossier;
    type Done = ();

    fn keys<'a>(&self, write: &'a PutDossier) -> Vec<&'a str> {
        vec![&write.row.code]
    }

    fn bytes(&self, write: &PutDossier) -> usize {
        write.body.sealed.len() + write.report.as_ref().map_or(0, |report| report.body.sealed.len())
    }

    async fn write(
        &self,
        transaction: &Transaction<'_>,
        writes: &[PutDossier],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let put = put_rows(transaction, writes).await?;
        let is_put = |write: &&PutDossier| put.contains(&write.row.code);
        let accepted: Vec<&PutDossier> = writes.iter().filter(is_put).collect();
        let items = column(accepted.iter().copied(), |write| &write.item);
        enqueue_full_states(transaction, &items, &self.recorder).await?;
        let reports = column(accepted.iter().filter_map(|write| write.report.as_ref()), |report| &report.item);
        if !reports.is_empty() {
            enqueue(transaction, &reports).await?;
        }
        for write in accepted {
            write.report.iter().for_each(|report| transaction.keep_body(report.body.clone()));
            transaction.keep_body(write.body.clone());
            transaction.audit(write.record.clone());
        }
        Ok(column(writes, |write| if is_put(&write) { Ok(()) } else { Err(StoreError::Conflict) }))
    }
}

/// Inserts or replaces the rows whose revision is still the expected one, and returns their codes.
async fn put_rows(transaction: &Transaction<'_>, writes: &[PutDossier]) -> Result<HashSet<String>, StoreError> {
    // The expected revision is the one before the new one; there is none before the first. In the order of the column, as
    // elsewhere: the database's own alphabet may be another.
    let sql = "INSERT INTO dossier AS old (code, client_id, agency_id, procedure_code, revision, digest, state, steps, \
               body_id, operation_id, accepted_at, updated_at) \
               SELECT code, client_id, agency_id, procedure_code, revision, digest, state, 0, body_id, operation_id, \
               now_micros(), greatest(now_micros(), 1 + (SELECT max(updated_at) FROM dossier)) \
               FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], $7::text[], \
               $8::uuid[], $9::uuid[]) AS new (code, client_id, agency_id, procedure_code, revision, digest, state, \
               body_id, operation_id) WHERE revision = 1 OR (SELECT true FROM dossier WHERE dossier.code = new.code) \
               ORDER BY code COLLATE \"C\" ON CONFLICT (code) DO UPDATE SET client_id = excluded.client_id, agency_id = excluded.agency_id, \
               procedure_code = excluded.procedure_code, revision = excluded.revision, digest = excluded.digest, \
               state = excluded.state, body_id = excluded.body_id, operation_id = excluded.operation_id, \
               updated_at = excluded.updated_at WHERE old.revision = excluded.revision - 1 RETURNING code";
    let rows = || writes.iter().map(|write| &write.row);
    let codes = column(rows(), |row| row.code.as_str());
    let clients = column(rows(), |row| row.client_id.as_str());
    let agencies = column(rows(), |row| row.agency_id.as_str());
    let procedures = column(rows(), |row| row.procedure_code.as_str());
    let revisions = column(writes, |write| write.expected_revision.unwrap_or(0) + 1);
    let digests = column(rows(), |row| row.digest.as_slice());
    let states = column(rows(), |row| row.state.as_str());
    let bodies = column(rows(), |row| row.body_id);
    let operations = column(rows(), |row| row.operation_id);
    let put = transaction
        .query(sql, &[&codes, &clients, &agencies, &procedures, &revisions, &digests, &states, &bodies, &operations])
        .await?;
    Ok(put.iter().map(|row| row.get(0)).collect())
}

struct Append;

#[async_trait]
impl Batch for Append {
    type Write = AppendSteps;
    type Done = ();

    fn keys<'a>(&self, write: &'a AppendSteps) -> Vec<&'a str> {
        vec![&write.code, write.reply.key.as_str()]
    }

    fn bytes(&self, write: &AppendSteps) -> usize {
        write.bodies.iter().map(|body| body.sealed.len()).sum()
    }

    async fn write(
        &self,
        transaction: &Transaction<'_>,
        writes: &[AppendSteps],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let lengthened = lengthen(transaction, writes).await?;
        let fits = |write: &&AppendSteps| lengthened.contains(&write.code);
        let candidates: Vec<&AppendSteps> = writes.iter().filter(fits).collect();
        let kept = keep(transaction, &column(candidates.iter().copied(), |write| &write.reply)).await?;
        if kept.len() < candidates.len() {
            // Someone else has answered one of these keys: its dossier must not stay lengthened. All are tried alone.
            if writes.len() == 1 {
                return Err(StoreError::Conflict);
            }
            return Err(StoreError::Failed("an answer was kept by someone else".into()));
        }
        let items: Vec<&NewItem> = candidates.iter().flat_map(|write| &write.items).collect();
        insert_steps(transaction, &items).await?;
        enqueue(transaction, &items).await?;
        candidates.iter().flat_map(|write| &write.bodies).for_each(|body| transaction.keep_body(body.clone()));
        candidates.iter().flat_map(|write| &write.records).for_each(|record| transaction.audit(record.clone()));
        Ok(column(writes, |write| if fits(&write) { Ok(()) } else { Err(StoreError::Conflict) }))
    }
}

/// Counts the steps of the dossiers that still have as many as expected, and returns their codes.
async fn lengthen(transaction: &Transaction<'_>, writes: &[AppendSteps]) -> Result<HashSet<String>, StoreError> {
    let codes = column(writes, |write| write.code.as_str());
    // In order, so that two batches wait for each other and do not cross.
    let lock = "SELECT 1 FROM dossier WHERE code = ANY($1) ORDER BY code FOR UPDATE";
    transaction.execute(lock, &[&codes]).await?;
    let sql = "UPDATE dossier SET steps = steps + added, step_state = new.step_state, \
               updated_at = greatest(now_micros(), 1 + (SELECT max(updated_at) FROM dossier)) \
               FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) AS new (code, expected, added, step_state) \
               WHERE dossier.code = new.code AND dossier.steps = new.expected RETURNING dossier.code";
    let expected = column(writes, |write| write.expected_steps);
    let added = column(writes, |write| i64::try_from(write.items.len()).unwrap_or(i64::MAX));
    let states = column(writes, |write| write.step_state.as_str());
    let lengthened = transaction.query(sql, &[&codes, &expected, &added, &states]).await?;
    Ok(lengthened.iter().map(|row| row.get(0)).collect())
}

async fn insert_steps(transaction: &Transaction<'_>, items: &[&NewItem]) -> Result<(), StoreError> {
    let sql = "INSERT INTO dossier_step (code, ordinal, client_id, agency_id, body_id, accepted_at) \
               SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::uuid[], $6::bigint[])";
    let items = || items.iter().copied();
    let codes = column(items(), |item| item.lane.as_str());
    let ordinals = column(items(), |item| item.ordinal);
    let clients = column(items(), |item| item.client_id.as_str());
    let agencies = column(items(), |item| item.agency_id.as_str());
    let bodies = column(items(), |item| item.body_id);
    let times = column(items(), |item| item.accepted_at.micros());
    transaction.execute(sql, &[&codes, &ordinals, &clients, &agencies, &bodies, &times]).await.map(drop)
}

#[async_trait]
impl DossierStore for PostgresDossiers {
    async fn find(&self, code: &str) -> Result<Option<DossierRow>, StoreError> {
        self.database.query(dossiers!("code = $1"), &[&code]).await?.first().map(row_of).transpose()
    }

    async fn put(&self, write: PutDossier) -> Result<(), StoreError> {
        self.put.accept(write).await
    }

    async fn append_steps(&self, write: AppendSteps) -> Result<(), StoreError> {
        self.append_steps.accept(write).await
    }

    async fn steps(&self, code: &str, limit: usize) -> Result<Vec<StepRow>, StoreError> {
        let sql = "SELECT ordinal, body_id, accepted_at FROM dossier_step WHERE code = $1 ORDER BY ordinal LIMIT $2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.database.query(sql, &[&code, &limit]).await?;
        let of = |row: &Row| StepRow {
            ordinal: row.get(0),
            body_id: row.get(1),
            accepted_at: Timestamp::from_micros(row.get(2)),
        };
        Ok(rows.iter().map(of).collect())
    }

    async fn page(&self, query: PageQuery) -> Result<Vec<DossierRow>, StoreError> {
        let settled = settled_before(&self.database).await?.micros();
        let (after, code) = query.after.unwrap_or((Timestamp::from_micros(i64::MIN), String::new()));
        let since = query.updated_since.map_or(i64::MIN, Timestamp::micros);
        let sql = dossiers!(
            "(updated_at, code) > ($1, $2) AND updated_at >= $3 AND updated_at < $4 AND ($5::text IS NULL OR state = $5) \
             ORDER BY updated_at, code LIMIT $6"
        );
        let state = query.state.map(DossierState::as_str);
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let rows = self.database.query(sql, &[&after.micros(), &code, &since, &settled, &state, &limit]).await?;
        rows.iter().map(row_of).collect()
    }
}

fn row_of(row: &Row) -> Result<DossierRow, StoreError> {
    let state = |text: &str| DossierState::parse(text).map_err(|_| StoreError::Failed("dossier.state".into()));
    let digest: &[u8] = row.get(5);
    Ok(DossierRow {
        code: row.get(0),
        client_id: row.get(1),
        agency_id: row.get(2),
        procedure_code: row.get(3),
        revision: row.get(4),
        digest: digest.try_into().map_err(StoreError::failed)?,
        state: state(row.get(6))?,
        step_state: row.get::<_, Option<&str>>(7).map(state).transpose()?,
        steps: row.get(8),
        body_id: row.get(9),
        operation_id: row.get(10),
        accepted_at: Timestamp::from_micros(row.get(11)),
        updated_at: Timestamp::from_micros(row.get(12)),
    })
}
