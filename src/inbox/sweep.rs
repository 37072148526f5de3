//! Takes files away that nobody can read: their content was erased, or the process died before a message named them.

use lienthong_domain::time::Timestamp;

use super::store::InboxStore;
use crate::storage::StoreError;
use crate::storage::files::Files;

const AT_A_TIME: usize = 500;
/// A part is no file yet; the longest message takes minutes.
const PART_AGE_MS: i64 = 86_400_000;
/// Whoever looks at an older copy of the database beside the files must not lose what that copy does not know.
const STRAY_AGE_MS: i64 = 30 * 86_400_000;

/// Files whose key is gone. Returns whether there may be more.
pub async fn sweep_gone(files: &Files, store: &dyn InboxStore) -> Result<bool, StoreError> {
    let gone = store.gone_files(AT_A_TIME).await?;
    let has_more = gone.len() == AT_A_TIME;
    for file in &gone {
        files.remove(*file).await?;
    }
    if !gone.is_empty() {
        tracing::info!(files = gone.len(), "files whose content was erased were taken away");
        store.forget_files(gone).await?;
    }
    Ok(has_more)
}

/// Files that no message has. The whole folder is gone through. Returns how many there were.
pub async fn sweep_strays(files: &Files, store: &dyn InboxStore, now: Timestamp) -> Result<usize, StoreError> {
    let (mut walk, mut swept) = (files.walk(now.plus_millis(-PART_AGE_MS), now.plus_millis(-STRAY_AGE_MS)).await?, 0);
    while let Some(found) = walk.next(AT_A_TIME).await? {
        let known = store.known_files(found.whole.clone()).await?;
        for stray in found.whole.iter().filter(|file| !known.contains(file)).chain(&found.parts) {
            files.remove(*stray).await?;
            swept += 1;
        }
    }
    if swept > 0 {
        tracing::info!(swept, "files that no message has were taken away");
    }
    Ok(swept)
}
