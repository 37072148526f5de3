//! Readers: a small pool of read-only connections. A read waits for a connection; it never waits for the writer.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use crate::storage::StoreError;

/// The pool.
#[derive(Clone)]
pub struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    /// First come, first served: reads, and batches of look-ups.
    permits: Arc<Semaphore>,
    look_ups: Arc<Mutex<LookUps>>,
}

/// Look-ups that wait for a connection.
struct LookUps {
    waiting: VecDeque<Box<dyn LookUp>>,
    /// Tasks that do them, a batch each time they get a connection.
    at_work: usize,
    /// As many as there are connections.
    most_at_work: usize,
}

trait LookUp: Send {
    /// Whoever asked still waits.
    fn is_wanted(&self) -> bool;
    /// Gives what tells the asker.
    fn run(self: Box<Self>, connection: &Connection) -> Answer;
}

type Answer = Box<dyn FnOnce() + Send>;

/// Look-ups that one connection does in one transaction at most.
const LOOK_UPS_AT_A_TIME: usize = 32;
/// More than so many for each that is at work: one of them waits for a slow disk, or there is much to do.
const WAITING_FOR_EACH: usize = 8;
/// More than that is refused. Many requests at a time, each with many look-ups, are fewer.
const MOST_WAITING: usize = 10_000;

impl Readers {
    pub(super) fn open(connections: Vec<Connection>) -> Self {
        let look_ups = LookUps { waiting: VecDeque::new(), at_work: 0, most_at_work: connections.len() };
        Self {
            permits: Arc::new(Semaphore::new(connections.len())),
            free: Arc::new(Mutex::new(connections)),
            look_ups: Arc::new(Mutex::new(look_ups)),
        }
    }

    /// Runs one read, of any length, on a thread that may block.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(StoreError::failed)?;
        let free = Arc::clone(&self.free);
        let run = move || {
            let _permit = permit;
            let connection = locked(&free).pop().ok_or_else(|| StoreError::Failed("no free reader".into()))?;
            let result = caught(|| read(&connection));
            // A connection goes back even if its read panics, before its permit does.
            locked(&free).push(connection);
            result
        };
        tokio::task::spawn_blocking(run).await.map_err(StoreError::failed)?
    }

    /// Runs a read of a few rows by their key. Those that come at a time are done in one transaction and on one thread: to
    /// wake a thread for each, and to have its connection see what was written meanwhile, takes longer than the reading.
    pub async fn look_up<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        if locked(&self.look_ups).add(Box::new(Asked { read, answer }))? {
            tokio::spawn(self.clone().work());
        }
        answered.await.map_err(|_| StoreError::Failed("no reader answers".into()))?
    }

    /// Does look-ups until none waits. After each batch the connection goes back: whoever came before the next one has it
    /// first.
    async fn work(self) {
        loop {
            let look_ups = Arc::clone(&self.look_ups);
            // Taken up when there is a connection, and before its transaction begins: each sees what was committed before
            // it was asked.
            let done = self.read(move |connection| {
                // Not held while they are done.
                let batch = locked(&look_ups).take();
                together(batch, connection)
            });
            match done.await {
                Ok(answers) => answers.into_iter().for_each(|answer| answer()),
                Err(error) => {
                    tracing::error!(%error, "look-ups could not be done");
                    locked(&self.look_ups).waiting.clear();
                }
            }
            let mut look_ups = locked(&self.look_ups);
            if look_ups.waiting.is_empty() {
                look_ups.at_work -= 1;
                return;
            }
        }
    }
}

impl LookUps {
    /// Whether somebody more must be at work.
    fn add(&mut self, look_up: Box<dyn LookUp>) -> Result<bool, StoreError> {
        if self.waiting.len() >= MOST_WAITING {
            self.waiting.retain(|waiting| waiting.is_wanted());
        }
        if self.waiting.len() >= MOST_WAITING {
            return Err(StoreError::Busy);
        }
        self.waiting.push_back(look_up);
        let needs_help = self.waiting.len() > self.at_work * WAITING_FOR_EACH && self.at_work < self.most_at_work;
        self.at_work += usize::from(needs_help);
        Ok(needs_help)
    }

    fn take(&mut self) -> Vec<Box<dyn LookUp>> {
        let mut batch = Vec::new();
        while batch.len() < LOOK_UPS_AT_A_TIME {
            match self.waiting.pop_front() {
                Some(look_up) if look_up.is_wanted() => batch.push(look_up),
                Some(_) => {}
                None => break,
            }
        }
        batch
    }
}

struct Asked<T, F> {
    read: F,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> LookUp for Asked<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
{
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn run(self: Box<Self>, connection: &Connection) -> Answer {
        let Self { read, answer } = *self;
        let result = caught(|| read(connection));
        Box::new(move || drop(answer.send(result)))
    }
}

fn together(batch: Vec<Box<dyn LookUp>>, connection: &Connection) -> Result<Vec<Answer>, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    let answers = batch.into_iter().map(|look_up| look_up.run(connection)).collect();
    transaction.finish()?;
    Ok(answers)
}

/// A panic is an error of one read: its connection, and those that wait, go on.
fn caught<T>(read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(StoreError::Failed("a read panicked".into())))
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
