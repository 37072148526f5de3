//! The copy of the catalogue on PostgreSQL. Whoever adds versions holds the table's lock: numbers have no gaps, and none becomes
//! visible after a greater one.

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use tokio_postgres::Row;

use super::{Add, CatalogueStore, VersionRow, read_run, texts_of, versions};
use crate::audit::SealedRecord;
use crate::catalogue::entry::{List, Version};
use crate::catalogue::run::Run;
use crate::storage::StoreError;
use crate::storage::postgres::{Parameter, Postgres, Transaction, column};

/// The topic's store on PostgreSQL.
pub(super) struct PostgresCatalogue {
    database: Postgres,
}

impl PostgresCatalogue {
    pub(super) fn new(database: Postgres) -> Self {
        Self { database }
    }

    async fn read(&self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Version>, StoreError> {
        self.database.query(sql, parameters).await?.iter().map(|row| row_of(row).read()).collect()
    }
}

#[async_trait]
impl CatalogueStore for PostgresCatalogue {
    async fn last(&self) -> Result<i64, StoreError> {
        let rows = self.database.query(LAST, &[]).await?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }

    async fn newest(&self) -> Result<Vec<Version>, StoreError> {
        let sql = versions!(
            "WHERE number IN (SELECT max(number) FROM catalogue_version GROUP BY list, code) ORDER BY list, code"
        );
        self.read(sql, &[]).await
    }

    async fn content(&self, number: i64) -> Result<Option<String>, StoreError> {
        let sql = "SELECT content FROM catalogue_version WHERE number = $1";
        Ok(self.database.query(sql, &[&number]).await?.first().map(|row| row.get(0)))
    }

    async fn versions(&self, list: List, code: String, before: i64, limit: usize) -> Result<Vec<Version>, StoreError> {
        let sql = versions!("WHERE list = $1 AND code = $2 AND number < $3 ORDER BY number DESC LIMIT $4");
        self.read(sql, &[&list.as_str(), &code, &before, &(limit.cast_signed() as i64)]).await
    }

    async fn changes(&self, after: i64, limit: usize) -> Result<Vec<Version>, StoreError> {
        let limit = limit.cast_signed() as i64;
        self.read(versions!("WHERE number > $1 ORDER BY number LIMIT $2"), &[&after, &limit]).await
    }

    async fn add(&self, add: Add) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        transaction.execute("LOCK TABLE catalogue_version IN EXCLUSIVE MODE", &[]).await?;
        let last: i64 = transaction.query(LAST, &[]).await?.first().map_or(0, |row| row.get(0));
        if last != add.after {
            return Err(StoreError::Conflict);
        }
        insert(&transaction, &add).await?;
        transaction.audit(add.record);
        transaction.commit().await
    }

    async fn run(&self) -> Result<Option<Run>, StoreError> {
        let sql = "SELECT began_at, ended_at, completed_at, next_at, remaining, report, asked_at, may_shrink FROM catalogue_run";
        let rows = self.database.query(sql, &[]).await?;
        let read = |row: &Row| {
            let times = (row.get(0), row.get(1), row.get(2), row.get(3));
            read_run((times.0, times.1, times.2, times.3, row.get(4), row.get(5), row.get(6), row.get(7)))
        };
        rows.first().map(read).transpose()
    }

    async fn save_run(&self, run: Run, takes: bool) -> Result<(), StoreError> {
        let (remaining, report) = texts_of(&run)?;
        let sql = "INSERT INTO catalogue_run (one, began_at, ended_at, completed_at, next_at, remaining, report, may_shrink) \
                   VALUES (1, $1, $2, $3, $4, $5, $6, false) ON CONFLICT (one) DO UPDATE SET began_at = $1, ended_at = $2, \
                   completed_at = $3, next_at = $4, remaining = $5, report = $6, \
                   asked_at = CASE WHEN $7 THEN NULL ELSE catalogue_run.asked_at END, \
                   may_shrink = NOT $7 AND catalogue_run.may_shrink";
        let micros = |at: Option<Timestamp>| at.map(Timestamp::micros);
        let (began_at, ended_at, completed_at) = (micros(run.began_at), micros(run.ended_at), micros(run.completed_at));
        let parameters: [Parameter<'_>; 7] =
            [&began_at, &ended_at, &completed_at, &run.next_at.micros(), &remaining, &report, &takes];
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        transaction.execute(sql, &parameters).await?;
        transaction.commit().await
    }

    async fn ask_for_run(&self, at: Timestamp, may_shrink: bool, record: SealedRecord) -> Result<(), StoreError> {
        let sql = "INSERT INTO catalogue_run (one, next_at, remaining, report, asked_at, may_shrink) \
                   VALUES (1, $1, '[]', '{}', $1, $2) ON CONFLICT (one) DO UPDATE SET asked_at = $1, may_shrink = $2";
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        transaction.execute(sql, &[&at.micros(), &may_shrink]).await?;
        transaction.audit(record);
        transaction.commit().await
    }
}

const LAST: &str = "SELECT coalesce(max(number), 0) FROM catalogue_version";

async fn insert(transaction: &Transaction<'_>, add: &Add) -> Result<(), StoreError> {
    let sql = "INSERT INTO catalogue_version (number, list, code, name, standing, change, since, summary, digest, content) \
               SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], \
               $8::text[], $9::bytea[], $10::text[])";
    let all = &add.versions;
    let summaries: Vec<String> = all
        .iter()
        .map(|new| serde_json::to_string(&new.version.summary).map_err(StoreError::failed))
        .collect::<Result<_, _>>()?;
    let parameters: [Parameter<'_>; 10] = [
        &column(all, |new| new.version.number),
        &column(all, |new| new.version.list.as_str()),
        &column(all, |new| new.version.code.as_str()),
        &column(all, |new| new.version.name.as_deref()),
        &column(all, |new| new.version.standing.as_str()),
        &column(all, |new| new.version.change.as_str()),
        &column(all, |new| new.version.since.micros()),
        &summaries,
        &column(all, |new| new.version.digest.as_slice()),
        &column(all, |new| new.content.as_str()),
    ];
    transaction.execute(sql, &parameters).await.map(drop)
}

fn row_of(row: &Row) -> VersionRow {
    VersionRow {
        number: row.get(0),
        list: row.get(1),
        code: row.get(2),
        name: row.get(3),
        standing: row.get(4),
        change: row.get(5),
        since: row.get(6),
        summary: row.get(7),
        digest: row.get(8),
    }
}
