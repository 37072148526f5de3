//! The SQLite database that is copied: read only, in one transaction, by a process that holds the folder's lock. Never
//! written to: the source of a copy is also the way back.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use rusqlite::{Connection, params_from_iter};

use super::refusal;
use super::stream::{self, Gone, Rows, Sender};
use super::tables::{PAGE, TABLES, Table};
use super::value::{Kind, Row, Value};
use crate::storage::keys::check_value;
use crate::storage::migrations::{MIGRATIONS, NEWEST_SCHEMA};
use crate::storage::{StoreError, sqlite};

/// An open source.
pub struct Source {
    connection: Arc<Mutex<Connection>>,
    /// Rows of each of [`TABLES`].
    pub(super) counts: Vec<u64>,
    /// By what an unfinished copy knows its source again.
    pub(super) digest: Vec<u8>,
}

impl Source {
    /// Opens the file and looks at it. The caller holds the folder's lock.
    pub fn open(file: &Path, busy_timeout: Duration, keys_folder: &Path) -> Result<Self, StoreError> {
        let connection = sqlite::open_read_only(file, busy_timeout, MIGRATIONS)?;
        refuse_newer(&connection)?;
        // One transaction for everything: an operator's command beside us must not change what was read already.
        connection.execute_batch("BEGIN")?;
        check_keys(&connection, keys_folder)?;
        let counts = TABLES.iter().map(|table| count(&connection, table)).collect::<Result<Vec<_>, _>>()?;
        let digest = digest_of(&connection, &counts)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), counts, digest })
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The rows of a table behind a key, or all of them, in the order of the key.
    pub(super) fn read(&self, table: &'static Table, after: Option<Row>) -> Rows {
        let (mut sender, rows) = stream::channel();
        let connection = Arc::clone(&self.connection);
        tokio::task::spawn_blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let result = read_pages(&connection, table, after, &mut sender);
            sender.blocking_end(result);
        });
        rows
    }
}

fn read_pages(
    connection: &Connection,
    table: &Table,
    mut after: Option<Row>,
    sender: &mut Sender,
) -> Result<(), StoreError> {
    loop {
        let sql = if after.is_some() { table.after } else { table.first };
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(after.iter().flatten()))?;
        let (mut read, mut last) = (0, None);
        while let Some(row) = rows.next()? {
            let row = table.of_sqlite(row)?;
            refuse_nul(table, &row)?;
            read += 1;
            if read == PAGE {
                last = Some(table.key_of(&row));
            }
            if let Err(Gone) = sender.blocking_send(row) {
                return Ok(());
            }
        }
        let Some(last) = last else { return Ok(()) };
        after = Some(last);
    }
}

/// The one character that PostgreSQL keeps in no text. Nothing that the gateway accepts has it.
fn refuse_nul(table: &Table, row: &[Value]) -> Result<(), StoreError> {
    if row.iter().any(|value| matches!(value, Value::Text(Some(text)) if text.contains('\0'))) {
        let name = table.name_of(row).replace('\0', "␀");
        return Err(refusal(
            format!("{name}: có ký tự NUL trong văn bản, PostgreSQL không lưu được"),
            format!("{name}: a text holds the character NUL, which PostgreSQL cannot keep"),
        ));
    }
    Ok(())
}

/// What a newer program has added would stay behind without a word.
fn refuse_newer(connection: &Connection) -> Result<(), StoreError> {
    let newest: i64 = connection.query_row("SELECT max(number) FROM migration", [], |row| row.get(0))?;
    if newest > NEWEST_SCHEMA {
        return Err(refusal(
            format!("nguồn có lược đồ {newest}, bản này chỉ biết đến {NEWEST_SCHEMA}: hãy dùng bản mới hơn để chép"),
            format!("the source has schema {newest}, this program knows {NEWEST_SCHEMA}: copy with the newer program"),
        ));
    }
    Ok(())
}

/// Whoever copies must have the keys: without them the target would hold what nobody can read.
fn check_keys(connection: &Connection, folder: &Path) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT name, value FROM key_check ORDER BY name")?;
    let known = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let known = known.collect::<Result<Vec<_>, _>>()?;
    if known.is_empty() {
        return Err(refusal(
            "chưa cổng nào chạy trên nguồn này: không có gì để chép, hãy chạy thẳng trên PostgreSQL",
            "no gateway has ever served this source: there is nothing to copy, start on PostgreSQL at once",
        ));
    }
    for (name, value) in known {
        if check_value(folder, &name)?.as_slice() != value {
            return Err(refusal(
                format!("{name} trong storage.keys_folder không phải khóa của nguồn: hãy trỏ đến đúng thư mục khóa"),
                format!("{name} in storage.keys_folder is not the key of this source: name the right key folder"),
            ));
        }
    }
    Ok(())
}

fn count(connection: &Connection, table: &Table) -> Result<u64, StoreError> {
    let sql = table.count;
    Ok(connection.query_row(sql, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
}

/// Recognises a source that may not be written to, and so can be given no name. Keys tell deployments apart. Whatever
/// changes state adds to the audit log and moves its head; whoever has served, even without work to do, has led and left a
/// greater epoch; what is forgotten without a record shows in the counts. So an unfinished copy never goes on from a source
/// that was served since. It is a quick no, and no proof: that is the comparison of all rows at the end.
fn digest_of(connection: &Connection, counts: &[u64]) -> Result<Vec<u8>, StoreError> {
    let mut bytes = b"lienthong/copy-source/v1".to_vec();
    for table in TABLES.iter().filter(|table| matches!(table.name, "key_check" | "audit_head")) {
        let sql = table.first;
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            table.of_sqlite(row)?.iter().for_each(|value| value.encode(&mut bytes));
        }
    }
    let mut statement = connection.prepare("SELECT name, holder, epoch FROM lease ORDER BY name")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for (at, kind) in [Kind::Text, Kind::Uuid, Kind::Integer].into_iter().enumerate() {
            kind.of_sqlite(row, at)?.encode(&mut bytes);
        }
    }
    counts.iter().for_each(|count| bytes.extend_from_slice(&count.to_be_bytes()));
    let mut digest = Context::new(&SHA256);
    digest.update(&bytes);
    Ok(digest.finish().as_ref().to_vec())
}
