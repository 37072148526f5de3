//! Takes files away that nobody can read: their message was refused while the process died, or its content was erased.

use lienthong_domain::time::Timestamp;

use super::store::InboxStore;
use crate::storage::StoreError;
use crate::storage::files::Files;

/// A younger one may belong to a message that is being taken in.
const AGE_MS: i64 = 3_600_000;
/// Looked at in one turn.
const MOST: usize = 10_000;
const AT_A_TIME: usize = 500;

/// Returns how many were taken away.
pub async fn sweep(files: &Files, store: &dyn InboxStore, now: Timestamp) -> Result<usize, StoreError> {
    let mut swept = 0;
    for some in files.older_than(now.plus_millis(-AGE_MS), MOST).await?.chunks(AT_A_TIME) {
        let readable = store.readable(some.to_vec()).await?;
        for file in some.iter().filter(|file| !readable.contains(file)) {
            files.remove(*file).await?;
            swept += 1;
        }
    }
    if swept > 0 {
        tracing::info!(swept, "files that nobody can read were taken away");
    }
    Ok(swept)
}
