//! Reading the log: proofs from its tiles, and records by what they are found by.

use std::ops::Range;

use super::log::{
    Checkpoint, Hash, Note, ProofFile, TILE_HASHES, Tiles, VerifierKey, consistency_nodes, inclusion_nodes,
};
use super::store::{LogReader, PlacedRecord};
use super::zone::{Term, ZONE_RECORDS};
use crate::storage::StoreError;

/// Zones that are read at a time.
const ZONES: usize = 500;

/// The hashes that prove a record's place in the tree of this size.
pub async fn inclusion(log: &dyn LogReader, shard: &str, index: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
    roots(log, shard, size, &inclusion_nodes(index, size).map_err(StoreError::failed)?).await
}

/// The hashes that prove that the tree of the new size begins with that of the old one.
pub async fn consistency(log: &dyn LogReader, shard: &str, old: u64, new: u64) -> Result<Vec<Hash>, StoreError> {
    roots(log, shard, new, &consistency_nodes(old, new).map_err(StoreError::failed)?).await
}

async fn roots(log: &dyn LogReader, shard: &str, size: u64, nodes: &[Range<u64>]) -> Result<Vec<Hash>, StoreError> {
    let mut tiles = Tiles::new(size);
    for tile in Tiles::needed(size, nodes) {
        tiles.insert(tile, log.tile(shard, tile).await?);
    }
    let missing = || StoreError::Failed(format!("tiles of the audit log {shard} are missing"));
    tiles.roots(nodes).ok_or_else(missing)
}

/// A record and the shard it stands in. What no zone has told of is looked through whole before it is said that there is
/// none: a zone that was changed hides nothing.
pub async fn find(log: &dyn LogReader, id: uuid::Uuid) -> Result<Option<(String, PlacedRecord)>, StoreError> {
    if let Some(found) = find_by_zones(log, id).await? {
        return Ok(Some(found));
    }
    let text = id.to_string();
    for shard in log.shards().await?.into_iter().rev() {
        if let Some(found) = find_in(log, &shard, 0, usize::MAX, &text).await? {
            return Ok(Some((shard, found)));
        }
    }
    Ok(None)
}

/// The same, believing the zones: whoever asks for what is not there costs no more than whoever asks for what is.
pub async fn find_by_zones(log: &dyn LogReader, id: uuid::Uuid) -> Result<Option<(String, PlacedRecord)>, StoreError> {
    let text = id.to_string();
    // What is asked for is seldom old.
    for shard in log.shards().await?.into_iter().rev() {
        let mut next = 0;
        loop {
            let zones = log.zones(&shard, next / ZONE_RECORDS, ZONES).await?;
            for zone in &zones {
                next = zone.number.saturating_add(1).saturating_mul(ZONE_RECORDS);
                if zone.may_have(Term::Id(&text))
                    && let Some(found) =
                        find_in(log, &shard, zone.number.saturating_mul(ZONE_RECORDS), 1, &text).await?
                {
                    return Ok(Some((shard, found)));
                }
            }
            if zones.len() < ZONES {
                break;
            }
        }
        // Those that have no zone yet.
        if let Some(found) = find_in(log, &shard, next, usize::MAX, &text).await? {
            return Ok(Some((shard, found)));
        }
    }
    Ok(None)
}

/// Looks through so many zones' records from this one on.
async fn find_in(
    log: &dyn LogReader,
    shard: &str,
    mut from: u64,
    zones: usize,
    id: &str,
) -> Result<Option<PlacedRecord>, StoreError> {
    let mut left = zones;
    while left > 0 {
        let of = left.min(16);
        let records = log.records(shard, from, of * TILE_HASHES).await?;
        let Some(last) = records.last().map(|record| record.index) else { break };
        if let Some(found) = of_id(records, id) {
            return Ok(Some(found));
        }
        (from, left) = (last.saturating_add(1), left - of);
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

/// The proof of a record that the newest checkpoint covers, with the record in it, verified by the keys of the log's name;
/// `None` if it covers it not yet.
pub async fn prove(
    log: &dyn LogReader,
    shard: &str,
    record: PlacedRecord,
    keys: impl Fn(&str) -> Result<Vec<VerifierKey>, StoreError>,
) -> Result<Option<ProofFile>, StoreError> {
    // The earlier a witness has seen it, the more it proves.
    let signed = match log.witnessed(shard, record.index).await? {
        None => log.signed(shard).await?,
        witnessed => witnessed,
    };
    let Some(signed) = signed.filter(|signed| signed.size > record.index) else { return Ok(None) };
    let note = Note::parse(&signed.note).map_err(StoreError::failed)?;
    let keys = keys(&Checkpoint::parse(note.text()).map_err(StoreError::failed)?.origin)?;
    let path = inclusion(log, shard, record.index, signed.size).await?;
    let proof = ProofFile { extra: Some(record.bytes), index: record.index, path, checkpoint: note };
    match proof.verify(&keys) {
        Ok(_) => Ok(Some(proof)),
        Err(why) => Err(StoreError::Failed(format!(
            "record {} of {shard} has no proof: {why}; run `lienthong audit verify`",
            record.index
        ))),
    }
}
