//! The SQLite engine: one file, WAL, `synchronous=FULL`, one writer that commits in groups, a few readers.

mod migrate;
mod open;
mod reader;
mod writer;

pub use open::{Limits, Sqlite};
pub use reader::Readers;
pub use writer::{Transaction, Writer};
