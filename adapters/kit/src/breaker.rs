//! The circuit breaker of one route: after too many failures it lets nothing through for a while, then one probe.
//! [`Breaker`] is a plain value (its caller holds the lock and the clock) and counts only failures of the other side, never
//! its business refusals. [`RouteBreaker`] is one that all who use a route share.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deserr::{Deserr, ValuePointerRef};
use lienthong_domain::invalid::{InvalidFields, Refusal, json_pointer};
use lienthong_domain::port::{PortError, PortErrorKind};
use metrics::{counter, gauge};

use crate::metrics::{BREAKER, NOT_CALLED};

/// When it opens and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields, validate = limits_hold -> InvalidFields)]
pub struct BreakerSettings {
    /// Calls older than this are forgotten.
    pub window_ms: u64,
    /// Fewer calls than this in the window prove nothing.
    pub least_calls: u32,
    /// Opens at this share of failures in the window, 1 to 100.
    pub failure_percent: u32,
    /// Opens at this many failures one after the other, however few the calls.
    pub failures_in_a_row: u32,
    /// From opening to the first probe; doubled after each failed probe.
    pub first_pause_ms: u64,
    pub longest_pause_ms: u64,
    /// A probe whose outcome was not reported by then is given up, and another is let through.
    pub probe_timeout_ms: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            window_ms: 10_000,
            least_calls: 20,
            failure_percent: 50,
            failures_in_a_row: 5,
            first_pause_ms: 5_000,
            longest_pause_ms: 60_000,
            probe_timeout_ms: 60_000,
        }
    }
}

fn limits_hold(settings: BreakerSettings, location: ValuePointerRef<'_>) -> Result<BreakerSettings, InvalidFields> {
    let place = json_pointer(location);
    let mut wrong = InvalidFields::default();
    let mut must = |holds: bool, name: &str, vi: &str, en: &str| {
        if !holds {
            wrong.push(format!("{place}/{name}"), Refusal::new("value", vi, en));
        }
    };
    let positive = ("Phải lớn hơn 0.", "Must be greater than 0.");
    must(settings.window_ms >= BUCKETS, "window_ms", "Ít nhất 10.", "At least 10.");
    must(settings.least_calls > 0, "least_calls", positive.0, positive.1);
    must((1..=100).contains(&settings.failure_percent), "failure_percent", "Từ 1 đến 100.", "From 1 to 100.");
    must(settings.failures_in_a_row > 0, "failures_in_a_row", positive.0, positive.1);
    must(settings.first_pause_ms > 0, "first_pause_ms", positive.0, positive.1);
    must(settings.probe_timeout_ms > 0, "probe_timeout_ms", positive.0, positive.1);
    must(
        settings.longest_pause_ms >= settings.first_pause_ms,
        "longest_pause_ms",
        "Không được nhỏ hơn first_pause_ms.",
        "Must not be smaller than first_pause_ms.",
    );
    wrong.into_result(settings)
}

/// What became of a call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Failure,
    /// The other side answered, in the negative: it works. Not counted; as a probe it closes the breaker.
    Refusal,
    /// It was not asked: nothing was learnt.
    NotAsked,
}

impl Outcome {
    pub fn of<T>(result: &Result<T, PortError>) -> Self {
        let Err(error) = result else { return Self::Success };
        if error.was_not_asked {
            return Self::NotAsked;
        }
        match error.kind {
            PortErrorKind::Unavailable
            | PortErrorKind::RateLimited { .. }
            | PortErrorKind::Unreadable
            | PortErrorKind::OutcomeUnknown => Self::Failure,
            PortErrorKind::QuotaSpent { .. } => Self::NotAsked,
            PortErrorKind::Rejected { .. }
            | PortErrorKind::AlreadyExists
            | PortErrorKind::NotFound
            | PortErrorKind::OurCredentialRefused => Self::Refusal,
        }
    }
}

/// Leave for one call. Dropping it is harmless: see [`BreakerSettings::probe_timeout_ms`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    era: u64,
}

/// The answer to "may I call".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Permit(Permit),
    Denied { retry_after: Duration },
}

/// For metrics and operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    HalfOpen,
    Open,
}

#[derive(Debug, Clone)]
enum Phase {
    Closed { window: Window, failures_in_a_row: u32 },
    Open { until: u64, pause: u64 },
    HalfOpen { give_up_at: u64, pause: u64 },
}

