//! Comparing: every row of both sides, one beside the other, and the audit log's tree built again from what the target
//! holds. Never trusts what the copy believes to have written.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};

use super::source::Source;
use super::tables::{TABLES, Table};
use super::target::Target;
use super::value::{Row, Value};
use super::{Phase, Progress, Watch};
use crate::audit::{Frontier, leaf_hash};
use crate::storage::StoreError;

/// What was found.
#[derive(Debug)]
pub struct Report {
    pub tables: Vec<Compared>,
    pub logs: Vec<Log>,
}

/// A table on both sides.
#[derive(Debug)]
pub struct Compared {
    pub name: &'static str,
    pub source: Side,
    pub target: Side,
    /// The first row that differs, and how.
    pub difference: Option<String>,
}

/// One side of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    pub rows: u64,
    /// SHA-256 over the canonical encoding of all rows in the order of the key.
    pub digest: Vec<u8>,
}

/// A shard of the audit log in the target.
#[derive(Debug)]
pub struct Log {
    pub shard: String,
    pub size: u64,
    /// Root of the tree that the target's records give.
    pub root: Vec<u8>,
    pub difference: Option<String>,
}

impl Report {
    /// The first difference; `None` if both sides are equal.
    pub fn difference(&self) -> Option<&str> {
        let of_tables = self.tables.iter().filter_map(|table| table.difference.as_deref());
        of_tables.chain(self.logs.iter().filter_map(|log| log.difference.as_deref())).next()
    }
}

pub(super) async fn run(source: &Source, target: &Target, watch: Watch<'_>) -> Result<Report, StoreError> {
    let mut progress = Progress { phase: Phase::Verify, table: "", rows: 0, of: 0, all: 0, all_of: source.rows() };
    let (mut tables, mut trees) = (Vec::new(), Trees::default());
    for (table, of) in TABLES.iter().zip(&source.counts) {
        (progress.table, progress.rows, progress.of) = (table.name, 0, *of);
        watch(&progress);
        tables.push(compare(source, target, table, &mut trees, &mut progress, watch).await?);
    }
    let records = tables.iter().find(|table| table.name == "audit_record").map_or(0, |table| table.target.rows);
    Ok(Report { tables, logs: trees.logs(records) })
}

async fn compare(
    source: &Source,
    target: &Target,
    table: &'static Table,
    trees: &mut Trees,
    progress: &mut Progress,
    watch: &mut (dyn FnMut(&Progress) + Send),
) -> Result<Compared, StoreError> {
    let mut from = source.read(table, None);
    let mut to = target.read(target.session().await?, table);
    let (mut of_source, mut of_target, mut difference) = (Hashing::new(), Hashing::new(), None);
    loop {
        let (left, right) = (from.next().await?, to.next().await?);
        if left.is_none() && right.is_none() {
            break;
        }
        if difference.is_none() {
            difference = difference_of(table, left.as_ref(), right.as_ref());
        }
        if let Some(row) = &left {
            of_source.take(row);
            (progress.rows, progress.all) = (progress.rows + 1, progress.all + 1);
        }
        if let Some(row) = &right {
            of_target.take(row);
            trees.take(table, row);
        }
        if progress.rows.is_multiple_of(4096) {
            watch(progress);
        }
    }
    watch(progress);
    Ok(Compared { name: table.name, source: of_source.finish(), target: of_target.finish(), difference })
}

