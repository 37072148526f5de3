//! Signs what the log has become. Before it signs, it hashes every new record once more from its stored bytes, and
//! compares the tree of these hashes with the head, with what was signed before, and with what is known outside the
//! database. What does not fit is not signed; the exchange goes on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lienthong_domain::time::Clock;
use metrics::{counter, gauge};

use super::leaf_hash;
use super::log::{Checkpoint, Edge, Hash, Note, TILE_HASHES, Tile, verify_consistency};
use super::memory::Memory;
use super::names;
use super::read;
use super::signer::Signer;
use super::store::{AuditStore, PlacedRecord, Publication, SignedHead, UnsignedHead};
use super::zone::Zone;
use crate::replicas::Leadership;
use crate::storage::StoreError;
use crate::telemetry::metrics::{AUDIT_CHECKPOINTS, AUDIT_DAMAGED};

/// Records that are read at a time; a multiple of a tile's hashes.
const PAGE: usize = 16 * TILE_HASHES;
/// After damage was found it is looked again so much later.
const PAUSE_AFTER_DAMAGE: Duration = Duration::from_secs(60);

/// Why a head was not signed.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// The log is not what it was, or not what it says it is.
    #[error("{0}")]
    Damaged(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The leader's duty.
pub struct Publisher {
    pub store: Arc<dyn AuditStore>,
    pub signer: Arc<Signer>,
    pub memory: Arc<Memory>,
    pub clock: Arc<dyn Clock>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// When each shard's damage was last found.
    damaged: HashMap<String, Instant>,
    /// When it was last looked.
    looked: Option<Instant>,
}

impl Publisher {
    pub fn new(store: Arc<dyn AuditStore>, signer: Arc<Signer>, memory: Arc<Memory>, clock: Arc<dyn Clock>) -> Self {
        Self { store, signer, memory, clock, found: Mutex::default() }
    }

    /// Signs the head of each shard that has grown. What is wrong with one shard holds up no other.
    pub async fn turn(&self, leadership: Leadership) -> Result<(), StoreError> {
        let heads = self.store.unsigned().await?;
        {
            let mut found = self.found();
            found.looked = Some(Instant::now());
            // What is signed as it stands is damaged no more.
            found.damaged.retain(|shard, _| heads.iter().any(|head| head.shard == *shard));
        }
        let mut failed = Ok(());
        for head in heads {
            if self.rests(&head.shard) {
                continue;
            }
            match self.publish(leadership, &head).await {
                Ok(()) => self.is_sound(&head.shard),
                // What is there and cannot be read is damage too.
                Err(NotSigned::Damaged(what) | NotSigned::Store(StoreError::Failed(what))) => {
                    self.is_damaged(&head.shard, &what);
                }
                Err(NotSigned::Store(error)) => failed = Err(error),
            }
        }
        failed
    }

    async fn publish(&self, leadership: Leadership, head: &UnsignedHead) -> Result<(), NotSigned> {
        let Some(frontier) = &head.frontier else {
            return Err(NotSigned::Damaged("the head cannot be read".into()));
        };
        let name = names::name(&head.shard, head.number);
        let before = head.signed.as_ref().map(|signed| self.signed_before(head, signed)).transpose()?;
        let remembered = self.remembered(head, &name).await?;
        let size = frontier.size();
        if let Some(known) = before.iter().chain(&remembered).find(|known| known.size > size) {
            let now = self.store.head(&head.shard).await?.map_or(0, |now| now.size());
            if now >= known.size {
                // Another leader has signed since this head was read.
                return Ok(());
            }
            return Err(NotSigned::Damaged(format!(
                "{} records were signed, and only {now} are there: an old backup was put in place, or records were removed",
                known.size
            )));
        }
        if let (Some(remembered), Some(before)) = (&remembered, &before) {
            self.must_follow(&head.shard, remembered, before).await?;
        }
        let mut tree = self.rebuild(head, before.as_ref().map_or(0, |before| before.size)).await?;
        for known in before.iter().chain(&remembered) {
            tree.must_have_been(known)?;
        }
        while tree.edge.size() < size {
            let from = tree.edge.size();
            let most = usize::try_from(size - from).unwrap_or(PAGE).min(PAGE);
            let records = self.store.records(&head.shard, from, most).await?;
            if records.is_empty() {
                return Err(NotSigned::Damaged(format!("record {from} is missing")));
            }
            records.into_iter().try_for_each(|record| tree.append(record))?;
        }
        if tree.edge.frontier() != *frontier {
            return Err(NotSigned::Damaged(format!("the head of {size} records is not that of its records")));
        }
        let checkpoint = Checkpoint { origin: name, size, root: tree.edge.root() };
        let note = self.signer.sign(&checkpoint)?.to_string().into_bytes();
        let signed = SignedHead { size, at: self.clock.now(), note };
        // First where no backup of the database reaches: what is public is remembered, whatever comes between.
        self.remember(checkpoint, signed.note.clone()).await?;
        let publication = tree.into_publication(&head.shard, head.signed.as_ref().map(|before| before.size), signed);
        self.store.publish(leadership, publication).await?;
        counter!(AUDIT_CHECKPOINTS.name).increment(1);
        Ok(())
    }

    /// What was signed here last under this name. What was signed under a later one must be known to the database.
    async fn remembered(&self, head: &UnsignedHead, name: &str) -> Result<Option<Checkpoint>, NotSigned> {
        let (memory, signer, shard) = (Arc::clone(&self.memory), Arc::clone(&self.signer), head.shard.clone());
        let name = name.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            Ok::<_, StoreError>((memory.newest_number(&shard)?, memory.newest(&signer, &name)?))
        });
        let (number, newest) = read.await.map_err(StoreError::failed)??;
        match number {
            Some(number) if number > head.number => Err(NotSigned::Damaged(format!(
                "it was signed as {}, and the database knows nothing of that: an old backup was put in place",
                names::name(&head.shard, number)
            ))),
            _ => Ok(newest),
        }
    }

    async fn remember(&self, checkpoint: Checkpoint, note: Vec<u8>) -> Result<(), StoreError> {
        let (memory, signer) = (Arc::clone(&self.memory), Arc::clone(&self.signer));
        let write = tokio::task::spawn_blocking(move || memory.remember(&signer, &checkpoint, &note));
        write.await.map_err(StoreError::failed)?
    }

    /// What others have signed since this replica last did must go on from there.
    async fn must_follow(&self, shard: &str, older: &Checkpoint, newer: &Checkpoint) -> Result<(), NotSigned> {
        if older.size >= newer.size {
            return Ok(());
        }
        let path = read::consistency(&*self.store, shard, older.size, newer.size).await?;
        verify_consistency((older.size, &older.root), (newer.size, &newer.root), &path).map_err(|why| {
            NotSigned::Damaged(format!(
                "the {} records that were signed do not go on from the {} that were signed here: {why}",
                newer.size, older.size
            ))
        })
    }

    /// What was signed last, by the signature and not by the column.
    fn signed_before(&self, head: &UnsignedHead, signed: &SignedHead) -> Result<Checkpoint, NotSigned> {
        let damaged = |what: &str| NotSigned::Damaged(format!("the checkpoint of {} records {what}", signed.size));
        let note = Note::parse(&signed.note).map_err(|error| damaged(&format!("cannot be read: {error}")))?;
        let checkpoint =
            Checkpoint::parse(note.text()).map_err(|error| damaged(&format!("cannot be read: {error}")))?;
        let (shard, number) = names::parse(&checkpoint.origin);
        let keys = self.signer.verifiers(&checkpoint.origin)?;
        note.verify(&keys).map_err(|error| damaged(&format!("is not ours: {error}")))?;
        if shard != head.shard || number > head.number || checkpoint.size != signed.size {
            return Err(damaged("is that of another tree"));
        }
        Ok(checkpoint)
    }

    /// The tree before the first record of the last tile that was not full when it was signed: from there its records are
    /// read again.
    async fn rebuild(&self, head: &UnsignedHead, signed: u64) -> Result<Tree, NotSigned> {
        let start = signed - signed % TILE_HASHES as u64;
        let mut levels = HashMap::new();
        for level in 1..8 {
            let number = start.checked_shr(8 * (level + 1)).unwrap_or(0);
            if let Some(tile) = Tile::of_tree(level, number, start) {
                levels.insert(level, self.store.tile(&head.shard, tile).await?);
            }
        }
        let edge = Edge::new(start, |level| levels.remove(&level));
        let edge = edge.ok_or_else(|| NotSigned::Damaged(format!("tiles of the first {start} records are missing")))?;
        Ok(Tree::new(edge))
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what is known of damage: whoever has not looked for a while, because another one leads, knows nothing.
    pub fn tell(&self) {
        let mut found = self.found();
        if found.looked.is_none_or(|looked| looked.elapsed() > PAUSE_AFTER_DAMAGE) {
            found.damaged.clear();
        }
        gauge!(AUDIT_DAMAGED.name).set(found.damaged.len() as f64);
    }

    fn rests(&self, shard: &str) -> bool {
        self.found().damaged.get(shard).is_some_and(|found| found.elapsed() < PAUSE_AFTER_DAMAGE)
    }

    fn is_sound(&self, shard: &str) {
        self.found().damaged.remove(shard);
    }

    fn is_damaged(&self, shard: &str, what: &str) {
        tracing::error!(
            shard,
            what,
            "the audit log is damaged: it is not signed any more, see docs/operations/audit.md"
        );
        self.found().damaged.insert(shard.to_owned(), Instant::now());
    }
}

