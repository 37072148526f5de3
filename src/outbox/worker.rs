//! The worker of one route: claims what is due, sends it with a bounded number in flight, and writes what came of it.
//! It decides nothing about an unknown outcome that the route's profile does not allow.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use lienthong_adapter_kit::breaker::{Answer, Outcome, Permit, RouteBreaker, State};
use lienthong_adapter_kit::standing::Standing;
use lienthong_adapter_kit::{time_budget, trace};
use lienthong_domain::port::{AfterAmbiguity, PortError, PortErrorKind};
use lienthong_domain::time::{Clock, Timestamp};
use metrics::counter;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::judge::own_problem;
use super::store::{OutboxStore, Settlement};
use super::{Attempt, Claimed, Delivery, Learned, RetrySchedule, Status};
use crate::replicas::{Bell, Member};
use crate::storage::StoreError;
use crate::telemetry::metrics::DELIVERIES;

/// Between two tries at a store that does not answer.
const STORE_PAUSE: Duration = Duration::from_millis(500);
/// Tries to write an outcome that the store refuses.
const MOST_FAILURES: u32 = 5;

/// Limits and times of a worker, from the configuration.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    pub most_in_flight: usize,
    pub claim_batch: usize,
    pub lease_ms: i64,
    /// Shorter than the lease: an attempt ends, with an unknown outcome, before its lease does.
    pub attempt_timeout: Duration,
    pub poll: Duration,
    /// How long after an unknown outcome the other side may be asked: its answer must have had time to become visible.
    pub look_up_delay_ms: i64,
    /// How long the route rests when our account is refused.
    pub credential_pause_ms: i64,
    /// How long calls in flight may finish after a stop was asked for.
    pub drain: Duration,
    /// After so many lost leases an item is taken for what makes the process die.
    pub most_lost_leases: i64,
}

/// One route's worker.
pub struct Worker {
    pub store: Arc<dyn OutboxStore>,
    pub delivery: Arc<dyn Delivery>,
    pub clock: Arc<dyn Clock>,
    pub settings: WorkerSettings,
    pub retry: RwLock<RetrySchedule>,
    pub breaker: RouteBreaker,
    /// Until when the route rests because our account was refused, in UTC microseconds.
    pub rests_until: AtomicI64,
    /// Under whose id items are claimed; when it was given up, what is under way belongs to others.
    pub member: Arc<Member>,
    /// Rung when something was enqueued or an operator decided.
    pub bell: Bell,
    pub in_flight: InFlight,
}

/// The items whose leases this process knows that it holds.
#[derive(Default)]
pub struct InFlight {
    items: Mutex<HashSet<Uuid>>,
    /// The answer to a claim was lost: there may be leases in the store that this process does not know of.
    is_uncertain: AtomicBool,
}

impl InFlight {
    fn items(&self) -> std::sync::MutexGuard<'_, HashSet<Uuid>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doubt(&self) {
        self.is_uncertain.store(true, Ordering::Relaxed);
    }
}