/// What is said of two rows that stand beside each other, up to which everything was equal.
fn difference_of(table: &Table, source: Option<&Row>, target: Option<&Row>) -> Option<String> {
    let only = |row: &Row, vi: &str, en: &str| Some(format!("{}: {vi} / {en}", table.name_of(row)));
    let missing = |row| only(row, "thiếu ở đích", "missing in the target");
    let strange = |row| only(row, "chỉ có ở đích", "only in the target");
    match (source, target) {
        (Some(row), None) => missing(row),
        (None, Some(row)) => strange(row),
        (Some(left), Some(right)) => match table.key_of(left).cmp(&table.key_of(right)) {
            std::cmp::Ordering::Less => missing(left),
            std::cmp::Ordering::Greater => strange(right),
            std::cmp::Ordering::Equal => {
                let pairs = table.columns.iter().zip(left.iter().zip(right));
                let names: Vec<&str> = pairs.filter(|(_, (l, r))| l != r).map(|(column, _)| column.name).collect();
                let names = names.join(", ");
                (!names.is_empty()).then(|| format!("{}: khác ở / differs in {names}", table.name_of(left)))
            }
        },
        (None, None) => None,
    }
}

/// Count and digest of a side as its rows pass.
struct Hashing {
    rows: u64,
    digest: Context,
    bytes: Vec<u8>,
}

impl Hashing {
    fn new() -> Self {
        Self { rows: 0, digest: Context::new(&SHA256), bytes: Vec::new() }
    }

    fn take(&mut self, row: &[Value]) {
        self.bytes.clear();
        row.iter().for_each(|value| value.encode(&mut self.bytes));
        self.digest.update(&self.bytes);
        self.rows += 1;
    }

    fn finish(self) -> Side {
        Side { rows: self.rows, digest: self.digest.finish().as_ref().to_vec() }
    }
}

/// The trees of the audit log: as the target's heads say, and as its records give.
#[derive(Default)]
struct Trees {
    stored: BTreeMap<String, Option<Frontier>>,
    built: BTreeMap<String, Frontier>,
    /// The first record that is not where or what it must be, a shard.
    wrong: BTreeMap<String, String>,
}

impl Trees {
    fn take(&mut self, table: &Table, row: &[Value]) {
        use Value::{Bytes, Integer, Text};
        match (table.name, row) {
            ("audit_head", [Text(Some(shard)), Integer(Some(size)), Bytes(Some(frontier)), ..]) => {
                self.stored.insert(shard.clone(), Frontier::from_bytes(size.cast_unsigned(), frontier));
            }
            (
                "audit_record",
                [Text(Some(shard)), Integer(Some(index)), _, _, Bytes(Some(hash)), Bytes(Some(record))],
            ) => {
                self.append(shard, index.cast_unsigned(), hash, record);
            }
            _ => {}
        }
    }

    fn append(&mut self, shard: &str, index: u64, hash: &[u8], record: &[u8]) {
        if !self.built.contains_key(shard) {
            self.built.insert(shard.to_owned(), Frontier::default());
        }
        let Some(tree) = self.built.get_mut(shard) else { return };
        let leaf = leaf_hash(record);
        if tree.append(leaf) != index || leaf != hash {
            let text = format!(
                "audit_record ({shard}, {index}): không đúng chỗ hoặc không khớp mã băm / not in its place, or not what was hashed"
            );
            self.wrong.entry(shard.to_owned()).or_insert(text);
        }
    }

    /// `records` is how many there are: none may have been overlooked.
    fn logs(mut self, records: u64) -> Vec<Log> {
        let seen: u64 = self.built.values().map(Frontier::size).sum();
        let shards: Vec<String> = self.stored.keys().chain(self.built.keys()).cloned().collect();
        let mut logs: Vec<Log> = Vec::new();
        for shard in shards {
            if logs.iter().any(|log| log.shard == shard) {
                continue;
            }
            let built = self.built.remove(&shard).unwrap_or_default();
            let is_equal = self.stored.get(&shard).is_some_and(|head| head.as_ref() == Some(&built)) && seen == records;
            let other =
                || format!("audit_head ({shard}): không phải cây của các bản ghi / not the tree of the records");
            let difference = self.wrong.remove(&shard).or_else(|| (!is_equal).then(other));
            logs.push(Log { size: built.size(), root: built.root().to_vec(), shard, difference });
        }
        logs
    }
}
