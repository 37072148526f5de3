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
}

impl Keyring {
    /// Every key of which there may be several: those in the folder, and those that were used before.
    pub async fn all(&self) -> Result<Vec<(KeyName, Standing)>, StoreError> {
        let generations = self.database.generations().await?;
        let used: Vec<KeyName> = Purpose::ALL.into_iter().flat_map(|purpose| in_use(&generations, purpose)).collect();
        let known = generations.iter().map(|generation| generation.key);
        let mut all: Vec<KeyName> = self.keys.files()?.into_iter().chain(known).chain(used.iter().copied()).collect();
        all.sort();
        all.dedup();
        let standing = |name: KeyName| match (used.contains(&name), generations.iter().any(|known| known.key == name)) {
            (true, _) => Standing::InUse,
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
        self.database.check_keys(&self.keys, &[name.file()]).await?;
        Ok(name)
    }

    /// From now on this key is used: it wraps what is new, or signs beside those that signed before.
    pub async fn take_into_use(&self, name: KeyName, officer: &str) -> Result<(), Refused> {
        match self.all().await?.into_iter().find(|(known, _)| *known == name) {
            None => return Err(Refused::NotHere(name)),
            Some((_, Standing::InUse)) => return Err(Refused::InUse(name)),
            Some((_, Standing::Retired)) => return Err(Refused::Retired(name)),
            Some((_, Standing::Made)) => {}
        }
        self.database.check_keys(&self.keys, &[name.file()]).await?;
        let lacking = self.store.replicas().await?.into_iter().find(|replica| !replica.has(name));
        if let Some(replica) = lacking {
            return Err(Refused::Lacking(name, replica.id));
        }
        let public = (name.purpose == Purpose::Log).then(|| self.keys.public(name)).transpose()?;
        let generation = Generation { key: name, used_from: self.clock.now(), retired_at: None, public };
        let record = self.record("key.use", &generation, officer)?;
        Ok(self.store.take_into_use(generation, record).await?)
    }

    /// Destroys a key that is no longer needed. What it wrapped is wrapped anew first; `progress` is told of how many.
    pub async fn retire(
        &self,
        name: KeyName,
        officer: &str,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Refused> {
        let generations = self.database.generations().await?;
        let used = in_use(&generations, name.purpose);
        if !used.contains(&name) {
            return Err(Refused::NotInUse(name));
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
        Ok(self.keys.destroy(name)?)
    }

    /// Nothing is left under this key when this returns, and nothing can come under it any more.
    async fn wrap_anew(&self, name: KeyName, progress: &mut (dyn FnMut(u64) + Send)) -> Result<(), Refused> {
        let (newest, _) = self.keys.wrapping()?;
        let is_behind = |replica: &store::ReplicaKeys| replica.contents_key.is_none_or(|used| used < newest);
        if let Some(behind) = self.store.replicas().await?.into_iter().find(is_behind) {
            return Err(Refused::Behind(behind.id));
        }
        for key in self.store.token_keys().await? {
            let context = format!("token-key:{}", key.name);
            match self.bodies.wrap_anew(context.as_bytes(), &key.wrapped)? {
                Some((_, wrapped)) => self.store.seal_token_key(key, wrapped).await?,
                None => return Err(Refused::Unreadable(1)),
            }
        }
        let (mut after, mut done, mut unreadable) = (Uuid::nil(), 0, 0);
        loop {
            let page = self.store.wrapped_by(i64::from(name.number), after, AT_A_TIME).await?;
            let Some(last) = page.last().map(|body| body.id) else { break };
            let mut wrapped = Vec::with_capacity(page.len());
            for body in page {
                match self.bodies.wrap_anew(body.id.as_bytes(), &body.wrapped)? {
                    Some((key_id, key)) => wrapped.push((body, key_id, key)),
                    None => unreadable += 1,
                }
            }
            done += wrapped.len() as u64;
            self.store.wrap(wrapped).await?;
            progress(done);
            after = last;
        }
        if unreadable > 0 {
            return Err(Refused::Unreadable(unreadable));
        }
        Ok(self.store.scrub().await?)
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
