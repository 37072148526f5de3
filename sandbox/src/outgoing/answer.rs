//! What the province answered, as the portal takes it: only HTTP 200 with an `error_code` of 0, 1 or -1 says anything.
//! It must never be lenient: an answer that is nearly right is unreadable, and the message is sent again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// `error_code` 0
    Accepted,
    /// `error_code` 1: the province has had it before.
    Duplicate,
    /// `error_code` -1: not sent again.
    Refused,
    /// No connection, nothing in time, or the portal itself has cut the connection.
    NoAnswer,
    /// Another HTTP status, or a body that is no answer of the reference.
    Unreadable,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub kind: AnswerKind,
    /// HTTP status, if there was one.
    pub status: Option<u16>,
    /// What the province said; where it said nothing readable, what was wrong.
    pub message: String,
}

impl Answer {
    pub(super) fn none(reason: &str) -> Self {
        Self { kind: AnswerKind::NoAnswer, status: None, message: reason.to_owned() }
    }

    pub(super) fn unreadable(status: u16, reason: &str) -> Self {
        Self { kind: AnswerKind::Unreadable, status: Some(status), message: reason.to_owned() }
    }

    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        if status != 200 {
            return Self::unreadable(status, "the HTTP status is not 200");
        }
        let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
            return Self::unreadable(status, "the body is no JSON object");
        };
        let kind = match answer.get("error_code").and_then(Value::as_i64) {
            Some(0) => AnswerKind::Accepted,
            Some(1) => AnswerKind::Duplicate,
            Some(-1) => AnswerKind::Refused,
            _ => return Self::unreadable(status, "error_code is not one of the numbers 0, 1 and -1"),
        };
        let message = answer.get("message").and_then(Value::as_str).unwrap_or_default();
        Self { kind, status: Some(status), message: message.to_owned() }
    }

    pub(super) fn is_delivered(&self) -> bool {
        matches!(self.kind, AnswerKind::Accepted | AnswerKind::Duplicate)
    }
}
