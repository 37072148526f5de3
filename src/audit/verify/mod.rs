//! Verifies a log from its first record on: each record is hashed from its bytes, the tree of these hashes is compared with
//! every checkpoint that was signed, with the tiles, with the head, and with checkpoints that others have kept. Reads once,
//! in order, in bounded memory. The verdict names the first record that is not as it was signed.

mod known;

use known::{KnownRoots, Whose};

use super::cms::Roots;
use super::log::{Edge, Frontier, Hash, Note, TILE_HASHES, Tile, VerifierKey, fold, leaf_hash};
use super::store::{AnchorKind, ClosedLog, LogReader, PlacedRecord};
use crate::storage::StoreError;

/// Records, and checkpoints, that are read at a time.
const PAGE: usize = 32 * TILE_HASHES;

/// What is known from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The log's keys. A shard without one is verified by none.
    pub keys: Vec<VerifierKey>,
    /// Keys of witnesses: their cosignatures tell by when a record was there.
    pub witnesses: Vec<VerifierKey>,
    /// To whom certificates of time-stamping authorities and of the agency must lead. Without them nothing is known of what
    /// they have said.
    pub authorities: Option<Roots>,
    /// Checkpoints that others have kept. Only by these can it be known whether the whole log was put back.
    pub outside: Vec<Note>,
}

/// What was found of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    pub shard: String,
    /// Records that were read.
    pub records: u64,
    /// So many from the first on are those that were signed.
    pub proved: u64,
    /// So many of those that were read are here by their hashes alone: of an export of a range.
    pub by_hash: u64,
    /// Checkpoints of the log that fit.
    pub checkpoints: u64,
    /// Sizes of checkpoints that others have kept, and that fit.
    pub outside: Vec<u64>,
    /// The newest head that a witness has cosigned.
    pub witnessed: Option<Seen>,
    /// The newest head that an authority has stamped.
    pub stamped: Option<Seen>,
    /// The newest head that the agency's own key has signed; the time is the agency's word.
    pub signed: Option<Seen>,
    /// Its records are not kept any more: what was signed last, and the id of the record of another log that says so.
    pub dropped: Option<(ClosedLog, uuid::Uuid)>,
    /// Time stamps and signatures of whom nobody was named.
    pub unjudged: u64,
    pub wrong: Option<Wrong>,
}

/// What somebody else says: by then there were so many records, and they were these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub records: u64,
    pub by: String,
    /// Seconds since 1970.
    pub at: u64,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// A record that is wrong; if none can be told so exactly, the first that is not proved to be right. Before it, at least
    /// [`Verdict::proved`] records are as they were signed.
    pub record: u64,
    pub is_exact: bool,
    pub what: String,
}

impl Verdict {
    fn see(&mut self, whose: Whose, seen: Option<Seen>) {
        let newest = match whose {
            Whose::Own | Whose::Outside => &mut self.witnessed,
            Whose::Anchor(_) if seen.is_none() => return self.unjudged += 1,
            Whose::Anchor(AnchorKind::TimeStamp) => &mut self.stamped,
            Whose::Anchor(AnchorKind::Signature) => &mut self.signed,
        };
        *newest = seen.or(newest.take());
    }
}

impl Wrong {
    fn exactly(record: u64, what: impl Into<String>) -> Self {
        Self { record, is_exact: true, what: what.into() }
    }

    fn from(record: u64, what: impl Into<String>) -> Self {
        Self { record, is_exact: false, what: what.into() }
    }
}

