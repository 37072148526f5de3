//! A log as a folder of files that need nobody: checkpoints, hashes and records as tlog-tiles lays them out, the keys, and
//! a text that tells how to check a signature with OpenSSL alone. Written from a log, and read as one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;

use super::cms::Roots;
use super::log::{Checkpoint, Edge, Frontier, Hash, Note, TILE_HASHES, Tile, VerifierKey, entries, entry_bundle};
use super::names;
use super::store::{Anchor, AnchorKind, ClosedLog, LogReader, PlacedRecord, SignedHead};
use super::zone::Zone;
use crate::storage::StoreError;

/// Records and checkpoints that are read at a time.
const PAGE: usize = 32 * TILE_HASHES;
/// What others have said, read at a time.
const PAGE_OF_ANCHORS: usize = 256;
const AUTHORITIES: &str = "authorities.pem";
/// Stands in the folder of a log whose records are not kept any more.
const DROPPED: &str = "dropped.json";
/// Stands in the folder of a log of which there are the records of some time, and the hashes of all.
const RANGE: &str = "range.json";
/// No file of an export is longer: a bundle of 256 entries of 65,535 bytes.
const MOST_FILE_BYTES: u64 = 256 * (2 + 65_535);

/// A folder that was exported, or is being written.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn of(&self, shard: &str) -> PathBuf {
        self.path.join(shard.rsplit('/').next().unwrap_or(shard))
    }

    /// Writes what was signed of a shard: of records outside the range, if one is given, their hashes alone. The folder of the shard
    /// must not be there. Returns the number of records.
    pub async fn write(
        &self,
        log: &dyn LogReader,
        shard: &str,
        range: Option<&Range<Timestamp>>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64, StoreError> {
        let Some(signed) = log.signed(shard).await? else { return Ok(0) };
        let folder = self.of(shard);
        if folder.exists() {
            return Err(StoreError::Failed(format!("{} is there already: export into a new folder", folder.display())));
        }
        if let Some((log_of, record)) = log.dropped(shard).await? {
            let dropped = DroppedFile { record, root: STANDARD.encode(log_of.root), size: log_of.size };
            let dropped = serde_json::to_vec_pretty(&dropped).map_err(StoreError::failed)?;
            write_new(&folder.join(DROPPED), &dropped).map_err(|error| explain(&folder, &error))?;
            write_anchors(&folder, log, shard, u64::MAX).await?;
            write_new(&folder.join("checkpoint"), &signed.note).map_err(|error| explain(&folder, &error))?;
            return Ok(0);
        }
        if let Some(range) = range {
            let text = RangeFile { from: range.start.to_text(), until: range.end.to_text() };
            let text = serde_json::to_vec_pretty(&text).map_err(StoreError::failed)?;
            write_new(&folder.join(RANGE), &text).map_err(|error| explain(&folder, &error))?;
        }
        let mut edge = Edge::default();
        progress(0);
        while edge.size() < signed.size {
            let left = usize::try_from(signed.size - edge.size()).unwrap_or(PAGE).min(PAGE);
            let records = log.records(shard, edge.size(), left).await?;
            if records.is_empty() {
                return Err(StoreError::Failed(format!(
                    "record {} is missing: run `lienthong audit verify`",
                    edge.size()
                )));
            }
            for tile in records.chunks(TILE_HASHES) {
                write_records(&folder, &mut edge, tile, range).map_err(|error| explain(&folder, &error))?;
            }
            progress(edge.size());
        }
        for (tile, hashes) in edge.partial() {
            write_new(&folder.join(tile.path()), &hashes.concat()).map_err(|error| explain(&folder, &error))?;
        }
        let mut from = 0;
        loop {
            let page = log.checkpoints(shard, from, PAGE).await?;
            for earlier in page.iter().filter(|earlier| earlier.size <= signed.size) {
                let file = folder.join(format!("checkpoints/{:020}", earlier.size));
                write_new(&file, &earlier.note).map_err(|error| explain(&file, &error))?;
            }
            match page.last() {
                Some(last) if page.len() == PAGE => from = last.size + 1,
                _ => break,
            }
        }
        write_anchors(&folder, log, shard, signed.size).await?;
        // Last: a folder with a checkpoint is whole.
        write_new(&folder.join("checkpoint"), &signed.note).map_err(|error| explain(&folder, &error))?;
        Ok(signed.size)
    }

    /// Writes the keys, certificates of the authorities that are trusted here, and how to check a signature without this
    /// program.
    pub fn write_keys(&self, keys: &[VerifierKey], authorities: &Roots) -> Result<(), StoreError> {
        let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
        let readme = include_str!("export_readme.txt");
        let write = || -> io::Result<()> {
            write_new(&self.path.join("keys.txt"), lines.as_bytes())?;
            if !authorities.is_empty() {
                write_new(&self.path.join(AUTHORITIES), authorities.to_pem().as_bytes())?;
            }
            write_new(&self.path.join("README.txt"), readme.as_bytes())
        };
        write().map_err(|error| explain(&self.path, &error))
    }

    /// The keys in it: the folder's own word, to be compared with what the province says of them.
    pub fn keys(&self) -> Result<Vec<VerifierKey>, StoreError> {
        let file = self.path.join("keys.txt");
        let text = String::from_utf8(self.read(&file)?.unwrap_or_default()).map_err(StoreError::failed)?;
        let keys = text.lines().map(VerifierKey::parse).collect::<Result<_, _>>();
        keys.map_err(|error| StoreError::Failed(format!("{}: {error}", file.display())))
    }

    /// The authorities in it: the folder's own word too.
    pub fn authorities(&self) -> Result<Option<Roots>, StoreError> {
        let file = self.path.join(AUTHORITIES);
        file.exists().then(|| Roots::read(&file).map_err(StoreError::failed)).transpose()
    }

    fn read(&self, file: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(file)?.take(MOST_FILE_BYTES + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MOST_FILE_BYTES {
                return Err(io::Error::other("no file of an export is as long as this"));
            }
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(explain(file, &error)),
        }
    }

    fn checkpoint(&self, shard: &str) -> Result<Option<(Checkpoint, Vec<u8>)>, StoreError> {
        let file = self.of(shard).join("checkpoint");
        let Some(bytes) = self.read(&file)? else { return Ok(None) };
        let checkpoint = Note::parse(&bytes).and_then(|note| Checkpoint::parse(note.text()));
        let checkpoint = checkpoint.map_err(|error| StoreError::Failed(format!("{}: {error}", file.display())))?;
        Ok(Some((checkpoint, bytes)))
    }

    fn records_of(&self, shard: &str, tile: Tile) -> Result<Vec<PlacedRecord>, StoreError> {
        let file = self.of(shard).join(tile.entries_path());
        let bundle = self.read(&file)?;
        let hashes = self.hashes(shard, tile)?;
        let start = tile.leaves().start;
        let bundle = match &bundle {
            Some(bundle) => {
                entries(bundle).map_err(|error| StoreError::Failed(format!("{}: {error}", file.display())))?
            }
            None if self.of(shard).join(RANGE).exists() => vec![&[][..]; hashes.len()],
            None => return Ok(Vec::new()),
        };
        let place = |(index, (bytes, hash)): (u64, (&[u8], &Hash))| PlacedRecord {
            index,
            at: at_of(bytes),
            leaf_hash: *hash,
            bytes: bytes.to_vec(),
        };
        Ok((start..).zip(bundle.into_iter().zip(&hashes)).map(place).collect())
    }

    fn hashes(&self, shard: &str, tile: Tile) -> Result<Vec<Hash>, StoreError> {
        let file = self.of(shard).join(tile.path());
        let bytes = self.read(&file)?.unwrap_or_default();
        let (hashes, rest) = bytes.as_chunks::<32>();
        match rest {
            [] => Ok(hashes.iter().take(tile.width).copied().collect()),
            _ => Err(StoreError::Failed(format!("{}: not a number of hashes", file.display()))),
        }
    }

    /// The tile as wide as the log has it.
    fn widest(&self, shard: &str, level: u32, number: u64) -> Result<Option<Tile>, StoreError> {
        let size = self.checkpoint(shard)?.map_or(0, |(checkpoint, _)| checkpoint.size);
        Ok(Tile::of_tree(level, number, size))
    }
}

