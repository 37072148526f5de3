//! What every store stands on: two engines that commit many requests at a time, migrations, keys and sealed bodies.
//! Nothing above a store trait knows SQL; no closure and no open transaction crosses a trait.

pub mod backlog;
pub mod bodies;
pub mod copy;
pub mod disk;
pub mod files;
pub mod generations;
pub mod hex;
mod key_checks;
pub mod keys;
pub mod migrations;
pub mod postgres;
pub mod sqlite;

use std::fmt;

pub use migrations::NEWEST_SCHEMA;
use postgres::Postgres;
use sqlite::Sqlite;

/// The deployment's engine. A topic's `store::open` takes it and gives the topic's store.
#[derive(Clone)]
pub enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Why a store could not do what was asked. Never carries data of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The write queue is full: nothing was taken; try again shortly.
    Busy,
    /// The disk is nearly full: nothing was taken.
    DiskFull,
    /// The row is no longer at the revision that was read: read it again.
    Conflict,
    /// Something that was to be changed is not there, or not in a state that allows it.
    NotApplicable,
    /// The database does not answer. Whether a write was taken is then not known; repeating it does no harm.
    Unavailable(String),
    Failed(String),
}

impl StoreError {
    pub fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the write queue is full"),
            Self::DiskFull => f.write_str("the disk is nearly full"),
            Self::Conflict => f.write_str("the row was changed by someone else"),
            Self::NotApplicable => f.write_str("the item is not in a state that allows this"),
            Self::Unavailable(reason) => write!(f, "the database does not answer: {reason}"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
