//! Turns drafts into sealed records: pseudonyms by the shard's key, canonical bytes, leaf hash. Runs on any core,
//! before the writer; the place in the tree is assigned when the record is written.

use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, Timestamp};

use super::event::not_specified;
use super::record::{Draft, MOST_BYTES, Record};
use super::{Hash, leaf_hash};
use crate::storage::keys::Keys;

/// A record that is ready to be stored: exactly these bytes are hashed, stored and served.
#[derive(Debug, Clone)]
pub struct SealedRecord {
    pub id: uuid::Uuid,
    pub shard: String,
    pub at: Timestamp,
    pub bytes: Vec<u8>,
    pub leaf_hash: Hash,
}

/// Makes records for one deployment.
pub struct Recorder {
    deployment: String,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    started: Instant,
}

impl Recorder {
    pub fn new(deployment: String, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Self {
        Self { deployment, keys, clock, started: Instant::now() }
    }

    /// The present half-year and the next: their keys are made ahead, so that there is time to copy them to every replica.
    pub fn half_years(&self) -> [String; 2] {
        let now = self.clock.now();
        let (present, mut later) = (half_year(now), now);
        while half_year(later) == present {
            later = later.plus_millis(7 * 86_400_000);
        }
        [present, half_year(later)]
    }

    /// The name of the log of a half-year.
    pub fn shard(&self, half_year: &str) -> String {
        format!("{}/audit/{half_year}", self.deployment)
    }

    /// The half-year of now, and the one before it.
    pub fn present_and_previous(&self) -> [String; 2] {
        let now = self.clock.now();
        let (present, mut earlier) = (half_year(now), now);
        while half_year(earlier) == present {
            earlier = earlier.plus_millis(-7 * 86_400_000);
        }
        [present, half_year(earlier)]
    }

    /// The pseudonym of a text in a log; `None` if the key of its pseudonyms was destroyed.
    pub fn pseudonym(&self, shard: &str, text: &str) -> Result<Option<String>, crate::storage::StoreError> {
        let half_year = shard.rsplit('/').next().unwrap_or(shard);
        let key = self.keys.known_shard(half_year)?;
        Ok(key.map(|key| text_of(hmac::sign(&key, text.as_bytes()).as_ref())))
    }

    /// Seals a record. Fails only if the shard's key cannot be read or created.
    pub fn seal(&self, draft: &Draft<'_>) -> Result<SealedRecord, crate::storage::StoreError> {
        let at = self.clock.now();
        let half_year = half_year(at);
        let shard = self.shard(&half_year);
        let key = self.keys.shard(&half_year)?;
        let pseudonym = |text: &str| text_of(hmac::sign(&key, text.as_bytes()).as_ref());
        let id = draft.id();
        let record = Record {
            agency: draft.agency,
            anchor: draft.anchor.as_ref(),
            at: at.to_text(),
            body: draft.commitment(),
            catalogue: draft.versions.as_ref(),
            comparison: draft.comparison,
            client: draft.client,
            closing: draft.closing.as_ref(),
            config: draft.config.as_ref(),
            dir: draft.dir,
            document: draft.document,
            epoch: draft.epoch.as_ref(),
            generation: draft.generation.as_ref(),
            ground: draft.ground,
            id,
            key: draft.key.map(pseudonym),
            kind: draft.kind,
            mono: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            officer: draft.officer.map(pseudonym),
            op: draft.op,
            outcome: &draft.outcome,
            person: draft.person.map(pseudonym),
            procedure: draft.procedure,
            purpose: draft.purpose,
            reference: draft.continues,
            route: draft.route,
            shard: &shard,
            subject: draft.subject.map(pseudonym),
            v: 1,
        };
        let bytes = serde_json::to_vec(&record).map_err(crate::storage::StoreError::failed)?;
        debug_assert!(bytes.len() <= MOST_BYTES, "an audit record of {} bytes", bytes.len());
        debug_assert_eq!(not_specified(draft.kind, draft.op, draft.outcome.decision, &bytes), None);
        let leaf_hash = leaf_hash(&bytes);
        Ok(SealedRecord { id, shard, at, bytes, leaf_hash })
    }
}

/// `2026h2`: shards are half-years of Vietnam time.
fn half_year(at: Timestamp) -> String {
    let date = at.date_in_vietnam();
    format!("{}h{}", date.year(), if date.month() <= 6 { 1 } else { 2 })
}

/// Base64url without padding: a third shorter than hexadecimal, which keeps the longest record within its limit.
pub(super) fn text_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