/// Of which time an export has the records: from, and before.
#[derive(serde::Serialize)]
struct RangeFile {
    from: String,
    until: String,
}

/// What a log was closed with whose records are not kept any more, and the record of another log that says so.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct DroppedFile {
    record: uuid::Uuid,
    /// Base64.
    root: String,
    size: u64,
}

/// When a record says that it was made; the beginning of time if it says nothing.
fn at_of(record: &[u8]) -> Timestamp {
    #[derive(serde::Deserialize)]
    struct At<'a> {
        at: &'a str,
    }
    let at = serde_json::from_slice::<At<'_>>(record).ok().and_then(|record| record.at.parse::<jiff::Timestamp>().ok());
    Timestamp::from_micros(at.map_or(0, jiff::Timestamp::as_microsecond))
}

fn write_records(
    folder: &Path,
    edge: &mut Edge,
    records: &[PlacedRecord],
    range: Option<&Range<Timestamp>>,
) -> io::Result<()> {
    if range.is_none_or(|range| records.iter().any(|record| range.contains(&record.at))) {
        let number = edge.size() / TILE_HASHES as u64;
        let bundle = entry_bundle(records.iter().map(|record| record.bytes.as_slice()));
        let bundle = bundle.ok_or_else(|| io::Error::other("a record has more than 65,535 bytes"))?;
        let tile = Tile { level: 0, number, width: records.len() };
        write_new(&folder.join(tile.entries_path()), &bundle)?;
    }
    let mut full = Vec::new();
    for record in records {
        edge.append(record.leaf_hash, |tile, hashes| full.push((tile, hashes.concat())));
    }
    full.iter().try_for_each(|(tile, hashes)| write_new(&folder.join(tile.path()), hashes))
}