/// Verifies a shard; whatever was signed and placed when this began, and more if there is more by then. `progress` is told
/// how many records were read.
pub async fn verify(
    log: &dyn LogReader,
    shard: &str,
    trust: &Trust,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Verdict, StoreError> {
    let mut known = KnownRoots::new(shard, trust);
    let mut check = Check::new(shard);
    progress(0);
    if let Some(dropped) = log.dropped(shard).await? {
        return verify_dropped(log, check.verdict, known, dropped).await;
    }
    // A running gateway goes on meanwhile. What it had signed and placed before the records are read must be there.
    let (signed, mut head) = (log.signed(shard).await?, log.head(shard).await?);
    check.is_of_a_range = log.is_of_a_range(shard).await?;
    (check, known) = read_to_the_end(log, check, known, progress).await?;
    let size = check.edge.size();
    if check.verdict.wrong.is_none() {
        if let Some(beyond) = known.outside.pop_front() {
            check.is_cut_off(beyond.root.map(|_| beyond.size), "kept elsewhere");
        } else if let Some(beyond) = known.own.pop_front().or_else(|| known.anchors.pop_front()) {
            check.is_cut_off(beyond.root.map(|_| beyond.size), "of the log");
        } else if let Some(signed) = signed.filter(|signed| signed.size > size) {
            check.is_cut_off(Ok(signed.size), "of the log");
        } else {
            if head.as_ref().map_or(0, Frontier::size) < size {
                // It has grown since.
                head = log.head(shard).await?;
            }
            check.finish(log, head).await?;
        }
    }
    check.narrow(log).await?;
    Ok(check.verdict)
}

/// Of a log whose records are not kept any more: whether what is left of it is what it was closed with.
async fn verify_dropped(
    log: &dyn LogReader,
    mut verdict: Verdict,
    mut known: KnownRoots,
    dropped: (ClosedLog, uuid::Uuid),
) -> Result<Verdict, StoreError> {
    let ClosedLog { size, root, .. } = &dropped.0;
    known.read_up_to(log, u64::MAX).await?;
    if log.signed(&verdict.shard).await?.is_none_or(|signed| signed.size != *size) {
        let what = format!("its records are not kept any more, and neither is what was signed of all {size}");
        verdict.wrong = Some(Wrong::from(0, what));
    }
    while let Some(known) = known.take(u64::MAX) {
        let what = match known.root {
            Err(why) => format!("{} is not to be believed: {why}", known.whose.checkpoint(known.size)),
            Ok(_) if known.size > *size => {
                format!("{} is of more than it was closed with", known.whose.checkpoint(known.size))
            }
            Ok(other) if known.size == *size && other != *root => {
                format!("{} is not that with which it was closed", known.whose.checkpoint(known.size))
            }
            Ok(_) => {
                verdict.see(known.whose, known.seen);
                continue;
            }
        };
        verdict.wrong = verdict.wrong.or(Some(Wrong::from(0, what)));
    }
    verdict.dropped = Some(dropped);
    Ok(verdict)
}

async fn read_to_the_end(
    log: &dyn LogReader,
    mut check: Check,
    mut known: KnownRoots,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(Check, KnownRoots), StoreError> {
    let mut page = log.records(&check.verdict.shard, check.edge.size(), PAGE).await?;
    while !page.is_empty() && check.verdict.wrong.is_none() {
        let next = page.last().map_or(0, |last| last.index.saturating_add(1));
        known.read_up_to(log, next).await?;
        let shard = check.verdict.shard.clone();
        let work = tokio::task::spawn_blocking(move || {
            check.meet(&mut known);
            page.iter().for_each(|record| check.take(record, &mut known));
            (check, known)
        });
        let (read, done) = tokio::join!(log.records(&shard, next, PAGE), work);
        page = read?;
        (check, known) = done.map_err(StoreError::failed)?;
        check.compare_tiles(log).await?;
        progress(check.edge.size());
    }
    Ok((check, known))
}

/// A tree as it is rebuilt.
struct Check {
    edge: Edge,
    /// Records may be here by their hashes alone.
    is_of_a_range: bool,
    /// The tree of the stored hashes, from the first record on whose hash is another one.
    by_stored_hashes: Option<Edge>,
    first_other: Option<u64>,
    /// Tiles above the leaves that are to be compared.
    full: Vec<(Tile, Vec<Hash>)>,
    verdict: Verdict,
}

impl Check {
    fn new(shard: &str) -> Self {
        Self {
            edge: Edge::default(),
            is_of_a_range: false,
            by_stored_hashes: None,
            first_other: None,
            full: Vec::new(),
            verdict: Verdict { shard: shard.to_owned(), ..Verdict::default() },
        }
    }

    fn take(&mut self, record: &PlacedRecord, known: &mut KnownRoots) {
        if self.verdict.wrong.is_some() {
            return;
        }
        let index = self.edge.size();
        self.verdict.records = index + 1;
        if record.index != index {
            self.verdict.records = index;
            self.verdict.wrong = Some(self.perhaps_before(Wrong::exactly(index, "it is missing")));
            return;
        }
        self.verdict.by_hash += u64::from(self.is_by_hash(record));
        let hash = self.hash_of(record);
        if hash != record.leaf_hash && self.first_other.is_none() {
            self.first_other = Some(index);
            self.by_stored_hashes = Some(self.edge.clone());
        }
        if let Some(edge) = &mut self.by_stored_hashes {
            edge.append(record.leaf_hash, |_, _| {});
        }
        let full = &mut self.full;
        self.edge.append(hash, |tile, hashes| {
            if tile.level > 0 {
                full.push((tile, hashes.to_vec()));
            }
        });
        self.meet(known);
    }

    fn is_by_hash(&self, record: &PlacedRecord) -> bool {
        self.is_of_a_range && record.bytes.is_empty()
    }

    fn hash_of(&self, record: &PlacedRecord) -> Hash {
        if self.is_by_hash(record) { record.leaf_hash } else { leaf_hash(&record.bytes) }
    }

    /// Compares the tree with what is known of it at its size.
    fn meet(&mut self, known: &mut KnownRoots) {
        let size = self.edge.size();
        while self.verdict.wrong.is_none() {
            let Some(known) = known.take(size) else { return };
            let is_met = known.size == size;
            match known.root {
                Err(why) => {
                    let what = format!("{} is not to be believed: {why}", known.whose.checkpoint(known.size));
                    self.verdict.wrong = Some(Wrong::from(self.verdict.proved, what));
                }
                Ok(root) if is_met && root == self.edge.root() => {
                    self.verdict.see(known.whose, known.seen);
                    self.is_proved(known.whose);
                }
                Ok(root) => self.verdict.wrong = Some(self.explain(&root, known.whose)),
            }
        }
    }

    fn is_proved(&mut self, whose: Whose) {
        self.verdict.proved = self.edge.size();
        match whose {
            Whose::Outside => self.verdict.outside.push(self.edge.size()),
            Whose::Own => self.verdict.checkpoints += 1,
            Whose::Anchor(_) => {}
        }
        // The records are those that were signed, and yet a stored hash says another thing.
        if let Some(index) = self.first_other {
            self.verdict.wrong =
                Some(Wrong::exactly(index, "its stored hash was changed; the record itself is as it was signed"));
        }
    }

    fn explain(&self, root: &Hash, whose: Whose) -> Wrong {
        let size = self.edge.size();
        let stored = self.by_stored_hashes.as_ref().filter(|edge| edge.size() == size).map(Edge::root);
        match (self.first_other, stored) {
            (Some(index), Some(stored)) if stored == *root => {
                Wrong::exactly(index, "it was changed: it is not the one that was hashed and signed")
            }
            _ if whose == Whose::Outside => {
                // Whoever signs could have signed all of this anew: only what others have kept still stands.
                let stands = self.verdict.outside.last().copied().unwrap_or(0);
                let what =
                    format!("this is another log than the one whose checkpoint of {size} records was kept elsewhere");
                Wrong::from(stands, what)
            }
            _ => Wrong::from(self.verdict.proved, format!("the first {size} records are not those that were signed")),
        }
    }

    /// What is found at a record, unless something before it, which no checkpoint has proved yet, was found wrong too.
    fn perhaps_before(&self, wrong: Wrong) -> Wrong {
        match self.first_other {
            Some(index) => Wrong::exactly(index, "it was changed: it is not the one that was hashed"),
            None => wrong,
        }
    }

    async fn compare_tiles(&mut self, log: &dyn LogReader) -> Result<(), StoreError> {
        for (tile, hashes) in std::mem::take(&mut self.full) {
            if self.verdict.wrong.is_none() {
                self.compare(log, tile, &hashes).await?;
            }
        }
        Ok(())
    }

    async fn compare(&mut self, log: &dyn LogReader, tile: Tile, hashes: &[Hash]) -> Result<(), StoreError> {
        let stored = log.tile(&self.verdict.shard, tile).await?;
        let (start, each) = (tile.leaves().start, 1_u64 << (8 * tile.level));
        // A tile is stored when its records are signed: what is not there yet is not missing.
        let signed = (self.verdict.proved.saturating_sub(start) / each).min(hashes.len() as u64);
        let differs = stored.iter().zip(hashes).position(|(stored, hash)| stored != hash);
        let differs = differs.or(((stored.len() as u64) < signed).then_some(stored.len()));
        if let Some(at) = differs {
            let record = start + at as u64 * each;
            // The records below are proved by a checkpoint: the tile is wrong, and not they.
            let what = format!("{tile} is not that of its records");
            self.verdict.wrong = Some(match record + each <= self.verdict.proved {
                true => Wrong::exactly(record, format!("{what}; the records themselves are as they were signed")),
                false => Wrong::from(record, what),
            });
        }
        Ok(())
    }

    /// More was signed than is there.
    fn is_cut_off(&mut self, beyond: Result<u64, String>, whose: &str) {
        let size = self.edge.size();
        let wrong = match beyond {
            Ok(beyond) => {
                let what =
                    format!("the log ends before record {size}, and a checkpoint {whose} is of {beyond} records");
                // What is missing need not have stood at the end, unless all that is there is proved.
                let is_exact = self.verdict.proved == size;
                let record = if is_exact { size } else { self.verdict.proved };
                self.perhaps_before(Wrong { record, is_exact, what })
            }
            Err(why) => Wrong::from(self.verdict.proved, format!("a checkpoint {whose} is not to be believed: {why}")),
        };
        self.verdict.wrong = Some(wrong);
    }

    /// After the last record: what no checkpoint covers, the tiles that are not full, and the head.
    async fn finish(&mut self, log: &dyn LogReader, head: Option<Frontier>) -> Result<(), StoreError> {
        let size = self.edge.size();
        if let Some(index) = self.first_other {
            self.verdict.wrong =
                Some(Wrong::exactly(index, "it is not the one that was hashed; no checkpoint covers it yet"));
        }
        let partial: Vec<_> = self.edge.partial().map(|(tile, hashes)| (tile, hashes.to_vec())).collect();
        for (tile, hashes) in partial.into_iter().filter(|(tile, _)| tile.level > 0) {
            if self.verdict.wrong.is_none() {
                self.compare(log, tile, &hashes).await?;
            }
        }
        let head = head.unwrap_or_default();
        // The head of a log that goes on to be written may be further than what was read of it, in one step.
        let is_further = head.size() > size && !log.records(&self.verdict.shard, size, 1).await?.is_empty();
        if self.verdict.wrong.is_none() && !is_further && head != self.edge.frontier() {
            self.verdict.wrong = Some(match head.size() {
                of if of > size => Wrong::exactly(size, format!("it is missing: the head is of {of} records")),
                _ => Wrong::from(self.verdict.proved, "the head is not that of the records"),
            });
        }
        Ok(())
    }

    /// Where the first record must be looked for, told by the tiles if they were not changed too.
    async fn narrow(&mut self, log: &dyn LogReader) -> Result<(), StoreError> {
        let Some(wrong) = self.verdict.wrong.as_ref().filter(|wrong| !wrong.is_exact) else { return Ok(()) };
        let (from, to) = (wrong.record / TILE_HASHES as u64, self.edge.size() / TILE_HASHES as u64);
        for number in from..to {
            let start = number * TILE_HASHES as u64;
            let records = log.records(&self.verdict.shard, start, TILE_HASHES).await?;
            let mut edge = Edge::default();
            let mut root = None;
            records
                .iter()
                .for_each(|record| edge.append(self.hash_of(record), |_, hashes| root = root.or(fold(hashes))));
            let above = Tile { level: 1, number: number / TILE_HASHES as u64, width: TILE_HASHES };
            let at = usize::try_from(number % TILE_HASHES as u64).unwrap_or(usize::MAX);
            let stored = log.tile(&self.verdict.shard, above).await?;
            if stored.get(at).is_some_and(|stored| Some(*stored) != root) {
                if let Some(wrong) = &mut self.verdict.wrong {
                    wrong.record = wrong.record.max(start);
                }
                break;
            }
        }
        Ok(())
    }
}
