//! Columns of the outbox as values, and back, for both engines. What cannot be read is an error, never a guess.

use lienthong_domain::port::Presence;

use crate::outbox::Problem;
use crate::storage::StoreError;

pub(super) fn presence_from(text: &str) -> Option<Presence> {
    match text {
        "present" => Some(Presence::Present),
        "absent" => Some(Presence::Absent),
        _ => None,
    }
}

pub(super) fn presence_text(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "present",
        Presence::Absent => "absent",
    }
}

pub(super) fn problem_from(text: Option<&str>) -> Result<Option<Problem>, StoreError> {
    text.map(serde_json::from_str).transpose().map_err(StoreError::failed)
}

pub(super) fn problem_text(problem: Option<&Problem>) -> Result<Option<String>, StoreError> {
    problem.map(serde_json::to_string).transpose().map_err(StoreError::failed)
}

/// The operator's words beside what the other side said, which stays.
pub(super) fn with_words(problem: Option<Problem>, words: Option<&str>) -> Option<Problem> {
    let Some(words) = words else { return problem };
    let before = problem.unwrap_or(Problem { kind: "operator".into(), upstream_code: None, note: None, reason: None });
    Some(Problem { note: Some(words.to_owned()), ..before })
}
