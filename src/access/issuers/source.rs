//! The keys of one issuer in memory: asked for again in time, and when a token names one that is not there, but never more
//! often than once an interval, whoever calls and however they hang up. While the issuer is away the old ones go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use lienthong_adapter_kit::cache::{Cache, CacheSettings};
use tokio::sync::Mutex;

use super::fetch::{Fetch, NotHad};
use super::keys::{Key, KeySet};
use super::{KeyLimits, discovery};

/// The keys are not kept, and the issuer does not give them. Asked again after this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away(pub(super) Duration);

pub(super) struct Source {
    kept: Cache<(), KeySet>,
    asking: Arc<Asking>,
}

struct Asking {
    issuer: String,
    algorithms: Vec<Algorithm>,
    limits: KeyLimits,
    fetch: Fetch,
    /// Locked while the issuer is asked.
    said: Arc<Mutex<Option<Said>>>,
    /// It gave nothing when it was last asked.
    is_away: AtomicBool,
}

/// What the issuer gave when it was last asked.
struct Said {
    at: Instant,
    keys: Option<KeySet>,
}

impl Source {
    pub(super) fn new(issuer: String, algorithms: Vec<Algorithm>, limits: KeyLimits, fetch: Fetch) -> Self {
        let settings = CacheSettings {
            fresh: limits.fresh,
            keep: limits.keep,
            keep_absent: Duration::ZERO,
            pause: limits.least_interval,
            most_weight: 1,
        };
        let (said, is_away) = (Arc::default(), AtomicBool::default());
        let asking = Arc::new(Asking { issuer, algorithms, limits, fetch, said, is_away });
        Self { kept: Cache::new("issuer-keys", settings, |_| 1), asking }
    }

    /// The key of this id. One that is not kept is asked for, if the interval allows it.
    pub(super) async fn find(&self, kid: &str) -> Result<Option<Arc<Key>>, Away> {
        let kept = self.keys().await?;
        if let Some(key) = kept.find(kid) {
            return Ok(Some(key));
        }
        let said = Arc::clone(&self.asking).ask().await?;
        if !said.is(&kept) {
            self.kept.put((), said.clone()).await;
        }
        Ok(said.find(kid))
    }

    /// What is kept, or what the issuer says.
    pub(super) async fn keys(&self) -> Result<KeySet, Away> {
        let asking = Arc::clone(&self.asking);
        let kept = self.kept.get((), || async { asking.ask().await.map(Some) }).await?;
        // There is always a set, if only an empty one.
        kept.value.map(|keys| (*keys).clone()).ok_or(Away(self.asking.limits.least_interval))
    }

    /// Asks now, whatever is kept.
    pub(super) async fn try_now(&self) -> Result<KeySet, NotHad> {
        self.asking.fetch().await
    }
}

impl Asking {
    /// What the issuer says; within the interval, what it said.
    async fn ask(self: Arc<Self>) -> Result<KeySet, Away> {
        let interval = self.limits.least_interval;
        let mut said = match Arc::clone(&self.said).try_lock_owned() {
            Ok(said) => said,
            // Someone is waiting for it already: more would only take places from those whose keys are here.
            Err(_) if self.is_away.load(Ordering::Relaxed) => return Err(Away(interval)),
            Err(_) => Arc::clone(&self.said).lock_owned().await,
        };
        if let Some(last) = &*said {
            let rest = interval.saturating_sub(last.at.elapsed());
            if !rest.is_zero() {
                return last.keys.clone().ok_or(Away(rest));
            }
        }
        // In a task of its own: a caller who hangs up does not undo that the issuer was asked.
        let asked = tokio::spawn(async move {
            let keys = self.fetch().await.inspect_err(|reason| {
                tracing::warn!(issuer = self.issuer, %reason, "an issuer's keys were not had; those that are kept go on");
            });
            let keys = keys.ok();
            self.is_away.store(keys.is_none(), Ordering::Relaxed);
            *said = Some(Said { at: Instant::now(), keys: keys.clone() });
            keys
        });
        asked.await.ok().flatten().ok_or(Away(interval))
    }

    async fn fetch(&self) -> Result<KeySet, NotHad> {
        let timeout = self.limits.timeout;
        let keys =
            tokio::time::timeout(timeout, self.read()).await.map_err(|_| NotHad::Slow(timeout.as_millis()))??;
        let (usable, left_out) = (keys.len(), &keys.left_out);
        if keys.is_empty() {
            tracing::warn!(
                issuer = self.issuer,
                ?left_out,
                "an issuer publishes no usable key: its tokens are refused"
            );
        } else {
            tracing::debug!(issuer = self.issuer, usable, ?left_out, "an issuer's keys were read");
        }
        Ok(keys)
    }

    async fn read(&self) -> Result<KeySet, NotHad> {
        let [provider, server] = discovery::addresses(&self.issuer)?;
        let metadata = match self.fetch.get(provider).await {
            // It answers, and has no such document: no OpenID provider, but perhaps an OAuth server.
            Err(NotHad::Status(400..500)) => self.fetch.get(server).await?,
            other => other?,
        };
        let address = discovery::keys_address(&metadata, &self.issuer)?;
        KeySet::read(&self.fetch.get(address).await?, &self.algorithms, self.limits.most_keys)
    }
}
