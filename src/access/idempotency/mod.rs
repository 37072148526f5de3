//! `Idempotency-Key`: a repeated POST gets the first answer again. The answer is stored in the transaction of what it
//! answers; the same key with other content is refused. Of what is personal only that there was an answer is stored: the
//! answer itself stays in memory, for minutes.

mod key;
pub mod store;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use lienthong_domain::time::Timestamp;
use moka::sync::Cache;
use zeroize::Zeroizing;

pub use key::Key;
use store::ReplyStore;

use crate::http::problem::{Code, Problem};
use crate::storage::StoreError;

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

/// How long and how much of what is not stored is kept in memory.
#[derive(Debug, Clone, Copy)]
pub struct InMemory {
    pub keep: Duration,
    pub most_bytes: u64,
}

/// The kept answers, and the keys whose first request is still running.
pub struct Replies {
    store: Arc<dyn ReplyStore>,
    in_memory: Cache<(String, Key), Arc<Zeroizing<Vec<u8>>>>,
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
    pub fn new(store: Arc<dyn ReplyStore>, in_memory: InMemory) -> Self {
        let weigh = |_: &(String, Key), reply: &Arc<Zeroizing<Vec<u8>>>| u32::try_from(reply.len()).unwrap_or(u32::MAX);
        let cache = Cache::builder().max_capacity(in_memory.most_bytes).weigher(weigh).time_to_live(in_memory.keep);
        Self { store, in_memory: cache.build(), in_flight: Arc::default() }
    }

    pub async fn admit(&self, client_id: &str, key: &Key, fingerprint: [u8; 32]) -> Result<Admission, Problem> {
        let held = (client_id.to_owned(), key.clone());
        // Taken before the look: otherwise a first request could finish between look and hold.
        if !self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(held.clone()) {
            return Err(Problem::new(Code::IdempotencyInFlight).retry_after(Duration::from_secs(1)));
        }
        let guard = InFlight { keys: Arc::clone(&self.in_flight), key: held };
        match self.replay(client_id, key, fingerprint).await? {
            None => Ok(Admission::First(guard)),
            Some(first) => Ok(Admission::Replay(first)),
        }
    }

    /// The first answer again, if there is one: another replica may have been faster.
    pub async fn replay(
        &self,
        client_id: &str,
        key: &Key,
        fingerprint: [u8; 32],
    ) -> Result<Option<Response<Body>>, Problem> {
        match self.store.find(client_id, key).await? {
            None => Ok(None),
            Some(kept) if kept.fingerprint != fingerprint => Err(Problem::new(Code::IdempotencyKeyReused)),
            Some(kept) if kept.reply.is_empty() => match self.in_memory.get(&(client_id.to_owned(), key.clone())) {
                Some(reply) => Ok(Some(replay(kept.status, reply.to_vec()))),
                None => Err(Problem::new(Code::IdempotencyReplyNotKept)),
            },
            Some(kept) => Ok(Some(replay(kept.status, kept.reply))),
        }
    }

    /// Keeps an answer that was not part of another transaction.
    pub async fn keep(&self, reply: KeyedReply) -> Result<(), StoreError> {
        self.store.keep(reply).await
    }

    /// Keeps a personal answer for a repetition that comes soon, to this replica. Stored is only that there was one, so that
    /// a later repetition is told so and does nothing. `Conflict` if the key has an answer already.
    pub async fn keep_in_memory(&self, reply: KeyedReply) -> Result<(), StoreError> {
        let held = (reply.client_id.clone(), reply.key.clone());
        let (body, without) = (reply.reply, Vec::new());
        self.store.keep(KeyedReply { reply: without, ..reply }).await?;
        self.in_memory.insert(held, Arc::new(Zeroizing::new(body)));
        Ok(())
    }

    /// Forgets answers stored before `before`, a bounded number at a time. Returns how many.
    pub async fn forget(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.store.forget(before).await
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
