//! Has the newest checkpoint stamped by time-stamping authorities (RFC 3161): from then on its time is that of somebody else.

use std::time::Duration;

use reqwest::{StatusCode, Url};

use super::{Means, Standing, own_note};
use crate::audit::cms::{NotStamped, Query, Roots};
use crate::audit::store::{Anchor, AnchorKind, SignedHead};
use crate::storage::StoreError;

/// An authority's clock may differ by so much from ours.
const MOST_SKEW_MS: i64 = 300_000;
/// One that fails is asked again so much later, or when it is due next, if that is sooner.
const PAUSE: Duration = Duration::from_secs(60);

/// Who stamps.
#[derive(Debug, Clone)]
pub struct TimestampTerms {
    /// As it is called in records and files.
    pub name: String,
    pub url: Url,
    /// To whom its certificate must lead.
    pub roots: Roots,
    pub every: Duration,
}

/// The leader's duty, for one authority.
pub struct Timestamps {
    means: Means,
    terms: TimestampTerms,
    standing: Standing,
}

/// Why there is no time stamp.
#[derive(Debug, thiserror::Error)]
enum Missed {
    #[error("no answer: {0}")]
    Call(String),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("its answer is not accepted: {0}")]
    Bad(#[from] NotStamped),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Missed {
    /// A fixed word for the log.
    fn word(&self) -> &'static str {
        match self {
            Self::Call(_) => "no_answer",
            Self::Status(_) | Self::Bad(NotStamped::Refused(_)) => "refused",
            Self::Bad(_) => "bad_timestamp",
            Self::Store(_) => "storage",
        }
    }
}

impl Timestamps {
    pub fn new(means: Means, terms: TimestampTerms) -> Self {
        let events = ["audit.timestamp_away", "audit.timestamp_back"];
        let standing = Standing::new("timestamp", &terms.name, events);
        Self { means, terms, standing }
    }

    /// Asks for a stamp of each log of which there is news, if it is time.
    pub async fn turn(&self) -> Result<(), StoreError> {
        if self.standing.is_resting(PAUSE.min(self.terms.every)) {
            return Ok(());
        }
        let mut result: Result<bool, Missed> = Ok(false);
        for shard in self.means.shards() {
            let stamped = self.stamp(&shard).await;
            result = result.and_then(|before| Ok(stamped? || before));
        }
        self.standing.note_asked(&self.means, result.map_err(|missed| (missed.word(), missed.to_string()))).await
    }

    /// `true` if one was given.
    async fn stamp(&self, shard: &str) -> Result<bool, Missed> {
        let Means { store, clock, .. } = &self.means;
        let Some(signed) = store.signed(shard).await? else { return Ok(false) };
        let before = store.newest_anchor(shard, AnchorKind::TimeStamp, &self.terms.name).await?;
        let since = before.as_ref().map(|before| clock.now().millis_since(before.at));
        let size = before.map_or(0, |before| before.size);
        let every = i64::try_from(self.terms.every.as_millis()).unwrap_or(i64::MAX);
        // Also when the clock was put back.
        let is_due = since.is_none_or(|since| since >= every || since < -MOST_SKEW_MS);
        if !is_due || !self.means.has_news(shard, size, signed.size).await? {
            return Ok(false);
        }
        let anchor = self.ask(&signed).await?;
        self.means.keep(shard, anchor).await?;
        Ok(true)
    }

    async fn ask(&self, signed: &SignedHead) -> Result<Anchor, Missed> {
        let note = own_note(signed)?;
        let query = Query::new(&note);
        let sent = self.means.post(self.terms.url.clone(), "application/timestamp-query", query.to_der()).await;
        let (status, token) = sent.map_err(Missed::Call)?;
        if status != StatusCode::OK {
            return Err(Missed::Status(status));
        }
        let now = self.means.clock.now();
        let (from, to) = (signed.at.plus_millis(-MOST_SKEW_MS), now.plus_millis(MOST_SKEW_MS));
        query.read(&token, &self.terms.roots, from, to)?;
        let (kind, name, size) = (AnchorKind::TimeStamp, self.terms.name.clone(), signed.size);
        Ok(Anchor { kind, name, size, at: now, note, token })
    }
}
