//! Keys that are changed now and then: those that wrap contents, and those that sign the audit log. A new one is made, copied to
//! every replica, and taken into use; the old one is retired, and its file destroyed. What was erased before opens no more then,
//! wherever a copy of it may be. Who did it is a record of the log.

pub mod store;

use std::sync::Arc;

use lienthong_domain::time::Clock;
use uuid::Uuid;

use crate::audit::{Draft, Kind, NewGeneration, Outcome, Recorder};
use crate::storage::bodies::Bodies;
use crate::storage::generations::{Generation, KeyName, Purpose, in_use};
use crate::storage::keys::Keys;
use crate::storage::{Database, StoreError};
use store::KeyStore;

/// Bodies that are wrapped anew at a time.
const AT_A_TIME: usize = 500;
/// Whoever retires a key has so long to wrap anew what came under it meanwhile.
const WAIT_MS: i64 = 600_000;

/// Changes keys.
pub struct Keyring {
    pub store: Arc<dyn KeyStore>,
    pub database: Database,
    pub keys: Arc<Keys>,
    pub bodies: Arc<Bodies>,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<dyn Clock>,
}

/// Why a key was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("{0} is not in the key folder")]
    NotHere(KeyName),
    #[error("{0} is in use already")]
    InUse(KeyName),
    #[error("{0} is not in use")]
    NotInUse(KeyName),
    #[error("{0} was retired: make another one")]
    Retired(KeyName),
    #[error("{0} is the only one in use, or the newest: take another one into use first")]
    Needed(KeyName),
    #[error("replica {1} does not have {0} yet: copy it into its key folder; it notices within seconds")]
    Lacking(KeyName, Uuid),
    #[error("replica {0} still uses an older key: it notices within seconds")]
    Behind(Uuid),
    #[error("{0} contents do not open with any key that is here: they or their keys were changed")]
    Unreadable(u64),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Made,
    InUse,
    Retired,
    /// Its file is here still: the last step was not done.
    RetiredAndHere,
}

impl Keyring {
    /// Every key of which there may be several: those in the folder, and those that were used before.
    pub async fn all(&self) -> Result<Vec<(KeyName, Standing)>, StoreError> {
        let generations = self.database.generations().await?;
        let used: Vec<KeyName> = Purpose::ALL.into_iter().flat_map(|purpose| in_use(&generations, purpose)).collect();
        let known = generations.iter().map(|generation| generation.key);
        let files = self.keys.files()?;
        let mut all: Vec<KeyName> = files.iter().copied().chain(known).chain(used.iter().copied()).collect();
        all.sort();
        all.dedup();
        let standing = |name: KeyName| match (used.contains(&name), generations.iter().any(|known| known.key == name)) {
            (true, _) => Standing::InUse,
            (false, true) if files.contains(&name) => Standing::RetiredAndHere,
            (false, true) => Standing::Retired,
            (false, false) => Standing::Made,
        };
        Ok(all.into_iter().map(|name| (name, standing(name))).collect())
    }

    /// Makes the next key for this purpose; nothing uses it yet.
    pub async fn add(&self, purpose: Purpose) -> Result<KeyName, StoreError> {
        let all = self.all().await?;
        let newest = all.iter().filter(|(name, _)| name.purpose == purpose).map(|(name, _)| name.number).max();
        let name = KeyName { purpose, number: newest.unwrap_or(0) + 1 };
        self.keys.make([&name.file()])?;
        if let Err(error) = self.database.check_keys(&self.keys, &[name.file()]).await {
            // Somebody has made one of this name elsewhere at the same time: that is the one to be copied.
            self.keys.destroy(name)?;
            return Err(error);
        }
        Ok(name)
    }

    /// From now on this key is used: it wraps what is new, or signs beside those that signed before.
    pub async fn take_into_use(&self, name: KeyName, officer: &str) -> Result<(), Refused> {
        match self.all().await?.into_iter().find(|(known, _)| *known == name) {
            None => return Err(Refused::NotHere(name)),
            Some((_, Standing::InUse)) => return Err(Refused::InUse(name)),
            Some((_, Standing::Retired | Standing::RetiredAndHere)) => return Err(Refused::Retired(name)),
            Some((_, Standing::Made)) => {}
        }
        self.database.check_keys(&self.keys, &[name.file()]).await?;
        let public = (name.purpose == Purpose::Log).then(|| self.keys.public(name)).transpose()?;
        let generation = Generation { key: name, used_from: self.clock.now(), retired_at: None, public };
        let record = self.record("key.use", &generation, officer)?;
        match self.store.take_into_use(generation, record).await? {
            Some(replica) => Err(Refused::Lacking(name, replica.id)),
            None => Ok(()),
        }
    }

