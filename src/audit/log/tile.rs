//! Tiles (C2SP tlog-tiles): the tree's hashes in pieces of 256, from which every proof can be made.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;

use super::note::Malformed;
use super::tree::{Frontier, Hash, node_hash};

/// Hashes in a full tile.
pub const TILE_HASHES: usize = 256;
/// Levels of the tree in one level of tiles.
const HEIGHT: u32 = 8;
/// A tree of 2^64 records has no more levels of tiles.
const MOST_LEVELS: u32 = 64 / HEIGHT;

/// A tile's address. Level 0 holds the leaves' hashes, each level above the roots of the full tiles below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    pub level: u32,
    pub number: u64,
    /// 1 to 256 hashes.
    pub width: usize,
}

impl Tile {
    /// The tile of this level and number, as wide as a tree of this size makes it; `None` if such a tree does not have it.
    pub fn of_tree(level: u32, number: u64, size: u64) -> Option<Self> {
        let complete = size.checked_shr(HEIGHT * level).unwrap_or(0);
        let left = complete.checked_sub(number.checked_mul(TILE_HASHES as u64)?)?;
        let width = usize::try_from(left).unwrap_or(usize::MAX).min(TILE_HASHES);
        (width > 0).then_some(Self { level, number, width })
    }

    /// Where it is served, below the log's address: `tile/0/x001/x234/067.p/5`.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, numbered(self.number, self.width))
    }

    /// Where the records of its leaves are served; only of level 0.
    pub fn entries_path(&self) -> String {
        format!("tile/entries/{}", numbered(self.number, self.width))
    }

    /// Reads what follows `tile/<level>/` or `tile/entries/`; the level of entries is 0.
    pub fn parse(level: &str, rest: &str) -> Option<Self> {
        let level = if level == "entries" { 0 } else { decimal(level).filter(|level| *level < MOST_LEVELS.into())? };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, decimal(width).filter(|width| (1..256).contains(width))?),
            None => (rest, 256),
        };
        let groups: Vec<&str> = number.split('/').collect();
        let (last, before) = groups.split_last()?;
        let is_group = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let mut digits = String::new();
        for group in before {
            digits += group.strip_prefix('x').filter(|group| is_group(group))?;
        }
        digits += Some(*last).filter(|group| is_group(group))?;
        let is_short = before.is_empty() || !digits.starts_with("000");
        let number = digits.parse().ok().filter(|_| is_short)?;
        Some(Self { level: u32::try_from(level).ok()?, number, width: usize::try_from(width).ok()? })
    }

    /// The leaves below it.
    pub fn leaves(&self) -> Range<u64> {
        let leaves_each = 1_u64.checked_shl(HEIGHT * self.level).unwrap_or(0);
        let start = self.number.saturating_mul(TILE_HASHES as u64).saturating_mul(leaves_each);
        start..start.saturating_add(leaves_each.saturating_mul(self.width as u64))
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// Groups of three digits, all but the last with an `x` before them.
fn numbered(number: u64, width: usize) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < TILE_HASHES { format!("{path}.p/{width}") } else { path }
}

/// A number without leading zeroes or signs.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// The root of a complete subtree of `hashes`, whose number is a power of two.
pub fn fold(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [hash] => Some(*hash),
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Some(node_hash(&fold(left)?, &fold(right)?))
        }
    }
}

/// A complete subtree: `1 << level` leaves from `index << level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    level: u32,
    index: u64,
}

/// The complete subtrees that these leaves consist of, largest first. The leaves start where the largest may start.
fn complete_subtrees(leaves: &Range<u64>) -> Vec<Node> {
    let mut start = leaves.start;
    let mut nodes = Vec::new();
    while start < leaves.end {
        let level = (leaves.end - start).ilog2();
        nodes.push(Node { level, index: start >> level });
        start += 1 << level;
    }
    nodes
}

/// Where a node's hashes stand: the tile of a tree of this size, and the place in it.
fn place(node: Node, size: u64) -> Option<(Tile, Range<usize>)> {
    let (level, within) = (node.level / HEIGHT, node.level % HEIGHT);
    let first = node.index.checked_shl(within)?;
    let tile = Tile::of_tree(level, first / TILE_HASHES as u64, size)?;
    let at = usize::try_from(first % TILE_HASHES as u64).ok()?;
    Some((tile, at..at + (1 << within)))
}

/// Tiles of one tree that were read to make proofs from.
#[derive(Debug)]
pub struct Tiles {
    size: u64,
    hashes: HashMap<Tile, Vec<Hash>>,
}

impl Tiles {
    pub fn new(size: u64) -> Self {
        Self { size, hashes: HashMap::new() }
    }

    /// The tiles that are needed for the roots of these subtrees.
    pub fn needed(size: u64, nodes: &[Range<u64>]) -> BTreeSet<Tile> {
        let places = nodes.iter().flat_map(complete_subtrees).filter_map(|node| place(node, size));
        places.map(|(tile, _)| tile).collect()
    }

