//! The one writer: takes a request, drains what else is queued, writes all of it in one transaction, and answers only
//! after the commit. A request that fails its own checks has no effect on the others: a batch with one is written anew.
//! A commit that fails has an unknown outcome: the process ends and recovers from what the disk holds.

use std::sync::Arc;
use std::sync::mpsc::{self as blocking, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use metrics::histogram;
use rusqlite::{Connection, OptionalExtension};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::open::Limits;
use crate::audit::{Frontier, SealedRecord};
use crate::storage::StoreError;
use crate::storage::backlog::Backlog;
use crate::storage::bodies::SealedBody;
use crate::storage::disk::DiskWatch;
use crate::telemetry::metrics::COMMIT_SECONDS;

/// Hands requests to the writer thread.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    empty_log: blocking::Sender<EmptyLog>,
    disk: Arc<DiskWatch>,
    backlog: Arc<Backlog>,
}

/// Asks that nothing of what was written before is left in the write-ahead log.
type EmptyLog = oneshot::Sender<Result<(), StoreError>>;

impl Writer {
    pub(super) fn start(
        connection: Connection,
        checkpointer: Connection,
        limits: &Limits,
        disk: Arc<DiskWatch>,
        backlog: Arc<Backlog>,
    ) -> Result<Self, StoreError> {
        let (queue, requests) = mpsc::channel(limits.write_queue);
        let batch_items = limits.batch_items;
        let answering = Handle::try_current().ok();
        thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || {
                let work = std::panic::AssertUnwindSafe(|| run(&connection, requests, batch_items, answering.as_ref()));
                if std::panic::catch_unwind(work).is_err() {
                    // Nobody would ever be answered again: end, recover, go on.
                    tracing::error!("the writer panicked: the process ends to recover");
                    std::process::abort();
                }
            })
            .map_err(StoreError::failed)?;
        let wal_bytes = limits.wal_bytes;
        let (empty_log, asked) = blocking::channel();
        thread::Builder::new()
            .name("sqlite-checkpoint".into())
            .spawn(move || keep_wal_short(&checkpointer, wal_bytes, &asked))
            .map_err(StoreError::failed)?;
        Ok(Self { queue, empty_log, disk, backlog })
    }

    /// Accepts something new: refused while the disk, the outbox or the write queue is full.
    pub async fn accept<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        if self.backlog.is_full() {
            return Err(StoreError::Busy);
        }
        self.take_in(work).await
    }

    /// Takes in what asks nothing of the outbox: refused while the disk or the write queue is full.
    pub async fn take_in<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        if self.disk.is_low() {
            return Err(StoreError::DiskFull);
        }
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Request { work, result: None, answer });
        self.queue.try_send(job).map_err(|_| StoreError::Busy)?;
        answered.await.map_err(|_| StoreError::Failed("the writer has stopped".into()))?
    }

    /// Empties the write-ahead log, whose old frames would still hold what was overwritten. Readers hold it up for as long as
    /// each reads.
    pub async fn empty_log(&self) -> Result<(), StoreError> {
        let stopped = || StoreError::Failed("the writer has stopped".into());
        let (answer, answered) = oneshot::channel();
        self.empty_log.send(answer).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Writes what must go on even then: outcomes of deliveries, operators' decisions. Waits for a place in the queue.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Request { work, result: None, answer });
        self.queue.send(job).await.map_err(|_| StoreError::Failed("the writer has stopped".into()))?;
        answered.await.map_err(|_| StoreError::Failed("the writer has stopped".into()))?
    }
}

/// One request inside a batch. Only the engine sees it: nothing of this crosses a store trait.
trait Job: Send {
    /// Runs the request, and says whether it succeeded. May be run again after its effects were rolled back.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> bool;
    fn answer(self: Box<Self>);
    fn refuse(&mut self, reason: StoreError);
}

struct Request<T, F> {
    work: F,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Request<T, F>
where
    T: Send,
    F: FnMut(&mut Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) -> bool {
        let result = (self.work)(transaction);
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn refuse(&mut self, reason: StoreError) {
        self.result = Some(Err(reason));
    }

    fn answer(self: Box<Self>) {
        let result = self.result.unwrap_or_else(|| Err(StoreError::Failed("not run".into())));
        // The asker may have gone; what was written stays written.
        let _ = self.answer.send(result);
    }
}

/// What a request may do: SQL of its own topic, and what every topic needs beside it.
pub struct Transaction<'a> {
    pub connection: &'a Connection,
    shared: &'a mut Shared,
    records: Vec<SealedRecord>,
}

