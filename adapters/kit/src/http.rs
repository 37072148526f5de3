//! The HTTP client that adapters share. Of a failed call it says exactly one of two things: it was never written, or
//! nobody knows. Never follows a redirect, keeps a cookie, resends a request, puts a URL or a body into an error, or
//! gives out a request that this replica may no longer make.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use deserr::{Deserr, ValuePointerRef};
use lienthong_domain::invalid::{InvalidFields, Refusal, json_pointer};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::Semaphore;

use crate::guarded_body::{GuardedBody, LeaseEnded};
use crate::standing::Standing;

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
    /// No byte of the body was written: name resolution, connection, TLS, no turn, or a lease that has ended.
    #[error("not sent: {note}")]
    NotSent { note: String },
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

/// The client of one outside system.
pub struct HttpClient {
    client: reqwest::Client,
    turns: Semaphore,
    settings: HttpSettings,
    standing: Arc<dyn Standing>,
}

impl HttpClient {
    /// Fails only where the machine cannot do TLS at all (no trusted certificates).
    pub fn new(settings: &HttpSettings, standing: Arc<dyn Standing>) -> Result<Self, Refusal> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .timeout(Duration::from_millis(settings.total_timeout_ms))
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
        Ok(Self { client, turns: Semaphore::new(settings.most_in_flight), settings: settings.clone(), standing })
    }

    /// Posts a JSON body and reads the whole reply.
    pub async fn post_json(&self, url: Url, headers: &[(String, String)], body: Vec<u8>) -> Result<Reply, CallError> {
        let mut request = self.client.post(url).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let _turn = self.turn().await?;
        // The body asks again when its bytes are taken; asked here as well so that no connection is made in vain.
        let Some(epoch) = self.standing.epoch() else {
            return Err(CallError::NotSent { note: LeaseEnded.to_string() });
        };
        let request = request
            .body(GuardedBody::of(body, self.standing.clone(), epoch))
            .build()
            .map_err(|_| CallError::NotSent { note: "the request could not be formed".to_owned() })?;
        let reply = self.client.execute(request).await.map_err(|error| self.failure(&error))?;
        self.read(reply).await
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, CallError> {
        let patience = Duration::from_millis(self.settings.turn_timeout_ms);
        match tokio::time::timeout(patience, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(CallError::NotSent { note: format!("no turn within {} ms", self.settings.turn_timeout_ms) }),
        }
    }

    async fn read(&self, mut reply: reqwest::Response) -> Result<Reply, CallError> {
        let limit = self.settings.most_reply_bytes;
        let too_long = || CallError::Ambiguous { note: format!("reply longer than {limit} bytes") };
        if reply.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_long());
        }
        let status = reply.status().as_u16();
        let retry_after = retry_after(reply.headers());
        let mut body = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(|error| self.failure(&error))? {
            if body.len() + chunk.len() > limit {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, retry_after, body })
    }

    /// A failure to connect is certain, and so is a body that was never given out; anything else is not, however early it
    /// may have been.
    fn failure(&self, error: &reqwest::Error) -> CallError {
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
            format!("no complete reply within {} ms", self.settings.total_timeout_ms)
        } else {
            deepest_cause(error)
        };
        CallError::Ambiguous { note }
    }
}

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
