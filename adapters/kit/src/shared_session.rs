//! The session that all replicas share, where the other side allows an account one at a time: a login ends the session
//! that the others are using, so replicas take turns at it. The token must never be kept unsealed, or shown.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lienthong_domain::time::{Clock, Timestamp};

use crate::Secret;

/// Where shared sessions are kept. A name says which other side and which account.
///
/// Ages are by the store's own clock, so that replicas need not agree on theirs. Each question is answered, or fails,
/// within a short time; what failed may have been done nevertheless.
#[async_trait]
pub trait SharedSessions: Send + Sync {
    /// The newest session under this name, if one was ever kept. Whether it is still good is not known here.
    async fn newest(&self, name: &str) -> Result<Option<SharedSession>, SharedSessionError>;

    /// The turn to log in for all; `None` while another replica has it.
    ///
    /// It lasts until [`end`](Self::end), or until its replica is given up. The replica that has it is given it again: a
    /// turn that could not be ended is not lost to it. Its own tasks must take turns among themselves.
    async fn begin(&self, name: &str) -> Result<Option<LoginTurn>, SharedSessionError>;

    /// Keeps a session that is `age_ms` old and returns its number, which is greater than those before it. Fails if the
    /// turn is over: another replica may have logged in since, and this session is then dead.
    async fn keep(&self, turn: &LoginTurn, token: &Secret, age_ms: i64) -> Result<i64, SharedSessionError>;

    /// Ends the turn, whatever came of it.
    async fn end(&self, turn: LoginTurn) -> Result<(), SharedSessionError>;
}

/// A session as it was kept.
#[derive(Debug, Clone)]
pub struct SharedSession {
    pub number: i64,
    pub token: Secret,
    /// Negative if the store's clock was set back: the true age is then not known.
    pub age_ms: i64,
}

/// The turn to log in under a name. It does not end by itself when it is dropped: see [`SharedSessions::end`].
#[derive(Debug)]
#[must_use]
pub struct LoginTurn {
    pub name: String,
    /// Of the lease behind it, by which the store knows a turn that is over.
    pub epoch: i64,
}

/// The store did not do what was asked. The note is for operators: technical words, no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store of shared sessions: {0}")]
pub struct SharedSessionError(pub String);

/// Shared sessions of replicas that live in one process: the only one there is, or those of a test.
pub struct InMemory {
    replica: u64,
    clock: Arc<dyn Clock>,
    names: Arc<Mutex<BTreeMap<String, Name>>>,
}

#[derive(Default)]
struct Name {
    kept: Option<Kept>,
    holder: Option<u64>,
    epoch: i64,
}

struct Kept {
    number: i64,
    token: Secret,
    since: Timestamp,
}

impl InMemory {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { replica: next_replica(), clock, names: Arc::default() }
    }

    /// The same sessions, as another replica sees them.
    pub fn other_replica(&self) -> Self {
        Self { replica: next_replica(), clock: self.clock.clone(), names: self.names.clone() }
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn next_replica() -> u64 {
    static REPLICAS: AtomicU64 = AtomicU64::new(0);
    REPLICAS.fetch_add(1, Ordering::Relaxed)
}

impl Name {
    fn is_held(&self, replica: u64, turn: &LoginTurn) -> bool {
        self.holder == Some(replica) && self.epoch == turn.epoch
    }
}

/// As stores on a database do it: whoever has the turn is given it again, under the same epoch.
#[async_trait]
impl SharedSessions for InMemory {
    async fn newest(&self, name: &str) -> Result<Option<SharedSession>, SharedSessionError> {
        let now = self.clock.now();
        let names = self.names();
        let kept = names.get(name).and_then(|name| name.kept.as_ref());
        Ok(kept.map(|kept| SharedSession {
            number: kept.number,
            token: kept.token.clone(),
            age_ms: now.millis_since(kept.since),
        }))
    }

    async fn begin(&self, name: &str) -> Result<Option<LoginTurn>, SharedSessionError> {
        let mut names = self.names();
        let held = names.entry(name.to_owned()).or_default();
        if held.holder.is_none() {
            held.holder = Some(self.replica);
            held.epoch += 1;
        }
        let is_ours = held.holder == Some(self.replica);
        Ok(is_ours.then(|| LoginTurn { name: name.to_owned(), epoch: held.epoch }))
    }

    async fn keep(&self, turn: &LoginTurn, token: &Secret, age_ms: i64) -> Result<i64, SharedSessionError> {
        let since = self.clock.now().plus_millis(-age_ms);
        let mut names = self.names();
        let held = names.get_mut(&turn.name).filter(|held| held.is_held(self.replica, turn));
        let held = held.ok_or_else(|| SharedSessionError("the turn to log in is over".to_owned()))?;
        let number = held.kept.as_ref().map_or(1, |kept| kept.number + 1);
        held.kept = Some(Kept { number, token: token.clone(), since });
        Ok(number)
    }

    async fn end(&self, turn: LoginTurn) -> Result<(), SharedSessionError> {
        if let Some(held) = self.names().get_mut(&turn.name).filter(|held| held.is_held(self.replica, &turn)) {
            held.holder = None;
        }
        Ok(())
    }
}
