//! Readers: a small pool of read-only connections. A read waits for a connection; it never waits for the writer.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::storage::StoreError;

/// The pool.
#[derive(Clone)]
pub struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(connections: Vec<Connection>) -> Self {
        Self { permits: Arc::new(Semaphore::new(connections.len())), free: Arc::new(Mutex::new(connections)) }
    }

    /// Runs one read on a thread that may block.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(StoreError::failed)?;
        let free = Arc::clone(&self.free);
        let run = move || {
            let _permit = permit;
            let connection = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = connection.ok_or_else(|| StoreError::Failed("no free reader".into()))?;
            // A connection goes back even if its read panics, before its permit does.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&connection)));
            free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            result.unwrap_or_else(|_| Err(StoreError::Failed("a read panicked".into())))
        };
        tokio::task::spawn_blocking(run).await.map_err(StoreError::failed)?
    }
}
