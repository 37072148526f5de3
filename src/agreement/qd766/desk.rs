//! Reports that somebody asked for over HTTP: counted one at a time beside everything else, and given out again for a while, since a
//! report of millions of dossiers takes longer than a request may.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::compile::{Compile, Compiled, Progress, Wanted};
use crate::storage::StoreError;

/// Reports that are counted, wait to be, or were.
#[derive(Clone)]
pub struct Desk {
    jobs: Arc<Mutex<VecDeque<Job>>>,
    turn: Arc<Semaphore>,
}

/// What became of a question.
pub enum Reply {
    Done(Arc<Compiled>),
    /// Ask again.
    UnderWay {
        done: u64,
        total: u64,
    },
    /// So many others wait that this one is not even begun.
    Crowded,
}

#[derive(Clone)]
struct Job {
    compile: Arc<Compile>,
    wanted: Wanted,
    progress: Arc<Progress>,
    outcome: watch::Receiver<Option<Outcome>>,
}

#[derive(Clone)]
struct Outcome {
    at: Instant,
    compiled: Result<Arc<Compiled>, StoreError>,
}

/// A report is given out again for so long.
const KEPT: Duration = Duration::from_secs(300);
/// Reports that are kept, wait or are counted.
const MOST: usize = 4;

impl Default for Desk {
    fn default() -> Self {
        Self { jobs: Arc::default(), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Desk {
    /// `patience`: how long whoever asks waits before being told to ask again.
    pub async fn ask(&self, compile: &Arc<Compile>, wanted: Wanted, patience: Duration) -> Result<Reply, StoreError> {
        let Some(mut job) = self.job(compile, wanted) else { return Ok(Reply::Crowded) };
        let ready = tokio::time::timeout(patience, job.outcome.wait_for(Option::is_some)).await;
        let outcome = match ready {
            Ok(Ok(outcome)) => outcome.clone(),
            // Its task has ended without a word.
            Ok(Err(_)) => return Err(StoreError::Failed("the report was broken off".into())),
            Err(_) => None,
        };
        match outcome.map(|outcome| outcome.compiled).transpose()? {
            Some(compiled) => Ok(Reply::Done(compiled)),
            None => Ok(Reply::UnderWay {
                done: job.progress.done.load(Ordering::Relaxed),
                total: job.progress.total.load(Ordering::Relaxed),
            }),
        }
    }

    /// The one that is there already, or a new one; `None` if there are too many.
    fn job(&self, compile: &Arc<Compile>, wanted: Wanted) -> Option<Job> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(Job::is_worth_keeping);
        // What was counted under another configuration is another report.
        let is_it = |job: &&Job| job.wanted == wanted && Arc::ptr_eq(&job.compile, compile);
        if let Some(job) = jobs.iter().find(is_it) {
            return Some(job.clone());
        }
        if jobs.len() == MOST {
            let oldest = jobs.iter().position(|job| job.outcome.borrow().is_some())?;
            jobs.remove(oldest);
        }
        let (tell, outcome) = watch::channel(None);
        let (compile, turn, progress) = (Arc::clone(compile), Arc::clone(&self.turn), Arc::<Progress>::default());
        let job =
            Job { compile: Arc::clone(&compile), wanted: wanted.clone(), progress: Arc::clone(&progress), outcome };
        tokio::spawn(async move {
            let _turn = turn.acquire_owned().await;
            let compiled = compile.run(wanted, &progress, true).await.map(Arc::new);
            // Perhaps nobody asks again.
            if let Err(error) = &compiled {
                tracing::error!(%error, "a report could not be made");
            }
            let _ = tell.send(Some(Outcome { at: Instant::now(), compiled }));
        });
        jobs.push_back(job.clone());
        Some(job)
    }
}

impl Job {
    /// What went wrong is tried again by who asks next.
    fn is_worth_keeping(&self) -> bool {
        match &*self.outcome.borrow() {
            Some(Outcome { compiled: Err(_), .. }) => false,
            Some(outcome) => outcome.at.elapsed() < KEPT,
            None => self.outcome.has_changed().is_ok(),
        }
    }
}