/// The breaker of one route. `now` is a monotonic reading in milliseconds from any fixed start.
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: BreakerSettings,
    phase: Phase,
    /// Counts changes of phase, so that the late outcome of an earlier phase says nothing about this one.
    era: u64,
}

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, phase: Phase::Closed { window: Window::default(), failures_in_a_row: 0 }, era: 0 }
    }

    /// Other settings from the next call on. It stays as open as it is, for as long as it was to be.
    pub fn follow(&mut self, settings: BreakerSettings) {
        if let Phase::Closed { window, .. } = &mut self.phase
            && settings.window_ms != self.settings.window_ms
        {
            // Its parts have another length now.
            *window = Window::default();
        }
        self.settings = settings;
    }

    pub fn state(&self) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Whether a call may be made now. Every permit that is used should come back through [`Breaker::record`].
    pub fn permits(&mut self, now: u64) -> Answer {
        let (not_before, pause) = match self.phase {
            Phase::Closed { .. } => return Answer::Permit(Permit { era: self.era }),
            Phase::Open { until, pause } => (until, pause),
            Phase::HalfOpen { give_up_at, pause } => (give_up_at, pause),
        };
        if now < not_before {
            return Answer::Denied { retry_after: Duration::from_millis(not_before - now) };
        }
        let give_up_at = now.saturating_add(self.settings.probe_timeout_ms);
        self.enter(Phase::HalfOpen { give_up_at, pause });
        Answer::Permit(Permit { era: self.era })
    }

    /// The permitted call was not made: a probe's place is free for another, at once.
    pub fn give_back(&mut self, now: u64, permit: Permit) {
        if permit.era != self.era {
            return;
        }
        if let Phase::HalfOpen { pause, .. } = self.phase {
            self.enter(Phase::Open { until: now, pause });
        }
    }

    /// Reports what became of a permitted call.
    pub fn record(&mut self, now: u64, permit: Permit, outcome: Outcome) {
        if outcome == Outcome::NotAsked {
            return self.give_back(now, permit);
        }
        if permit.era != self.era {
            return;
        }
        match &mut self.phase {
            Phase::Open { .. } => {}
            Phase::HalfOpen { pause, .. } => {
                let doubled = pause.saturating_mul(2).min(self.settings.longest_pause_ms);
                if outcome == Outcome::Failure {
                    self.open(now, doubled);
                } else {
                    self.enter(Phase::Closed { window: Window::default(), failures_in_a_row: 0 });
                }
            }
            Phase::Closed { window, failures_in_a_row } => {
                match outcome {
                    Outcome::Refusal | Outcome::NotAsked => return,
                    Outcome::Success => *failures_in_a_row = 0,
                    Outcome::Failure => *failures_in_a_row += 1,
                }
                let (calls, failures) = window.add(now, self.settings.window_ms, outcome == Outcome::Failure);
                let by_share = calls >= u64::from(self.settings.least_calls)
                    && failures * 100 >= calls * u64::from(self.settings.failure_percent);
                if outcome == Outcome::Failure && (by_share || *failures_in_a_row >= self.settings.failures_in_a_row) {
                    self.open(now, self.settings.first_pause_ms);
                }
            }
        }
    }

    fn open(&mut self, now: u64, pause: u64) {
        self.enter(Phase::Open { until: now.saturating_add(pause), pause });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.era += 1;
    }
}

/// The breaker of one route with its clock, for all who use the route.
#[derive(Debug)]
pub struct RouteBreaker {
    route: &'static str,
    breaker: Mutex<Breaker>,
    /// Start of the breaker's time.
    started: Instant,
}

impl RouteBreaker {
    pub fn new(route: &'static str, settings: BreakerSettings) -> Self {
        Self { route, breaker: Mutex::new(Breaker::new(settings)), started: Instant::now() }
    }

    /// Whether a call may be made now, and whether it is more than a probe.
    pub fn permits(&self) -> (Answer, State) {
        let now = self.now();
        self.with(|breaker| {
            let answer = breaker.permits(now);
            (answer, breaker.state())
        })
    }

    pub fn record(&self, permit: Permit, outcome: Outcome) {
        let now = self.now();
        self.with(|breaker| breaker.record(now, permit, outcome));
    }

    /// No call was made after all.
    pub fn give_back(&self, permit: Permit) {
        let now = self.now();
        self.with(|breaker| breaker.give_back(now, permit));
    }

    /// Goes on with other settings, knowing what it knows.
    pub fn follow(&self, settings: BreakerSettings) {
        self.with(|breaker| breaker.follow(settings));
    }

    /// Makes the call, or says at once that it is not worth trying.
    pub async fn guard<T>(
        &self,
        system: &'static str,
        call: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        let (Answer::Permit(permit), _) = self.permits() else {
            counter!(NOT_CALLED.name, "upstream" => system, "reason" => "breaker").increment(1);
            let left_alone =
                PortError::new(system, PortErrorKind::Unavailable).with_note("it failed too often: left alone");
            return Err(left_alone.not_asked());
        };
        let result = call.await;
        self.record(permit, Outcome::of(&result));
        result
    }

    fn with<T>(&self, change: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker: MutexGuard<'_, Breaker> = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let before = breaker.state();
        let result = change(&mut breaker);
        let now = breaker.state();
        match now {
            State::Open if before != now => {
                tracing::warn!(route = self.route, "the other side fails too often: it is left alone for a while");
            }
            State::Closed if before != now => tracing::info!(route = self.route, "the other side answers again"),
            _ => {}
        }
        // Told each time: it may have taken the place of another.
        gauge!(BREAKER.name, "route" => self.route).set(now as u8);
        result
    }

    /// A clock that is never set back.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The window is kept in this many buckets, so that its size does not grow with the rate of calls.
const BUCKETS: u64 = 10;

#[derive(Debug, Clone, Default)]
struct Window {
    /// (number of the bucket since the start of time, calls, failures), oldest first.
    buckets: VecDeque<(u64, u64, u64)>,
}

impl Window {
    /// Adds a call and gives the sums of the window.
    fn add(&mut self, now: u64, window_ms: u64, failed: bool) -> (u64, u64) {
        let newest = self.buckets.back().map_or(0, |bucket| bucket.0);
        let number = (now / (window_ms / BUCKETS).max(1)).max(newest);
        if self.buckets.back().is_none_or(|bucket| bucket.0 != number) {
            self.buckets.push_back((number, 0, 0));
        }
        if let Some((_, calls, failures)) = self.buckets.back_mut() {
            *calls += 1;
            *failures += u64::from(failed);
        }
        while self.buckets.front().is_some_and(|bucket| bucket.0 + BUCKETS <= number) {
            self.buckets.pop_front();
        }
        self.buckets.iter().fold((0, 0), |(calls, failures), bucket| (calls + bucket.1, failures + bucket.2))
    }
}