    pub fn insert(&mut self, tile: Tile, hashes: Vec<Hash>) {
        self.hashes.insert(tile, hashes);
    }

    /// The roots of these subtrees; `None` if a tile for them is missing or too short.
    pub fn roots(&self, nodes: &[Range<u64>]) -> Option<Vec<Hash>> {
        nodes.iter().map(|leaves| self.root(leaves)).collect()
    }

    fn root(&self, leaves: &Range<u64>) -> Option<Hash> {
        let root_of = |node| {
            let (tile, hashes) = place(node, self.size)?;
            fold(self.hashes.get(&tile)?.get(hashes)?)
        };
        let mut peaks = complete_subtrees(leaves).into_iter().map(root_of).rev();
        let last = peaks.next()??;
        peaks.try_fold(last, |right, left| Some(node_hash(&left?, &right)))
    }
}

/// The right edge of a tree: the last tile of each level, which is not full. All that is needed to append to it, to know
/// its root, and to make its tiles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edge {
    size: u64,
    /// From level 0 up.
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of a tree of this size: `of_level` gives the hashes of the last tile of each level. `None` if there are
    /// not as many as such a tree has.
    pub fn new(size: u64, mut of_level: impl FnMut(u32) -> Option<Vec<Hash>>) -> Option<Self> {
        let mut levels = Vec::new();
        for level in 0..MOST_LEVELS {
            let complete = size >> (HEIGHT * level);
            if complete == 0 {
                break;
            }
            let width = usize::try_from(complete % TILE_HASHES as u64).ok()?;
            let hashes = if width == 0 { Vec::new() } else { of_level(level)? };
            if hashes.len() != width {
                return None;
            }
            levels.push(hashes);
        }
        Some(Self { size, levels })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf, and tells the tiles that are full now.
    pub fn append(&mut self, leaf: Hash, mut full: impl FnMut(Tile, &[Hash])) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0..MOST_LEVELS {
            let at = level as usize;
            if self.levels.len() == at {
                self.levels.push(Vec::with_capacity(TILE_HASHES));
            }
            let hashes = &mut self.levels[at];
            hashes.push(hash);
            if hashes.len() < TILE_HASHES {
                return;
            }
            let number = (self.size >> (HEIGHT * (level + 1))) - 1;
            full(Tile { level, number, width: TILE_HASHES }, hashes);
            let Some(root) = fold(hashes) else { return };
            hashes.clear();
            hash = root;
        }
    }

    /// The tiles that are not full, from level 0 up.
    pub fn partial(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        (0_u32..).zip(&self.levels).filter(|(_, hashes)| !hashes.is_empty()).map(|(level, hashes)| {
            let number = self.size.checked_shr(HEIGHT * (level + 1)).unwrap_or(0);
            (Tile { level, number, width: hashes.len() }, hashes.as_slice())
        })
    }

    pub fn root(&self) -> Hash {
        self.frontier().root()
    }

    /// The complete subtrees, as the head keeps them.
    pub fn frontier(&self) -> Frontier {
        let mut peaks = Vec::new();
        for hashes in self.levels.iter().rev() {
            for node in complete_subtrees(&(0..hashes.len() as u64)) {
                let start = usize::try_from(node.index << node.level).unwrap_or(usize::MAX);
                peaks.extend(hashes.get(start..start + (1 << node.level)).and_then(fold));
            }
        }
        Frontier::of(self.size, peaks)
    }
}

/// Records as an entry bundle: each behind its length, two bytes. A record beyond 65,535 bytes has no such form.
pub fn entry_bundle<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bundle = Vec::new();
    for record in records {
        bundle.extend(u16::try_from(record.len()).ok()?.to_be_bytes());
        bundle.extend(record);
    }
    Some(bundle)
}

