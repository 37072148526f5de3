//! What others say of the log's heads, so that nobody here can show another log later: witnesses, time-stamping authorities and
//! the agency's own key. All of it goes on off the write path: what is away or slow holds up nothing; it is told, and the log
//! itself says so once it lasts.

pub mod agency;
pub mod timestamps;
pub mod token;
pub mod witnesses;

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lienthong_domain::time::{Clock, Timestamp};
use metrics::gauge;
use reqwest::{StatusCode, Url};

use super::log::{Checkpoint, Note};
use super::store::{Anchor, AnchorKind, AuditStore, SignedHead};
use super::{Draft, Kind, NewAnchor, Outcome, Recorder};
use crate::storage::StoreError;
use crate::telemetry::metrics::{AUDIT_ANCHOR_UP, AUDIT_EXPOSURE};

/// One answer is waited for so long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No answer is longer.
const MOST_BYTES: usize = 65_536;
/// What has been away for so long is a mark in the log.
const GRACE: Duration = Duration::from_secs(60);
/// Records that are looked at a time, to see whether there is any news.
const PAGE: usize = 64;

/// What all of them work with.
#[derive(Clone)]
pub struct Means {
    pub store: Arc<dyn AuditStore>,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<dyn Clock>,
    pub client: reqwest::Client,
}

impl Means {
    /// Fails only where the machine cannot do TLS at all.
    pub fn new(
        store: Arc<dyn AuditStore>,
        recorder: Arc<Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("lienthong/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { store, recorder, clock, client })
    }

    /// The logs that grow, or have just ended.
    fn shards(&self) -> [String; 2] {
        self.recorder.present_and_previous().map(|half_year| self.recorder.shard(&half_year))
    }

    async fn post(&self, url: Url, kind: &'static str, body: Vec<u8>) -> Result<(StatusCode, Vec<u8>), String> {
        let failed = |error: reqwest::Error| {
            // The innermost words: the outer ones carry the address.
            let causes = std::iter::successors(error.source(), |cause| (*cause).source());
            causes.last().map_or_else(|| "it took too long".to_owned(), ToString::to_string)
        };
        let request = self.client.post(url).header(reqwest::header::CONTENT_TYPE, kind).body(body);
        let mut answer = request.send().await.map_err(failed)?;
        let mut read = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if read.len() + chunk.len() > MOST_BYTES {
                return Err(format!("its answer is longer than {MOST_BYTES} bytes"));
            }
            read.extend_from_slice(&chunk);
        }
        Ok((answer.status(), read))
    }

    /// Whether there is more in the log than records of what was said of it before: these alone are no reason to ask again.
    async fn has_news(&self, shard: &str, from: u64, to: u64) -> Result<bool, StoreError> {
        #[derive(serde::Deserialize)]
        struct Read<'a> {
            kind: &'a str,
        }
        let mut from = from;
        while from < to {
            let most = usize::try_from(to - from).unwrap_or(PAGE).min(PAGE);
            let records = self.store.records(shard, from, most).await?;
            let is_old = |bytes: &[u8]| {
                serde_json::from_slice::<Read<'_>>(bytes).is_ok_and(|read| read.kind == Kind::Anchor.name())
            };
            if records.is_empty() || !records.iter().all(|record| is_old(&record.bytes)) {
                return Ok(!records.is_empty());
            }
            from += records.len() as u64;
        }
        Ok(false)
    }

    /// Stores what was said of a head, and records it.
    async fn keep(&self, shard: &str, anchor: Anchor) -> Result<(), StoreError> {
        let op = match anchor.kind {
            AnchorKind::TimeStamp => "audit.timestamp",
            AnchorKind::Signature => "audit.signature",
        };
        let route = anchor.name.clone();
        let mut draft = Draft::new(Kind::Anchor, op, Outcome::decided("done"));
        draft.anchor = Some(NewAnchor::new(anchor.size, &anchor.token));
        draft.route = Some(&route);
        self.store.anchor(shard, anchor, self.recorder.seal(&draft)?).await
    }
}

