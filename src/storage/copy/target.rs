//! The PostgreSQL database that is copied into: what it must be before, and how far an unfinished copy is. Never touched
//! while a gateway serves it.

use std::sync::Arc;

use deadpool_postgres::{Object, Transaction};
use futures::TryStreamExt;
use tokio_postgres::error::SqlState;

use super::refusal;
use super::source::Source;
use super::stream::{self, Gone, Rows, Sender};
use super::tables::{PAGE, TABLES, Table};
use super::value::{Row, Value};
use crate::storage::StoreError;
use crate::storage::backlog::Backlog;
use crate::storage::migrations::MIGRATIONS;
use crate::storage::postgres::{Limits, Postgres, Settings};

/// An open target.
pub struct Target {
    database: Postgres,
}

/// How far the copy of a table is.
#[derive(Debug, Clone, Default)]
pub(super) struct Position {
    pub(super) rows: u64,
    pub(super) last_key: Option<Row>,
}

/// For as long as the session lasts, only one copy writes into a database.
const LOCK: i64 = 0x6c69_656e_636f_7079;

/// The table that tells how far a copy is lasts until the copy was compared.
const IS_UNFINISHED: &str = "SELECT to_regclass('storage_copy') IS NOT NULL";

impl Target {
    /// Connects, and brings the database to this program's schema if that is allowed.
    pub async fn open(settings: &Settings, may_migrate: bool) -> Result<Self, StoreError> {
        // Nothing is written by the ways of a gateway.
        let (limits, backlog) =
            (Limits { write_queue: 1, batch_items: 1, writers: 1 }, Arc::new(Backlog::new(u64::MAX)));
        let database = Postgres::open(settings, limits, backlog, MIGRATIONS, may_migrate).await?;
        Ok(Self { database })
    }

    /// A connection on which statements may take longer than those of requests.
    pub(super) async fn session(&self) -> Result<Object, StoreError> {
        let session = self.database.connection().await?;
        session
            .batch_execute(
                "SET statement_timeout = '15min'; SET idle_in_transaction_session_timeout = '5min'; SET lock_timeout = '20s'",
            )
            .await?;
        Ok(session)
    }

    /// Refuses a target that is served, for a comparison would never end equal.
    pub(super) async fn refuse_served(&self) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        refuse_replicas(&session.transaction().await?).await
    }

    /// The rows of a table in the order of its key.
    pub(super) fn read(&self, session: Object, table: &'static Table) -> Rows {
        let (mut sender, rows) = stream::channel();
        tokio::spawn(async move {
            let result = read_pages(&session, table, &mut sender).await;
            sender.end(result).await;
        });
        rows
    }
}

