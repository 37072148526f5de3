//! What is known of a tree from its checkpoints: the log's own, those with what authorities have said, those kept elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{PAGE, Seen, Trust};
use crate::audit::cms::{NotSigned, NotStamped, SignedData, verify_timestamp};
use crate::audit::log::{Checkpoint, Hash, Note, Unsigned, VerifierKey};
use crate::audit::names;
use crate::audit::store::{Anchor, AnchorKind, LogReader, SignedHead};
use crate::storage::StoreError;

/// What others have said, read at a time: far more than may have been said of one head.
const ANCHORS: usize = 256;

/// A size and the root that the tree had, by whom it was said.
#[derive(Debug, Clone)]
pub(super) struct KnownRoot {
    pub(super) size: u64,
    /// What is wrong with the checkpoint itself.
    pub(super) root: Result<Hash, String>,
    pub(super) whose: Whose,
    pub(super) seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Own,
    Outside,
    Anchor(AnchorKind),
}

impl Whose {
    pub(super) fn checkpoint(self, size: u64) -> String {
        match self {
            Self::Own => format!("the checkpoint of {size} records of the log"),
            Self::Outside => format!("the checkpoint of {size} records kept elsewhere"),
            Self::Anchor(AnchorKind::TimeStamp) => format!("the time stamp of {size} records"),
            Self::Anchor(AnchorKind::Signature) => format!("the agency's signature of {size} records"),
        }
    }
}

/// Checkpoints in the order of their sizes: the log's own as they are read, and those that others have kept.
pub(super) struct KnownRoots {
    shard: String,
    trust: Arc<Trust>,
    pub(super) outside: VecDeque<KnownRoot>,
    pub(super) own: VecDeque<KnownRoot>,
    pub(super) anchors: VecDeque<KnownRoot>,
    /// Where the next of the log's own are read from; `None` when all were.
    next: Option<u64>,
    next_anchor: Option<u64>,
}

impl KnownRoots {
    pub(super) fn new(shard: &str, trust: &Trust) -> Self {
        let of_shard =
            |note: &&Note| Checkpoint::parse(note.text()).is_ok_and(|found| names::is_of(&found.origin, shard));
        let mut outside: Vec<KnownRoot> =
            trust.outside.iter().filter(of_shard).map(|note| known_root(shard, trust, note, None)).collect();
        outside.sort_by_key(|known| known.size);
        let trust = Arc::new(Trust { outside: Vec::new(), ..trust.clone() });
        Self {
            shard: shard.to_owned(),
            trust,
            outside: outside.into(),
            own: VecDeque::new(),
            anchors: VecDeque::new(),
            next: Some(0),
            next_anchor: Some(0),
        }
    }

    /// Reads the log's own checkpoints of this size and less.
    pub(super) async fn read_up_to(&mut self, log: &dyn LogReader, size: u64) -> Result<(), StoreError> {
        while let Some(from) = self.next.filter(|from| *from <= size) {
            let page = log.checkpoints(&self.shard, from, PAGE).await?;
            self.next = page
                .last()
                .filter(|_| page.len() == PAGE)
                .map(|last| last.size.saturating_add(1))
                .filter(|from| *from < u64::MAX);
            let read = page.iter().map(|signed| match Note::parse(&signed.note) {
                Ok(note) => known_root(&self.shard, &self.trust, &note, Some(signed)),
                Err(error) => {
                    KnownRoot { size: signed.size, root: Err(error.to_string()), whose: Whose::Own, seen: None }
                }
            });
            self.own.extend(read);
        }
        while let Some(from) = self.next_anchor.filter(|from| *from <= size) {
            let mut page = log.anchors(&self.shard, from, ANCHORS).await?;
            self.next_anchor = page.last().filter(|_| page.len() == ANCHORS).map(|last| last.size);
            if let Some(again) = self.next_anchor {
                // There may be more of this size: all of them are read with the next page.
                page.retain(|anchor| anchor.size < again);
            }
            if page.is_empty() {
                self.next_anchor = None;
            }
            self.anchors.extend(page.iter().map(|anchor| anchored_root(&self.shard, &self.trust, anchor)));
        }
        Ok(())
    }

