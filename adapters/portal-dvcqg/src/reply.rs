//! Reads replies leniently (number or text, any case, JSON inside JSON) and classifies them strictly: what fits no rule
//! of the profile is unknown, never a success and never a failure. Keeps no reply.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::config::{ReplyClass, ReplyRule};
use crate::wire::reply as name;

/// A reply of the portal, out of its wrappings.
pub(crate) struct Reply {
    code: Option<String>,
    pub(crate) message: String,
    pub(crate) session: Option<String>,
    result: Value,
    /// The codes of the wrappings, outermost first.
    outer_codes: Vec<String>,
}

/// A body that is not a reply. The body itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the reply is not JSON")]
    NotJson,
    #[error("the reply is not an object with a code")]
    NoReply,
    #[error("the reply is wrapped too deep")]
    TooDeep,
}

impl Reply {
    /// Reads a body, unwrapping at most `depth` levels of JSON written as text.
    pub(crate) fn read(body: &[u8], depth: u8) -> Result<Self, Unreadable> {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let mut value: Value = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
        let mut outer_codes = Vec::new();
        let mut left = depth;
        while let Some((inner, outer_code)) = wrapped(&value) {
            left = left.checked_sub(1).ok_or(Unreadable::TooDeep)?;
            outer_codes.extend(outer_code);
            value = inner;
        }
        let code = member(&value, name::CODE).and_then(text);
        let session = member(&value, name::SESSION).and_then(text);
        if code.is_none() && session.is_none() {
            return Err(Unreadable::NoReply);
        }
        Ok(Self {
            code,
            message: member(&value, name::MESSAGE).and_then(text).unwrap_or_default(),
            session,
            result: member(&value, name::RESULT).cloned().unwrap_or_default(),
            outer_codes,
        })
    }

    /// The code for operators: only if it looks like one.
    pub(crate) fn code(&self) -> Option<String> {
        let code = self.code.as_deref()?;
        let looks_like_a_code = code.chars().count() <= 16
            && code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            && !(matches!(code.len(), 9 | 12) && code.bytes().all(|c| c.is_ascii_digit()));
        looks_like_a_code.then(|| code.to_owned())
    }

    /// Whether the code and those of all wrappings are among these.
    pub(crate) fn says(&self, codes: &[String]) -> bool {
        self.has_code(codes) && self.outer_codes.iter().all(|code| codes.contains(code))
    }

    fn has_code(&self, codes: &[String]) -> bool {
        self.code.as_ref().is_some_and(|code| codes.contains(code))
    }

    /// What the reply is by the first rule that fits, or `None`.
    pub(crate) fn class(&self, rules: &[ReplyRule]) -> Option<ReplyClass> {
        let message = folded(&self.message);
        let holds = |phrases: &[String]| phrases.iter().any(|phrase| message.contains(&folded(phrase)));
        let rule = rules.iter().find(|rule| {
            (rule.codes.is_empty() || self.has_code(&rule.codes))
                && (rule.phrases.is_empty() || holds(&rule.phrases))
                && !holds(&rule.unless)
        })?;
        let holds_together = match rule.outcome {
            // A wrapping that says otherwise contradicts the success inside it.
            ReplyClass::Accepted => self.says(&rule.codes),
            // A refusal without a reason helps nobody and may not be one.
            ReplyClass::Rejected => !message.is_empty(),
            ReplyClass::Exists | ReplyClass::Missing | ReplyClass::SessionInvalid | ReplyClass::Retryable => true,
        };
        holds_together.then_some(rule.outcome)
    }

    /// The items of `result`, whether it is a list, one object, or an object around a list; `None` if it is anything
    /// else, which says neither that there are some nor that there are none.
    pub(crate) fn items(&self) -> Option<Vec<&Value>> {
        match member(&self.result, name::DATA).unwrap_or(&self.result) {
            Value::Array(items) => Some(items.iter().filter(|item| !is_absent(item)).collect()),
            other if is_absent(other) => Some(Vec::new()),
            object @ Value::Object(_) => Some(vec![object]),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }
}

/// The value inside a wrapping, and the wrapping's own code.
fn wrapped(value: &Value) -> Option<(Value, Option<String>)> {
    let (inside, code) = match value {
        Value::String(inside) => (inside.as_str(), None),
        Value::Object(_) => (member(value, name::MESSAGE)?.as_str()?, member(value, name::CODE).and_then(text)),
        _ => return None,
    };
    // Only what looks like JSON is tried: an ordinary message is not.
    if !inside.trim_start().starts_with(['{', '"']) {
        return None;
    }
    let inner: Value = serde_json::from_str(inside).ok()?;
    let is_reply = match &inner {
        Value::String(text) => text.trim_start().starts_with(['{', '"']),
        other => member(other, name::CODE).is_some(),
    };
    is_reply.then_some((inner, code))
}

/// A member by any of its names, in any ASCII case.
pub(crate) fn member<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Value> {
    let object = value.as_object()?;
    names.iter().find_map(|name| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))).map(|(_, value)| value)
}

/// A scalar as text; null, missing and empty are the same.
pub(crate) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

pub(crate) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Phrases are compared in NFC and lower case, with any white space as one space: keyboards and products differ.
pub(crate) fn folded(text: &str) -> String {
    let lower: String = text.nfc().flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}