/// The records of an entry bundle.
pub fn entries(mut bundle: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut records = Vec::new();
    while !bundle.is_empty() {
        let cut = Malformed::new("an entry bundle", "ends within a record");
        let (length, rest) = bundle.split_first_chunk::<2>().ok_or_else(|| cut.clone())?;
        let (record, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(cut)?;
        records.push(record);
        bundle = rest;
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::super::proof::{consistency_nodes, inclusion_nodes, verify_consistency, verify_inclusion};
    use super::super::tree::leaf_hash;
    use super::*;

    fn tile(level: u32, number: u64, width: usize) -> Tile {
        Tile { level, number, width }
    }

    #[test]
    fn the_paths_are_those_of_the_specification() {
        assert_eq!(tile(0, 1_234_067, 256).path(), "tile/0/x001/x234/067");
        assert_eq!(tile(1, 0, 17).path(), "tile/1/000.p/17");
        assert_eq!(tile(0, 999, 256).entries_path(), "tile/entries/999");
        for tile in [tile(0, 0, 1), tile(3, 999, 255), tile(0, 1000, 256), tile(7, 123_456_789_012, 256)] {
            let path = tile.path();
            let (level, rest) = path.strip_prefix("tile/").unwrap().split_once('/').unwrap();
            assert_eq!(Tile::parse(level, rest), Some(tile), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_written_in_another_way_is_none() {
        let wrong = [
            ("0", "0"),
            ("0", "0000"),
            ("0", "x000/001"),
            ("0", "001/002"),
            ("0", "x001"),
            ("0", "X001/002"),
            ("0", "001.p/0"),
            ("0", "001.p/256"),
            ("0", "001.p/01"),
            ("0", "001.p/+1"),
            ("0", "001.p"),
            ("0", "001.p/1/"),
            ("00", "001"),
            ("+0", "001"),
            ("8", "001"),
            ("64", "001"),
            ("", "001"),
            ("entry", "001"),
            ("0", ""),
            ("0", "x001/+02"),
            ("0", "x001/00٢"),
            ("0", "x999/x999/x999/x999/x999/x999/x999/999"),
        ];
        for (level, rest) in wrong {
            assert_eq!(Tile::parse(level, rest), None, "{level}/{rest}");
        }
    }

    #[test]
    fn the_widths_are_those_of_the_specification() {
        let width = |level, number, size| Tile::of_tree(level, number, size).map(|tile| tile.width);
        assert_eq!([width(0, 272, 70_000), width(0, 273, 70_000)], [Some(256), Some(112)]);
        assert_eq!([width(1, 0, 70_000), width(1, 1, 70_000), width(2, 0, 70_000)], [Some(256), Some(17), Some(1)]);
        assert_eq!([width(0, 274, 70_000), width(1, 2, 70_000), width(2, 1, 70_000), width(3, 0, 70_000)], [None; 4]);
        assert_eq!([width(0, 0, 256), width(1, 0, 256), width(0, 1, 256)], [Some(256), Some(1), None]);
        assert_eq!(tile(1, 1, 17).leaves(), 65_536..69_888);
    }

    #[test]
    fn proofs_made_from_tiles_verify_across_three_levels_of_tiles() {
        let mut edge = Edge::default();
        let mut kept: HashMap<(u32, u64), Vec<Hash>> = HashMap::new();
        let mut roots = HashMap::new();
        let sizes = [1_u64, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000, 131_072 + 300];
        for n in 0..*sizes.last().unwrap() {
            edge.append(leaf_hash(&n.to_be_bytes()), |tile, hashes| {
                kept.insert((tile.level, tile.number), hashes.to_vec());
            });
            if sizes.contains(&edge.size()) {
                roots.insert(edge.size(), edge.root());
                for (tile, hashes) in edge.partial() {
                    kept.insert((tile.level, tile.number), hashes.to_vec());
                }
                let again = Edge::new(edge.size(), |level| {
                    let number = edge.size() >> (HEIGHT * (level + 1));
                    kept.get(&(level, number)).cloned()
                });
                assert_eq!(again.as_ref().map(Edge::root), Some(edge.root()));
                let leaves = (0..edge.size()).map(|n| leaf_hash(&n.to_be_bytes()));
                assert_eq!(edge.frontier(), leaves.collect::<Frontier>());
            }
        }
        let read = |size: u64, nodes: &[Range<u64>]| {
            let mut tiles = Tiles::new(size);
            for tile in Tiles::needed(size, nodes) {
                tiles.insert(tile, kept[&(tile.level, tile.number)][..tile.width].to_vec());
            }
            tiles.roots(nodes).unwrap()
        };
        for new in sizes {
            for old in sizes.into_iter().filter(|old| *old <= new) {
                let path = read(new, &consistency_nodes(old, new).unwrap());
                assert_eq!(verify_consistency((old, &roots[&old]), (new, &roots[&new]), &path), Ok(()));
                let index = old - 1;
                let path = read(new, &inclusion_nodes(index, new).unwrap());
                assert_eq!(verify_inclusion(&leaf_hash(&index.to_be_bytes()), index, new, &path, &roots[&new]), Ok(()));
            }
        }
    }

    #[test]
    fn an_edge_with_too_many_or_too_few_hashes_is_not_taken() {
        assert_eq!(Edge::new(3, |_| Some(vec![[0; 32]; 2])), None);
        assert_eq!(Edge::new(3, |_| None), None);
        assert!(Edge::new(512, |level| Some(vec![[0; 32]; if level == 1 { 2 } else { 0 }])).is_some());
        assert_eq!(Edge::new(0, |_| None), Some(Edge::default()));
    }

    #[test]
    fn an_entry_bundle_gives_its_records_back_and_one_that_was_cut_does_not() {
        let records: [&[u8]; 3] = [b"a", b"", &[7; 900]];
        let bundle = entry_bundle(records).unwrap();
        assert_eq!(entries(&bundle).unwrap(), records);
        for cut in [1, 2, bundle.len() - 1] {
            assert!(entries(&bundle[..cut]).is_err(), "{cut}");
        }
        assert_eq!(entry_bundle([[0_u8; 65_536].as_slice()]), None);
    }
}
