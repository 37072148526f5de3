//! The log of a half-year that is over is closed: a record of the log that goes on names what was signed last of it, so that logs
//! hang together. Once it has been kept for as long as it is to be, its records are dropped; what was signed of them stays, and
//! whoever has a proof can verify it for ever.

use std::sync::Arc;

use lienthong_domain::time::{Clock, Timestamp};

use super::log::{Checkpoint, Note};
use super::recorder::text_of;
use super::signer::Signer;
use super::store::{AuditStore, ClosedLog, LogReader};
use super::verify::Verdict;
use super::{Draft, Kind, LegalGround, NewClosing, Outcome, Recorder, names, read};
use crate::storage::StoreError;

/// What was begun in a half-year may be recorded a little later; clocks of replicas differ a little.
const GRACE_MS: i64 = 3_600_000;

/// The leader's duty.
pub struct Retention {
    pub store: Arc<dyn AuditStore>,
    pub recorder: Arc<Recorder>,
    pub signer: Arc<Signer>,
    pub clock: Arc<dyn Clock>,
}

impl Retention {
    /// Closes logs that are over, and drops records of those that have been kept for so many months after their end (0: none ever);
    /// `true` if there is more to drop.
    pub async fn turn(&self, months: u32) -> Result<bool, StoreError> {
        let closed = self.store.closed().await?;
        self.close(&closed).await?;
        for log in &closed {
            if log.dropped_at.is_none() && is_over(&log.shard, months, self.clock.now()) {
                self.begin_to_drop(log).await?;
                return Ok(true);
            }
            if log.dropped_at.is_some() && self.store.drop_records(&log.shard).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn close(&self, closed: &[ClosedLog]) -> Result<(), StoreError> {
        let ended = self.clock.now().plus_millis(-GRACE_MS);
        let is_over = |shard: &String| names::ends(shard).is_some_and(|end| end <= ended);
        let is_open = |shard: &String| !closed.iter().any(|known| known.shard == *shard);
        for shard in self.store.shards().await?.into_iter().filter(is_over).filter(is_open) {
            // What is not signed yet, or cannot be, is not closed.
            let (Some(signed), Some(head)) = (self.store.signed(&shard).await?, self.store.head(&shard).await?) else {
                continue;
            };
            if signed.size != head.size() || self.store.unplaced().await? > 0 {
                continue;
            }
            let note = Note::parse(&signed.note).map_err(StoreError::failed)?;
            let last = Checkpoint::parse(note.text()).map_err(StoreError::failed)?;
            note.verify(&self.signer.verifiers(&last.origin)?).map_err(StoreError::failed)?;
            let mut draft = Draft::new(Kind::Shard, "audit.close", Outcome::decided("done"));
            draft.closing = Some(NewClosing { log: last.origin.clone(), root: last.root, size: last.size });
            let log =
                ClosedLog { shard, size: last.size, root: last.root, closed_at: self.clock.now(), dropped_at: None };
            tracing::info!(log = last.origin, records = last.size, "the log of a half-year is closed");
            self.store.close(log, self.recorder.seal(&draft)?).await?;
        }
        Ok(())
    }

    /// From now on its records are on their way out; that is recorded first.
    async fn begin_to_drop(&self, log: &ClosedLog) -> Result<(), StoreError> {
        let mut draft = Draft::new(Kind::Shard, "audit.drop", Outcome::decided("done"));
        draft.ground = Some(LegalGround::RetentionOver);
        draft.closing = Some(NewClosing { log: log.shard.clone(), root: log.root, size: log.size });
        tracing::info!(
            log = log.shard,
            records = log.size,
            "the records of a log are dropped: they were kept for long enough"
        );
        let dropped = ClosedLog { dropped_at: Some(self.clock.now()), ..log.clone() };
        self.store.begin_to_drop(dropped, self.recorder.seal(&draft)?).await
    }
}

/// Of verified logs, those whose records are gone without a record in a verified log that says that they were not to be kept any more.
pub async fn unexplained(log: &dyn LogReader, verdicts: &[Verdict]) -> Result<Vec<String>, StoreError> {
    let mut unexplained = Vec::new();
    for (closed, id) in verdicts.iter().filter_map(|verdict| verdict.dropped.as_ref()) {
        let is_said = read::find(log, *id).await?.is_some_and(|(shard, record)| {
            let is_proved = |verdict: &Verdict| verdict.shard == shard && verdict.proved > record.index;
            verdicts.iter().any(is_proved) && says_dropped(&record.bytes, closed)
        });
        if !is_said {
            unexplained.push(closed.shard.clone());
        }
    }
    Ok(unexplained)
}

/// Whether a record says that the records of this log are not kept any more.
fn says_dropped(record: &[u8], log: &ClosedLog) -> bool {
    #[derive(serde::Deserialize)]
    struct Said {
        kind: String,
        op: String,
        closing: Closing,
    }
    #[derive(serde::Deserialize)]
    struct Closing {
        log: String,
        root: String,
        size: u64,
    }
    let Ok(Said { kind, op, closing }) = serde_json::from_slice(record) else { return false };
    let is_drop = kind == Kind::Shard.name() && op == "audit.drop";
    is_drop && closing.log == log.shard && closing.size == log.size && closing.root == text_of(&log.root)
}

/// Whether a log ended so many months ago, in Viet Nam.
fn is_over(shard: &str, months: u32, now: Timestamp) -> bool {
    if months == 0 {
        return false;
    }
    let end = names::ends(shard).map(Timestamp::in_vietnam);
    let until = end.and_then(|end| end.checked_add(jiff::Span::new().months(i64::from(months))).ok());
    until.is_some_and(|until| until <= now.in_vietnam())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_been_kept_for_long_enough_when_its_months_after_its_end_are_over() {
        let at = |text: &str| Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
        let log = "gateway.h15.example/audit/2026h1";
        assert!(!is_over(log, 24, at("2028-06-30T16:59:59Z")));
        assert!(is_over(log, 24, at("2028-06-30T17:00:00Z")));
        assert!(!is_over(log, 0, at("2099-01-01T00:00:00Z")));
        assert!(!is_over("gateway.h15.example/audit/other", 12, at("2099-01-01T00:00:00Z")));
    }
}
