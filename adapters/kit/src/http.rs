//! The HTTP client that adapters share. Of a failed call it says exactly one of two things: it was never written, or
//! nobody knows. Never follows a redirect, keeps a cookie, resends what may change something, puts a URL or a body into an
//! error, or gives out a request that this replica may no longer make. Each call waits for its quota and its turn, takes no
//! longer than whoever waits for it has time, is counted, and carries the trace that it belongs to.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use deserr::{Deserr, ValuePointerRef};
use lienthong_domain::invalid::{InvalidFields, Refusal, json_pointer};
use metrics::{counter, gauge, histogram};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument;

use crate::card::Tools;
use crate::guarded_body::{GuardedBody, LeaseEnded};
use crate::metrics::{CALL_SECONDS, CALLS, CALLS_IN_PROGRESS, CALLS_WAITING, InProgress, NOT_CALLED, REPEATS};
use crate::retry_budget::{RetryBudget, RetryBudgetSettings};
use crate::standing::Standing;
use crate::upstream_quota::UpstreamQuotas;
use crate::{time_budget, trace};

pub use reqwest::Url;

/// The limits of one outside system. All of them are in the adapter's `config.toml`.
#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields, validate = limits_hold -> InvalidFields)]
pub struct HttpSettings {
    /// DNS, TCP and TLS together.
    pub connect_timeout_ms: u64,
    /// From the first byte of the connection to the last byte of the reply.
    pub total_timeout_ms: u64,
    /// A longer reply is not read to its end.
    pub most_reply_bytes: usize,
    /// Calls under way at one time.
    pub most_in_flight: usize,
    /// How long a call waits for its turn before it counts as not sent.
    pub turn_timeout_ms: u64,
    /// Should be shorter than the other side's own limit: a call on a connection that is just being closed is lost.
    pub pool_idle_timeout_ms: u64,
    pub pool_most_idle: usize,
    /// Whether calls carry `traceparent`.
    pub send_trace: bool,
    /// For reads that fail without an answer.
    pub retry_budget: RetryBudgetSettings,
}

fn limits_hold(settings: HttpSettings, location: ValuePointerRef<'_>) -> Result<HttpSettings, InvalidFields> {
    let place = json_pointer(location);
    let mut wrong = InvalidFields::default();
    let mut must = |holds: bool, name: &str, vi: &str, en: &str| {
        if !holds {
            wrong.push(format!("{place}/{name}"), Refusal::new("value", vi, en));
        }
    };
    let positive = ("Phải lớn hơn 0.", "Must be greater than 0.");
    must(settings.connect_timeout_ms > 0, "connect_timeout_ms", positive.0, positive.1);
    must(settings.most_reply_bytes > 0, "most_reply_bytes", positive.0, positive.1);
    must((1..=Semaphore::MAX_PERMITS).contains(&settings.most_in_flight), "most_in_flight", positive.0, positive.1);
    // Otherwise a connection that was never made would end as "nobody knows".
    must(
        settings.total_timeout_ms > settings.connect_timeout_ms,
        "total_timeout_ms",
        "Phải lớn hơn connect_timeout_ms.",
        "Must be greater than connect_timeout_ms.",
    );
    wrong.into_result(settings)
}

/// Why there is no reply. The note is for operators: technical words, no URL, no body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No byte of the body was written: name resolution, connection, TLS, or a lease that ended meanwhile.
    #[error("not sent: {note}")]
    NotSent { note: String },
    /// Not even tried, for a reason of our own: no turn, no time, or a lease that has ended.
    #[error("not tried: {note}")]
    NotTried { note: String },
    /// Not sent either: what the other side allows us was used up.
    #[error("not sent: the quota is used up")]
    OverQuota { retry_after: Duration },
    /// The request may have been read and acted upon: timeout, reset, half a reply, too long a reply.
    #[error("outcome unknown: {note}")]
    Ambiguous { note: String },
}

