//! Checks and cases on SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::agreement::Class;
use lienthong_domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::{
    AgreementStore, Candidate, CandidateRow, CaseQuery, CaseRow, Decide, Page, Resend, Unknown, Window, cases, known,
    run_of, text_of,
};
use crate::agreement::case::{Case, CaseStatus};
use crate::agreement::run::{Listed, Origin, Run, Side};
use crate::audit::SealedRecord;
use crate::outbox::portal::ROUTE;
use crate::outbox::store::sqlite::enqueue;
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;
use crate::storage::sqlite::{Sqlite, Transaction};

/// The topic's store on SQLite.
pub(super) struct SqliteAgreement {
    database: Sqlite,
    bodies: Arc<Bodies>,
}

impl SqliteAgreement {
    pub(super) fn new(database: Sqlite, bodies: Arc<Bodies>) -> Self {
        Self { database, bodies }
    }

    async fn runs_of(
        &self,
        sql: &'static str,
        parameters: impl rusqlite::Params + std::marker::Send + 'static,
    ) -> Result<Vec<(Run, Option<Timestamp>)>, StoreError> {
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(parameters, |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            rows.map(|row| {
                let (run, ended_at): (String, Option<i64>) = row?;
                Ok((run_of(&run)?, ended_at.map(Timestamp::from_micros)))
            })
            .collect()
        };
        self.database.readers.read(read).await
    }

    async fn cases_of(
        &self,
        sql: &'static str,
        parameters: impl rusqlite::Params + std::marker::Send + 'static,
    ) -> Result<Vec<Case>, StoreError> {
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows: Vec<CaseRow> = statement.query_map(parameters, case_of)?.collect::<Result<_, _>>()?;
            rows.into_iter().map(CaseRow::read).collect()
        };
        self.database.readers.read(read).await
    }
}

