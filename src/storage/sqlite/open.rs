//! Opening a database: the pragmas, each read back; a database that answers differently is not used.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::migrate;
use super::reader::Readers;
use super::writer::Writer;
use crate::storage::StoreError;
use crate::storage::backlog::Backlog;
use crate::storage::disk::DiskWatch;
use crate::storage::migrations::Migration;

/// Sizes and times of the engine, from the configuration.
#[derive(Debug, Clone)]
pub struct Limits {
    pub write_queue: usize,
    pub batch_items: usize,
    pub readers: usize,
    pub busy_timeout: Duration,
    pub wal_bytes: u64,
    /// Pages that the writer keeps in memory. Too few are written out and read again in the midst of a transaction.
    pub cache_bytes: u64,
}

/// An open database.
#[derive(Clone)]
pub struct Sqlite {
    pub writer: Writer,
    pub readers: Readers,
}

impl Sqlite {
    /// Opens the database file, and migrates it if that is allowed.
    pub fn open(
        file: &Path,
        limits: &Limits,
        disk: Arc<DiskWatch>,
        backlog: Arc<Backlog>,
        known: &'static [Migration],
        may_migrate: bool,
    ) -> Result<Self, StoreError> {
        let mut connection = connect(file, limits)?;
        migrate::run(&mut connection, known, may_migrate)?;
        let checkpointer = connect(file, limits)?;
        let writer = Writer::start(connection, checkpointer, limits, disk, backlog)?;
        let readers =
            Readers::open((0..limits.readers).map(|_| read_only(file, limits.busy_timeout)).collect::<Result<_, _>>()?);
        Ok(Self { writer, readers })
    }

    /// Runs what is missing and returns it.
    pub fn migrate(
        file: &Path,
        limits: &Limits,
        known: &'static [Migration],
    ) -> Result<Vec<&'static Migration>, StoreError> {
        migrate::run(&mut connect(file, limits)?, known, true)
    }
}

/// Opens a database only to read it: nothing of it is changed, and one that this program does not know is refused.
pub fn open_read_only(file: &Path, busy_timeout: Duration, known: &[Migration]) -> Result<Connection, StoreError> {
    let connection = read_only(file, busy_timeout)?;
    migrate::check(&connection, known)?;
    Ok(connection)
}

/// What each pragma must answer (audit-and-durability reference, WP-04).
const PRAGMAS: &[(&str, &str, &str)] = &[
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", "2"),
    ("foreign_keys", "ON", "1"),
    ("trusted_schema", "OFF", "0"),
    ("cell_size_check", "ON", "1"),
    ("secure_delete", "ON", "1"),
    ("wal_autocheckpoint", "0", "0"),
    // What savepoints need to undo a request is kept in memory: in a file it takes half the time.
    ("temp_store", "MEMORY", "2"),
];

fn connect(file: &Path, limits: &Limits) -> Result<Connection, StoreError> {
    let connection =
        Connection::open(file).map_err(|error| StoreError::Failed(format!("{}: {error}", file.display())))?;
    connection.busy_timeout(limits.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", -(i64::try_from(limits.cache_bytes / 1024).unwrap_or(i64::MAX)))?;
    // A file that a long reader has let grow is cut; one of the usual length is written over.
    connection.pragma_update(None, "journal_size_limit", i64::try_from(4 * limits.wal_bytes).unwrap_or(i64::MAX))?;
    for (name, value, answer) in PRAGMAS {
        connection.pragma_update(None, name, value)?;
        let found: String = connection.pragma_query_value(None, name, |row| {
            row.get::<_, rusqlite::types::Value>(0).map(|value| match value {
                rusqlite::types::Value::Integer(n) => n.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => format!("{other:?}"),
            })
        })?;
        if found != *answer {
            return Err(StoreError::Failed(format!(
                "{}: SQLite answers {name}={found} where {answer} is needed; this database cannot be used safely",
                file.display()
            )));
        }
    }
    Ok(connection)
}

fn read_only(file: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(PathBuf::from(file), flags)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "query_only", "ON")?;
    Ok(connection)
}
