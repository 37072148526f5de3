//! One call of an endpoint.

use std::time::Duration;

use lienthong_adapter_kit::breaker::Outcome;
use lienthong_domain::time::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use uuid::Uuid;

use super::event::test_payload;
use super::{Endpoint, NoticeReason};
use crate::guarded_http;

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `None`: it was taken (2xx).
    pub reason: Option<NoticeReason>,
    pub http_status: Option<u16>,
    /// It asks not to be called before (`Retry-After` in seconds).
    pub retry_after: Option<Duration>,
}

impl Answer {
    pub(super) const fn none(reason: NoticeReason) -> Self {
        Self { reason: Some(reason), http_status: None, retry_after: None }
    }

    /// What it says of the endpoint as a whole.
    pub(super) fn outcome(&self) -> Outcome {
        match (self.reason, self.http_status) {
            (None, _) => Outcome::Success,
            (Some(NoticeReason::ClientRevoked), _) => Outcome::NotAsked,
            (Some(NoticeReason::Unreachable), _) | (_, Some(429 | 500..)) => Outcome::Failure,
            _ => Outcome::Refusal,
        }
    }
}

/// A longer pause is not kept.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Calls the endpoint once. What it answers beside the status is not read.
pub(super) async fn call(endpoint: &Endpoint, id: Uuid, payload: &str, now: Timestamp) -> Answer {
    let terms = &endpoint.terms;
    if endpoint.allowed.judge(&terms.url).is_err() {
        return Answer::none(NoticeReason::AddressNotAllowed);
    }
    let (id, timestamp) = (id.to_string(), now.micros() / 1_000_000);
    let signatures: Vec<String> = terms.keys.iter().map(|key| key.sign(&id, timestamp, payload)).collect();
    let request = endpoint
        .http
        .post(terms.url.clone())
        .header(CONTENT_TYPE, "application/cloudevents+json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signatures.join(" "))
        .body(payload.to_owned());
    match request.send().await {
        Ok(response) => {
            let status = response.status();
            let reason = match status {
                StatusCode::GONE => Some(NoticeReason::Gone),
                _ if status.is_success() => None,
                _ => Some(NoticeReason::Refused),
            };
            Answer { reason, http_status: Some(status.as_u16()), retry_after: retry_after(response.headers()) }
        }
        Err(error) if guarded_http::is_not_allowed(&error) => Answer::none(NoticeReason::AddressNotAllowed),
        Err(_) => Answer::none(NoticeReason::Unreachable),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

/// Calls the endpoint with an event that says nothing, signed as all are.
pub async fn test_call(endpoint: &Endpoint, now: Timestamp) -> (Uuid, Answer) {
    let id = Uuid::now_v7();
    (id, call(endpoint, id, &test_payload(id, now), now).await)
}