/// What others have said of the heads: each as it was said, beside the signed note that it is about.
async fn write_anchors(folder: &Path, log: &dyn LogReader, shard: &str, to: u64) -> Result<(), StoreError> {
    let mut from = 0;
    // Those of this size: they come again with the next page.
    let mut written = Vec::new();
    loop {
        let page = log.anchors(shard, from, PAGE_OF_ANCHORS).await?;
        let is_last = page.len() < PAGE_OF_ANCHORS;
        for anchor in page {
            let Anchor { kind, name, size, .. } = &anchor;
            if *size > to {
                return Ok(());
            }
            if *size > from {
                (from, written) = (*size, Vec::new());
            }
            let key = (*kind, name.clone());
            if written.contains(&key) {
                continue;
            }
            let file = folder.join("anchors").join(format!("{size:020}.{}.{name}", kind.as_str()));
            let token = file.with_added_extension(extension(*kind));
            write_new(&file, &anchor.note).map_err(|error| explain(&file, &error))?;
            write_new(&token, &anchor.token).map_err(|error| explain(&token, &error))?;
            written.push(key);
        }
        if is_last {
            return Ok(());
        }
    }
}

const fn extension(kind: AnchorKind) -> &'static str {
    match kind {
        AnchorKind::TimeStamp => "tsr",
        AnchorKind::Signature => "p7s",
    }
}

/// The size, kind and name of a file with what was said.
fn anchor_of(file: &str) -> Option<(u64, AnchorKind, String)> {
    let (size, rest) = file.split_once('.')?;
    let (kind, rest) = rest.split_once('.')?;
    let kind = AnchorKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    let name = rest.strip_suffix(extension(kind))?.strip_suffix('.')?;
    Some((size.parse().ok()?, kind, name.to_owned()))
}

fn write_new(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create_new(file)?;
    file.write_all(bytes)
}

fn explain(file: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed(format!("{}: {error}", file.display()))
}

#[async_trait]
impl LogReader for Folder {
    async fn shards(&self) -> Result<Vec<String>, StoreError> {
        let mut shards = Vec::new();
        let found = fs::read_dir(&self.path).map_err(|error| explain(&self.path, &error))?;
        for entry in found {
            let entry = entry.map_err(|error| explain(&self.path, &error))?;
            if !entry.path().is_dir() {
                continue;
            }
            match self.checkpoint(&entry.file_name().to_string_lossy())? {
                Some((checkpoint, _)) => shards.push(names::parse(&checkpoint.origin).0.to_owned()),
                None => {
                    let why =
                        format!("{}: it has no checkpoint, so its export was not finished", entry.path().display());
                    return Err(StoreError::Failed(why));
                }
            }
        }
        shards.sort();
        Ok(shards)
    }

    async fn head(&self, shard: &str) -> Result<Option<Frontier>, StoreError> {
        let Some((checkpoint, _)) = self.checkpoint(shard)? else { return Ok(None) };
        let mut failed = None;
        let edge = Edge::new(checkpoint.size, |level| {
            let number = checkpoint.size.checked_shr(8 * (level + 1)).unwrap_or(0);
            let tile = Tile::of_tree(level, number, checkpoint.size)?;
            self.hashes(shard, tile).map_err(|error| failed = Some(error)).ok()
        });
        match (edge, failed) {
            (_, Some(error)) => Err(error),
            (edge, None) => Ok(edge.map(|edge| edge.frontier())),
        }
    }

