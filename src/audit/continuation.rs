//! A log of which more was signed than is there, because an older copy of the database was put in place, goes on under
//! another name once an operator says that this was meant. What was signed under the name before stays a promise that
//! nobody can keep any more; whoever has such a checkpoint can show what is missing.

use std::sync::Arc;

use super::log::{Checkpoint, Edge, TILE_HASHES, leaf_hash};
use super::memory::Memory;
use super::signer::Signer;
use super::store::AuditStore;
use super::{Draft, Kind, NewEpoch, Outcome, Recorder, names};
use crate::storage::StoreError;

/// Records that are read at a time.
const PAGE: usize = 32 * TILE_HASHES;

/// A log that cannot go on under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub shard: String,
    /// What was signed last, as it is remembered here.
    pub signed: Checkpoint,
    /// Records that are there now.
    pub kept: u64,
    /// The number of its next name.
    pub number: u32,
}

/// What it takes to let logs go on.
pub struct Continuation {
    pub store: Arc<dyn AuditStore>,
    pub recorder: Arc<Recorder>,
    pub signer: Signer,
    pub memory: Memory,
}

impl Continuation {
    /// The logs that are not what was signed here. Reads them from their first record on.
    pub async fn broken(&self) -> Result<Vec<Broken>, StoreError> {
        let mut broken = Vec::new();
        for shard in self.store.shards().await? {
            let Some(remembered) = self.memory.newest_number(&shard)? else { continue };
            let Some(signed) = self.memory.newest(&self.signer, &names::name(&shard, remembered))? else { continue };
            let number = self.store.number(&shard).await?;
            if number > remembered {
                // That was decided, and is signed in a moment.
                continue;
            }
            let kept = self.store.head(&shard).await?.map_or(0, |head| head.size());
            if remembered > number || kept < signed.size || !self.goes_on_from(&shard, &signed).await? {
                let number = remembered.max(number) + 1;
                broken.push(Broken { shard, signed, kept, number });
            }
        }
        Ok(broken)
    }

    /// Lets it go on. The name of whoever decides so enters the log as a pseudonym.
    pub async fn go_on(&self, broken: &Broken, officer: &str) -> Result<(), StoreError> {
        let Broken { shard, signed, kept, number } = broken;
        let mut draft = Draft::new(Kind::Epoch, "audit.continue", Outcome::decided("done"));
        draft.officer = Some(officer);
        draft.epoch = Some(NewEpoch { kept: *kept, number: *number, signed: signed.size, signed_root: signed.root });
        self.store.go_on_as(shard, *number, self.recorder.seal(&draft)?).await
    }

    /// Whether the first records are those that were signed.
    async fn goes_on_from(&self, shard: &str, signed: &Checkpoint) -> Result<bool, StoreError> {
        let mut edge = Edge::default();
        while edge.size() < signed.size {
            let most = usize::try_from(signed.size - edge.size()).unwrap_or(PAGE).min(PAGE);
            let records = self.store.records(shard, edge.size(), most).await?;
            if records.is_empty() || records.iter().zip(edge.size()..).any(|(record, index)| record.index != index) {
                return Ok(false);
            }
            records.iter().for_each(|record| edge.append(leaf_hash(&record.bytes), |_, _| {}));
        }
        Ok(edge.root() == signed.root)
    }
}
