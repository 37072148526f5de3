//! Fetching: the address is judged, called, and what comes is written to the disk as it comes.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use lienthong_domain::time::{Clock, Timestamp};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};
use reqwest::{Response, Url};

use super::store::{Claimed, LinkStore, Settle, Settled};
use super::{KeptLink, LinkReason};
use crate::audit::{Draft, Kind, Outcome, Recorder};
use crate::guarded_http::{self, Allowed, NotAllowed};
use crate::inbox::keep_files::{self, FileEntry, LinkSecret};
use crate::outbox::RetrySchedule;
use crate::outbox::store::OutboxStore;
use crate::storage::StoreError;
use crate::storage::files::{Files, KeptFile};

/// What is fetched with.
pub struct Fetch {
    pub store: Arc<dyn LinkStore>,
    pub outbox: Arc<dyn OutboxStore>,
    pub recorder: Arc<Recorder>,
    pub files: Files,
    pub clock: Arc<dyn Clock>,
    pub retry: RetrySchedule,
    pub limits: FetchLimits,
}

/// Where from, and how much.
#[derive(Debug, Clone)]
pub struct FetchLimits {
    pub allowed: Arc<Allowed>,
    /// Beginnings of addresses, and what stands in their place.
    pub rewrite: Vec<(String, String)>,
    /// At a time.
    pub parallel: usize,
    /// For a whole file.
    pub whole: Duration,
    /// For a connection, and between two pieces.
    pub pause: Duration,
    pub file_bytes: u64,
    pub file_types: Vec<String>,
}

/// A claim ends so long after the longest fetch: then it was a process that died.
const GRACE: Duration = Duration::from_secs(5);

/// Why there is no file.
enum NoFile {
    Reason(LinkReason),
    /// There is nothing to fetch any more: the content was erased.
    Gone,
    Store(StoreError),
}

impl From<LinkReason> for NoFile {
    fn from(reason: LinkReason) -> Self {
        Self::Reason(reason)
    }
}

impl From<StoreError> for NoFile {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fetch {
    /// Fetches what is due, some at a time, until nothing is.
    pub async fn turn(&self) -> Result<(), StoreError> {
        let client = guarded_http::client(&self.limits.allowed, self.limits.whole, self.limits.pause);
        let client = client.map_err(StoreError::failed)?;
        let mut under_way = FuturesUnordered::new();
        loop {
            let free = self.limits.parallel.saturating_sub(under_way.len());
            for claimed in self.claim(free).await? {
                under_way.push(self.fetch(&client, claimed));
            }
            match under_way.next().await {
                Some(ended) => ended?,
                None => return Ok(()),
            }
        }
    }

    async fn claim(&self, limit: usize) -> Result<Vec<Claimed>, StoreError> {
        let longest = i64::try_from((self.limits.whole + GRACE).as_millis()).unwrap_or(i64::MAX);
        let now = self.clock.now();
        self.store.claim(now, now.plus_millis(longest), limit).await
    }

    async fn fetch(&self, client: &reqwest::Client, claimed: Claimed) -> Result<(), StoreError> {
        let (reason, kept) = match self.file_of(client, &claimed).await {
            Ok((link, file)) => (None, Some((link, file))),
            Err(NoFile::Reason(reason)) => (Some(reason), None),
            // It goes with its message.
            Err(NoFile::Gone) => return Ok(()),
            Err(NoFile::Store(error)) => return Err(error),
        };
        let (to, decision) = match (&kept, reason) {
            (Some((link, _)), _) => (Settled::Kept(link.clone()), "kept"),
            (None, reason) => self.without_file(&claimed, reason.unwrap_or(LinkReason::Unreachable)),
        };
        let outcome = Outcome { code: reason.map(|reason| reason.as_str().to_owned()), ..Outcome::decided(decision) };
        let mut draft = Draft::new(Kind::Outcome, "inbox.fetch", outcome).subject(&claimed.national_code);
        draft.agency = Some(&claimed.agency_id);
        draft.route = Some(&claimed.portal);
        let record = self.recorder.seal(&draft)?;
        let (item, n, attempts) = (claimed.file.item, claimed.file.n, claimed.file.attempts);
        if let Some(reason) = reason {
            tracing::info!(%item, n, attempts, reason = reason.as_str(), decision, "a file of a message was not fetched");
        }
        // Before it may be stored, as with files that came with a message.
        kept.into_iter().for_each(|(_, file)| file.settle());
        let file = if let Settled::Kept(link) = &to { Some(link.file) } else { None };
        let settled = self.store.settle(Settle { item, n, attempts, to, record }).await?;
        match file.filter(|_| !settled) {
            Some(file) => self.files.remove(file).await,
            None => Ok(()),
        }
    }

