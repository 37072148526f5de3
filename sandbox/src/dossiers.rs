//! The dossiers the portal holds, in shards so that calls for different dossiers rarely wait for each other.
//! A batch must never take effect in part: all its dossiers are locked and examined before the first is written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest;
use crate::faults::FaultKind;
use crate::ledger::{Effect, Ledger};
use crate::locks::hold;

const SHARDS: usize = 64;

/// One dossier as the portal holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldDossier {
    pub code: String,
    /// As received with the last accepted insert or update.
    pub fields: Map<String, Value>,
    /// In the order in which they were appended.
    pub steps: Vec<Map<String, Value>>,
    pub inserts: u64,
}

/// A dossier or step of a call, ready to be stored: canonical text, and its digest.
pub(crate) struct Item<'a> {
    pub(crate) code: &'a str,
    pub(crate) mark: Box<str>,
    text: Box<str>,
    pub(crate) digest: u64,
}

/// How much of a note is kept in the ledger, in characters.
const MARK: usize = 60;

impl<'a> Item<'a> {
    pub(crate) fn new(code: &'a str, fields: &Map<String, Value>) -> Self {
        let text = digest::canonical(fields).into_boxed_str();
        let digest = digest::hash64(&[text.as_bytes()]);
        let note = ["GhiChu", "NoiDungXuLy", "NoiDung"].into_iter().find_map(|name| fields.get(name)?.as_str());
        let mark = note.unwrap_or_default().chars().take(MARK).collect::<String>().into();
        Self { code, mark, text, digest }
    }
}

pub(crate) enum WriteError {
    Exists(String),
    Missing(String),
    Full,
}

/// Text, not a tree: a million dossiers must fit.
#[derive(Debug)]
struct Held {
    code: Arc<str>,
    fields: Box<str>,
    steps: Vec<Box<str>>,
    inserts: u64,
}

type Shard = HashMap<Arc<str>, Held>;

#[derive(Debug)]
pub(crate) struct Dossiers {
    shards: Vec<Mutex<Shard>>,
    ledger: Ledger,
    dedup_steps: bool,
}

/// The shards a batch touches, locked in one order so that two batches cannot wait for each other.
struct Locked<'a>(Vec<(usize, MutexGuard<'a, Shard>)>);

impl Locked<'_> {
    fn of(&mut self, code: &str) -> &mut Shard {
        let wanted = shard_of(code);
        let position = self.0.partition_point(|(number, _)| *number < wanted);
        &mut self.0[position].1
    }
}

fn shard_of(code: &str) -> usize {
    digest::hash64(&[code.as_bytes()]) as usize % SHARDS
}