/// A complete reply of any status.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    /// `Retry-After` when it was given in seconds, at most one day.
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    pub url: Url,
    pub headers: &'a [(String, String)],
    /// JSON.
    pub body: Vec<u8>,
    /// Whether it changes nothing: then it may be repeated.
    pub is_read: bool,
    /// On whose behalf, where the other side counts by agency.
    pub agency: Option<&'a str>,
}

/// The client of one outside system.
pub struct HttpClient {
    upstream: &'static str,
    client: reqwest::Client,
    turns: Semaphore,
    retries: RetryBudget,
    settings: HttpSettings,
    standing: Arc<dyn Standing>,
    quotas: Arc<dyn UpstreamQuotas>,
}

impl HttpClient {
    /// `upstream` is the adapter's name. Fails only where the machine cannot do TLS at all (no trusted certificates).
    pub fn new(upstream: &'static str, settings: &HttpSettings, tools: &Tools) -> Result<Self, Refusal> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .pool_idle_timeout(Duration::from_millis(settings.pool_idle_timeout_ms))
            .pool_max_idle_per_host(settings.pool_most_idle)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // A proxy from the environment would be a party that nobody configured.
            .no_proxy()
            .user_agent(concat!("lienthong/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                let cause = deepest_cause(&error);
                Refusal::new(
                    "http_client",
                    format!("Không tạo được HTTP client: {cause}"),
                    format!("No HTTP client: {cause}"),
                )
            })?;
        Ok(Self {
            upstream,
            client,
            turns: Semaphore::new(settings.most_in_flight),
            retries: RetryBudget::new(settings.retry_budget),
            settings: settings.clone(),
            standing: Arc::clone(&tools.standing),
            quotas: Arc::clone(&tools.quotas),
        })
    }

    /// Posts a JSON body and reads the whole reply. A read that gets no answer is made once more, while the budget for that
    /// and the time suffice.
    pub async fn post_json(&self, call: Call<'_>) -> Result<Reply, CallError> {
        self.retries.earn();
        let waiting = InProgress::of(gauge!(CALLS_WAITING.name, "upstream" => self.upstream));
        let _turn = self.turn().await?;
        // Last: a place that was given is used at once.
        self.quota(call.agency).await?;
        drop(waiting);
        let first = self.attempt(&call).await;
        if first.is_ok() || !call.is_read || !self.may_repeat() || self.quota(call.agency).await.is_err() {
            return first;
        }
        self.attempt(&call).await
    }

