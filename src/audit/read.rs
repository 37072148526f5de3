//! Reading the log: proofs from its tiles, and records by what they are found by.

use std::ops::Range;

use super::log::{Hash, Note, ProofFile, Tiles, consistency_nodes, inclusion_nodes};
use super::store::{LogReader, PlacedRecord};
use super::zone::{Term, ZONE_RECORDS};
use crate::storage::StoreError;

/// Zones that are read at a time.
const ZONES: usize = 500;

/// The hashes that prove a record's place in the tree of this size.
pub async fn inclusion(store: &dyn LogReader, shard: &str, index: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
    roots(store, shard, size, &inclusion_nodes(index, size).map_err(StoreError::failed)?).await
}

/// The hashes that prove that the tree of the new size begins with that of the old one.
pub async fn consistency(store: &dyn LogReader, shard: &str, old: u64, new: u64) -> Result<Vec<Hash>, StoreError> {
    roots(store, shard, new, &consistency_nodes(old, new).map_err(StoreError::failed)?).await
}

async fn roots(store: &dyn LogReader, shard: &str, size: u64, nodes: &[Range<u64>]) -> Result<Vec<Hash>, StoreError> {
    let mut tiles = Tiles::new(size);
    for tile in Tiles::needed(size, nodes) {
        tiles.insert(tile, store.tile(shard, tile).await?);
    }
    let missing = || StoreError::Failed(format!("tiles of the audit log {shard} are missing"));
    tiles.roots(nodes).ok_or_else(missing)
}

/// A record and the shard it stands in.
pub async fn find(store: &dyn LogReader, id: uuid::Uuid) -> Result<Option<(String, PlacedRecord)>, StoreError> {
    let text = id.to_string();
    let mut shards = store.shards().await?;
    // What is asked for is seldom old.
    shards.reverse();
    for shard in shards {
        let mut next = 0;
        loop {
            let zones = store.zones(&shard, next / ZONE_RECORDS, ZONES).await?;
            for zone in &zones {
                next = (zone.number + 1) * ZONE_RECORDS;
                if zone.may_have(Term::Id(&text)) {
                    let records = store.records(&shard, zone.number * ZONE_RECORDS, ZONE_RECORDS as usize).await?;
                    if let Some(record) = of_id(records, &text) {
                        return Ok(Some((shard, record)));
                    }
                }
            }
            if zones.len() < ZONES {
                break;
            }
        }
        // What no zone tells of yet.
        loop {
            let records = store.records(&shard, next, 4 * ZONE_RECORDS as usize).await?;
            let Some(last) = records.last().map(|record| record.index) else { break };
            if let Some(record) = of_id(records, &text) {
                return Ok(Some((shard, record)));
            }
            next = last + 1;
        }
    }
    Ok(None)
}

fn of_id(records: Vec<PlacedRecord>, id: &str) -> Option<PlacedRecord> {
    #[derive(serde::Deserialize)]
    struct Id<'a> {
        id: &'a str,
    }
    records.into_iter().find(|record| serde_json::from_slice(&record.bytes).is_ok_and(|found: Id<'_>| found.id == id))
}

/// The proof of a record that the newest checkpoint covers, with the record in it; `None` if it covers it not yet.
pub async fn prove(store: &dyn LogReader, shard: &str, record: PlacedRecord) -> Result<Option<ProofFile>, StoreError> {
    let Some(signed) = store.signed(shard).await?.filter(|signed| signed.size > record.index) else { return Ok(None) };
    let checkpoint = Note::parse(&signed.note).map_err(StoreError::failed)?;
    let path = inclusion(store, shard, record.index, signed.size).await?;
    Ok(Some(ProofFile { extra: Some(record.bytes), index: record.index, path, checkpoint }))
}