#[async_trait]
impl AgreementStore for SqliteAgreement {
    async fn list(&self, run: Uuid, codes: Vec<Listed>) -> Result<(), StoreError> {
        let write = move |transaction: &mut Transaction<'_>| {
            let sql = "INSERT OR IGNORE INTO agreement_listed (run_id, code, side) VALUES (?1, ?2, ?3)";
            let mut statement = transaction.connection.prepare_cached(sql)?;
            for listed in &codes {
                statement.execute((run.as_bytes(), &listed.code, listed.side.as_str()))?;
            }
            Ok(())
        };
        self.database.writer.write(write).await
    }

    async fn ask(&self, run: Run, record: Option<SealedRecord>) -> Result<(), StoreError> {
        let text = text_of(&run)?;
        let write = move |transaction: &mut Transaction<'_>| {
            let sql =
                "INSERT OR IGNORE INTO agreement_run (id, origin, until_at, pages, run) VALUES (?1, ?2, ?3, 0, ?4)";
            let parameters = (run.id.as_bytes(), run.origin.as_str(), run.until.micros(), &text);
            if transaction.connection.prepare_cached(sql)?.execute(parameters)? != 1 {
                return Err(StoreError::Conflict);
            }
            record.iter().for_each(|record| transaction.audit(record.clone()));
            Ok(())
        };
        self.database.writer.write(write).await
    }

    async fn under_way(&self) -> Result<Option<Run>, StoreError> {
        let sql = "SELECT run, ended_at FROM agreement_run WHERE ended_at IS NULL ORDER BY id LIMIT 1";
        Ok(self.runs_of(sql, ()).await?.pop().map(|(run, _)| run))
    }

    async fn runs(&self, limit: usize) -> Result<Vec<(Run, Option<Timestamp>)>, StoreError> {
        let sql = "SELECT run, ended_at FROM agreement_run ORDER BY id DESC LIMIT ?1";
        self.runs_of(sql, [limit.cast_signed()]).await
    }

    async fn run(&self, id: Uuid) -> Result<Option<(Run, Option<Timestamp>)>, StoreError> {
        let sql = "SELECT run, ended_at FROM agreement_run WHERE id = ?1";
        Ok(self.runs_of(sql, [*id.as_bytes()]).await?.pop())
    }

    async fn scheduled_until(&self) -> Result<Option<Timestamp>, StoreError> {
        let read = |connection: &Connection| {
            let sql = "SELECT max(until_at) FROM agreement_run WHERE origin = ?1";
            let until = connection.prepare_cached(sql)?.query_row([Origin::Schedule.as_str()], |row| row.get(0));
            Ok(until.map(|until: Option<i64>| until.map(Timestamp::from_micros))?)
        };
        self.database.readers.read(read).await
    }

    async fn count(&self, run: &Run) -> Result<u64, StoreError> {
        let (from, until, id) = (run.from.micros(), run.until.micros(), *run.id.as_bytes());
        let read = move |connection: &Connection| {
            let sql = "SELECT (SELECT count(*) FROM dossier WHERE updated_at >= ?1 AND updated_at < ?2) \
                       + (SELECT count(*) FROM agreement_listed WHERE run_id = ?3)";
            let count: i64 = connection.prepare_cached(sql)?.query_row((from, until, id), |row| row.get(0))?;
            Ok(count.cast_unsigned())
        };
        self.database.readers.read(read).await
    }

    async fn candidates(&self, window: Window) -> Result<Vec<Candidate>, StoreError> {
        let bodies = Arc::clone(&self.bodies);
        let read = move |connection: &Connection| {
            let sql = "SELECT d.code, d.agency_id, d.updated_at, d.revision, d.state, d.step_state, d.body_id, s.body_id, \
                       b.wrapped_key, b.sealed, l.acknowledged_revision, o.status, o.due_at, o.problem, \
                       EXISTS (SELECT 1 FROM agreement_case c WHERE c.code = d.code AND c.status <> 'settled') \
                       FROM dossier d LEFT JOIN body b ON b.id = d.body_id \
                       LEFT JOIN lane l ON l.route = ?1 AND l.lane = d.code \
                       LEFT JOIN outbox o ON o.route = ?1 AND o.lane = d.code AND o.is_open = 1 AND o.is_head = 1 \
                       LEFT JOIN dossier_step s ON s.code = d.code AND s.ordinal = d.steps \
                       WHERE (d.updated_at, d.code) > (?2, ?3) AND d.updated_at >= ?4 AND d.updated_at < ?5 \
                       ORDER BY d.updated_at, d.code LIMIT ?6";
            let mut statement = connection.prepare_cached(sql)?;
            let (from, until) = (window.from.micros(), window.until.micros());
            let limit = window.limit.cast_signed();
            let parameters = (ROUTE, window.after.at, window.after.code, from, until, limit);
            let rows: Vec<CandidateRow> = statement.query_map(parameters, candidate_of)?.collect::<Result<_, _>>()?;
            rows.into_iter().map(|row| row.read(&bodies)).collect()
        };
        self.database.readers.read(read).await
    }

    async fn unknown_listed(
        &self,
        run: Uuid,
        after: String,
        limit: usize,
    ) -> Result<(Vec<Unknown>, Option<String>), StoreError> {
        let read = move |connection: &Connection| {
            let sql = "SELECT l.code, min(l.side), EXISTS (SELECT 1 FROM dossier d WHERE d.code = l.code) \
                       FROM agreement_listed l WHERE l.run_id = ?1 AND l.code > ?2 GROUP BY l.code ORDER BY l.code LIMIT ?3";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map((run.as_bytes(), after, limit.cast_signed()), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
            let rows: Vec<(String, String, bool)> = rows.collect::<Result<_, _>>()?;
            let last = rows.last().map(|(code, ..)| code.clone());
            let unknown = rows.into_iter().filter(|(.., is_known)| !is_known);
            let unknown =
                unknown.map(|(code, side, _)| Ok(Unknown { code, side: known("agreement_listed.side", &side)? }));
            Ok((unknown.collect::<Result<_, StoreError>>()?, last))
        };
        self.database.readers.read(read).await
    }

    async fn taken_and_not_given(&self, window: Window) -> Result<Vec<Unknown>, StoreError> {
        let read = move |connection: &Connection| {
            let sql = "SELECT DISTINCT local_code FROM inbox_item WHERE begins = 1 AND status = 'acknowledged' \
                       AND decided_at >= ?1 AND decided_at < ?2 AND local_code > ?3 \
                       AND NOT EXISTS (SELECT 1 FROM dossier d WHERE d.code = local_code) ORDER BY local_code LIMIT ?4";
            let mut statement = connection.prepare_cached(sql)?;
            let (from, until) = (window.from.micros(), window.until.micros());
            let codes =
                statement.query_map((from, until, window.after.code, window.limit.cast_signed()), |row| row.get(0))?;
            codes.map(|code| Ok(Unknown { code: code?, side: Side::Local })).collect()
        };
        self.database.readers.read(read).await
    }

    async fn save(&self, page: Page) -> Result<(), StoreError> {
        let text = text_of(&page.run)?;
        self.database.writer.write(move |transaction| save(transaction, &page, &text)).await
    }

    async fn case(&self, id: Uuid) -> Result<Option<Case>, StoreError> {
        Ok(self.cases_of(cases!("WHERE id = ?1"), [*id.as_bytes()]).await?.pop())
    }

    async fn cases(&self, query: CaseQuery) -> Result<Vec<Case>, StoreError> {
        let sql = cases!(
            "WHERE id > ?1 AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR class = ?3) AND (?4 IS NULL OR run_id = ?4) \
             ORDER BY id LIMIT ?5"
        );
        let after = *query.after.unwrap_or(Uuid::nil()).as_bytes();
        let (status, class) = (query.status.map(CaseStatus::as_str), query.class.map(Class::as_str));
        let run = query.run_id.map(|run| *run.as_bytes());
        self.cases_of(sql, (after, status, class, run, query.limit.cast_signed())).await
    }

    async fn open_by_class(&self) -> Result<Vec<(Class, u64)>, StoreError> {
        let read = |connection: &Connection| {
            let sql = "SELECT class, count(*) FROM agreement_case WHERE status = 'open' GROUP BY class ORDER BY class";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
            rows.map(|row| {
                let (class, count) = row?;
                Ok((known("agreement_case.class", &class)?, count.cast_unsigned()))
            })
            .collect()
        };
        self.database.readers.read(read).await
    }

    async fn decide(&self, decide: Decide) -> Result<(), StoreError> {
        let write = move |transaction: &mut Transaction<'_>| {
            let operation = decide.send.as_ref().map(|send| *send.operation_id.as_bytes());
            let sql = "UPDATE agreement_case SET status = ?2, decided_at = ?3, decided_by = ?4, words = ?5, operation_id = ?6 \
                       WHERE id = ?1 AND status = 'open'";
            let parameters =
                (decide.case.as_bytes(), decide.to.as_str(), decide.now.micros(), &decide.by, &decide.words, operation);
            if transaction.connection.prepare_cached(sql)?.execute(parameters)? != 1 {
                return Err(StoreError::NotApplicable);
            }
            if let Some(send) = &decide.send {
                check(transaction.connection, send)?;
                for item in &send.items {
                    enqueue(transaction, item)?;
                }
            }
            transaction.audit(decide.record.clone());
            Ok(())
        };
        self.database.writer.accept(write).await
    }
}