impl Transaction<'_> {
    /// Stores a body.
    pub fn keep_body(&mut self, body: &SealedBody) -> Result<(), StoreError> {
        self.shared.check_body_key(self.connection, body.key_id)?;
        self.connection
            .prepare_cached("INSERT INTO body (id, key_id, wrapped_key, sealed) VALUES (?1, ?2, ?3, ?4)")?
            .execute((body.id.as_bytes(), body.key_id, &body.wrapped_key, &body.sealed))?;
        Ok(())
    }

    /// Appends an audit record, if the whole request succeeds.
    pub fn audit(&mut self, record: SealedRecord) {
        self.records.push(record);
    }

    fn append_records(&mut self) -> Result<(), StoreError> {
        for record in std::mem::take(&mut self.records) {
            let index = self.shared.append(self.connection, &record)?;
            self.connection
                .prepare_cached(
                    "INSERT INTO audit_record (shard, idx, id, at, leaf_hash, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute((
                    &record.shard,
                    index.cast_signed(),
                    record.id.as_bytes(),
                    record.at.micros(),
                    record.leaf_hash,
                    &record.bytes,
                ))?;
        }
        Ok(())
    }
}

/// What the requests of a batch have in common: the trees that they append to, read at its beginning, compared and swapped at
/// its end; and the keys of contents that were found to be in use.
#[derive(Default)]
struct Shared {
    heads: Vec<Head>,
    body_keys: Vec<i64>,
}

struct Head {
    shard: String,
    size_at_start: u64,
    epoch: i64,
    frontier: Frontier,
}

impl Shared {
    /// Nothing comes under a key that was retired, whoever still believes that it is in use: it is about to be destroyed.
    fn check_body_key(&mut self, connection: &Connection, key_id: i64) -> Result<(), StoreError> {
        if self.body_keys.contains(&key_id) {
            return Ok(());
        }
        let is_retired = connection
            .prepare_cached("SELECT 1 FROM key_generation WHERE name = 'bodies-' || ?1 AND retired_at IS NOT NULL")?
            .exists([key_id])?;
        if is_retired {
            return Err(StoreError::Failed("the key of contents was retired".into()));
        }
        self.body_keys.push(key_id);
        Ok(())
    }

    /// Appends the record to its shard's tree and returns its index.
    fn append(&mut self, connection: &Connection, record: &SealedRecord) -> Result<u64, StoreError> {
        let known = self.heads.iter().position(|head| head.shard == record.shard);
        let at = match known {
            Some(at) => at,
            None => {
                self.heads.push(Head::read(connection, &record.shard)?);
                self.heads.len() - 1
            }
        };
        Ok(self.heads[at].frontier.append(record.leaf_hash))
    }

    /// Moves each head from what was read to what is now there.
    fn store(&mut self, connection: &Connection) -> Result<(), StoreError> {
        for head in self.heads.drain(..) {
            let (size, bytes) = (head.frontier.size().cast_signed(), head.frontier.to_bytes());
            let changed = if head.size_at_start == 0 {
                connection
                    .prepare_cached("INSERT INTO audit_head (shard, size, frontier, epoch) VALUES (?1, ?2, ?3, 0)")?
                    .execute((&head.shard, size, bytes))?
            } else {
                connection
                    .prepare_cached(
                        "UPDATE audit_head SET size = ?2, frontier = ?3 WHERE shard = ?1 AND size = ?4 AND epoch = ?5",
                    )?
                    .execute((&head.shard, size, bytes, head.size_at_start.cast_signed(), head.epoch))?
            };
            if changed != 1 {
                return Err(StoreError::Failed("the head of the audit log was moved by someone else".into()));
            }
        }
        Ok(())
    }
}

impl Head {
    fn read(connection: &Connection, shard: &str) -> Result<Self, StoreError> {
        let stored: Option<(i64, Vec<u8>, i64)> = connection
            .prepare_cached("SELECT size, frontier, epoch FROM audit_head WHERE shard = ?1")?
            .query_row([shard], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let (size, frontier, epoch) = stored.unwrap_or_default();
        let size = size.cast_unsigned();
        let frontier = Frontier::from_bytes(size, &frontier)
            .ok_or_else(|| StoreError::Failed("the head of the audit log is damaged".into()))?;
        Ok(Self { shard: shard.to_owned(), size_at_start: size, epoch, frontier })
    }
}

fn run(
    connection: &Connection,
    mut requests: mpsc::Receiver<Box<dyn Job>>,
    batch_items: usize,
    answering: Option<&Handle>,
) {
    while let Some(first) = requests.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < batch_items {
            match requests.try_recv() {
                Ok(next) => batch.push(next),
                Err(_) => break,
            }
        }
        match write_batch(connection, &mut batch) {
            Ok(()) => {}
            Err(Failure::NotBegun(error)) => {
                // Nothing was written, for example because a command holds the database for longer than we wait.
                tracing::warn!(%error, "no write transaction could begin");
                batch.iter_mut().for_each(|job| job.refuse(StoreError::Busy));
            }
            Err(Failure::Unknown(error)) => {
                // Some of it may be on the disk. Nobody was answered; after a restart the database says what it holds.
                tracing::error!(%error, "a batch could not be committed, its outcome is unknown: the process ends to recover");
                std::process::abort();
            }
        }
        let answer = move || batch.into_iter().for_each(Job::answer);
        match answering {
            // To wake many askers takes as long as to write a third of them: the next batch does not wait for it.
            Some(runtime) => drop(runtime.spawn(async move { answer() })),
            None => answer(),
        }
    }
}

