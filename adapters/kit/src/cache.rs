//! What another system says that changes seldom: kept for a while, asked for once however many wait for it, and given out
//! stale while it is asked again or the other side is away. Never for what is personal.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lienthong_domain::port::Aged;
use metrics::counter;
use moka::Expiry;
use moka::future::Cache as Kept;
use tracing::Instrument;

use crate::metrics::CACHE_ANSWERS;

/// How long, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Younger than this it is given out as it is.
    pub fresh: Duration,
    /// Younger than this it is given out while it is asked again. Then it is forgotten.
    pub keep: Duration,
    /// How long "there is none" is believed.
    pub keep_absent: Duration,
    /// After a failure it is asked again no earlier.
    pub pause: Duration,
    /// The sum of the weights of all that is kept.
    pub most_weight: u64,
}

struct Entry<T> {
    value: Option<Arc<T>>,
    since: Instant,
    /// Somebody is asking again.
    is_asking: AtomicBool,
}

impl<T> Entry<T> {
    fn new(value: Option<T>) -> Arc<Self> {
        Arc::new(Self { value: value.map(Arc::new), since: Instant::now(), is_asking: AtomicBool::new(false) })
    }
}

struct Expire(CacheSettings);

impl Expire {
    fn after<T>(&self, entry: &Entry<T>) -> Option<Duration> {
        Some(if entry.value.is_some() { self.0.keep } else { self.0.keep_absent })
    }
}

impl<K, T> Expiry<K, Arc<Entry<T>>> for Expire {
    fn expire_after_create(&self, _: &K, entry: &Arc<Entry<T>>, _: Instant) -> Option<Duration> {
        self.after(entry)
    }

    fn expire_after_update(&self, _: &K, entry: &Arc<Entry<T>>, _: Instant, _: Option<Duration>) -> Option<Duration> {
        self.after(entry)
    }
}

/// What a task came to.
async fn ended<T>(task: tokio::task::JoinHandle<T>) -> T {
    match task.await {
        Ok(value) => value,
        Err(end) if end.is_panic() => std::panic::resume_unwind(end.into_panic()),
        // The process is coming to its end, and nobody waits any more.
        Err(_) => std::future::pending().await,
    }
}

/// The cache of one kind of thing.
pub struct Cache<K, T> {
    /// For metrics.
    name: &'static str,
    kept: Kept<K, Arc<Entry<T>>>,
    settings: CacheSettings,
}

impl<K, T> Cache<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    pub fn new(name: &'static str, settings: CacheSettings, weigh: impl Fn(&T) -> u32 + Send + Sync + 'static) -> Self {
        let kept = Kept::builder()
            .max_capacity(settings.most_weight)
            .weigher(move |_: &K, entry: &Arc<Entry<T>>| entry.value.as_deref().map_or(1, &weigh))
            .expire_after(Expire(settings))
            .build();
        Self { name, kept, settings }
    }

    /// What is kept, or what `ask` says. One question at a time for each key; failures are not kept.
    pub async fn get<E, F>(&self, key: K, ask: impl FnOnce() -> F) -> Result<Aged<Option<Arc<T>>>, E>
    where
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<Option<T>, E>> + Send + 'static,
    {
        if let Some(entry) = self.kept.get(&key).await {
            let is_stale = entry.since.elapsed() >= self.settings.fresh;
            if is_stale && !entry.is_asking.swap(true, Ordering::Relaxed) {
                self.ask_again(key, Arc::clone(&entry), ask());
            }
            self.count(if is_stale { "stale" } else { "fresh" });
            return Ok(self.aged(&entry, false));
        }
        // A task of its own: it comes to its end even if whoever asked first goes away, and has all of its time.
        let (kept, question) = (self.kept.clone(), ask());
        let asked = async move { kept.try_get_with(key, async { question.await.map(Entry::new) }).await };
        let entry = ended(tokio::spawn(asked.in_current_span())).await;
        self.count(if entry.is_ok() { "asked" } else { "failed" });
        let entry = entry.map_err(|failure| (*failure).clone())?;
        Ok(self.aged(&entry, true))
    }

    fn count(&self, answer: &'static str) {
        counter!(CACHE_ANSWERS.name, "cache" => self.name, "answer" => answer).increment(1);
    }

    /// Keeps what was learnt otherwise than by [`Self::get`].
    pub async fn put(&self, key: K, value: T) {
        self.kept.insert(key, Entry::new(Some(value))).await;
    }

    /// Forgets what is kept of this key: the next one to want it asks.
    pub async fn forget(&self, key: &K) {
        self.kept.invalidate(key).await;
    }

    fn ask_again<E: Send + 'static>(
        &self,
        key: K,
        stale: Arc<Entry<T>>,
        asked: impl Future<Output = Result<Option<T>, E>> + Send + 'static,
    ) {
        let (kept, pause) = (self.kept.clone(), self.settings.pause);
        tokio::spawn(async move {
            match asked.await {
                Ok(value) => kept.insert(key, Entry::new(value)).await,
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    stale.is_asking.store(false, Ordering::Relaxed);
                }
            }
        });
    }

    fn aged(&self, entry: &Entry<T>, is_new: bool) -> Aged<Option<Arc<T>>> {
        let age = entry.since.elapsed();
        let keep = if entry.value.is_some() { self.settings.keep } else { self.settings.keep_absent };
        Aged {
            value: entry.value.clone(),
            age,
            fresh_for: self.settings.fresh.min(keep).saturating_sub(age),
            kept_for: keep.saturating_sub(age),
            is_new,
        }
    }
}
