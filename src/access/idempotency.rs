//! `Idempotency-Key`: a repeated POST gets the first answer again. The answer is stored in the transaction of what it
//! answers; the same key with other content is refused.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use lienthong_domain::invalid::Refusal;
use lienthong_domain::time::Timestamp;
use rusqlite::OptionalExtension;

use crate::http::problem::{Code, Problem};
use crate::storage::StoreError;
use crate::storage::sqlite::{Sqlite, Transaction};

/// The key as the client sent it, without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

const HEADER: &str = "idempotency-key";

impl Key {
    /// Reads the header: a structured-field string (`"…"`) or the bare text, 1 to 255 visible ASCII characters.
    pub fn of_request(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(HEADER) else {
            return Err(Problem::new(Code::IdempotencyKeyMissing).detail(
                "Mỗi POST cần một Idempotency-Key riêng, ví dụ một UUID; gửi lại cùng khóa thì nhận lại cùng câu trả lời.",
                "Every POST needs an Idempotency-Key of its own, for example a UUID; sending it again gives the same answer.",
            ));
        };
        let text = value.to_str().unwrap_or_default().trim();
        let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let is_sound = (1..=255).contains(&bare.len()) && bare.bytes().all(|c| (0x21..=0x7e).contains(&c) && c != b'"');
        if is_sound && headers.get_all(HEADER).iter().count() == 1 {
            return Ok(Self(bare.to_owned()));
        }
        Err(Problem::field(
            "#/headers/Idempotency-Key",
            Refusal::new(
                "idempotency_key",
                "Idempotency-Key gồm 1 đến 255 ký tự ASCII nhìn thấy được, gửi đúng một lần.",
                "An Idempotency-Key is 1 to 255 visible ASCII characters, sent once.",
            ),
        ))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An answer to be kept with what it answers.
#[derive(Debug, Clone)]
pub struct KeyedReply {
    pub client_id: String,
    pub key: Key,
    pub fingerprint: [u8; 32],
    pub status: u16,
    pub reply: Vec<u8>,
    pub stored_at: Timestamp,
}

/// Keeps the answer. `Conflict` if the key has one already: someone else was faster.
pub fn keep(transaction: &mut Transaction<'_>, reply: &KeyedReply) -> Result<(), StoreError> {
    let inserted = transaction
        .connection
        .prepare_cached(
            "INSERT INTO idempotency (client_id, key, fingerprint, status, reply, stored_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute((
            &reply.client_id,
            reply.key.as_str(),
            reply.fingerprint,
            reply.status,
            &reply.reply,
            reply.stored_at.micros(),
        ))?;
    if inserted == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// The kept answers, and the keys whose first request is still running.
pub struct Replies {
    database: Sqlite,
    in_flight: Arc<Mutex<HashSet<(String, Key)>>>,
}

/// Holds a key while its request runs.
pub struct InFlight {
    keys: Arc<Mutex<HashSet<(String, Key)>>>,
    key: (String, Key),
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// What to do with a request that carries a key.
pub enum Admission {
    /// Process it; drop the guard when its answer is stored.
    First(InFlight),
    /// Give the first answer again.
    Replay(Response<Body>),
}

impl Replies {
    pub fn new(database: Sqlite) -> Self {
        Self { database, in_flight: Arc::default() }
    }

    pub async fn admit(&self, client_id: &str, key: &Key, fingerprint: [u8; 32]) -> Result<Admission, Problem> {
        let held = (client_id.to_owned(), key.clone());
        // Taken before the look: otherwise a first request could finish between look and hold.
        if !self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(held.clone()) {
            return Err(Problem::new(Code::IdempotencyInFlight).retry_after(std::time::Duration::from_secs(1)));
        }
        let guard = InFlight { keys: Arc::clone(&self.in_flight), key: held };
        match self.find(client_id, key).await? {
            None => Ok(Admission::First(guard)),
            Some((stored, _, _)) if stored != fingerprint => Err(Problem::new(Code::IdempotencyKeyReused)),
            Some((_, status, reply)) => Ok(Admission::Replay(replay(status, reply))),
        }
    }

    async fn find(&self, client_id: &str, key: &Key) -> Result<Option<([u8; 32], u16, Vec<u8>)>, StoreError> {
        let (client_id, key) = (client_id.to_owned(), key.as_str().to_owned());
        self.database
            .readers
            .read(move |connection| {
                Ok(connection
                    .prepare_cached(
                        "SELECT fingerprint, status, reply FROM idempotency WHERE client_id = ?1 AND key = ?2",
                    )?
                    .query_row((client_id, key), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                    .optional()?)
            })
            .await
    }

    /// Keeps an answer that was not part of another transaction.
    pub async fn keep(&self, reply: KeyedReply) -> Result<(), StoreError> {
        self.database.writer.write(move |transaction| keep(transaction, &reply)).await
    }

    /// Forgets answers stored before `before`, a bounded number at a time. Returns how many.
    pub async fn forget(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                Ok(transaction
                    .connection
                    .prepare_cached(
                        "DELETE FROM idempotency WHERE (client_id, key) IN \
                         (SELECT client_id, key FROM idempotency WHERE stored_at < ?1 LIMIT 1000)",
                    )?
                    .execute([before.micros()])?)
            })
            .await
    }
}

/// An answer that is kept, as its first and every later reader gets it: the address in its head is the one in its body.
pub fn answer(status: u16, reply: Vec<u8>) -> Response<Body> {
    let location = serde_json::from_slice::<serde_json::Value>(&reply)
        .ok()
        .and_then(|value| HeaderValue::from_str(value.get("operation")?.as_str()?).ok());
    let mut response = Response::new(Body::from(reply));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn replay(status: u16, reply: Vec<u8>) -> Response<Body> {
    let mut response = answer(status, reply);
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}
