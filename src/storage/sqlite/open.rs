//! Opening a database: the pragmas, each read back; a database that answers differently is not used.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::migrate;
use super::reader::Readers;
use super::writer::Writer;
use crate::storage::StoreError;
use crate::storage::backlog::Backlog;
use crate::storage::disk::DiskWatch;

/// Sizes and times of the engine, from the configuration.
#[derive(Debug, Clone)]
pub struct Limits {
    pub write_queue: usize,
    pub batch_items: usize,
    pub readers: usize,
    pub busy_timeout: Duration,
    pub wal_bytes: u64,
}

/// An open database.
#[derive(Clone)]
pub struct Sqlite {
    pub writer: Writer,
    pub readers: Readers,
    shards: Arc<[String]>,
}

impl Sqlite {
    /// Opens (and migrates) the database file.
    pub fn open(file: &Path, limits: &Limits, disk: Arc<DiskWatch>, backlog: Arc<Backlog>) -> Result<Self, StoreError> {
        let mut connection = connect(file, limits)?;
        migrate::run(&mut connection)?;
        let shards = shards_of(&connection)?;
        let checkpointer = connect(file, limits)?;
        let writer = Writer::start(connection, checkpointer, limits, disk, backlog)?;
        let readers = Readers::open((0..limits.readers).map(|_| read_only(file, limits)).collect::<Result<_, _>>()?);
        Ok(Self { writer, readers, shards: shards.into() })
    }

    /// Whether the audit log had records in this shard when the database was opened.
    pub fn has_audit_shard(&self, shard: &str) -> bool {
        self.shards.iter().any(|known| known == shard)
    }
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
];

fn connect(file: &Path, limits: &Limits) -> Result<Connection, StoreError> {
    let connection =
        Connection::open(file).map_err(|error| StoreError::Failed(format!("{}: {error}", file.display())))?;
    connection.busy_timeout(limits.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
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

fn shards_of(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare("SELECT shard FROM audit_head")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn read_only(file: &Path, limits: &Limits) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(PathBuf::from(file), flags)?;
    connection.busy_timeout(limits.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "query_only", "ON")?;
    Ok(connection)
}