    fn without_file(&self, claimed: &Claimed, reason: LinkReason) -> (Settled, &'static str) {
        let file = &claimed.file;
        let again = || -> Option<Timestamp> {
            let spread = file.item.as_u128() as u64 ^ file.n.cast_unsigned();
            self.retry.next(file.attempts, file.since_at, self.clock.now(), spread)
        };
        match reason.may_pass().then(again).flatten() {
            Some(at) => (Settled::Again { at, reason }, "retry"),
            None => (Settled::Refused(reason), "refused"),
        }
    }

    async fn file_of(&self, client: &reqwest::Client, claimed: &Claimed) -> Result<(KeptLink, KeptFile), NoFile> {
        let body = self.outbox.body(claimed.file.body).await?.ok_or(NoFile::Gone)?;
        let mut files = keep_files::files_of(&body)?;
        let place =
            usize::try_from(claimed.file.n - 1).ok().filter(|place| *place < files.len()).ok_or(NoFile::Gone)?;
        let FileEntry { link: Some(link), secret: Some(secret), .. } = files.swap_remove(place) else {
            return Err(NoFile::Gone);
        };
        drop(body);
        let response = self.call(client, &link).await?;
        let file = self.write(response, &secret).await?;
        let media_type = keep_files::type_of(&file);
        if file.bytes == 0 {
            return Err(LinkReason::Empty.into());
        }
        if !self.limits.file_types.iter().any(|taken| taken == media_type) {
            return Err(LinkReason::TypeNotTaken.into());
        }
        let bytes = i64::try_from(file.bytes).map_err(StoreError::failed)?;
        let kept = KeptLink { file: file.id, media_type: media_type.to_owned(), bytes, sha256: file.sha256 };
        Ok((kept, file))
    }

    async fn call(&self, client: &reqwest::Client, link: &str) -> Result<Response, NoFile> {
        let rewritten =
            self.limits.rewrite.iter().find_map(|(from, to)| Some(format!("{to}{}", link.strip_prefix(from)?)));
        let url = Url::parse(rewritten.as_deref().unwrap_or(link)).map_err(|_| LinkReason::HostNotAllowed)?;
        self.limits.allowed.judge(&url).map_err(|why| match why {
            NotAllowed::Host => LinkReason::HostNotAllowed,
            NotAllowed::Address => LinkReason::AddressNotAllowed,
        })?;
        let request = client.get(url).header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let response = request.send().await.map_err(|error| match guarded_http::is_not_allowed(&error) {
            true => LinkReason::AddressNotAllowed,
            false => LinkReason::Unreachable,
        })?;
        match response.status().as_u16() {
            200 => {}
            300..400 => return Err(LinkReason::Redirected.into()),
            _ => return Err(LinkReason::NotServed.into()),
        }
        if response.content_length().is_some_and(|length| length > self.limits.file_bytes) {
            return Err(LinkReason::TooLarge.into());
        }
        // Nobody asked for it, and what it unpacks to has no bounds.
        let is_plain = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"identity");
        if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| !is_plain(encoding)) {
            return Err(LinkReason::NotServed.into());
        }
        Ok(response)
    }

    async fn write(&self, mut response: Response, secret: &LinkSecret) -> Result<KeptFile, NoFile> {
        let mut writing = self.files.begin_under(&*secret.bytes()?).await?;
        while let Some(chunk) = response.chunk().await.map_err(|_| LinkReason::Unreachable)? {
            if writing.bytes() + chunk.len() as u64 > self.limits.file_bytes {
                return Err(LinkReason::TooLarge.into());
            }
            writing.write(&chunk).await?;
        }
        Ok(writing.finish().await?)
    }
}