/// Why a batch was not written.
enum Failure {
    /// There was no transaction.
    NotBegun(StoreError),
    Unknown(StoreError),
}

impl<E: Into<StoreError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Unknown(error.into())
    }
}

fn begin(connection: &Connection) -> Result<(), Failure> {
    let begun = connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]));
    begun.map(drop).map_err(|error| Failure::NotBegun(error.into()))
}

fn write_batch(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    begin(connection)?;
    let shared = &mut Shared::default();
    if !run_together(connection, batch, shared)? {
        // One of them failed its checks, which is rare: all is undone and done again, each on its own.
        connection.prepare_cached("ROLLBACK")?.execute([])?;
        *shared = Shared::default();
        begin(connection)?;
        run_apart(connection, batch, shared)?;
    }
    shared.store(connection)?;
    let started = Instant::now();
    connection.prepare_cached("COMMIT")?.execute([])?;
    histogram!(COMMIT_SECONDS.name, "engine" => "sqlite").record(started.elapsed());
    Ok(())
}

/// Without savepoints, which cost as much as the writing itself. `false` as soon as a request fails.
fn run_together(connection: &Connection, batch: &mut [Box<dyn Job>], shared: &mut Shared) -> Result<bool, StoreError> {
    for job in batch {
        let mut transaction = Transaction { connection, shared, records: Vec::new() };
        if !job.run(&mut transaction) {
            return Ok(false);
        }
        transaction.append_records()?;
    }
    Ok(true)
}

/// Each request in a savepoint: one that fails rolls back alone.
fn run_apart(connection: &Connection, batch: &mut [Box<dyn Job>], shared: &mut Shared) -> Result<(), StoreError> {
    for job in batch {
        connection.prepare_cached("SAVEPOINT request")?.execute([])?;
        let mut transaction = Transaction { connection, shared, records: Vec::new() };
        if job.run(&mut transaction) {
            transaction.append_records()?;
        } else {
            connection.prepare_cached("ROLLBACK TO request")?.execute([])?;
        }
        connection.prepare_cached("RELEASE request")?.execute([])?;
    }
    Ok(())
}

/// Passes over a long log while the writer goes on, before it must wait for one: each leaves less to copy.
const PASSES: usize = 3;

/// Copies the write-ahead log back while the writer goes on. A log that has become too long is begun anew: what little is
/// left to copy then, the writer waits for. Its file keeps its length: to write over blocks costs less than to add some.
fn keep_wal_short(connection: &Connection, wal_bytes: u64, asked: &blocking::Receiver<EmptyLog>) {
    let most_pages = i64::try_from(wal_bytes / 4096).unwrap_or(i64::MAX);
    let pages_after = |mode: &str| connection.query_row(mode, [], |row| row.get::<_, i64>(1));
    let shorten = || {
        for _ in 0..PASSES {
            if pages_after("PRAGMA wal_checkpoint(PASSIVE)")? <= most_pages {
                return Ok(());
            }
        }
        pages_after("PRAGMA wal_checkpoint(RESTART)").map(drop)
    };
    loop {
        match asked.recv_timeout(Duration::from_millis(200)) {
            // Whoever asked may have gone.
            Ok(answer) => drop(answer.send(empty(connection))),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Err(error) = shorten() {
            let error: rusqlite::Error = error;
            tracing::warn!(%error, "the write-ahead log could not be shortened");
        }
    }
}

/// Tries to empty the log while others read; each waits `busy_timeout`.
const MOST_TRIES: usize = 20;

fn empty(connection: &Connection) -> Result<(), StoreError> {
    for _ in 0..MOST_TRIES {
        let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if !is_busy {
            return Ok(());
        }
    }
    Err(StoreError::Busy)
}