    fn may_repeat(&self) -> bool {
        let is_of_use = self.standing.may_act() && time_budget::left().is_none_or(|left| !left.is_zero());
        if !is_of_use {
            return false;
        }
        let may = self.retries.spend();
        let result = if may { "repeated" } else { "no_budget" };
        counter!(REPEATS.name, "upstream" => self.upstream, "result" => result).increment(1);
        may
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Reply, CallError> {
        let span = tracing::info_span!("upstream_call", otel.kind = "client", peer.service = self.upstream);
        let result = self.make(call).instrument(span).await;
        let outcome = match &result {
            Ok(reply) => match reply.status / 100 {
                2 => "2xx",
                3 => "3xx",
                4 => "4xx",
                _ => "5xx",
            },
            Err(CallError::Ambiguous { .. }) => "unknown",
            Err(CallError::NotSent { .. } | CallError::NotTried { .. } | CallError::OverQuota { .. }) => "not_sent",
        };
        counter!(CALLS.name, "upstream" => self.upstream, "outcome" => outcome).increment(1);
        result
    }

    async fn make(&self, call: &Call<'_>) -> Result<Reply, CallError> {
        let patience = time_budget::at_most(Duration::from_millis(self.settings.total_timeout_ms));
        // Time for a connection at least: cut off while it is made, nobody would know whether it was.
        let least = Duration::from_millis(if call.is_read { 0 } else { self.settings.connect_timeout_ms });
        if patience <= least {
            return Err(self.not_called("no_time", "whoever waits for it has no time left".to_owned()));
        }
        // The body asks again when its bytes are taken; asked here as well so that no connection is made in vain.
        let Some(epoch) = self.standing.epoch() else {
            return Err(self.not_called("lease", LeaseEnded.to_string()));
        };
        let mut request = self.client.post(call.url.clone()).header(CONTENT_TYPE, "application/json");
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        if let Some(traceparent) = trace::current().filter(|_| self.settings.send_trace) {
            request = request.header("traceparent", traceparent);
        }
        let request = request
            .body(GuardedBody::of(call.body.clone(), self.standing.clone(), epoch))
            .timeout(patience)
            .build()
            .map_err(|_| CallError::NotSent { note: "the request could not be formed".to_owned() })?;
        let _in_progress = InProgress::of(gauge!(CALLS_IN_PROGRESS.name, "upstream" => self.upstream));
        let started = Instant::now();
        let reply = match self.client.execute(request).await {
            Ok(reply) => self.read(reply, patience).await,
            Err(error) => Err(self.failure(&error, patience)),
        };
        histogram!(CALL_SECONDS.name, "upstream" => self.upstream).record(started.elapsed());
        reply
    }

    async fn quota(&self, agency: Option<&str>) -> Result<(), CallError> {
        let most = time_budget::left().unwrap_or(NO_LIMIT);
        self.quotas.take(self.upstream, agency, most).await.map_err(|retry_after| {
            self.count_not_called("quota");
            CallError::OverQuota { retry_after }
        })
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, CallError> {
        let patience = time_budget::at_most(Duration::from_millis(self.settings.turn_timeout_ms));
        match tokio::time::timeout(patience, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(self.not_called("no_turn", format!("no turn within {} ms", patience.as_millis()))),
        }
    }

    fn not_called(&self, reason: &'static str, note: String) -> CallError {
        self.count_not_called(reason);
        CallError::NotTried { note }
    }

    fn count_not_called(&self, reason: &'static str) {
        counter!(NOT_CALLED.name, "upstream" => self.upstream, "reason" => reason).increment(1);
    }

    async fn read(&self, mut reply: reqwest::Response, patience: Duration) -> Result<Reply, CallError> {
        let limit = self.settings.most_reply_bytes;
        let too_long = || CallError::Ambiguous { note: format!("reply longer than {limit} bytes") };
        if reply.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_long());
        }
        let status = reply.status().as_u16();
        let retry_after = retry_after(reply.headers());
        let mut body = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(|error| self.failure(&error, patience))? {
            if body.len() + chunk.len() > limit {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, retry_after, body })
    }

    /// A failure to connect is certain, and so is a body that was never given out; anything else is not, however early it
    /// may have been.
    fn failure(&self, error: &reqwest::Error, patience: Duration) -> CallError {
        // Certain, although the head may have left: the head announces a body (Content-Length) of which not a byte
        // follows, and what is incomplete must not be taken as a request (RFC 9112, 8). The session and all that is to be
        // done are in the body.
        if LeaseEnded::is_behind(error) {
            return CallError::NotSent { note: LeaseEnded.to_string() };
        }
        if error.is_connect() {
            let note = if error.is_timeout() {
                format!("no connection within {} ms", self.settings.connect_timeout_ms)
            } else {
                format!("no connection: {}", deepest_cause(error))
            };
            return CallError::NotSent { note };
        }
        let note = if error.is_timeout() {
            format!("no complete reply within {} ms", patience.as_millis())
        } else {
            deepest_cause(error)
        };
        CallError::Ambiguous { note }
    }
}

/// Where nobody has set one.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MOST_RETRY_AFTER))
}

/// The innermost error's words: those of the socket or of TLS. The outermost carry the URL and are left out.
fn deepest_cause(error: &reqwest::Error) -> String {
    const MOST_CHARACTERS: usize = 160;
    let Some(mut cause) = error.source() else { return "no reply".to_owned() };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string().chars().take(MOST_CHARACTERS).collect()
}
