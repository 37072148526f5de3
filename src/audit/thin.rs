//! Checkpoints are signed five times a second while records come. Each is kept for a day; then one a minute is enough to show
//! how the log grew, and what others have fetched is theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lienthong_domain::time::Clock;

use super::log::Note;
use super::store::{AuditStore, SignedHead};
use crate::storage::StoreError;

const KEPT_WHOLE_MS: i64 = 86_400_000;
const MINUTE_MICROS: i64 = 60_000_000;
/// Checkpoints that are looked at in one turn.
const PAGE: usize = 1000;

/// The leader's duty.
pub struct Thinner {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    /// Of each shard, up to which size this was done.
    done: Mutex<HashMap<String, u64>>,
}

impl Thinner {
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, done: Mutex::default() }
    }

    /// Removes some that are not needed any more; `true` if there may be more.
    pub async fn turn(&self) -> Result<bool, StoreError> {
        let before = self.clock.now().plus_millis(-KEPT_WHOLE_MS);
        let mut has_more = false;
        for shard in self.store.shards().await? {
            let from = self.done().get(&shard).copied().unwrap_or(0);
            let page = self.store.checkpoints(&shard, from, PAGE).await?;
            let is_full = page.len() == PAGE;
            let old: Vec<&SignedHead> = page.iter().take_while(|signed| signed.at < before).collect();
            // One of the old ones is looked at again, beside what follows it.
            let Some(last) = old.last() else { continue };
            let superfluous = superfluous(&old);
            if !superfluous.is_empty() {
                self.store.forget_checkpoints(&shard, superfluous).await?;
            }
            has_more |= is_full && old.len() == PAGE;
            self.done().insert(shard, last.size);
        }
        Ok(has_more)
    }

    fn done(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of each minute and name all but the last one, and the last that a witness has cosigned.
fn superfluous(old: &[&SignedHead]) -> Vec<u64> {
    let minute = |signed: &SignedHead| signed.at.micros().div_euclid(MINUTE_MICROS);
    let is_witnessed = |signed: &SignedHead| {
        let note = Note::parse(&signed.note);
        note.is_ok_and(|note| note.signatures().iter().any(|line| Some(&line.name) != signed.name().as_ref()))
    };
    let minutes = old.chunk_by(|one, next| minute(one) == minute(next) && one.name() == next.name());
    let of_minute = |signed: &[&SignedHead]| -> Vec<u64> {
        let witnessed = signed.iter().rposition(|signed| is_witnessed(signed));
        let last = signed.len() - 1;
        let kept = |at: usize| at == last || Some(at) == witnessed;
        signed.iter().enumerate().filter(|(at, _)| !kept(*at)).map(|(_, signed)| signed.size).collect()
    };
    minutes.flat_map(of_minute).collect()
}
