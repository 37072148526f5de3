//! What the audit log needs of a store.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

use super::log::{Checkpoint, Note, Tile};
use super::names;
use super::zone::Zone;
use super::{Frontier, Hash, SealedRecord};
use crate::replicas::Leadership;
use crate::storage::{Database, StoreError};
use lienthong_domain::time::Timestamp;

/// A record with its place in the tree of its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedRecord {
    pub index: u64,
    pub at: Timestamp,
    pub leaf_hash: Hash,
    /// What was hashed, byte for byte.
    pub bytes: Vec<u8>,
}

/// A checkpoint as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    pub size: u64,
    pub at: Timestamp,
    /// The signed note, byte for byte.
    pub note: Vec<u8>,
}

impl SignedHead {
    /// The name under which it was signed; `None` if that cannot be read.
    pub fn name(&self) -> Option<String> {
        let note = Note::parse(&self.note).ok()?;
        Some(Checkpoint::parse(note.text()).ok()?.origin)
    }

    fn is_named(&self, number: u32) -> bool {
        self.name().is_some_and(|name| names::parse(&name).1 == number)
    }
}

/// A shard whose head is not what was signed last.
#[derive(Debug, Clone)]
pub struct UnsignedHead {
    pub shard: String,
    /// Under which of its names it is signed now.
    pub number: u32,
    /// `None` if it cannot be read.
    pub frontier: Option<Frontier>,
    pub signed: Option<SignedHead>,
}

/// Of which kind a word on a head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnchorKind {
    /// A response of RFC 3161.
    TimeStamp,
    /// A detached CMS signature of the agency's key.
    Signature,
}

impl AnchorKind {
    pub const ALL: [Self; 2] = [Self::TimeStamp, Self::Signature];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimeStamp => "timestamp",
            Self::Signature => "signature",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| StoreError::Failed(format!("the audit log is anchored by {text:?}, which is not known")))
    }
}

/// What somebody else has said of a head of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    pub kind: AnchorKind,
    /// Who.
    pub name: String,
    /// Records of the head.
    pub size: u64,
    /// When it came here.
    pub at: Timestamp,
    /// The signed note that it is about, byte for byte.
    pub note: Vec<u8>,
    /// What was said, byte for byte.
    pub token: Vec<u8>,
}

/// The log of a half-year that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedLog {
    pub shard: String,
    /// What was signed last of it.
    pub size: u64,
    pub root: Hash,
    pub closed_at: Timestamp,
    /// Since when its records are not kept any more.
    pub dropped_at: Option<Timestamp>,
}

/// A newly signed head, and what was made of the records up to it.
#[derive(Debug, Clone)]
pub struct Publication {
    pub shard: String,
    /// What was signed last when this was made: if it is not any more, nothing is stored.
    pub after: Option<u64>,
    pub signed: SignedHead,
    /// Above the leaves.
    pub tiles: Vec<(Tile, Vec<Hash>)>,
    pub zones: Vec<Zone>,
}

/// What is read of a log, wherever it is kept: in the database, or in a folder that was exported from it.
#[async_trait]
pub trait LogReader: Send + Sync {
    /// Shards that have records.
    async fn shards(&self) -> Result<Vec<String>, StoreError>;

    /// Size and frontier of a shard's tree; `None` if it has no record with a place.
    async fn head(&self, shard: &str) -> Result<Option<Frontier>, StoreError>;