    /// Destroys a key that is no longer needed. What it wrapped is wrapped anew first; `progress` is told of how
    /// many more.
    pub async fn retire(
        &self,
        name: KeyName,
        officer: &str,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Refused> {
        let generations = self.database.generations().await?;
        let used = in_use(&generations, name.purpose);
        if !used.contains(&name) {
            let is_retired = generations.iter().any(|generation| generation.key == name);
            if !is_retired || !self.keys.files()?.contains(&name) {
                return Err(Refused::NotInUse(name));
            }
            // It was interrupted after that was recorded.
            self.keys.take_up(&generations)?;
            return self.destroy(name, progress).await;
        }
        if used.last() == Some(&name) {
            return Err(Refused::Needed(name));
        }
        self.keys.take_up(&generations)?;
        if name.purpose == Purpose::Contents {
            self.wrap_anew(name, progress).await?;
        }
        let known = generations.into_iter().find(|generation| generation.key == name);
        let public = (name.purpose == Purpose::Log).then(|| self.keys.public(name)).transpose()?;
        let now = self.clock.now();
        let used_from = known.map_or(now, |known| known.used_from);
        let generation = Generation { key: name, used_from, retired_at: Some(now), public };
        let record = self.record("key.retire", &generation, officer)?;
        self.store.retire(generation, record).await?;
        // In this order: without the row nobody would know that it is gone on purpose.
        self.keys.take_up(&self.database.generations().await?)?;
        self.destroy(name, progress).await
    }

    async fn destroy(&self, name: KeyName, progress: &mut (dyn FnMut(u64) + Send)) -> Result<(), Refused> {
        if name.purpose == Purpose::Contents {
            // What came under it while its end was being decided. Nothing comes under it any more: the database refuses it.
            self.store.settle().await?;
            self.wrap_token_keys().await?;
            self.wrap_bodies(name, progress).await?;
            self.store.scrub().await?;
        }
        Ok(self.keys.destroy(name)?)
    }

    /// Destroys the files of keys that were retired on another replica, unless something is left under them.
    pub async fn destroy_retired(&self) -> Result<(), StoreError> {
        let generations = self.database.generations().await?;
        for name in self.keys.files()? {
            let retired = generations.iter().find(|known| known.key == name).and_then(|known| known.retired_at);
            if retired.is_none_or(|at| self.clock.now().millis_since(at) < WAIT_MS) {
                continue;
            }
            if name.purpose == Purpose::Contents && self.has_bodies(name).await? {
                tracing::error!(%name, "a key was retired, and contents are left under it: run `lienthong keys retire` once more");
                continue;
            }
            tracing::info!(%name, "a key that was retired is destroyed here too");
            self.keys.destroy(name)?;
        }
        Ok(())
    }

    /// Looks through all of them.
    async fn has_bodies(&self, name: KeyName) -> Result<bool, StoreError> {
        let mut after = Uuid::nil();
        loop {
            let page = self.store.bodies(after, AT_A_TIME).await?;
            let Some(last) = page.last().map(|body| body.id) else { return Ok(false) };
            if page.iter().any(|body| body.key == i64::from(name.number)) {
                return Ok(true);
            }
            after = last;
        }
    }

    /// What is under this key is wrapped anew; every replica wraps what is new under another one.
    async fn wrap_anew(&self, name: KeyName, progress: &mut (dyn FnMut(u64) + Send)) -> Result<(), Refused> {
        let (newest, _) = self.keys.wrapping()?;
        let is_behind = |replica: &store::ReplicaKeys| replica.contents_key.is_none_or(|used| used < newest);
        if let Some(behind) = self.store.replicas().await?.into_iter().find(is_behind) {
            return Err(Refused::Behind(behind.id));
        }
        self.wrap_token_keys().await?;
        self.wrap_bodies(name, progress).await
    }

    /// Those that sign tokens: they are few, and are wrapped anew whatever they are under.
    async fn wrap_token_keys(&self) -> Result<(), Refused> {
        for key in self.store.token_keys().await? {
            let context = format!("token-key:{}", key.name);
            match self.bodies.wrap_anew(context.as_bytes(), &key.wrapped)? {
                Some((_, wrapped)) => self.store.seal_token_key(key, wrapped).await?,
                None => return Err(Refused::Unreadable(1)),
            }
        }
        Ok(())
    }

    async fn wrap_bodies(&self, name: KeyName, progress: &mut (dyn FnMut(u64) + Send)) -> Result<(), Refused> {
        let (mut after, mut unreadable) = (Uuid::nil(), 0);
        loop {
            // Another key may have been taken into use meanwhile.
            self.keys.take_up(&self.database.generations().await?)?;
            let page = self.store.bodies(after, AT_A_TIME).await?;
            let Some(last) = page.last().map(|body| body.id) else { break };
            let mut wrapped = Vec::with_capacity(page.len());
            for body in page.into_iter().filter(|body| body.key == i64::from(name.number)) {
                match self.bodies.wrap_anew(body.id.as_bytes(), &body.wrapped)? {
                    Some((key_id, key)) => wrapped.push((body, key_id, key)),
                    None => unreadable += 1,
                }
            }
            if !wrapped.is_empty() {
                let more = wrapped.len() as u64;
                self.store.wrap(wrapped).await?;
                progress(more);
            }
            after = last;
        }
        if unreadable > 0 {
            return Err(Refused::Unreadable(unreadable));
        }
        Ok(())
    }

    fn record(
        &self,
        op: &'static str,
        generation: &Generation,
        officer: &str,
    ) -> Result<crate::audit::SealedRecord, StoreError> {
        let mut draft = Draft::new(Kind::Key, op, Outcome::decided("done"));
        draft.officer = Some(officer);
        draft.generation = Some(NewGeneration { name: generation.key.to_string(), public: generation.public });
        self.recorder.seal(&draft)
    }
}