/// `Conflict` if the dossier is not what it was, or something of it is on its way.
fn check(connection: &Connection, send: &Resend) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM dossier WHERE code = ?1 AND revision = ?2 AND steps = ?3 \
               AND NOT EXISTS (SELECT 1 FROM outbox WHERE route = ?4 AND lane = ?1 AND is_open = 1)";
    let parameters = (&send.code, send.expected_revision, send.expected_steps, ROUTE);
    let found: Option<i64> = connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0)).optional()?;
    found.map(drop).ok_or(StoreError::Conflict)
}

fn save(transaction: &mut Transaction<'_>, page: &Page, text: &str) -> Result<(), StoreError> {
    let (connection, run) = (transaction.connection, &page.run);
    let ended_at = page.is_last.then(|| page.now.micros());
    let changed = connection
        .prepare_cached(
            "UPDATE agreement_run SET run = ?2, pages = ?3, ended_at = ?4 WHERE id = ?1 AND pages = ?3 - 1",
        )?
        .execute((run.id.as_bytes(), text, run.pages, ended_at))?;
    if changed != 1 {
        return Err(StoreError::Conflict);
    }
    let mut clear = connection.prepare_cached(
        "UPDATE agreement_case SET status = 'settled', run_id = ?3, seen_at = ?4 \
         WHERE code = ?1 AND class = ?2 AND status <> 'settled'",
    )?;
    for (code, class) in &page.cleared {
        clear.execute((code, class.as_str(), run.id.as_bytes(), page.now.micros()))?;
    }
    let mut find = connection.prepare_cached(
        "INSERT INTO agreement_case (id, run_id, code, agency_id, class, expected, observed, repair, status, found_at, \
         seen_at, returns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open', ?9, ?9, 0) \
         ON CONFLICT (code, class) WHERE status <> 'settled' DO UPDATE SET run_id = ?2, repair = ?8, seen_at = ?9, \
         returns = returns + (status = 'repaired'), \
         status = CASE WHEN status = 'dismissed' AND expected = ?6 AND observed = ?7 THEN 'dismissed' ELSE 'open' END, \
         expected = ?6, observed = ?7",
    )?;
    for found in &page.found {
        find.execute((
            Uuid::now_v7().as_bytes(),
            run.id.as_bytes(),
            &found.code,
            &found.agency_id,
            found.class.as_str(),
            &found.expected,
            &found.observed,
            found.repair.as_str(),
            page.now.micros(),
        ))?;
    }
    if page.is_last {
        connection.prepare_cached("DELETE FROM agreement_listed WHERE run_id = ?1")?.execute([run.id.as_bytes()])?;
        let sql = "UPDATE agreement_case SET status = 'settled', seen_at = ?1 WHERE status <> 'settled' \
                   AND class IN ('missing_locally', 'never_given') \
                   AND EXISTS (SELECT 1 FROM dossier d WHERE d.code = agreement_case.code)";
        connection.prepare_cached(sql)?.execute([page.now.micros()])?;
    }
    drop((clear, find));
    page.records.iter().for_each(|record| transaction.audit(record.clone()));
    Ok(())
}

