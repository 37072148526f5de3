//! What this topic needs of a store. Versions are only ever added, and only after the one that the writer knows to be the last.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;

use super::entry::{Change, EntryStanding, List, Version};
use super::run::Run;
use crate::audit::SealedRecord;
use crate::storage::{Database, StoreError};

/// A version to be added.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// Its number is the place that it is to have.
    pub version: Version,
    /// JSON.
    pub content: String,
}

/// Versions that are added together.
#[derive(Debug, Clone)]
pub struct Add {
    /// Numbered from the one after this.
    pub after: i64,
    pub versions: Vec<NewVersion>,
    pub record: SealedRecord,
}

/// The topic's store.
#[async_trait]
pub trait CatalogueStore: Send + Sync {
    /// Number of the last version; 0 if there is none.
    async fn last(&self) -> Result<i64, StoreError>;

    /// The newest version of every entry, by list and code.
    async fn newest(&self) -> Result<Vec<Version>, StoreError>;

    /// The content of a version.
    async fn content(&self, number: i64) -> Result<Option<String>, StoreError>;

    /// Versions of an entry before some number, the newest first.
    async fn versions(&self, list: List, code: String, before: i64, limit: usize) -> Result<Vec<Version>, StoreError>;

    /// Versions of all entries after some number.
    async fn changes(&self, after: i64, limit: usize) -> Result<Vec<Version>, StoreError>;

    /// `Conflict` if another one has added some meanwhile.
    async fn add(&self, add: Add) -> Result<(), StoreError>;

    async fn run(&self) -> Result<Option<Run>, StoreError>;

    /// Stores how a run stands. What an operator has asked for meanwhile stays, unless this run `takes` it.
    async fn save_run(&self, run: Run, takes: bool) -> Result<(), StoreError>;

    /// An operator asks for a run now.
    async fn ask_for_run(&self, at: Timestamp, may_shrink: bool, record: SealedRecord) -> Result<(), StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn CatalogueStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteCatalogue::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresCatalogue::new(database.clone())),
    }
}

/// Columns of a version, in the order in which both engines read them.
macro_rules! versions {
    ($rest:literal) => {
        concat!(
            "SELECT number, list, code, name, standing, change, since, summary, digest FROM catalogue_version ",
            $rest
        )
    };
}
use versions;

/// A version as its row has it.
struct VersionRow {
    number: i64,
    list: String,
    code: String,
    name: Option<String>,
    standing: String,
    change: String,
    since: i64,
    summary: String,
    digest: Vec<u8>,
}

impl VersionRow {
    fn read(self) -> Result<Version, StoreError> {
        let unknown = |column: &str| StoreError::Failed(format!("catalogue_version.{column} of {}", self.number));
        Ok(Version {
            number: self.number,
            list: List::parse(&self.list).map_err(|_| unknown("list"))?,
            standing: EntryStanding::parse(&self.standing).map_err(|_| unknown("standing"))?,
            change: Change::parse(&self.change).map_err(|_| unknown("change"))?,
            since: Timestamp::from_micros(self.since),
            summary: serde_json::from_str(&self.summary).map_err(|_| unknown("summary"))?,
            digest: self.digest.as_slice().try_into().map_err(|_| unknown("digest"))?,
            code: self.code,
            name: self.name,
        })
    }
}

/// A run as its row has it: began, ended, completed, next, remaining, report, asked, may shrink.
type RunRow = (Option<i64>, Option<i64>, Option<i64>, i64, String, String, Option<i64>, bool);

fn read_run(row: RunRow) -> Result<Run, StoreError> {
    let (began_at, ended_at, completed_at, next_at, remaining, report, asked_at, may_shrink) = row;
    Ok(Run {
        began_at: began_at.map(Timestamp::from_micros),
        ended_at: ended_at.map(Timestamp::from_micros),
        completed_at: completed_at.map(Timestamp::from_micros),
        next_at: Timestamp::from_micros(next_at),
        remaining: serde_json::from_str(&remaining).map_err(StoreError::failed)?,
        report: serde_json::from_str(&report).map_err(StoreError::failed)?,
        asked_at: asked_at.map(Timestamp::from_micros),
        may_shrink,
    })
}

/// The texts of a run's row.
fn texts_of(run: &Run) -> Result<(String, String), StoreError> {
    let text = |value: Result<String, serde_json::Error>| value.map_err(StoreError::failed);
    Ok((text(serde_json::to_string(&run.remaining))?, text(serde_json::to_string(&run.report))?))
}
