//! The way in for writes of one kind: what waits is written in one transaction, and answered after its commit. A write
//! that fails its own checks fails alone.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use metrics::histogram;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{Postgres, Transaction};
use crate::storage::StoreError;
use crate::telemetry::metrics::COMMIT_SECONDS;

/// Writes of one kind.
#[async_trait]
pub trait Batch: Send + Sync + 'static {
    type Write: Send + Sync + 'static;
    type Done: Send + 'static;

    /// What two writes of one transaction may not have in common: the rows that both would change.
    fn keys<'a>(&self, write: &'a Self::Write) -> Vec<&'a str>;

    /// Bytes that count towards the size of a transaction.
    fn bytes(&self, _: &Self::Write) -> usize {
        0
    }

    /// Writes all of them, and says of each what came of it. May be called again for the same writes if the transaction
    /// had no effect.
    async fn write(
        &self,
        transaction: &Transaction<'_>,
        writes: &[Self::Write],
    ) -> Result<Vec<Result<Self::Done, StoreError>>, StoreError>;
}

/// Tries of a batch that lost to another one before its writes are given back.
const MOST_TRIES: u32 = 5;
/// Of one transaction; a single write may have more. The server takes a gigabyte in one message.
const MOST_BYTES: usize = 64 << 20;

struct Queued<B: Batch> {
    write: B::Write,
    answer: oneshot::Sender<Result<B::Done, StoreError>>,
}

/// Hands writes to the tasks that write them.
pub struct Drain<B: Batch> {
    queue: mpsc::Sender<Queued<B>>,
    database: Postgres,
}

impl<B: Batch> Drain<B> {
    pub(super) fn start(database: Postgres, batch: B) -> Self {
        let (queue, waiting) = mpsc::channel(database.limits.write_queue);
        let (waiting, batch) = (Arc::new(Mutex::new(waiting)), Arc::new(batch));
        for _ in 0..database.limits.writers {
            tokio::spawn(run(database.clone(), Arc::clone(&batch), Arc::clone(&waiting)));
        }
        Self { queue, database }
    }

    /// Accepts something new: refused while the outbox or the queue is full.
    pub async fn accept(&self, write: B::Write) -> Result<B::Done, StoreError> {
        if self.database.backlog.is_full() {
            return Err(StoreError::Busy);
        }
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Queued { write, answer }).map_err(|_| StoreError::Busy)?;
        answered.await.map_err(|_| stopped())?
    }

    /// Writes what must go on even then. Waits for a place in the queue.
    pub async fn write(&self, write: B::Write) -> Result<B::Done, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Queued { write, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

fn stopped() -> StoreError {
    StoreError::Failed("the writer has stopped".into())
}

async fn run<B: Batch>(database: Postgres, batch: Arc<B>, waiting: Arc<Mutex<mpsc::Receiver<Queued<B>>>>) {
    let most = database.limits.batch_items;
    // What shares a key with a write of the batch before it.
    let mut held: VecDeque<Queued<B>> = VecDeque::new();
    loop {
        let mut taken = Taken::new(&*batch, most, std::mem::take(&mut held));
        if taken.writes.is_empty() {
            let mut waiting = waiting.lock().await;
            let Some(first) = waiting.recv().await else { return };
            taken.add(first);
            taken.fill(&mut waiting);
        } else if let Ok(mut waiting) = waiting.try_lock() {
            // Not waited for: another task may hold it until something new comes.
            taken.fill(&mut waiting);
        }
        let (writes, answers, later) = taken.finish();
        held = later;
        for (result, answer) in write_all(&database, &*batch, &writes).await.into_iter().zip(answers) {
            // The asker may have gone; what was written stays written.
            let _ = answer.send(result);
        }
    }
}

/// A batch as it is put together.
struct Taken<'a, B: Batch> {
    batch: &'a B,
    most: usize,
    bytes: usize,
    keys: HashSet<String>,
    writes: Vec<B::Write>,
    answers: Vec<oneshot::Sender<Result<B::Done, StoreError>>>,
    later: VecDeque<Queued<B>>,
}

type Parts<B> =
    (Vec<<B as Batch>::Write>, Vec<oneshot::Sender<Result<<B as Batch>::Done, StoreError>>>, VecDeque<Queued<B>>);

impl<'a, B: Batch> Taken<'a, B> {
    fn new(batch: &'a B, most: usize, held: VecDeque<Queued<B>>) -> Self {
        let (writes, answers) = (Vec::new(), Vec::new());
        let mut taken = Self { batch, most, bytes: 0, keys: HashSet::new(), writes, answers, later: VecDeque::new() };
        held.into_iter().for_each(|queued| taken.add(queued));
        taken
    }

    fn add(&mut self, queued: Queued<B>) {
        let keys = self.batch.keys(&queued.write);
        if self.is_full() || keys.iter().any(|key| self.keys.contains(*key)) {
            self.later.push_back(queued);
            return;
        }
        self.bytes += self.batch.bytes(&queued.write);
        self.keys.extend(keys.into_iter().map(str::to_owned));
        self.writes.push(queued.write);
        self.answers.push(queued.answer);
    }

    fn is_full(&self) -> bool {
        self.writes.len() >= self.most || self.bytes >= MOST_BYTES
    }

    /// Takes what waits, and does not wait for more.
    fn fill(&mut self, waiting: &mut mpsc::Receiver<Queued<B>>) {
        while !self.is_full() && self.later.len() < self.most {
            let Ok(next) = waiting.try_recv() else { return };
            self.add(next);
        }
    }

    fn finish(self) -> Parts<B> {
        (self.writes, self.answers, self.later)
    }
}

async fn write_all<B: Batch>(database: &Postgres, batch: &B, writes: &[B::Write]) -> Vec<Result<B::Done, StoreError>> {
    match write_together(database, batch, writes).await {
        Ok(results) => results,
        // One of them has something that the database refuses: the others must not suffer.
        Err(StoreError::Failed(reason)) if writes.len() > 1 => {
            tracing::warn!(%reason, writes = writes.len(), "a batch was refused: each of its writes is tried alone");
            let mut results = Vec::with_capacity(writes.len());
            for write in writes {
                let alone = write_together(database, batch, std::slice::from_ref(write)).await;
                results.push(alone.and_then(|mut results| results.pop().unwrap_or_else(|| Err(stopped()))));
            }
            results
        }
        Err(error) => writes.iter().map(|_| Err(error.clone())).collect(),
    }
}

async fn write_together<B: Batch>(
    database: &Postgres,
    batch: &B,
    writes: &[B::Write],
) -> Result<Vec<Result<B::Done, StoreError>>, StoreError> {
    let mut tries = 0;
    loop {
        let outcome = async {
            let mut connection = database.connection().await?;
            let transaction = Transaction::begin(&mut connection).await?;
            let results = batch.write(&transaction, writes).await?;
            let started = Instant::now();
            transaction.commit().await?;
            histogram!(COMMIT_SECONDS.name, "engine" => "postgres").record(started.elapsed());
            Ok(results)
        };
        match outcome.await {
            Err(StoreError::Busy) if tries < MOST_TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..20 << tries))).await;
            }
            other => return other,
        }
    }
}