fn case_of(row: &Row<'_>) -> rusqlite::Result<CaseRow> {
    Ok(CaseRow {
        id: Uuid::from_bytes(row.get(0)?),
        run_id: Uuid::from_bytes(row.get(1)?),
        code: row.get(2)?,
        agency_id: row.get(3)?,
        class: row.get(4)?,
        expected: row.get(5)?,
        observed: row.get(6)?,
        repair: row.get(7)?,
        status: row.get(8)?,
        found_at: row.get(9)?,
        seen_at: row.get(10)?,
        returns: row.get(11)?,
        decided_at: row.get(12)?,
        decided_by: row.get(13)?,
        words: row.get(14)?,
        operation_id: row.get::<_, Option<[u8; 16]>>(15)?.map(Uuid::from_bytes),
    })
}

fn candidate_of(row: &Row<'_>) -> rusqlite::Result<CandidateRow> {
    Ok(CandidateRow {
        code: row.get(0)?,
        agency_id: row.get(1)?,
        updated_at: row.get(2)?,
        revision: row.get(3)?,
        state: row.get(4)?,
        step_state: row.get(5)?,
        body_id: Uuid::from_bytes(row.get(6)?),
        step_body_id: row.get::<_, Option<[u8; 16]>>(7)?.map(Uuid::from_bytes),
        wrapped_key: row.get(8)?,
        sealed: row.get(9)?,
        acknowledged_revision: row.get(10)?,
        head_status: row.get(11)?,
        head_due_at: row.get(12)?,
        head_problem: row.get(13)?,
        has_case: row.get(14)?,
    })
}