    async fn records(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<PlacedRecord>, StoreError> {
        let mut records = Vec::new();
        let mut number = from / TILE_HASHES as u64;
        while records.len() < limit {
            let Some(tile) = self.widest(shard, 0, number)? else { break };
            let found = self.records_of(shard, tile)?;
            let is_all = found.len() == tile.width;
            records.extend(found.into_iter().filter(|record| record.index >= from));
            if !is_all {
                break;
            }
            number += 1;
        }
        records.truncate(limit);
        Ok(records)
    }

    async fn signed(&self, shard: &str) -> Result<Option<SignedHead>, StoreError> {
        let found = self.checkpoint(shard)?;
        Ok(found.map(|(checkpoint, note)| SignedHead { size: checkpoint.size, at: Timestamp::from_micros(0), note }))
    }

    async fn checkpoints(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<SignedHead>, StoreError> {
        let folder = self.of(shard).join("checkpoints");
        let mut sizes: Vec<u64> = match fs::read_dir(&folder) {
            Ok(found) => found.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(explain(&folder, &error)),
        };
        sizes.retain(|size| *size >= from);
        sizes.sort_unstable();
        let read = |size: u64| {
            let note = self.read(&folder.join(format!("{size:020}")))?.unwrap_or_default();
            Ok(SignedHead { size, at: Timestamp::from_micros(0), note })
        };
        let mut found: Vec<SignedHead> = sizes.into_iter().take(limit).map(read).collect::<Result<_, StoreError>>()?;
        // The newest stands there too, as it should; if it says something else, both are told.
        let newest = self.signed(shard).await?.filter(|newest| newest.size >= from);
        if let Some(newest) = newest.filter(|newest| !found.iter().any(|known| known.note == newest.note))
            && found.len() < limit
        {
            let at = found.partition_point(|known| known.size <= newest.size);
            found.insert(at, newest);
        }
        Ok(found)
    }

    async fn anchors(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<Anchor>, StoreError> {
        let folder = self.of(shard).join("anchors");
        let mut found: Vec<_> = match fs::read_dir(&folder) {
            Ok(found) => found.filter_map(|entry| anchor_of(entry.ok()?.file_name().to_str()?)).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(explain(&folder, &error)),
        };
        found.retain(|(size, _, _)| *size >= from);
        found.sort();
        let read = |(size, kind, name): (u64, AnchorKind, String)| {
            let file = folder.join(format!("{size:020}.{}.{name}", kind.as_str()));
            let note = self.read(&file)?.unwrap_or_default();
            let token = self.read(&file.with_added_extension(extension(kind)))?.unwrap_or_default();
            Ok(Anchor { kind, name, size, at: Timestamp::from_micros(0), note, token })
        };
        found.into_iter().take(limit).map(read).collect()
    }

    async fn is_of_a_range(&self, shard: &str) -> Result<bool, StoreError> {
        Ok(self.of(shard).join(RANGE).exists())
    }

    async fn dropped(&self, shard: &str) -> Result<Option<(ClosedLog, uuid::Uuid)>, StoreError> {
        let file = self.of(shard).join(DROPPED);
        let Some(bytes) = self.read(&file)? else { return Ok(None) };
        let malformed = |why: &dyn std::fmt::Display| StoreError::Failed(format!("{}: {why}", file.display()));
        let dropped: DroppedFile = serde_json::from_slice(&bytes).map_err(|error| malformed(&error))?;
        let root = STANDARD.decode(&dropped.root).map_err(|error| malformed(&error))?;
        let root = root.try_into().map_err(|_| malformed(&"a root has 32 bytes"))?;
        let nobody = Timestamp::from_micros(0);
        let log = ClosedLog {
            shard: shard.to_owned(),
            size: dropped.size,
            root,
            closed_at: nobody,
            dropped_at: Some(nobody),
        };
        Ok(Some((log, dropped.record)))
    }

    async fn tile(&self, shard: &str, tile: Tile) -> Result<Vec<Hash>, StoreError> {
        match self.widest(shard, tile.level, tile.number)? {
            Some(widest) => Ok(self.hashes(shard, widest)?.into_iter().take(tile.width).collect()),
            None => Ok(Vec::new()),
        }
    }

    async fn zones(&self, _: &str, _: u64, _: usize) -> Result<Vec<Zone>, StoreError> {
        Ok(Vec::new())
    }
}
