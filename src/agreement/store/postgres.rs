//! Checks and cases on PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::agreement::Class;
use lienthong_domain::time::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    AgreementStore, Candidate, CandidateRow, CaseQuery, CaseRow, Decide, Page, Resend, Unknown, Window, cases, known,
    run_of, text_of,
};
use crate::agreement::case::{Case, CaseStatus};
use crate::agreement::run::{Listed, Origin, Run, Side};
use crate::audit::SealedRecord;
use crate::outbox::NewItem;
use crate::outbox::portal::ROUTE;
use crate::outbox::store::postgres::enqueue;
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;
use crate::storage::postgres::{Parameter, Postgres, Transaction, column};

/// The topic's store on PostgreSQL.
pub(super) struct PostgresAgreement {
    database: Postgres,
    bodies: Arc<Bodies>,
}

impl PostgresAgreement {
    pub(super) fn new(database: Postgres, bodies: Arc<Bodies>) -> Self {
        Self { database, bodies }
    }

    async fn runs_of(
        &self,
        sql: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<(Run, Option<Timestamp>)>, StoreError> {
        let rows = self.database.query(sql, parameters).await?;
        let read = |row: &Row| {
            let ended_at: Option<i64> = row.get(1);
            Ok((run_of(row.get(0))?, ended_at.map(Timestamp::from_micros)))
        };
        rows.iter().map(read).collect()
    }

    async fn cases_of(&self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Case>, StoreError> {
        self.database.query(sql, parameters).await?.iter().map(|row| case_of(row).read()).collect()
    }
}

#[async_trait]
impl AgreementStore for PostgresAgreement {
    async fn list(&self, run: Uuid, codes: Vec<Listed>) -> Result<(), StoreError> {
        let sql = "INSERT INTO agreement_listed (run_id, code, side) SELECT $1, * FROM unnest($2::text[], $3::text[]) \
                   ON CONFLICT DO NOTHING";
        let (names, sides) =
            (column(&codes, |listed| listed.code.as_str()), column(&codes, |listed| listed.side.as_str()));
        self.database.execute(sql, &[&run, &names, &sides]).await.map(drop)
    }

    async fn ask(&self, run: Run, record: Option<SealedRecord>) -> Result<(), StoreError> {
        let text = text_of(&run)?;
        let sql = "INSERT INTO agreement_run (id, origin, until_at, pages, run) VALUES ($1, $2, $3, 0, $4) \
                   ON CONFLICT DO NOTHING";
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        let parameters: [Parameter<'_>; 4] = [&run.id, &run.origin.as_str(), &run.until.micros(), &text];
        if transaction.execute(sql, &parameters).await? != 1 {
            return Err(StoreError::Conflict);
        }
        record.into_iter().for_each(|record| transaction.audit(record));
        transaction.commit().await
    }

    async fn under_way(&self) -> Result<Option<Run>, StoreError> {
        let sql = "SELECT run, ended_at FROM agreement_run WHERE ended_at IS NULL ORDER BY id LIMIT 1";
        Ok(self.runs_of(sql, &[]).await?.pop().map(|(run, _)| run))
    }

    async fn runs(&self, limit: usize) -> Result<Vec<(Run, Option<Timestamp>)>, StoreError> {
        let sql = "SELECT run, ended_at FROM agreement_run ORDER BY id DESC LIMIT $1";
        self.runs_of(sql, &[&(limit.cast_signed() as i64)]).await
    }

    async fn run(&self, id: Uuid) -> Result<Option<(Run, Option<Timestamp>)>, StoreError> {
        Ok(self.runs_of("SELECT run, ended_at FROM agreement_run WHERE id = $1", &[&id]).await?.pop())
    }

    async fn scheduled_until(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT max(until_at) FROM agreement_run WHERE origin = $1";
        let rows = self.database.query(sql, &[&Origin::Schedule.as_str()]).await?;
        let until: Option<i64> = rows.first().and_then(|row| row.get(0));
        Ok(until.map(Timestamp::from_micros))
    }

    async fn count(&self, run: &Run) -> Result<u64, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM dossier WHERE updated_at >= $1 AND updated_at < $2) \
                   + (SELECT count(*) FROM agreement_listed WHERE run_id = $3)";
        let rows = self.database.query(sql, &[&run.from.micros(), &run.until.micros(), &run.id]).await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0)).cast_unsigned())
    }

    async fn candidates(&self, window: Window) -> Result<Vec<Candidate>, StoreError> {
        let sql = "SELECT d.code, d.agency_id, d.updated_at, d.revision, d.state, d.step_state, d.body_id, s.body_id, \
                   b.wrapped_key, b.sealed, l.acknowledged_revision, o.status, o.due_at, o.problem, \
                   EXISTS (SELECT 1 FROM agreement_case c WHERE c.code = d.code AND c.status <> 'settled') \
                   FROM dossier d LEFT JOIN body b ON b.id = d.body_id \
                   LEFT JOIN lane l ON l.route = $1 AND l.lane = d.code \
                   LEFT JOIN outbox o ON o.route = $1 AND o.lane = d.code AND o.is_open AND o.is_head \
                   LEFT JOIN dossier_step s ON s.code = d.code AND s.ordinal = d.steps \
                   WHERE (d.updated_at, d.code) > ($2, $3) AND d.updated_at >= $4 AND d.updated_at < $5 \
                   ORDER BY d.updated_at, d.code LIMIT $6";
        let limit = window.limit.cast_signed() as i64;
        let parameters: [Parameter<'_>; 6] =
            [&ROUTE, &window.after.at, &window.after.code, &window.from.micros(), &window.until.micros(), &limit];
        let rows = self.database.query(sql, &parameters).await?;
        rows.iter().map(|row| candidate_of(row).read(&self.bodies)).collect()
    }

    async fn unknown_listed(
        &self,
        run: Uuid,
        after: String,
        limit: usize,
    ) -> Result<(Vec<Unknown>, Option<String>), StoreError> {
        let sql = "SELECT l.code, min(l.side), EXISTS (SELECT 1 FROM dossier d WHERE d.code = l.code) \
                   FROM agreement_listed l WHERE l.run_id = $1 AND l.code > $2 GROUP BY l.code ORDER BY l.code LIMIT $3";
        let rows = self.database.query(sql, &[&run, &after, &(limit.cast_signed() as i64)]).await?;
        let last = rows.last().map(|row| row.get(0));
        let unknown = rows.iter().filter(|row| !row.get::<_, bool>(2));
        let unknown =
            unknown.map(|row| Ok(Unknown { code: row.get(0), side: known("agreement_listed.side", row.get(1))? }));
        Ok((unknown.collect::<Result<_, StoreError>>()?, last))
    }

    async fn taken_and_not_given(&self, window: Window) -> Result<Vec<Unknown>, StoreError> {
        let sql = "SELECT DISTINCT local_code COLLATE \"C\" AS code FROM inbox_item WHERE begins AND status = 'acknowledged' \
                   AND decided_at >= $1 AND decided_at < $2 AND local_code COLLATE \"C\" > $3 \
                   AND NOT EXISTS (SELECT 1 FROM dossier d WHERE d.code = local_code) ORDER BY code LIMIT $4";
        let limit = window.limit.cast_signed() as i64;
        let (from, until) = (window.from.micros(), window.until.micros());
        let rows = self.database.query(sql, &[&from, &until, &window.after.code, &limit]).await?;
        Ok(column(&rows, |row| Unknown { code: row.get(0), side: Side::Local }))
    }

    async fn save(&self, page: Page) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        save(&transaction, &page).await?;
        page.records.into_iter().for_each(|record| transaction.audit(record));
        transaction.commit().await
    }

    async fn case(&self, id: Uuid) -> Result<Option<Case>, StoreError> {
        Ok(self.cases_of(cases!("WHERE id = $1"), &[&id]).await?.pop())
    }

    async fn cases(&self, query: CaseQuery) -> Result<Vec<Case>, StoreError> {
        let sql = cases!(
            "WHERE id > $1 AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR class = $3) \
             AND ($4::uuid IS NULL OR run_id = $4) ORDER BY id LIMIT $5"
        );
        let (status, class) = (query.status.map(CaseStatus::as_str), query.class.map(Class::as_str));
        let (after, limit) = (query.after.unwrap_or(Uuid::nil()), query.limit.cast_signed() as i64);
        self.cases_of(sql, &[&after, &status, &class, &query.run_id, &limit]).await
    }

    async fn open_by_class(&self) -> Result<Vec<(Class, u64)>, StoreError> {
        let sql = "SELECT class, count(*) FROM agreement_case WHERE status = 'open' GROUP BY class ORDER BY class";
        let rows = self.database.query(sql, &[]).await?;
        let read = |row: &Row| Ok((known("agreement_case.class", row.get(0))?, row.get::<_, i64>(1).cast_unsigned()));
        rows.iter().map(read).collect()
    }

    async fn decide(&self, decide: Decide) -> Result<(), StoreError> {
        let sql = "UPDATE agreement_case SET status = $2, decided_at = $3, decided_by = $4, words = $5, operation_id = $6 \
                   WHERE id = $1 AND status = 'open'";
        let operation = decide.send.as_ref().map(|send| send.operation_id);
        let (to, now) = (decide.to.as_str(), decide.now.micros());
        let parameters: [Parameter<'_>; 6] = [&decide.case, &to, &now, &decide.by, &decide.words, &operation];
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        if transaction.execute(sql, &parameters).await? != 1 {
            return Err(StoreError::NotApplicable);
        }
        if let Some(send) = &decide.send {
            check(&transaction, send).await?;
            enqueue(&transaction, &send.items.iter().collect::<Vec<&NewItem>>()).await?;
        }
        transaction.audit(decide.record);
        transaction.commit().await
    }
}