/// A tree as its records are read again, and what is made of it on the way.
struct Tree {
    edge: Edge,
    /// Of the tile that is being filled.
    records: Vec<PlacedRecord>,
    full: Vec<(Tile, Vec<Hash>)>,
    zones: Vec<Zone>,
    /// Sizes at which the root is known.
    known: Vec<(u64, Hash)>,
}

impl Tree {
    fn new(edge: Edge) -> Self {
        Self { edge, records: Vec::new(), full: Vec::new(), zones: Vec::new(), known: Vec::new() }
    }

    /// A size and root that it must pass through, or must have passed through.
    fn must_have_been(&mut self, checkpoint: &Checkpoint) -> Result<(), NotSigned> {
        if checkpoint.size >= self.edge.size() {
            self.known.push((checkpoint.size, checkpoint.root));
        }
        self.check()
    }

    fn check(&self) -> Result<(), NotSigned> {
        let size = self.edge.size();
        let is_other = |(known, root): &&(u64, Hash)| *known == size && self.edge.root() != *root;
        match self.known.iter().find(is_other) {
            None => Ok(()),
            Some(_) => Err(NotSigned::Damaged(format!("the first {size} records are not those that were signed"))),
        }
    }

    fn append(&mut self, record: PlacedRecord) -> Result<(), NotSigned> {
        let index = self.edge.size();
        if record.index != index {
            return Err(NotSigned::Damaged(format!("record {index} is missing")));
        }
        if leaf_hash(&record.bytes) != record.leaf_hash {
            return Err(NotSigned::Damaged(format!("record {index} is not the one that was hashed")));
        }
        let full = &mut self.full;
        self.edge.append(record.leaf_hash, |tile, hashes| {
            if tile.level > 0 {
                full.push((tile, hashes.to_vec()));
            }
        });
        self.records.push(record);
        if self.records.len() == TILE_HASHES {
            let records: Vec<_> = self.records.drain(..).map(|record| (record.at, record.bytes)).collect();
            self.zones.extend(Zone::of(index / TILE_HASHES as u64, &records));
        }
        self.check()
    }

    fn into_publication(self, shard: &str, after: Option<u64>, signed: SignedHead) -> Publication {
        // As wide as they were, they are as they were.
        let is_new = |tile: &Tile| Tile::of_tree(tile.level, tile.number, after.unwrap_or(0)) != Some(*tile);
        let partial = self.edge.partial().filter(|(tile, _)| tile.level > 0 && is_new(tile));
        let partial: Vec<_> = partial.map(|(tile, hashes)| (tile, hashes.to_vec())).collect();
        let tiles = self.full.into_iter().chain(partial).collect();
        Publication { shard: shard.to_owned(), after, signed, tiles, zones: self.zones }
    }
}