    /// Up to `limit` records of a shard from this index on.
    async fn records(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<PlacedRecord>, StoreError>;

    /// What was signed last of a shard; `None` if nothing was.
    async fn signed(&self, shard: &str) -> Result<Option<SignedHead>, StoreError>;

    /// Up to `limit` of what was signed of a shard, of this size and more.
    async fn checkpoints(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<SignedHead>, StoreError>;

    /// The first checkpoint that a witness has cosigned of those that cover this record; `None` where that is not known.
    async fn witnessed(&self, _shard: &str, _index: u64) -> Result<Option<SignedHead>, StoreError> {
        Ok(None)
    }

    /// What others have said of heads of this size and more, up to `limit`, in the order of their sizes.
    async fn anchors(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<Anchor>, StoreError>;

    /// Whether some records are here by their hashes alone: of an export of a range. Such a record has no bytes.
    async fn is_of_a_range(&self, _shard: &str) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// The log, if its records are not kept any more, and the id of the record that says so.
    async fn dropped(&self, _shard: &str) -> Result<Option<(ClosedLog, uuid::Uuid)>, StoreError> {
        Ok(None)
    }

    /// The hashes of a tile, as many as are there.
    async fn tile(&self, shard: &str, tile: Tile) -> Result<Vec<Hash>, StoreError>;

    /// Up to `limit` zones of a shard from this number on.
    async fn zones(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<Zone>, StoreError>;
}

/// The log's store. Records of what changes something are written by the store that changes it, in its transaction.
#[async_trait]
pub trait AuditStore: LogReader {
    /// Writes a record of its own, for what changes nothing: a refusal, a body that is about to be shown.
    async fn append(&self, record: SealedRecord) -> Result<(), StoreError>;

    /// The same for what operators do: while requests are refused for want of room, this goes on.
    async fn append_always(&self, record: SealedRecord) -> Result<(), StoreError>;

    /// Gives durable records their places in the tree, up to `most` of them and only under this leadership; returns how
    /// many. Where places are given as records are written there is never one left.
    async fn place(&self, leadership: Leadership, most: usize) -> Result<usize, StoreError>;

    /// Records that are durable and have no place yet.
    async fn unplaced(&self) -> Result<u64, StoreError>;

    /// Shards whose head is not what was signed last.
    async fn unsigned(&self) -> Result<Vec<UnsignedHead>, StoreError>;

    /// Records of the newest head that somebody else has vouched for: a witness or a time-stamping authority; 0 if none is.
    async fn anchored(&self, shard: &str) -> Result<u64, StoreError>;

    /// The last head that was signed before this time.
    async fn signed_before(&self, shard: &str, time: Timestamp) -> Result<Option<SignedHead>, StoreError>;

    /// What this one has said last.
    async fn newest_anchor(&self, shard: &str, kind: AnchorKind, name: &str) -> Result<Option<Anchor>, StoreError>;

    /// Keeps what was said of a head, with its record; nothing if it was kept already.
    async fn anchor(&self, shard: &str, anchor: Anchor, record: SealedRecord) -> Result<(), StoreError>;

    /// Puts the note with a witness's signature in the place of the one without; `false` if that is not there any more.
    async fn witness(&self, shard: &str, before: &SignedHead, note: Vec<u8>) -> Result<bool, StoreError>;

    /// Logs that were closed.
    async fn closed(&self) -> Result<Vec<ClosedLog>, StoreError>;

    /// Closes a log, with the record that says so; nothing if it was before.
    async fn close(&self, log: ClosedLog, record: SealedRecord) -> Result<(), StoreError>;

    /// Says that the records of a closed log are not kept any more, with the record that says so; nothing if it was said before.
    async fn begin_to_drop(&self, log: ClosedLog, record: SealedRecord) -> Result<(), StoreError>;

    /// Removes some of what is not kept any more of such a log: its records, the tree above them, all that was signed but the last
    /// head, all time stamps but the newest of each authority; `true` if there may be more.
    async fn drop_records(&self, shard: &str) -> Result<bool, StoreError>;

    /// Removes checkpoints of these sizes.
    async fn forget_checkpoints(&self, shard: &str, sizes: Vec<u64>) -> Result<(), StoreError>;

    /// Under which of its names the shard's log is signed now.
    async fn number(&self, shard: &str) -> Result<u32, StoreError>;

    /// What was signed last under this name of the shard's log.
    async fn signed_as(&self, shard: &str, number: u32) -> Result<Option<SignedHead>, StoreError>;

    /// From now on the log is signed under the name of this number; the record tells why. `Conflict` if it is already.
    async fn go_on_as(&self, shard: &str, number: u32, record: SealedRecord) -> Result<(), StoreError>;

    /// Stores a signed head, only under this leadership and only after what it was made after.
    async fn publish(&self, leadership: Leadership, publication: Publication) -> Result<(), StoreError>;
}

/// Records that are dropped in one transaction.
const DROPPED_AT_A_TIME: i64 = 5000;

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn AuditStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteAudit::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresAudit::new(database.clone())),
    }
}

fn hash_of(bytes: &[u8]) -> Result<Hash, StoreError> {
    bytes.try_into().map_err(|_| StoreError::Failed("a leaf hash of the audit log is damaged".into()))
}

fn hashes_of(bytes: &[u8], most: usize) -> Result<Vec<Hash>, StoreError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    match rest {
        [] => Ok(hashes.iter().take(most).copied().collect()),
        _ => Err(StoreError::Failed("a tile of the audit log is damaged".into())),
    }
}

fn frontier_of(size: i64, bytes: &[u8]) -> Result<Frontier, StoreError> {
    Frontier::from_bytes(size.cast_unsigned(), bytes)
        .ok_or_else(|| StoreError::Failed("the head of the audit log is damaged".into()))
}