impl Dossiers {
    pub(crate) fn new(ledger_limit: u64, dedup_steps: bool) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, ledger: Ledger::new(ledger_limit), dedup_steps }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn lock(&self, items: &[Item<'_>]) -> Locked<'_> {
        let mut numbers: Vec<usize> = items.iter().map(|item| shard_of(item.code)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Locked(numbers.into_iter().map(|number| (number, hold(&self.shards[number]))).collect())
    }

    pub(crate) fn insert(&self, items: Vec<Item<'_>>, fault: Option<FaultKind>) -> Result<(), WriteError> {
        let mut locked = self.lock(&items);
        for (position, item) in items.iter().enumerate() {
            let is_twice_here = items[..position].iter().any(|earlier| earlier.code == item.code);
            if is_twice_here || locked.of(item.code).contains_key(item.code) {
                return Err(WriteError::Exists(item.code.to_owned()));
            }
        }
        self.reserve(&items)?;
        for item in items {
            let code: Arc<str> = item.code.into();
            self.ledger.write(Effect::Insert, &code, &item, true, fault);
            let held = Held { code: Arc::clone(&code), fields: item.text, steps: Vec::new(), inserts: 1 };
            locked.of(item.code).insert(code, held);
        }
        Ok(())
    }

    pub(crate) fn update(&self, items: Vec<Item<'_>>, fault: Option<FaultKind>) -> Result<(), WriteError> {
        let mut locked = self.lock(&items);
        require_all(&mut locked, &items)?;
        self.reserve(&items)?;
        for item in items {
            let Some(held) = locked.of(item.code).get_mut(item.code) else { continue };
            let changed = held.fields != item.text;
            self.ledger.write(Effect::Update, &held.code, &item, changed, fault);
            held.fields = item.text;
        }
        Ok(())
    }

    pub(crate) fn append_steps(&self, items: Vec<Item<'_>>, fault: Option<FaultKind>) -> Result<(), WriteError> {
        let mut locked = self.lock(&items);
        require_all(&mut locked, &items)?;
        self.reserve(&items)?;
        for item in items {
            let Some(held) = locked.of(item.code).get_mut(item.code) else { continue };
            if self.dedup_steps && held.steps.contains(&item.text) {
                self.ledger.give_back(1);
                continue;
            }
            self.ledger.write(Effect::AppendStep, &held.code, &item, true, fault);
            held.steps.push(item.text);
        }
        Ok(())
    }

    fn reserve(&self, items: &[Item<'_>]) -> Result<(), WriteError> {
        if self.ledger.reserve(items.len() as u64) { Ok(()) } else { Err(WriteError::Full) }
    }

    /// Past all rules and without an entry in the ledger: something has happened to the portal's data.
    pub(crate) fn tamper(
        &self,
        code: &str,
        change: impl FnOnce(Option<Map<String, Value>>) -> Option<Map<String, Value>>,
    ) {
        let mut shard = hold(&self.shards[shard_of(code)]);
        let before = shard.get(code).map(|held| held.tell().fields);
        match change(before) {
            None => {
                shard.remove(code);
            }
            Some(fields) => {
                let text = digest::canonical(&fields).into_boxed_str();
                let new = || Held { code: code.into(), fields: Box::default(), steps: Vec::new(), inserts: 0 };
                shard.entry(code.into()).or_insert_with(new).fields = text;
            }
        }
    }

    pub(crate) fn has(&self, code: &str) -> bool {
        hold(&self.shards[shard_of(code)]).contains_key(code)
    }

    pub(crate) fn get(&self, code: &str) -> Option<HeldDossier> {
        hold(&self.shards[shard_of(code)]).get(code).map(Held::tell)
    }

    /// Dossiers with a code above `after`, by code, at most `limit`.
    pub(crate) fn page(&self, after: &str, limit: usize) -> Vec<HeldDossier> {
        let mut codes: Vec<Arc<str>> = Vec::new();
        for shard in &self.shards {
            codes.extend(hold(shard).keys().filter(|code| code.as_ref() > after).cloned());
        }
        codes.sort_unstable();
        codes.iter().take(limit).filter_map(|code| self.get(code)).collect()
    }

    pub(crate) fn clear(&self) {
        // All shards at once, or a write between two of them would be in the ledger and not here.
        let mut shards: Vec<MutexGuard<'_, Shard>> = self.shards.iter().map(hold).collect();
        shards.iter_mut().for_each(|shard| shard.clear());
        self.ledger.clear();
    }
}

fn require_all(locked: &mut Locked<'_>, items: &[Item<'_>]) -> Result<(), WriteError> {
    match items.iter().find(|item| !locked.of(item.code).contains_key(item.code)) {
        Some(absent) => Err(WriteError::Missing(absent.code.to_owned())),
        None => Ok(()),
    }
}

impl Held {
    fn tell(&self) -> HeldDossier {
        // What is stored was written by `canonical`, so it reads back.
        let read = |text: &str| serde_json::from_str(text).unwrap_or_default();
        HeldDossier {
            code: self.code.to_string(),
            fields: read(&self.fields),
            steps: self.steps.iter().map(|step| read(step)).collect(),
            inserts: self.inserts,
        }
    }
}
