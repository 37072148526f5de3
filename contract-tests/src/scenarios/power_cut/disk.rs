//! A simulated disk. It replays a journal that shim.c wrote, and tells what the
//! folder would hold if the power went away at some moment.
//!
//! The journal is a row of records. All numbers are little endian.
//!   u32 size    of the whole record; a last record that is shorter was torn by a kill
//!   u32 kind    one of the kinds in `Record::read`
//!   u64 inode   which file; a Create starts a new file even if the number was used before
//!   u64 value   length of the first path, offset, or length of the file
//!   payload     paths, bytes, or records in the case of a snapshot
//!
//! # What is durable
//!
//! A sync of a file makes its content and its length durable, but not its name.
//!
//! All changes of names are kept in one order, over all directories. A sync of a
//! directory makes the last change of a name in this directory durable, and with
//! it every change before. Changes after it stay at risk, even if they are older
//! than the sync, because they are in other directories. ext4 and xfs work like
//! this: they write one log in order, and a sync only waits for the part of the
//! log that concerns its inode. They keep more than this model when a file is
//! synced, because the sync also writes the log. No program should rely on that.
//! The model is too kind for file systems that have no single order, like btrfs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};
use std::sync::Arc;

/// A disk writes a sector whole or not at all.
const SECTOR: u64 = 512;

/// No test has files this long. A damaged journal must not exhaust the memory.
const LONGEST: u64 = 1 << 32;

const HEADER: usize = 24;

/// What the disk loses of the changes that no sync made durable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// All of them.
    Everything,
    /// A part that depends on the number. See `File::survivors`. Of the changes of
    /// names those up to a random one survive.
    Some(u64),
    /// None of them. This is what a killed process leaves.
    Nothing,
}

/// What the disk holds after a cut.
#[derive(Debug, PartialEq)]
pub struct Folder {
    /// The content of each file by its path. A directory has no content.
    pub entries: BTreeMap<String, Option<Arc<Vec<u8>>>>,
}

impl Folder {
    /// Writes all files below `path`, which must be empty or absent, so that
    /// nothing of an earlier cut can hide a loss.
    pub fn write_to(&self, path: &Path) -> Result<(), String> {
        let failed = |error| format!("cannot write {}: {error}", path.display());
        fs::create_dir_all(path).map_err(failed)?;
        if fs::read_dir(path).map_err(failed)?.next().is_some() {
            return Err(format!("{} is not empty", path.display()));
        }
        for (name, content) in &self.entries {
            match content {
                Some(content) => write(&path.join(name), content),
                None => fs::create_dir(path.join(name)),
            }
            .map_err(failed)?;
        }
        Ok(())
    }
}

/// The journal does not tell who may read a file: nobody else.
fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
}

/// All records that a shim wrote.
pub struct Journal {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

impl Journal {
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::new(bytes)
    }

    fn new(bytes: Vec<u8>) -> Result<Self, String> {
        let mut ends = Vec::new();
        let mut at = 0;
        while let Some((_, size)) = Record::read(&bytes[at..])? {
            at += size;
            ends.push(at as u64);
        }
        Ok(Self { bytes, ends })
    }

    /// The byte at which each record ends. A caller who noted the length of the
    /// journal at some moment knows which records were there.
    pub fn ends(&self) -> &[u64] {
        &self.ends
    }

    pub fn replay(&self) -> Replay<'_> {
        Replay {
            journal: self,
            next: 0,
            files: Vec::new(),
            inodes: HashMap::new(),
            folders: 0,
            durable: Names::new(),
            visible: Names::new(),
            changes: Vec::new(),
        }
    }

    /// What the disk holds if the power went away when the journal was `at` bytes
    /// long. Use `replay` for many cuts.
    #[cfg(test)]
    fn cut(&self, at: u64, loss: Loss) -> Result<Folder, String> {
        let mut replay = self.replay();
        replay.advance(at)?;
        Ok(replay.cut(loss))
    }
}