impl Worker {
    /// Works until told to stop, then lets what is in flight finish.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let in_flight = Arc::new(Semaphore::new(self.settings.most_in_flight));
        let mut tasks = JoinSet::new();
        while !*stop.borrow() {
            while tasks.try_join_next().is_some() {}
            let pause = match self.round(&in_flight, &mut tasks).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "the outbox could not be read");
                    Duration::from_secs(1)
                }
            };
            if !pause.is_zero() {
                tokio::select! {
                    () = self.bell.rung() => {}
                    () = tokio::time::sleep(pause) => {}
                    Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                    _ = stop.changed() => {}
                }
            }
        }
        let finish = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.settings.drain, finish).await.is_err() {
            // Their leases are taken back at the next start: what was on its way is then of unknown outcome.
            tracing::warn!(still_sending = tasks.len(), "stopped before every call had its answer");
            tasks.abort_all();
        }
    }

    /// Claims and starts what there is room for; returns how long nothing more can be done.
    async fn round(
        self: &Arc<Self>,
        in_flight: &Arc<Semaphore>,
        tasks: &mut JoinSet<()>,
    ) -> Result<Duration, StoreError> {
        let room = in_flight.available_permits().min(self.settings.claim_batch);
        let rest = Timestamp::from_micros(self.rests_until.load(Ordering::Relaxed)).millis_since(self.clock.now());
        let Some((holder, epoch)) = self.member.acting().filter(|_| room > 0 && rest <= 0) else {
            return Ok(self.settings.poll);
        };
        self.release_unknown_leases(holder).await?;
        let next = self.time_to_next().await?;
        if !next.is_zero() {
            return Ok(next.min(self.settings.poll));
        }
        let (permit, limit) = match self.ask_breaker(room) {
            Ok(allowed) => allowed,
            Err(retry_after) => return Ok(retry_after.min(self.settings.poll)),
        };
        let claimed = match self.store.claim(holder, self.clock.now(), self.settings.lease_ms, limit).await {
            Ok(claimed) => claimed,
            Err(error) => {
                self.breaker.give_back(permit);
                // It may have been written all the same.
                self.in_flight.doubt();
                return Err(error);
            }
        };
        if claimed.is_empty() {
            self.breaker.give_back(permit);
        }
        self.in_flight.items().extend(claimed.iter().map(|claimed| claimed.item.id));
        for claimed in claimed {
            let Ok(place) = Arc::clone(in_flight).acquire_owned().await else { break };
            let worker = Arc::clone(self);
            tasks.spawn(async move {
                let id = claimed.item.id;
                // One whose outcome could not be written stays known: it was sent, and must not count as unsent.
                if worker.handle(claimed, epoch, permit).await {
                    worker.in_flight.items().remove(&id);
                }
                drop(place);
            });
        }
        Ok(Duration::ZERO)
    }

    /// Leases that were given to us by a claim whose answer never came: nothing of them was sent.
    async fn release_unknown_leases(&self, holder: Uuid) -> Result<(), StoreError> {
        if !self.in_flight.is_uncertain.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let in_flight = self.in_flight.items().clone();
        match self.store.release(holder, in_flight, self.clock.now()).await {
            Ok(released) => tracing::info!(released, "leases of a claim without an answer were given up"),
            Err(error) => {
                self.in_flight.doubt();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Goes on with the work only while this process may act under the number that it began it with: after a pause, not
    /// even the next step of it is taken.
    async fn while_it_may_act<T>(&self, epoch: u64, work: impl Future<Output = T>) -> Option<T> {
        let mut ids = self.member.ids();
        let mut given_up = pin!(ids.changed());
        let mut work = pin!(work);
        poll_fn(|context| {
            if self.member.epoch() != Some(epoch) || given_up.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// Leave for up to `room` calls; one while the breaker only lets a probe through.
    fn ask_breaker(&self, room: usize) -> Result<(Permit, usize), Duration> {
        match self.breaker.permits() {
            (Answer::Permit(permit), state) => Ok((permit, if state == State::Closed { room } else { 1 })),
            (Answer::Denied { retry_after }, _) => Err(retry_after),
        }
    }

    /// Zero if a head is due.
    async fn time_to_next(&self) -> Result<Duration, StoreError> {
        let Some(due) = self.store.next_due().await? else { return Ok(self.settings.poll) };
        let wait = (due.micros() - self.clock.now().micros()).max(0);
        Ok(Duration::from_micros(wait.unsigned_abs()))
    }

    /// Does what is due with the item, and writes what came of it; `false` if that could not be written.
    async fn handle(&self, claimed: Claimed, epoch: u64, permit: Permit) -> bool {
        let item = &claimed.item;
        let span = tracing::info_span!(
            "delivery", trace_id = Empty, item = %item.id, operation = %item.operation_id, attempt = item.attempts
        );
        // A delivery belongs to the trace of the request that made it necessary.
        if let Some(traceparent) = &item.traceparent {
            trace::join(&span, traceparent);
        }
        span.record("trace_id", trace::id_of(&span));
        let handle = async {
            let settlement = if item.status == Status::Unknown {
                self.resolve(&claimed, epoch, permit).await
            } else {
                self.send(&claimed, epoch, permit).await
            };
            self.write(settlement).await
        };
        handle.instrument(span).await
    }

    /// Writes the outcome, as often as it takes: what the other side has done is not asked a second time.
    async fn write(&self, settlement: Settlement) -> bool {
        let (id, mut failures) = (settlement.id, 0);
        loop {
            match self.store.settle(settlement.clone()).await {
                Ok(true) => {
                    let (operation, outcome) = (settlement.operation, settlement.to.as_str());
                    counter!(DELIVERIES.name, "operation" => operation, "outcome" => outcome).increment(1);
                    tell(&settlement);
                    self.bell.ring_here();
                    return true;
                }
                Ok(false) => {
                    tracing::warn!(item = %id, "the lease was lost before the outcome could be written");
                    return true;
                }
                Err(StoreError::Failed(reason)) if failures == MOST_FAILURES => {
                    // The lease runs out, and the item is looked into.
                    tracing::error!(reason, item = %id, "an outcome could not be written");
                    return false;
                }
                Err(error) => {
                    failures += u32::from(matches!(error, StoreError::Failed(_)));
                    tracing::warn!(%error, item = %id, "an outcome could not be written yet");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    async fn send(&self, claimed: &Claimed, epoch: u64, permit: Permit) -> Settlement {
        let body = match self.while_it_may_act(epoch, self.body(claimed)).await {
            Some(Ok(Some(body))) => body,
            found => {
                self.breaker.give_back(permit);
                let (operation, to, problem) = match found {
                    Some(Ok(_)) => ("outbox.body_erased", Status::Dead, own_problem("body_erased")),
                    Some(Err(_)) => ("outbox.body_unreadable", Status::Dead, own_problem("body_unreadable")),
                    None => ("outbox.unsent", Status::Retry, claimed.item.problem.clone()),
                };
                let due = (to == Status::Retry).then(|| self.clock.now());
                return self.settlement(claimed, operation, to, due, problem);
            }
        };
        let most = self.settings.attempt_timeout;
        let attempt = time_budget::within(most - most / 10, self.delivery.attempt(claimed, &body));
        let attempt = tokio::time::timeout(most, attempt);
        let attempt = self.while_it_may_act(epoch, attempt).await;
        let cut_off = |note: &'static str, operation: &'static str| Attempt {
            operation,
            result: Err(PortError::new("gateway", PortErrorKind::OutcomeUnknown).with_note(note)),
            learned: Learned::default(),
        };
        let attempt = match attempt {
            Some(Ok(attempt)) => {
                self.breaker.record(permit, Outcome::of(&attempt.result));
                attempt
            }
            Some(Err(_)) => {
                let attempt = cut_off("attempt_timeout", "outbox.attempt_timeout");
                self.breaker.record(permit, Outcome::of(&attempt.result));
                attempt
            }
            None => {
                tracing::warn!(item = %claimed.item.id, "an attempt was cut off: this replica may no longer act");
                self.breaker.give_back(permit);
                cut_off("lease_ended", "outbox.lease_ended")
            }
        };
        self.judge(claimed, attempt)
    }

    /// The item's body, asked for until the store answers: nothing has been sent yet.
    async fn body(&self, claimed: &Claimed) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        loop {
            match self.store.body(claimed.item.body_id).await {
                Err(error @ (StoreError::Unavailable(_) | StoreError::Busy)) => {
                    tracing::warn!(%error, item = %claimed.item.id, "a body could not be read yet");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                other => return other,
            }
        }
    }

    /// What the profile allows after an unknown outcome.
    async fn resolve(&self, claimed: &Claimed, epoch: u64, permit: Permit) -> Settlement {
        if claimed.item.lost_leases >= self.settings.most_lost_leases {
            self.breaker.give_back(permit);
            return self.settlement(claimed, "outbox.quarantine", Status::Dead, None, own_problem("quarantined"));
        }
        let (now, problem) = (self.clock.now(), claimed.item.problem.clone());
        match self.delivery.after_ambiguity(claimed) {
            AfterAmbiguity::Park => {
                self.breaker.give_back(permit);
                self.settlement(claimed, "outbox.park", Status::Unknown, None, problem)
            }
            AfterAmbiguity::Resend => {
                self.breaker.give_back(permit);
                self.settlement(claimed, "outbox.resend", Status::Retry, Some(now), problem)
            }
            AfterAmbiguity::LookUp => {
                let most = self.settings.attempt_timeout;
                let found =
                    tokio::time::timeout(most, time_budget::within(most - most / 10, self.delivery.look_up(claimed)));
                let Some(found) = self.while_it_may_act(epoch, found).await else {
                    self.breaker.give_back(permit);
                    return self.settlement(claimed, "outbox.lease_ended", Status::Unknown, Some(now), problem);
                };
                let found = found.unwrap_or_else(|_| {
                    Err(PortError::new("gateway", PortErrorKind::Unavailable).with_note("look_up_timeout"))
                });
                self.breaker.record(permit, Outcome::of(&found));
                self.judge_look_up(claimed, found)
            }
        }
    }
}

/// A line for what came of an item; the request's trace stands beside it, in the span.
fn tell(settlement: &Settlement) {
    let (operation, outcome) = (settlement.operation, settlement.to.as_str());
    let problem = settlement.problem.as_ref();
    let (kind, note) = (problem.map(|problem| &*problem.kind), problem.and_then(|problem| problem.note.as_deref()));
    match settlement.to {
        Status::Delivered => tracing::debug!(operation, outcome, "a delivery"),
        Status::Dead | Status::Unknown => tracing::warn!(operation, outcome, kind, note, "a delivery"),
        _ => tracing::info!(operation, outcome, kind, note, "a delivery"),
    }
}