    /// The next of those of this size and less. Of one size the log's own word comes first: what it does not even keep itself
    /// needs nobody else.
    pub(super) fn take(&mut self, size: u64) -> Option<KnownRoot> {
        let all = [&mut self.own, &mut self.anchors, &mut self.outside];
        let is_due = |known: &&mut VecDeque<KnownRoot>| known.front().is_some_and(|known| known.size <= size);
        let next = all.into_iter().filter(is_due).min_by_key(|known| known.front().map(|known| known.size));
        next?.pop_front()
    }
}

fn known_root(shard: &str, trust: &Trust, note: &Note, row: Option<&SignedHead>) -> KnownRoot {
    let parsed = Checkpoint::parse(note.text()).map_err(|error| error.to_string());
    let size = row.map(|row| row.size).or(parsed.as_ref().ok().map(|found| found.size)).unwrap_or(0);
    let root = parsed.and_then(|found| {
        let of_log: Vec<VerifierKey> = trust.keys.iter().filter(|key| key.name() == found.origin).cloned().collect();
        if !names::is_of(&found.origin, shard) || found.size != size {
            return Err(format!("it is that of {} records of {}", found.size, found.origin));
        }
        note.verify(&of_log).map_err(|error| match error {
            Unsigned::ByNobodyKnown => format!(
                "{error}; it is signed as {}: was a key left out that the province has published (--key)?",
                found.origin
            ),
            error => error.to_string(),
        })?;
        Ok(found.root)
    });
    let seen = match note.verify(&trust.witnesses) {
        Err(Unsigned::ByNobodyKnown) => Ok(None),
        Err(error) => Err(error.to_string()),
        // The earliest says most.
        Ok(by) => Ok(by.into_iter().filter_map(|(key, at)| Some((at?, key.name().to_owned()))).min()),
    };
    let (root, seen) = match seen {
        Ok(seen) => (root, seen.map(|(at, by)| Seen { records: size, by, at })),
        Err(why) => (root.and(Err(why)), None),
    };
    KnownRoot { size, root, whose: if row.is_none() { Whose::Outside } else { Whose::Own }, seen }
}

fn anchored_root(shard: &str, trust: &Trust, anchor: &Anchor) -> KnownRoot {
    let (size, whose) = (anchor.size, Whose::Anchor(anchor.kind));
    let row = SignedHead { size, at: anchor.at, note: anchor.note.clone() };
    let root = match Note::parse(&anchor.note) {
        Ok(note) => known_root(shard, trust, &note, Some(&row)).root,
        Err(error) => Err(error.to_string()),
    };
    match root.and_then(|root| Ok((root, said(trust, anchor)?))) {
        Ok((root, seen)) => KnownRoot { size, root: Ok(root), whose, seen },
        Err(why) => KnownRoot { size, root: Err(why), whose, seen: None },
    }
}

/// What was said, and by whom; nothing if it is by nobody who is trusted.
fn said(trust: &Trust, anchor: &Anchor) -> Result<Option<Seen>, String> {
    let Some(roots) = &trust.authorities else { return Ok(None) };
    let said = match anchor.kind {
        AnchorKind::TimeStamp => match verify_timestamp(&anchor.token, &anchor.note, roots) {
            Ok(stamp) => Ok((stamp.by, stamp.at)),
            Err(NotStamped::NotSigned(NotSigned::Untrusted { .. })) => return Ok(None),
            Err(why) => Err(why.to_string()),
        },
        AnchorKind::Signature => {
            let signed = SignedData::parse(&anchor.token).map_err(|error| error.to_string())?;
            let at = signed.claimed_time().unwrap_or(anchor.at);
            match signed.verify(&anchor.note, at, roots) {
                Ok(signer) => Ok((signer.subject, at)),
                Err(NotSigned::Untrusted { .. }) => return Ok(None),
                Err(why) => Err(why.to_string()),
            }
        }
    };
    let (by, at) = said?;
    Ok(Some(Seen { records: anchor.size, by, at: u64::try_from(at.micros() / 1_000_000).unwrap_or(0) }))
}