/// `Conflict` if the dossier is not what it was, or something of it is on its way. Its row stays locked: nothing is added meanwhile.
async fn check(transaction: &Transaction<'_>, send: &Resend) -> Result<(), StoreError> {
    let lock = "SELECT 1 FROM dossier WHERE code = $1 AND revision = $2 AND steps = $3 FOR UPDATE";
    let is_same = transaction.query(lock, &[&send.code, &send.expected_revision, &send.expected_steps]).await?;
    let open = "SELECT 1 FROM outbox WHERE route = $1 AND lane = $2 AND is_open LIMIT 1";
    let is_busy = transaction.query(open, &[&ROUTE, &send.code]).await?;
    if is_same.is_empty() || !is_busy.is_empty() { Err(StoreError::Conflict) } else { Ok(()) }
}

async fn save(transaction: &Transaction<'_>, page: &Page) -> Result<(), StoreError> {
    let (run, now) = (&page.run, page.now.micros());
    let ended_at = page.is_last.then_some(now);
    let sql = "UPDATE agreement_run SET run = $2, pages = $3, ended_at = $4 WHERE id = $1 AND pages = $3::bigint - 1";
    if transaction.execute(sql, &[&run.id, &text_of(run)?, &run.pages, &ended_at]).await? != 1 {
        return Err(StoreError::Conflict);
    }
    let clear = "UPDATE agreement_case SET status = 'settled', run_id = $3, seen_at = $4 \
                 FROM unnest($1::text[], $2::text[]) AS cleared (code, class) WHERE status <> 'settled' \
                 AND agreement_case.code = cleared.code AND agreement_case.class = cleared.class";
    let codes = column(&page.cleared, |(code, _)| code.as_str());
    let classes = column(&page.cleared, |(_, class)| class.as_str());
    transaction.execute(clear, &[&codes, &classes, &run.id, &now]).await?;
    let find = "INSERT INTO agreement_case AS c (id, run_id, code, agency_id, class, expected, observed, repair, status, \
                found_at, seen_at, returns) SELECT id, $2, code, agency_id, class, expected, observed, repair, 'open', $9, $9, 0 \
                FROM unnest($1::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) \
                AS found (id, code, agency_id, class, expected, observed, repair) \
                ON CONFLICT (code, class) WHERE status <> 'settled' DO UPDATE SET run_id = $2, repair = excluded.repair, \
                seen_at = $9, returns = c.returns + (c.status = 'repaired')::int, \
                status = CASE WHEN c.status = 'dismissed' AND c.expected = excluded.expected \
                AND c.observed = excluded.observed THEN 'dismissed' ELSE 'open' END, \
                expected = excluded.expected, observed = excluded.observed";
    let found = &page.found;
    let parameters: [Parameter<'_>; 9] = [
        &column(found, |_| Uuid::now_v7()),
        &run.id,
        &column(found, |found| found.code.as_str()),
        &column(found, |found| found.agency_id.as_str()),
        &column(found, |found| found.class.as_str()),
        &column(found, |found| found.expected.as_str()),
        &column(found, |found| found.observed.as_str()),
        &column(found, |found| found.repair.as_str()),
        &now,
    ];
    transaction.execute(find, &parameters).await?;
    if page.is_last {
        transaction.execute("DELETE FROM agreement_listed WHERE run_id = $1", &[&run.id]).await?;
        let sql = "UPDATE agreement_case SET status = 'settled', seen_at = $1 WHERE status <> 'settled' \
                   AND class IN ('missing_locally', 'never_given') \
                   AND EXISTS (SELECT 1 FROM dossier d WHERE d.code = agreement_case.code)";
        transaction.execute(sql, &[&now]).await?;
    }
    Ok(())
}

fn case_of(row: &Row) -> CaseRow {
    CaseRow {
        id: row.get(0),
        run_id: row.get(1),
        code: row.get(2),
        agency_id: row.get(3),
        class: row.get(4),
        expected: row.get(5),
        observed: row.get(6),
        repair: row.get(7),
        status: row.get(8),
        found_at: row.get(9),
        seen_at: row.get(10),
        returns: row.get(11),
        decided_at: row.get(12),
        decided_by: row.get(13),
        words: row.get(14),
        operation_id: row.get(15),
    }
}

fn candidate_of(row: &Row) -> CandidateRow {
    CandidateRow {
        code: row.get(0),
        agency_id: row.get(1),
        updated_at: row.get(2),
        revision: row.get(3),
        state: row.get(4),
        step_state: row.get(5),
        body_id: row.get(6),
        step_body_id: row.get(7),
        wrapped_key: row.get(8),
        sealed: row.get(9),
        acknowledged_revision: row.get(10),
        head_status: row.get(11),
        head_due_at: row.get(12),
        head_problem: row.get(13),
        has_case: row.get(14),
    }
}
