//! Readers: a small pool of read-only connections. A read waits for a connection; it never waits for the writer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use crate::storage::StoreError;

/// The pool.
#[derive(Clone)]
pub struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    look_ups: Arc<Mutex<LookUps>>,
}

/// Those that wait, and how many connections are at work on them.
#[derive(Default)]
struct LookUps {
    waiting: Vec<LookUp>,
    at_work: usize,
}

/// Gives what tells the asker.
type LookUp = Box<dyn FnOnce(&Connection) -> Answer + Send>;
type Answer = Box<dyn FnOnce() + Send>;

/// Look-ups that one connection does in one transaction at most. While more wait, another connection helps.
const LOOK_UPS_AT_A_TIME: usize = 32;

impl Readers {
    pub(super) fn open(connections: Vec<Connection>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(connections.len())),
            free: Arc::new(Mutex::new(connections)),
            look_ups: Arc::default(),
        }
    }

    /// Runs one read, of any length, on a thread that may block.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.on_a_connection(move |connection| caught(|| read(connection))).await?
    }

    /// Runs a read of a few rows by their key. Those that come at a time are done in one transaction and on one thread: to
    /// wake a thread for each, and to have its connection see what was written meanwhile, takes longer than the reading.
    pub async fn look_up<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let look_up: LookUp = Box::new(move |connection| {
            let result = caught(|| read(connection));
            Box::new(move || drop(answer.send(result)))
        });
        let needs_help = {
            let mut look_ups = locked(&self.look_ups);
            look_ups.waiting.push(look_up);
            let needs_help = look_ups.waiting.len() > look_ups.at_work * LOOK_UPS_AT_A_TIME;
            look_ups.at_work += usize::from(needs_help);
            needs_help
        };
        if needs_help {
            let readers = self.clone();
            tokio::spawn(async move { readers.work().await });
        }
        answered.await.map_err(|_| StoreError::Failed("no reader answers".into()))?
    }

    /// Does look-ups until none waits.
    async fn work(self) {
        let (look_ups, runtime) = (Arc::clone(&self.look_ups), tokio::runtime::Handle::current());
        let worked = self.on_a_connection(move |connection| {
            loop {
                let batch = {
                    let mut look_ups = locked(&look_ups);
                    let first = look_ups.waiting.len().min(LOOK_UPS_AT_A_TIME);
                    if first == 0 {
                        look_ups.at_work -= 1;
                        return;
                    }
                    look_ups.waiting.drain(..first).collect::<Vec<_>>()
                };
                // Without a transaction each is one of its own.
                let transaction = connection.unchecked_transaction();
                let answers: Vec<Answer> = batch.into_iter().map(|look_up| look_up(connection)).collect();
                drop(transaction);
                runtime.spawn(async move { answers.into_iter().for_each(|answer| answer()) });
            }
        });
        if let Err(error) = worked.await {
            tracing::warn!(%error, "a reader ended");
            locked(&self.look_ups).at_work -= 1;
        }
    }

    async fn on_a_connection<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(StoreError::failed)?;
        let free = Arc::clone(&self.free);
        let run = move || {
            let _permit = permit;
            let connection = locked(&free).pop().ok_or_else(|| StoreError::Failed("no free reader".into()))?;
            let result = work(&connection);
            // A connection goes back before its permit does.
            locked(&free).push(connection);
            Ok(result)
        };
        tokio::task::spawn_blocking(run).await.map_err(StoreError::failed)?
    }
}

/// A panic is an error of one read: its connection, and those that wait, go on.
fn caught<T>(read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(StoreError::Failed("a read panicked".into())))
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