enum Record<'a> {
    Snapshot(&'a [u8]),
    Create { inode: u64, path: &'a str, content: &'a [u8] },
    CreateFolder(&'a str),
    Write { inode: u64, offset: u64, bytes: &'a [u8] },
    Truncate { inode: u64, length: u64 },
    Sync { inode: u64 },
    SyncFolder(&'a str),
    Rename { from: &'a str, to: &'a str },
    Link { from: &'a str, to: &'a str },
    Remove(&'a str),
}

impl<'a> Record<'a> {
    /// The first record of these bytes and its size, or None if it is not whole.
    fn read(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, String> {
        let number = |from, to| {
            let wide = |sum, byte: &u8| sum << 8 | u64::from(*byte);
            bytes.get(from..to).map(|field: &[u8]| field.iter().rev().fold(0, wide))
        };
        let (Some(size), Some(kind), Some(inode), Some(value)) =
            (number(0, 4), number(4, 8), number(8, 16), number(16, 24))
        else {
            return Ok(None);
        };
        let size = size as usize;
        if size < HEADER {
            return Err(format!("a record of {size} bytes"));
        }
        let Some(payload) = bytes.get(HEADER..size) else {
            return Ok(None);
        };
        let pair = || {
            let middle = usize::try_from(value).unwrap_or(usize::MAX);
            payload.split_at_checked(middle).ok_or("a path is longer than its record")
        };
        let record = match kind {
            1 => Self::Snapshot(payload),
            2 => Self::Create { inode, path: path(pair()?.0)?, content: pair()?.1 },
            3 => Self::CreateFolder(path(payload)?),
            4 => Self::Write { inode, offset: value, bytes: payload },
            5 => Self::Truncate { inode, length: value },
            6 => Self::Sync { inode },
            7 => Self::SyncFolder(path(payload)?),
            8 => Self::Rename { from: path(pair()?.0)?, to: path(pair()?.1)? },
            9 => Self::Link { from: path(pair()?.0)?, to: path(pair()?.1)? },
            10 => Self::Remove(path(payload)?),
            _ => return Err(format!("a record of the unknown kind {kind}")),
        };
        Ok(Some((record, size)))
    }
}

/// A path must not lead out of the folder that a cut is written to.
fn path(bytes: &[u8]) -> Result<&str, String> {
    let path = str::from_utf8(bytes).map_err(|_| "a path is not text")?;
    let plain = |part| matches!(part, Component::Normal(_));
    if Path::new(path).components().all(plain) {
        Ok(path)
    } else {
        Err(format!("the path {path} leads out of the folder"))
    }
}

/// A thing that has a name. The number tells it from others that had its name.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Node {
    Folder(usize),
    File(usize),
}

type Names = BTreeMap<String, Node>;

/// The number of the folder itself.
const ROOT: usize = 0;

/// Names that are set or removed. It survives whole or not at all.
struct Change {
    /// The directories that the change concerns.
    folders: Vec<usize>,
    names: Vec<(String, Option<Node>)>,
}

impl Change {
    fn apply(&self, names: &mut Names) {
        for (name, node) in &self.names {
            match node {
                Some(node) => names.insert(name.clone(), *node),
                None => names.remove(name),
            };
        }
    }
}

enum Operation<'a> {
    Write {
        offset: u64,
        bytes: &'a [u8],
    },
    /// `from` is where the touched part begins: the smaller of the two lengths.
    Truncate {
        length: u64,
        from: u64,
    },
}

#[derive(Default)]
struct File<'a> {
    /// Shared with the folders of cuts, so that a file without changes is not copied.
    durable: Arc<Vec<u8>>,
    /// The changes since the last sync.
    pending: Vec<Operation<'a>>,
    /// The length that the process sees.
    length: u64,
}

impl<'a> File<'a> {
    fn write(&mut self, offset: u64, bytes: &'a [u8]) -> Result<(), String> {
        let end = offset.saturating_add(bytes.len() as u64);
        check_length(end)?;
        self.length = self.length.max(end);
        self.pending.push(Operation::Write { offset, bytes });
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> Result<(), String> {
        check_length(length)?;
        let from = length.min(self.length);
        self.length = length;
        self.pending.push(Operation::Truncate { length, from });
        Ok(())
    }

    fn sync(&mut self) {
        if !self.pending.is_empty() {
            apply(&self.pending, Arc::make_mut(&mut self.durable));
            self.pending.clear();
        }
    }

    fn visible(&self) -> Arc<Vec<u8>> {
        let mut content = Arc::clone(&self.durable);
        if !self.pending.is_empty() {
            apply(&self.pending, Arc::make_mut(&mut content));
        }
        content
    }

    fn after(&self, loss: Loss, number: usize) -> Arc<Vec<u8>> {
        match loss {
            Loss::Everything => Arc::clone(&self.durable),
            Loss::Nothing => self.visible(),
            Loss::Some(_) if self.pending.is_empty() => Arc::clone(&self.durable),
            Loss::Some(seed) => Arc::new(self.survivors(&mut Random::new(seed, number as u64 + 1))),
        }
    }

    /// A disk gets the sectors of a file in any order, and each as it is in the
    /// page cache at that moment. So of the changes of one sector those up to a
    /// random one survive, and sectors do not depend on each other.
    ///
    /// Changes of the length go through the log of the file system. They survive
    /// in their order. The log also holds the place of each sector, so what was
    /// written to the touched part after a lost change of the length is lost too.
    fn survivors(&self, random: &mut Random) -> Vec<u8> {
        let mut content = Vec::clone(&self.durable);
        // From 0 to 8 of 8. Cuts that keep almost all, or almost nothing, of one
        // file would be too rare if each sector had the same chance everywhere.
        let chance = random.below(9);
        let mut lost = HashSet::new();
        let mut limit = u64::MAX;
        for operation in &self.pending {
            match *operation {
                Operation::Write { offset, bytes } => {
                    let end = offset + bytes.len() as u64;
                    let mut at = offset;
                    while at < end {
                        let sector = at / SECTOR;
                        let next = end.min((sector + 1) * SECTOR);
                        let reached = (sector + 1) * SECTOR <= limit && !lost.contains(&sector);
                        if reached && random.below(8) < chance {
                            let piece = (at - offset) as usize..(next - offset) as usize;
                            put(&mut content, at, &bytes[piece]);
                        } else {
                            lost.insert(sector);
                        }
                        at = next;
                    }
                }
                Operation::Truncate { length, from } => {
                    if limit == u64::MAX && random.below(8) < chance {
                        content.resize(length as usize, 0);
                        // What was lost of the part that is gone does not matter any more.
                        lost.retain(|sector| sector * SECTOR < length);
                    } else {
                        limit = limit.min(from);
                    }
                }
            }
        }
        content
    }
}

fn check_length(length: u64) -> Result<(), String> {
    if length > LONGEST {
        return Err(format!("a file of {length} bytes"));
    }
    Ok(())
}

fn apply(operations: &[Operation<'_>], content: &mut Vec<u8>) {
    for operation in operations {
        match *operation {
            Operation::Write { offset, bytes } => put(content, offset, bytes),
            Operation::Truncate { length, .. } => content.resize(length as usize, 0),
        }
    }
}

/// Bytes beyond the end make the file longer, and a hole reads as zeroes.
fn put(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

/// The disk at one moment. It only goes forward, so that many cuts of one journal
/// need only one replay.
pub struct Replay<'a> {
    journal: &'a Journal,
    /// The number of records that are done.
    next: usize,
    files: Vec<File<'a>>,
    /// The file that has an inode number now.
    inodes: HashMap<u64, usize>,
    /// The number of directories so far.
    folders: usize,
    durable: Names,
    visible: Names,
    /// What leads from the durable names to the visible ones.
    changes: Vec<Change>,
}

impl<'a> Replay<'a> {
    /// Goes to the moment when the journal was `at` bytes long. The first record
    /// tells what was there before, so it is always done.
    pub fn advance(&mut self, at: u64) -> Result<(), String> {
        let journal = self.journal;
        let end_of = |count: usize| count.checked_sub(1).map_or(0, |last| journal.ends[last]);
        if self.next > 1 && at < end_of(self.next) {
            return Err(format!("a replay cannot go back to {at}"));
        }
        while self.next < journal.ends.len() && (self.next == 0 || end_of(self.next + 1) <= at) {
            let start = end_of(self.next);
            if let Some((record, _)) = Record::read(&journal.bytes[start as usize..])? {
                self.step(record).map_err(|error| format!("record at {start}: {error}"))?;
            }
            self.next += 1;
        }
        Ok(())
    }

    /// What the disk holds if the power goes away now.
    pub fn cut(&self, loss: Loss) -> Folder {
        let survive = match loss {
            Loss::Everything => 0,
            Loss::Some(seed) => Random::new(seed, 0).below(self.changes.len() as u64 + 1) as usize,
            Loss::Nothing => self.changes.len(),
        };
        let mut names = self.durable.clone();
        for change in &self.changes[..survive] {
            change.apply(&mut names);
        }
        // A file may have two names.
        let mut contents = HashMap::new();
        let mut content = |node| match node {
            Node::Folder(_) => None,
            Node::File(file) => {
                let content: &mut Arc<_> = contents.entry(file).or_insert_with(|| self.files[file].after(loss, file));
                Some(Arc::clone(content))
            }
        };
        Folder { entries: names.into_iter().map(|(name, node)| (name, content(node))).collect() }
    }

    fn step(&mut self, record: Record<'a>) -> Result<(), String> {
        if self.next == 0 && !matches!(record, Record::Snapshot(_)) {
            return Err("the first record is not a snapshot".into());
        }
        match record {
            Record::Snapshot(records) => self.snapshot(records),
            Record::Create { inode, path, content: _ } => {
                let file = self.create(inode);
                self.add(path, Node::File(file))
            }
            Record::CreateFolder(path) => {
                let folder = self.create_folder();
                self.add(path, folder)
            }
            Record::Write { inode, offset, bytes } => self.file(inode)?.write(offset, bytes),
            Record::Truncate { inode, length } => self.file(inode)?.truncate(length),
            Record::Sync { inode } => {
                self.file(inode)?.sync();
                Ok(())
            }
            Record::SyncFolder(path) => self.sync_folder(path),
            Record::Rename { from, to } => self.rename(from, to),
            Record::Link { from, to } => self.add(to, node(&self.visible, from)?),
            Record::Remove(path) => {
                node(&self.visible, path)?;
                let folder = parent(&self.visible, path)?;
                self.change(vec![folder], vec![(path.into(), None)]);
                Ok(())
            }
        }
    }

    fn file(&mut self, inode: u64) -> Result<&mut File<'a>, String> {
        let file = self.inodes.get(&inode).ok_or_else(|| format!("unknown inode {inode}"))?;
        Ok(&mut self.files[*file])
    }

    fn create(&mut self, inode: u64) -> usize {
        self.files.push(File::default());
        self.inodes.insert(inode, self.files.len() - 1);
        self.files.len() - 1
    }

    fn create_folder(&mut self) -> Node {
        self.folders += 1;
        Node::Folder(ROOT + self.folders)
    }

    fn change(&mut self, folders: Vec<usize>, names: Vec<(String, Option<Node>)>) {
        let change = Change { folders, names };
        change.apply(&mut self.visible);
        self.changes.push(change);
    }

    fn add(&mut self, path: &str, node: Node) -> Result<(), String> {
        if self.visible.contains_key(path) {
            return Err(format!("{path} is there already"));
        }
        let folder = parent(&self.visible, path)?;
        self.change(vec![folder], vec![(path.into(), Some(node))]);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), String> {
        let moved = node(&self.visible, from)?;
        // POSIX does nothing if both are names of one file.
        if self.visible.get(to) == Some(&moved) {
            return Ok(());
        }
        let folders = vec![parent(&self.visible, from)?, parent(&self.visible, to)?];
        let mut names = vec![(from.into(), None), (to.into(), Some(moved))];
        let below = format!("{from}/");
        let inner = self.visible.range(below.clone()..);
        for (name, node) in inner.take_while(|(name, _)| name.starts_with(&below)) {
            names.push((name.clone(), None));
            names.push((format!("{to}/{}", &name[below.len()..]), Some(*node)));
        }
        self.change(folders, names);
        Ok(())
    }

    fn sync_folder(&mut self, path: &str) -> Result<(), String> {
        let folder = folder(&self.visible, path)?;
        let last = self.changes.iter().rposition(|change| change.folders.contains(&folder));
        for change in self.changes.drain(..last.map_or(0, |last| last + 1)) {
            change.apply(&mut self.durable);
        }
        Ok(())
    }

    /// The first snapshot is what was there before, and it is durable. A later one
    /// comes from a new process. It may differ by the one effect that the process
    /// before had no time to record. This effect is added as a change at risk. More
    /// differences mean that something else changed the folder, or that the shim
    /// did not see a call.
    fn snapshot(&mut self, mut records: &'a [u8]) -> Result<(), String> {
        let first = self.next == 0;
        let mut found = Names::new();
        let mut effects = 0;
        while let Some((record, size)) = Record::read(records)? {
            let (path, node) = match record {
                Record::CreateFolder(path) => match self.visible.get(path) {
                    Some(node @ Node::Folder(_)) => (path, *node),
                    _ => (path, self.create_folder()),
                },
                Record::Create { inode, path, content } => {
                    let known = self.inodes.get(&inode).map(|file| Node::File(*file));
                    // The number of a file without a name may have gone to a new file.
                    let named = |node: &Node| self.visible.values().chain(found.values()).any(|other| other == node);
                    let file = match known.filter(named) {
                        Some(Node::File(file)) => file,
                        _ => self.create(inode),
                    };
                    if *self.files[file].visible() != content {
                        effects += 1;
                        self.files[file].truncate(content.len() as u64)?;
                        self.files[file].write(0, content)?;
                    }
                    if first {
                        self.files[file].sync();
                    }
                    (path, Node::File(file))
                }
                _ => return Err("a snapshot holds files and directories only".into()),
            };
            found.insert(path.into(), node);
            records = &records[size..];
        }
        if !records.is_empty() {
            return Err("a snapshot is not whole".into());
        }
        if first {
            self.durable = found.clone();
            self.visible = found;
            return Ok(());
        }
        let gone = self.visible.keys().filter(|name| !found.contains_key(*name));
        let mut names: Vec<_> = gone.map(|name| (name.clone(), None)).collect();
        let new = found.iter().filter(|(name, node)| self.visible.get(*name) != Some(*node));
        names.extend(new.map(|(name, node)| (name.clone(), Some(*node))));
        if !names.is_empty() {
            effects += 1;
            let parents = names
                .iter()
                .flat_map(|(name, _)| [parent(&self.visible, name), parent(&found, name)].into_iter().flatten());
            let folders = parents.collect();
            self.change(folders, names);
        }
        if effects > 1 {
            return Err(format!("{effects} effects have no record"));
        }
        Ok(())
    }
}

fn node(names: &Names, path: &str) -> Result<Node, String> {
    names.get(path).copied().ok_or_else(|| format!("unknown path {path}"))
}

fn folder(names: &Names, path: &str) -> Result<usize, String> {
    if path.is_empty() {
        return Ok(ROOT);
    }
    match node(names, path)? {
        Node::Folder(folder) => Ok(folder),
        Node::File(_) => Err(format!("{path} is not a directory")),
    }
}

fn parent(names: &Names, path: &str) -> Result<usize, String> {
    folder(names, path.rsplit_once('/').map_or("", |(parent, _)| parent))
}

/// The splitmix64 generator. One cut must be the same in each run.
struct Random(u64);

impl Random {
    /// Each stream has its own numbers, so that a file does not depend on others.
    fn new(seed: u64, stream: u64) -> Self {
        let mut streams = Self(stream);
        Self(seed ^ streams.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal made by hand. Each call adds a record and returns its end.
    struct Writer(Vec<u8>);

    impl Writer {
        /// An empty folder.
        fn new() -> Self {
            let mut writer = Self(Vec::new());
            writer.snapshot(&Self(Vec::new()));
            writer
        }

        fn record(&mut self, kind: u32, inode: u64, value: u64, payload: &[&[u8]]) -> u64 {
            let payload = payload.concat();
            self.0.extend((HEADER as u32 + payload.len() as u32).to_le_bytes());
            self.0.extend(kind.to_le_bytes());
            self.0.extend(inode.to_le_bytes());
            self.0.extend(value.to_le_bytes());
            self.0.extend(payload);
            self.0.len() as u64
        }

        fn snapshot(&mut self, found: &Self) -> u64 {
            self.record(1, 0, 0, &[&found.0])
        }

        fn create(&mut self, inode: u64, path: &str, content: &[u8]) -> u64 {
            self.record(2, inode, path.len() as u64, &[path.as_bytes(), content])
        }

        fn create_folder(&mut self, path: &str) -> u64 {
            self.record(3, 0, 0, &[path.as_bytes()])
        }

        fn write(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> u64 {
            self.record(4, inode, offset, &[bytes])
        }

        fn truncate(&mut self, inode: u64, length: u64) -> u64 {
            self.record(5, inode, length, &[])
        }

        fn sync(&mut self, inode: u64) -> u64 {
            self.record(6, inode, 0, &[])
        }

        fn sync_folder(&mut self, path: &str) -> u64 {
            self.record(7, 0, 0, &[path.as_bytes()])
        }

        fn rename(&mut self, from: &str, to: &str) -> u64 {
            self.record(8, 0, from.len() as u64, &[from.as_bytes(), to.as_bytes()])
        }

        fn link(&mut self, from: &str, to: &str) -> u64 {
            self.record(9, 0, from.len() as u64, &[from.as_bytes(), to.as_bytes()])
        }

        fn remove(&mut self, path: &str) -> u64 {
            self.record(10, 0, 0, &[path.as_bytes()])
        }

        fn journal(&self) -> Journal {
            Journal::new(self.0.clone()).unwrap()
        }

        /// What is there at the end.
        fn after(&self, loss: Loss) -> Folder {
            self.journal().cut(u64::MAX, loss).unwrap()
        }

        fn error(&self) -> String {
            let cut = |journal: Journal| journal.cut(u64::MAX, Loss::Nothing);
            Journal::new(self.0.clone()).and_then(cut).unwrap_err()
        }
    }

    fn paths(folder: &Folder) -> Vec<&str> {
        folder.entries.keys().map(String::as_str).collect()
    }

    fn content<'a>(folder: &'a Folder, path: &str) -> &'a [u8] {
        folder.entries[path].as_ref().unwrap()
    }

    #[test]
    fn a_sync_keeps_the_content_and_a_sync_of_the_folder_keeps_the_name() {
        let mut journal = Writer::new();
        journal.create(7, "key", b"");
        journal.write(7, 0, b"old");
        let synced = journal.sync(7);
        let named = journal.sync_folder("");
        let written = journal.write(7, 0, b"new!");
        let cut = |at, loss| journal.journal().cut(at, loss).unwrap();
        assert!(cut(synced, Loss::Everything).entries.is_empty());
        assert_eq!(content(&cut(named, Loss::Everything), "key"), b"old");
        assert_eq!(content(&cut(written, Loss::Everything), "key"), b"old");
        assert_eq!(content(&cut(written - 1, Loss::Nothing), "key"), b"old");
        assert_eq!(content(&cut(written, Loss::Nothing), "key"), b"new!");
    }

    #[test]
    fn sectors_survive_one_by_one_and_a_hole_reads_as_zeroes() {
        let mut journal = Writer::new();
        journal.create(7, "file", b"");
        journal.write(7, 0, &[1; 100]);
        journal.sync(7);
        journal.sync_folder("");
        journal.write(7, 0, &[2; 1500]);
        let mut states = HashSet::new();
        for seed in 0..1000 {
            let folder = journal.after(Loss::Some(seed));
            assert_eq!(folder, journal.after(Loss::Some(seed)));
            let file = content(&folder, "file");
            let state = [0..100, 512..1024, 1024..1500].map(|sector| {
                let bytes = file.get(sector).unwrap_or(&[]);
                assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                bytes.first().copied().unwrap_or(0)
            });
            states.insert((file.len(), state));
        }
        let expected = [
            (100, [1, 0, 0]),
            (512, [2, 0, 0]),
            (1024, [1, 2, 0]),
            (1024, [2, 2, 0]),
            (1500, [1, 0, 2]),
            (1500, [2, 0, 2]),
            (1500, [1, 2, 2]),
            (1500, [2, 2, 2]),
        ];
        assert_eq!(states, expected.into());
    }

    #[test]
    fn a_later_write_of_a_sector_never_survives_without_an_earlier_one() {
        let mut journal = Writer::new();
        journal.create(7, "file", b"");
        journal.sync_folder("");
        journal.write(7, 0, b"first ");
        journal.write(7, 6, b"second");
        let survivors = |seed| content(&journal.after(Loss::Some(seed)), "file").to_vec();
        let states: HashSet<_> = (0..200).map(survivors).collect();
        let expected: [&[u8]; 3] = [b"", b"first ", b"first second"];
        assert_eq!(states, expected.map(<[u8]>::to_vec).into());
    }

    #[test]
    fn a_lost_truncate_takes_later_writes_of_the_part_with_it() {
        let mut journal = Writer::new();
        journal.create(7, "file", b"");
        journal.write(7, 0, &[1; 1024]);
        journal.sync(7);
        journal.sync_folder("");
        journal.truncate(7, 0);
        journal.write(7, 512, &[2; 512]);
        let survivors = |seed| content(&journal.after(Loss::Some(seed)), "file").to_vec();
        let states: HashSet<_> = (0..200).map(survivors).collect();
        let rewritten = [[0; 512], [2; 512]].concat();
        assert_eq!(states, [vec![1; 1024], vec![], rewritten].into());
    }

    #[test]
    fn changes_of_names_survive_up_to_a_point() {
        let mut journal = Writer::new();
        journal.create_folder("a");
        journal.create(1, "a/one", b"");
        journal.create(2, "two", b"");
        journal.create(3, "a/three", b"");
        journal.create(4, "four", b"");
        let survivors = |seed| paths(&journal.after(Loss::Some(seed))).join(" ");
        let states: HashSet<_> = (0..200).map(survivors).collect();
        let expected = ["", "a", "a a/one", "a a/one two", "a a/one a/three two", "a a/one a/three four two"];
        assert_eq!(states, expected.map(String::from).into());
        journal.sync_folder("a");
        let folder = journal.after(Loss::Everything);
        assert_eq!(paths(&folder), ["a", "a/one", "a/three", "two"]);
    }

    #[test]
    fn a_rename_survives_whole_or_not_at_all() {
        let mut journal = Writer::new();
        journal.create_folder("a");
        journal.create_folder("b");
        journal.create(1, "a/new", b"");
        journal.write(1, 0, b"new");
        journal.sync(1);
        journal.create(2, "b/key", b"");
        journal.write(2, 0, b"old");
        journal.sync(2);
        journal.sync_folder("b");
        journal.rename("a/new", "b/key");
        let survivors = |seed| {
            let folder = journal.after(Loss::Some(seed));
            let key = content(&folder, "b/key").to_vec();
            assert_eq!(paths(&folder).contains(&"a/new"), key == b"old");
            key
        };
        let states: HashSet<_> = (0..50).map(survivors).collect();
        assert_eq!(states, [b"old".to_vec(), b"new".to_vec()].into());
        journal.sync_folder("a");
        assert_eq!(content(&journal.after(Loss::Everything), "b/key"), b"new");
    }

    #[test]
    fn a_renamed_directory_keeps_what_is_in_it() {
        let mut journal = Writer::new();
        journal.create_folder("a");
        journal.create(1, "a/file", b"");
        journal.create(2, "ab", b"");
        journal.rename("a", "c");
        assert_eq!(paths(&journal.after(Loss::Nothing)), ["ab", "c", "c/file"]);
        // It is still the same directory, so this makes the creation of the file durable.
        journal.sync_folder("c");
        assert_eq!(paths(&journal.after(Loss::Everything)), ["a", "a/file"]);
    }

    #[test]
    fn an_inode_number_may_be_used_again() {
        let mut journal = Writer::new();
        journal.create(7, "old", b"");
        journal.write(7, 0, b"old");
        journal.sync(7);
        journal.sync_folder("");
        journal.remove("old");
        journal.create(7, "new", b"");
        journal.write(7, 0, b"new");
        journal.sync(7);
        let before = journal.after(Loss::Everything);
        assert_eq!((paths(&before), content(&before, "old")), (vec!["old"], &b"old"[..]));
        let after = journal.after(Loss::Nothing);
        assert_eq!((paths(&after), content(&after, "new")), (vec!["new"], &b"new"[..]));
    }

    #[test]
    fn two_names_of_a_file_have_one_content() {
        let mut journal = Writer::new();
        journal.create(7, "a", b"");
        journal.link("a", "b");
        journal.write(7, 0, b"both");
        journal.rename("a", "b");
        let folder = journal.after(Loss::Nothing);
        assert_eq!((content(&folder, "a"), content(&folder, "b")), (&b"both"[..], &b"both"[..]));
    }

    #[test]
    fn what_the_first_process_finds_is_durable() {
        let mut found = Writer(Vec::new());
        found.create_folder("a");
        found.create(7, "a/file", b"content");
        let mut journal = Writer(Vec::new());
        let end = journal.snapshot(&found);
        let folder = journal.after(Loss::Everything);
        assert_eq!((paths(&folder), content(&folder, "a/file")), (vec!["a", "a/file"], &b"content"[..]));
        assert_eq!(journal.journal().cut(end - 1, Loss::Nothing).unwrap(), folder);
    }

    #[test]
    fn one_effect_without_a_record_is_at_risk_and_two_are_an_error() {
        let mut journal = Writer::new();
        journal.create(7, "file", b"");
        journal.sync_folder("");
        let mut found = Writer(Vec::new());
        found.create(7, "file", b"more");
        journal.snapshot(&found);
        assert_eq!(content(&journal.after(Loss::Everything), "file"), b"");
        assert_eq!(content(&journal.after(Loss::Nothing), "file"), b"more");
        found.create(8, "second", b"");
        journal.snapshot(&found);
        assert_eq!(paths(&journal.after(Loss::Everything)), ["file"]);
        assert_eq!(paths(&journal.after(Loss::Nothing)), ["file", "second"]);
        found.create(9, "third", b"content");
        journal.snapshot(&found);
        assert!(journal.error().contains("2 effects have no record"));
    }

    #[test]
    fn one_replay_gives_the_same_as_many() {
        let mut journal = Writer::new();
        for round in 0..20 {
            journal.create(round, &format!("{round}"), b"");
            journal.write(round, 100 * round, &[1; 2000]);
            journal.write(round / 2, 0, &[2; 700]);
            journal.truncate(round / 3, 400);
            journal.sync(round / 4);
            journal.sync_folder("");
        }
        let journal = journal.journal();
        let mut replay = journal.replay();
        for end in journal.ends() {
            replay.advance(*end).unwrap();
            for loss in [Loss::Everything, Loss::Some(*end), Loss::Nothing] {
                assert_eq!(replay.cut(loss), journal.cut(*end, loss).unwrap());
            }
        }
        assert!(replay.advance(0).is_err());
    }

    #[test]
    fn a_torn_record_is_ignored_and_a_wrong_one_is_an_error() {
        let mut torn = Writer::new();
        let whole = torn.create(7, "file", b"");
        let end = torn.write(7, 0, b"content");
        for length in whole..end {
            let journal = Journal::new(torn.0[..length as usize].to_vec()).unwrap();
            assert_eq!(journal.ends().last(), Some(&whole));
        }
        let error = |wrong: fn(&mut Writer) -> u64| {
            let mut journal = Writer::new();
            wrong(&mut journal);
            journal.error()
        };
        assert!(error(|journal| journal.write(7, 0, b"")).contains("unknown inode"));
        assert!(error(|journal| journal.rename("a", "b")).contains("unknown path"));
        assert!(error(|journal| journal.create(7, "../file", b"")).contains("leads out"));
        assert!(error(|journal| journal.create(7, "a/file", b"")).contains("unknown path"));
        assert!(error(|journal| journal.record(11, 0, 0, &[])).contains("unknown kind"));
        assert!(error(|journal| journal.record(8, 0, 9, &[b"a"])).contains("longer"));
        assert!(error(|journal| journal.record(1, 0, 0, &[b"half"])).contains("not whole"));
        torn.truncate(7, u64::MAX);
        assert!(torn.error().contains("bytes"));
        let mut headless = Writer(Vec::new());
        headless.create(7, "file", b"");
        assert!(headless.error().contains("not a snapshot"));
        assert!(Journal::new(vec![0; 24]).is_err());
    }

    #[test]
    fn a_folder_is_written_to_an_empty_place_only() {
        let mut journal = Writer::new();
        journal.create_folder("a");
        journal.create(7, "a/file", b"");
        journal.write(7, 0, b"content");
        let place = std::env::temp_dir().join(format!("power-cut-{}", std::process::id()));
        let folder = journal.after(Loss::Nothing);
        folder.write_to(&place).unwrap();
        assert_eq!(fs::read(place.join("a/file")).unwrap(), b"content");
        assert!(folder.write_to(&place).unwrap_err().contains("not empty"));
        fs::remove_dir_all(&place).unwrap();
    }
}
