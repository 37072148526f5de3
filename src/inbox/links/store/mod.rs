//! What fetching linked files needs of a store.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use super::{KeptLink, LinkReason, LinkStatus, LinkedFile};
use crate::audit::SealedRecord;
use crate::storage::{Database, StoreError};

/// A file to be fetched now, and whose it is.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub file: LinkedFile,
    pub portal: String,
    pub national_code: String,
    pub agency_id: String,
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub enum Settled {
    Kept(KeptLink),
    Again { at: Timestamp, reason: LinkReason },
    Refused(LinkReason),
}

/// The end of an attempt.
#[derive(Debug, Clone)]
pub struct Settle {
    pub item: Uuid,
    pub n: i64,
    /// Which attempt it was: another one has taken its place if the number is another.
    pub attempts: i64,
    pub to: Settled,
    pub record: SealedRecord,
}

/// The store of linked files.
#[async_trait]
pub trait LinkStore: Send + Sync {
    /// Files that are due, the longest due first. Each counts as an attempt, and is due again at `again_at` whatever becomes of it.
    async fn claim(&self, now: Timestamp, again_at: Timestamp, limit: usize) -> Result<Vec<Claimed>, StoreError>;

    /// `false` if the attempt is no longer the last one, or the content was erased meanwhile: then nothing is written.
    async fn settle(&self, end: Settle) -> Result<bool, StoreError>;

    /// Of one message, in order.
    async fn of_item(&self, item: Uuid) -> Result<Vec<LinkedFile>, StoreError>;

    /// Those that stand so, behind a place, in the order of their messages.
    async fn list(&self, status: LinkStatus, after: (Uuid, i64), limit: usize) -> Result<Vec<LinkedFile>, StoreError>;

    /// How many stand so.
    async fn count(&self, status: LinkStatus) -> Result<u64, StoreError>;

    /// Has refused files (of this message, or all) fetched again from now on. Returns how many.
    async fn open_again(&self, item: Option<Uuid>, now: Timestamp, record: SealedRecord) -> Result<usize, StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn LinkStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteLinks::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresLinks::new(database.clone())),
    }
}

/// The columns of a file, in the order in which both engines read them.
macro_rules! linked {
    ($rest:literal) => {
        concat!(
            "SELECT f.item_id, f.n, f.body_id, f.status, f.attempts, f.next_at, f.since_at, f.reason, f.file_id, f.media_type, ",
            "f.bytes, f.sha256",
            $rest
        )
    };
}
use linked;

/// A row of such columns.
struct Row {
    item: Uuid,
    n: i64,
    body: Uuid,
    status: String,
    attempts: i64,
    next_at: i64,
    since_at: i64,
    reason: Option<String>,
    file: Option<Uuid>,
    media_type: Option<String>,
    bytes: Option<i64>,
    sha256: Option<Vec<u8>>,
}

impl Row {
    fn read(self) -> Result<LinkedFile, StoreError> {
        use lienthong_domain::scalar::Scalar;
        let unknown = |what: &str| StoreError::Failed(format!("linked_file: unknown {what}"));
        let reason = self.reason.as_deref().map(LinkReason::parse).transpose().map_err(|_| unknown("reason"))?;
        let kept = match (self.file, self.media_type, self.bytes, self.sha256) {
            (Some(file), Some(media_type), Some(bytes), Some(sha256)) => {
                let sha256 = sha256.try_into().map_err(|_| unknown("digest"))?;
                Some(KeptLink { file, media_type, bytes, sha256 })
            }
            _ => None,
        };
        Ok(LinkedFile {
            item: self.item,
            n: self.n,
            body: self.body,
            status: LinkStatus::parse(&self.status).map_err(|_| unknown("status"))?,
            attempts: self.attempts,
            next_at: Timestamp::from_micros(self.next_at),
            since_at: Timestamp::from_micros(self.since_at),
            reason,
            kept,
        })
    }
}