/// The note with the log's own signature alone, as others sign it: witnesses may add theirs at any time.
fn own_note(signed: &SignedHead) -> Result<Vec<u8>, StoreError> {
    let note = Note::parse(&signed.note).map_err(StoreError::failed)?;
    let origin = Checkpoint::parse(note.text()).map_err(StoreError::failed)?.origin;
    let own = note.signatures().iter().filter(|line| line.name == origin).cloned().collect();
    Ok(Note::new(note.text().to_owned(), own).to_string().into_bytes())
}

/// Of what is asked again and again.
struct Standing {
    kind: &'static str,
    name: String,
    /// What the log says once it has been away for a while, and once it is back.
    events: [&'static str; 2],
    failing: Mutex<Failing>,
}

#[derive(Default, Clone, Copy)]
struct Failing {
    since: Option<Instant>,
    /// When it failed last.
    last: Option<Instant>,
    is_told: bool,
}

impl Standing {
    fn new(kind: &'static str, name: &str, events: [&'static str; 2]) -> Self {
        Self { kind, name: name.to_owned(), events, failing: Mutex::default() }
    }

    fn failing(&self) -> std::sync::MutexGuard<'_, Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has failed just now: it is asked again once the pause is over.
    fn is_resting(&self, pause: Duration) -> bool {
        self.failing().last.is_some_and(|last| last.elapsed() < pause)
    }

    /// As `note`; `false`: nobody was asked, and what it would have said is not known.
    async fn note_asked(&self, means: &Means, result: Result<bool, (&'static str, String)>) -> Result<(), StoreError> {
        self.failing().last = result.is_err().then(Instant::now);
        match result {
            Ok(false) => Ok(()),
            Ok(true) => self.note(means, Ok(())).await,
            Err(missed) => self.note(means, Err(missed)).await,
        }
    }

    /// What came of it, for operators; and in the log, once it lasts. `Err`: a fixed word, and why.
    async fn note(&self, means: &Means, result: Result<(), (&'static str, String)>) -> Result<(), StoreError> {
        gauge!(AUDIT_ANCHOR_UP.name, "kind" => self.kind, "name" => self.name.clone()).set(u8::from(result.is_ok()));
        let (event, word) = {
            let mut failing = self.failing();
            match result {
                Ok(()) => {
                    failing.since = None;
                    if !failing.is_told {
                        return Ok(());
                    }
                    (self.events[1], None)
                }
                Err((word, why)) => {
                    let since = *failing.since.get_or_insert_with(|| {
                        tracing::warn!(
                            kind = self.kind,
                            name = self.name,
                            why,
                            "nobody else vouches for the audit log"
                        );
                        Instant::now()
                    });
                    if since.elapsed() < GRACE || failing.is_told {
                        return Ok(());
                    }
                    (self.events[0], Some(word))
                }
            }
        };
        tracing::warn!(kind = self.kind, name = self.name, event, "recorded");
        let outcome = Outcome { code: word.map(str::to_owned), ..Outcome::decided("done") };
        let mut draft = Draft::new(Kind::Degraded, event, outcome);
        draft.route = Some(&self.name);
        means.store.append_always(means.recorder.seal(&draft)?).await?;
        self.failing().is_told = word.is_some();
        Ok(())
    }
}

/// For how long the oldest record has been known to this machine alone.
pub struct Exposure {
    pub means: Means,
}

impl Exposure {
    pub async fn measure(&self) -> Result<(), StoreError> {
        let mut oldest: Option<Timestamp> = None;
        for shard in self.means.shards() {
            let from = self.means.store.anchored(&shard).await?;
            if !self.means.has_news(&shard, from, u64::MAX).await? {
                continue;
            }
            let first = self.means.store.records(&shard, from, 1).await?;
            oldest = oldest.into_iter().chain(first.first().map(|record| record.at)).min();
        }
        let millis = oldest.map_or(0, |at| self.means.clock.now().millis_since(at).max(0));
        gauge!(AUDIT_EXPOSURE.name).set(millis as f64 / 1000.0);
        Ok(())
    }
}
