//! Tampering with a folder that was exported.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lienthong::audit::log::{Tile, entries, entry_bundle};

use super::Expected;
use super::log::Original;

type Tamper = fn(&Path, &Original, &mut fastrand::Rng) -> Result<Expected>;

pub(super) const CLASSES: &[(&str, Tamper)] = &[
    ("a bit of a record in its file", |folder, log, rng| {
        let index = rng.u64(0..log.size);
        change(folder, log, index, |records, at| {
            let bit = rng.usize(0..records[at].len() * 8);
            records[at][bit / 8] ^= 1 << (bit % 8);
        })?;
        Ok(Expected::Exactly(index))
    }),
    ("two records swapped in their file", |folder, log, rng| {
        let index = rng.u64(0..log.size / 256) * 256 + rng.u64(0..255);
        change(folder, log, index, |records, at| records.swap(at, at + 1))?;
        Ok(Expected::Exactly(index))
    }),
    ("a record removed from its file", |folder, log, rng| {
        let index = rng.u64(0..log.size / 256) * 256 + rng.u64(0..255);
        change(folder, log, index, |records, at| drop(records.remove(at)))?;
        Ok(Expected::Exactly(index))
    }),
    ("a record put into its file", |folder, log, rng| {
        let index = rng.u64(0..log.size / 256) * 256 + rng.u64(0..255);
        change(folder, log, index, |records, at| records.insert(at, b"{}".to_vec()))?;
        Ok(Expected::Exactly(index))
    }),
    ("a file of records removed", |folder, log, rng| {
        let tile = tile(log, rng.u64(0..log.size));
        fs::remove_file(folder.join(tile.entries_path()))?;
        Ok(Expected::From(tile.leaves().start))
    }),
    ("a file of records cut off", |folder, log, rng| {
        let file = folder.join(tile(log, rng.u64(0..log.size)).entries_path());
        let bytes = fs::read(&file)?;
        fs::write(&file, &bytes[..rng.usize(0..bytes.len())])?;
        Ok(Expected::Something)
    }),
    ("a bit of a tile of leaves", |folder, log, rng| {
        let tile = tile(log, rng.u64(0..log.size));
        let at = flip(&folder.join(tile.path()), rng)?;
        Ok(Expected::Exactly(tile.leaves().start + at as u64 / 32))
    }),
    ("a tile of leaves removed", |folder, log, rng| {
        let tile = tile(log, rng.u64(0..log.size));
        fs::remove_file(folder.join(tile.path()))?;
        Ok(Expected::From(tile.leaves().start))
    }),
    ("a bit of a tile above", |folder, log, rng| {
        flip(&folder.join(above(log)?.path()), rng)?;
        Ok(Expected::Something)
    }),
    ("a tile above removed", |folder, log, _| {
        fs::remove_file(folder.join(above(log)?.path()))?;
        Ok(Expected::Something)
    }),
    ("a bit of the exported checkpoint", |folder, _, rng| {
        flip(&folder.join("checkpoint"), rng)?;
        Ok(Expected::Something)
    }),
    ("the exported checkpoint replaced by an earlier one", |folder, log, rng| {
        let size = log.signed[rng.usize(0..log.signed.len() - 1)];
        fs::copy(earlier(folder, size), folder.join("checkpoint"))?;
        Ok(Expected::Something)
    }),
    ("a bit of an earlier checkpoint", |folder, log, rng| {
        let size = log.signed[rng.usize(0..log.signed.len())];
        flip(&earlier(folder, size), rng)?;
        Ok(Expected::Something)
    }),
];

fn tile(log: &Original, index: u64) -> Tile {
    let tile = Tile::of_tree(0, index / 256, log.size);
    tile.unwrap_or(Tile { level: 0, number: 0, width: 256 })
}

fn above(log: &Original) -> Result<Tile> {
    Tile::of_tree(1, 0, log.size).context("too small")
}

fn earlier(folder: &Path, size: u64) -> PathBuf {
    folder.join(format!("checkpoints/{size:020}"))
}

fn flip(file: &Path, rng: &mut fastrand::Rng) -> Result<usize> {
    let mut bytes = fs::read(file)?;
    let at = rng.usize(0..bytes.len());
    bytes[at] ^= 1 << rng.u8(0..8);
    fs::write(file, bytes)?;
    Ok(at)
}

/// Changes the records of the file in which this one is; its place there is told.
fn change(folder: &Path, log: &Original, index: u64, how: impl FnOnce(&mut Vec<Vec<u8>>, usize)) -> Result<()> {
    let file = folder.join(tile(log, index).entries_path());
    let bytes = fs::read(&file)?;
    let mut records: Vec<Vec<u8>> = entries(&bytes)?.into_iter().map(<[u8]>::to_vec).collect();
    how(&mut records, usize::try_from(index % 256)?);
    let bundle = entry_bundle(records.iter().map(Vec::as_slice)).context("too long")?;
    Ok(fs::write(file, bundle)?)
}
