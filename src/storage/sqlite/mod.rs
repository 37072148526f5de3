//! The SQLite engine: one file, WAL, `synchronous=FULL`, one writer that commits in groups, a few readers.

mod migrate;
mod open;
mod reader;
mod writer;

pub use open::{Limits, Sqlite, open_read_only};
pub use reader::Readers;
pub use writer::{Transaction, Writer};

/// The engine's own clock, in UTC microseconds: that of the machine.
#[expect(clippy::disallowed_methods, reason = "leases end by the store's clock, whatever clock the topics are given")]
pub fn now_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