async fn read_pages(session: &Object, table: &Table, sender: &mut Sender) -> Result<(), StoreError> {
    let mut after: Option<Row> = None;
    loop {
        let sql = if after.is_some() { table.after } else { table.first };
        let statement = session.prepare_cached(sql).await?;
        let key = after.take().unwrap_or_default();
        let rows = session.query_raw(&statement, key.iter().map(Value::as_parameter)).await?;
        let mut rows = std::pin::pin!(rows);
        let mut read = 0;
        while let Some(row) = rows.try_next().await? {
            let row = table.of_postgres(&row)?;
            read += 1;
            if read == PAGE {
                after = Some(table.key_of(&row));
            }
            if let Err(Gone) = sender.send(row).await {
                return Ok(());
            }
        }
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Makes the session the only one that copies into this database.
pub(super) async fn lock(session: &Object) -> Result<(), StoreError> {
    match session.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await {
        Ok(_) => Ok(()),
        // The server may take a moment to notice that an earlier copy was killed; this was waited for.
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Err(refusal(
            "đang có một lệnh chép khác ghi vào đích: hãy đợi nó xong hoặc dừng nó",
            "another copy into this target is under way: wait for it or stop it",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Begins a copy or finds the one that was begun; returns where each table stands.
pub(super) async fn begin(session: &mut Object, source: &Source) -> Result<Vec<Position>, StoreError> {
    let transaction = session.transaction().await?;
    // A gateway that joins meanwhile does so after this, and finds the unfinished copy.
    transaction.batch_execute("LOCK TABLE replica IN SHARE ROW EXCLUSIVE MODE").await?;
    refuse_replicas(&transaction).await?;
    if transaction.query_one(IS_UNFINISHED, &[]).await?.get(0) {
        refuse_another_source(&transaction, source).await?;
    } else {
        refuse_rows(&transaction).await?;
        transaction
            .batch_execute(
                "CREATE TABLE storage_copy (name text PRIMARY KEY, source bytea NOT NULL, total bigint NOT NULL, \
                 copied bigint NOT NULL DEFAULT 0, last_key text[])",
            )
            .await?;
        for (table, count) in TABLES.iter().zip(&source.counts) {
            let sql = "INSERT INTO storage_copy (name, source, total) VALUES ($1, $2, $3)";
            transaction.execute(sql, &[&table.name, &source.digest, &count.cast_signed()]).await?;
        }
    }
    let mut positions = Vec::new();
    for table in TABLES {
        positions.push(position(&transaction, table).await?);
    }
    transaction.commit().await?;
    Ok(positions)
}

/// Moves a table's position, in the transaction of the rows that were copied.
pub(super) async fn advance(
    transaction: &Transaction<'_>,
    table: &Table,
    from: u64,
    to: &Position,
) -> Result<(), StoreError> {
    let sql = "UPDATE storage_copy SET copied = $3, last_key = $4 WHERE name = $1 AND copied = $2";
    let key: Option<Vec<String>> = to.last_key.as_ref().map(|key| key.iter().map(Value::to_text).collect());
    let changed = transaction.execute(sql, &[&table.name, &from.cast_signed(), &to.rows.cast_signed(), &key]).await?;
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::Failed(format!("the copy of {} was moved by someone else", table.name)))
    }
}

/// Ends a copy that was compared: from now on the target may be served.
pub(super) async fn finish(session: &Object) -> Result<(), StoreError> {
    Ok(session.batch_execute("DROP TABLE storage_copy").await?)
}

/// Statistics, without which the first statements of a gateway would be planned for empty tables.
pub(super) async fn analyze(session: &Object) -> Result<(), StoreError> {
    Ok(session.batch_execute("ANALYZE").await?)
}

/// A part of a copy must not be served: what is missing in it would look as if it had never been accepted.
pub async fn refuse_unfinished(database: &Postgres) -> Result<(), StoreError> {
    if database.query(IS_UNFINISHED, &[]).await?.first().is_some_and(|row| row.get(0)) {
        return Err(refusal(
            "cơ sở dữ liệu này mới được chép một phần: hãy chạy lại `lienthong storage copy` cho đến khi in EQUAL",
            "this database holds a part of a copy: run `lienthong storage copy` again until it prints EQUAL",
        ));
    }
    Ok(())
}

async fn refuse_replicas(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM replica WHERE expires_at > now_micros()";
    let alive: i64 = transaction.query_one(sql, &[]).await?.get(0);
    if alive > 0 {
        return Err(refusal(
            format!("đích đang được {alive} cổng dùng: hãy dừng chúng, hoặc chọn một cơ sở dữ liệu khác"),
            format!("{alive} gateways serve the target: stop them, or choose another database"),
        ));
    }
    Ok(())
}

/// Whoever has served this database, if only once, has left at least the values of its keys.
async fn refuse_rows(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    for table in TABLES {
        let sql = table.has_rows;
        if transaction.query_one(sql, &[]).await?.get(0) {
            let name = table.name;
            return Err(refusal(
                format!(
                    "đích không trống: bảng {name} đã có dữ liệu. Hãy tạo một cơ sở dữ liệu mới (createdb); nếu vừa chép \
                     xong, dùng `lienthong storage verify`"
                ),
                format!(
                    "the target is not empty: {name} has rows. Make a new database (createdb) and copy into it; if it was \
                     copied just now, use `lienthong storage verify`"
                ),
            ));
        }
    }
    Ok(())
}

async fn refuse_another_source(transaction: &Transaction<'_>, source: &Source) -> Result<(), StoreError> {
    let of_other = "SELECT count(*) FROM storage_copy WHERE source <> $1";
    if transaction.query_one(of_other, &[&source.digest]).await?.get::<_, i64>(0) > 0 {
        return Err(refusal(
            "đích đang chép dở từ một nguồn khác, hoặc nguồn đã chạy lại sau lần chép trước. Hãy xóa và tạo lại cơ sở dữ \
             liệu đích (dropdb, createdb) rồi chép từ đầu",
            "the target holds a part of a copy of another source, or this source was served since. Make the target anew \
             (dropdb, createdb) and copy from the beginning",
        ));
    }
    Ok(())
}

async fn position(transaction: &Transaction<'_>, table: &Table) -> Result<Position, StoreError> {
    let sql = "SELECT copied, last_key FROM storage_copy WHERE name = $1";
    let found = transaction.query_one(sql, &[&table.name]).await?;
    let key: Option<Vec<String>> = found.get(1);
    let damaged = || StoreError::Failed(format!("storage_copy: the last key of {} cannot be read", table.name));
    let last_key = key.map(|texts| table.read_key(&texts).ok_or_else(damaged)).transpose()?;
    Ok(Position { rows: found.get::<_, i64>(0).cast_unsigned(), last_key })
}
