//! The copy of the catalogue on SQLite.

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use rusqlite::{OptionalExtension, Row};

use super::{Add, CatalogueStore, VersionRow, read_run, texts_of, versions};
use crate::audit::SealedRecord;
use crate::catalogue::entry::{List, Version};
use crate::catalogue::run::Run;
use crate::storage::StoreError;
use crate::storage::sqlite::{Sqlite, Transaction};

/// The topic's store on SQLite.
pub(super) struct SqliteCatalogue {
    database: Sqlite,
}

impl SqliteCatalogue {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }

    async fn read(
        &self,
        sql: &'static str,
        parameters: impl rusqlite::Params + Send + 'static,
    ) -> Result<Vec<Version>, StoreError> {
        let read = move |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows: Vec<VersionRow> = statement.query_map(parameters, row_of)?.collect::<Result<_, _>>()?;
            rows.into_iter().map(VersionRow::read).collect()
        };
        self.database.readers.read(read).await
    }
}

#[async_trait]
impl CatalogueStore for SqliteCatalogue {
    async fn last(&self) -> Result<i64, StoreError> {
        self.database.readers.read(last).await
    }

    async fn newest(&self) -> Result<Vec<Version>, StoreError> {
        let sql = versions!(
            "WHERE number IN (SELECT max(number) FROM catalogue_version GROUP BY list, code) ORDER BY list, code"
        );
        self.read(sql, ()).await
    }

    async fn content(&self, number: i64) -> Result<Option<String>, StoreError> {
        let sql = "SELECT content FROM catalogue_version WHERE number = ?1";
        let read = move |connection: &rusqlite::Connection| {
            Ok(connection.prepare_cached(sql)?.query_row([number], |row| row.get(0)).optional()?)
        };
        self.database.readers.look_up(read).await
    }

    async fn versions(&self, list: List, code: String, before: i64, limit: usize) -> Result<Vec<Version>, StoreError> {
        let sql = versions!("WHERE list = ?1 AND code = ?2 AND number < ?3 ORDER BY number DESC LIMIT ?4");
        self.read(sql, (list.as_str(), code, before, limit.cast_signed())).await
    }

    async fn changes(&self, after: i64, limit: usize) -> Result<Vec<Version>, StoreError> {
        self.read(versions!("WHERE number > ?1 ORDER BY number LIMIT ?2"), (after, limit.cast_signed())).await
    }

    async fn add(&self, add: Add) -> Result<(), StoreError> {
        self.database.writer.write(move |transaction| insert(transaction, &add)).await
    }

    async fn run(&self) -> Result<Option<Run>, StoreError> {
        let sql = "SELECT began_at, ended_at, completed_at, next_at, remaining, report, asked_at, may_shrink FROM catalogue_run";
        let read = move |connection: &rusqlite::Connection| {
            let row = connection.prepare_cached(sql)?.query_row([], |row| row.try_into()).optional()?;
            row.map(read_run).transpose()
        };
        self.database.readers.read(read).await
    }

    async fn save_run(&self, run: Run, takes: bool) -> Result<(), StoreError> {
        let (remaining, report) = texts_of(&run)?;
        let save = move |transaction: &mut Transaction<'_>| {
            let sql = "INSERT INTO catalogue_run (one, began_at, ended_at, completed_at, next_at, remaining, report, may_shrink) \
                       VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, 0) ON CONFLICT (one) DO UPDATE SET began_at = ?1, ended_at = ?2, \
                       completed_at = ?3, next_at = ?4, remaining = ?5, report = ?6, \
                       asked_at = CASE WHEN ?7 THEN NULL ELSE asked_at END, may_shrink = CASE WHEN ?7 THEN 0 ELSE may_shrink END";
            let micros = |at: Option<Timestamp>| at.map(Timestamp::micros);
            transaction.connection.prepare_cached(sql)?.execute((
                micros(run.began_at),
                micros(run.ended_at),
                micros(run.completed_at),
                run.next_at.micros(),
                &remaining,
                &report,
                takes,
            ))?;
            Ok(())
        };
        self.database.writer.write(save).await
    }

    async fn ask_for_run(&self, at: Timestamp, may_shrink: bool, record: SealedRecord) -> Result<(), StoreError> {
        let ask = move |transaction: &mut Transaction<'_>| {
            let sql = "INSERT INTO catalogue_run (one, next_at, remaining, report, asked_at, may_shrink) \
                       VALUES (1, ?1, '[]', '{}', ?1, ?2) ON CONFLICT (one) DO UPDATE SET asked_at = ?1, may_shrink = ?2";
            transaction.connection.prepare_cached(sql)?.execute((at.micros(), may_shrink))?;
            transaction.audit(record.clone());
            Ok(())
        };
        self.database.writer.write(ask).await
    }
}

fn last(connection: &rusqlite::Connection) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce(max(number), 0) FROM catalogue_version";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

fn insert(transaction: &mut Transaction<'_>, add: &Add) -> Result<(), StoreError> {
    if last(transaction.connection)? != add.after {
        return Err(StoreError::Conflict);
    }
    let sql = "INSERT INTO catalogue_version (number, list, code, name, standing, change, since, summary, digest, content) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut statement = transaction.connection.prepare_cached(sql)?;
    for new in &add.versions {
        let version = &new.version;
        let summary = serde_json::to_string(&version.summary).map_err(StoreError::failed)?;
        statement.execute((
            version.number,
            version.list.as_str(),
            &version.code,
            &version.name,
            version.standing.as_str(),
            version.change.as_str(),
            version.since.micros(),
            summary,
            version.digest,
            &new.content,
        ))?;
    }
    drop(statement);
    transaction.audit(add.record.clone());
    Ok(())
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<VersionRow> {
    Ok(VersionRow {
        number: row.get(0)?,
        list: row.get(1)?,
        code: row.get(2)?,
        name: row.get(3)?,
        standing: row.get(4)?,
        change: row.get(5)?,
        since: row.get(6)?,
        summary: row.get(7)?,
        digest: row.get(8)?,
    })
}
