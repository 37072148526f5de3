//! Columns of the outbox as values, and back. What cannot be read is an error, never a guess.

use lienthong_domain::port::Presence;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use rusqlite::Row;
use uuid::Uuid;

use crate::outbox::{Item, Problem, Status};
use crate::storage::StoreError;

pub(super) fn presence_from(text: &str) -> Option<Presence> {
    match text {
        "present" => Some(Presence::Present),
        "absent" => Some(Presence::Absent),
        _ => None,
    }
}

pub(super) fn item_of(row: &Row<'_>) -> rusqlite::Result<Item> {
    let id = |at: usize| Ok::<_, rusqlite::Error>(Uuid::from_bytes(row.get(at)?));
    Ok(Item {
        id: id(0)?,
        operation_id: id(1)?,
        client_id: row.get(2)?,
        agency_id: row.get(3)?,
        route: row.get(4)?,
        lane: row.get(5)?,
        kind: row.get(6)?,
        ordinal: row.get(7)?,
        body_id: id(8)?,
        status: status_of(&row.get::<_, String>(9)?)?,
        attempts: row.get(10)?,
        lost_leases: row.get(11)?,
        fence: row.get(12)?,
        due_at: row.get::<_, Option<i64>>(13)?.map(Timestamp::from_micros),
        first_tried_at: row.get::<_, Option<i64>>(14)?.map(Timestamp::from_micros),
        problem: problem_of(row.get(15)?)?,
        accepted_at: Timestamp::from_micros(row.get(16)?),
        updated_at: Timestamp::from_micros(row.get(17)?),
    })
}

pub(super) fn status_of(text: &str) -> rusqlite::Result<Status> {
    Status::parse(text).map_err(|_| rusqlite::Error::InvalidColumnType(0, "status".into(), rusqlite::types::Type::Text))
}

pub(super) fn problem_of(text: Option<String>) -> rusqlite::Result<Option<Problem>> {
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

pub(super) fn problem_text(problem: Option<&Problem>) -> Result<Option<String>, StoreError> {
    problem.map(serde_json::to_string).transpose().map_err(StoreError::failed)
}
