//! From SQLite to PostgreSQL: a whole deployment, row for row, and the proof that nothing is missing. Never changes the
//! source, and never leaves a target that looks whole and is not.

mod source;
mod stream;
mod tables;
mod target;
mod value;
mod verify;
mod write;

use std::fmt;

use deadpool_postgres::Object;

pub use source::Source;
pub use tables::{Column, NOT_COPIED, TABLES, Table};
pub use target::{Target, refuse_unfinished};
pub use value::Kind;
pub use verify::{Compared, Log, Report, Side};

use self::target::Position;
use super::StoreError;

/// Rows of a chunk, unless told otherwise.
pub const CHUNK_ROWS: usize = 10_000;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Copy,
    Verify,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub phase: Phase,
    pub table: &'static str,
    /// Rows of this table that are done, and that there are.
    pub rows: u64,
    pub of: u64,
    /// The same of all tables.
    pub all: u64,
    pub all_of: u64,
}

/// Told again and again how far it is.
pub type Watch<'a> = &'a mut (dyn FnMut(&Progress) + Send);

/// A copy that was begun, now or earlier.
pub struct Copying {
    session: Object,
    positions: Vec<Position>,
}

impl Copying {
    /// Begins, or finds what was begun. Refused unless the target is empty or holds a part of a copy of this very source.
    pub async fn begin(source: &Source, target: &Target) -> Result<Self, StoreError> {
        let mut session = target.session().await?;
        target::lock(&session).await?;
        let positions = target::begin(&mut session, source).await?;
        Ok(Self { session, positions })
    }

    /// Rows that are there already.
    pub fn rows(&self) -> u64 {
        self.positions.iter().map(|position| position.rows).sum()
    }

    /// The table that is next, and how many of its rows are there; `None` if only the comparison is left.
    pub fn next(&self, source: &Source) -> Option<(&'static str, u64)> {
        let mut tables = TABLES.iter().zip(&self.positions).zip(&source.counts);
        tables.find(|((_, at), of)| at.rows < **of).map(|((table, at), _)| (table.name, at.rows))
    }

    /// Copies what is not there yet, and compares. The target may be served only if the report tells no difference.
    pub async fn run(
        mut self,
        source: &Source,
        target: &Target,
        chunk_rows: usize,
        watch: Watch<'_>,
    ) -> Result<Report, StoreError> {
        write::run(&mut self.session, source, self.positions, chunk_rows, watch).await?;
        target::analyze(&self.session).await?;
        let report = verify::run(source, target, watch).await?;
        if report.difference().is_none() {
            target::finish(&self.session).await?;
        }
        Ok(report)
    }
}

/// Compares only.
pub async fn verify(source: &Source, target: &Target, watch: Watch<'_>) -> Result<Report, StoreError> {
    target.refuse_served().await?;
    verify::run(source, target, watch).await
}

/// Why something is not done, and what to do: in both languages, a line each.
fn refusal(vi: impl fmt::Display, en: impl fmt::Display) -> StoreError {
    StoreError::Failed(format!("{vi}\n{en}"))
}
