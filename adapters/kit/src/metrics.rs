//! What is counted about calls to other systems. Whoever runs the process decides where the counts go; without a recorder
//! they go nowhere.

/// One metric: its name in Prometheus' form, and what it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// The labels, in the order in which documents name them.
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    pub const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, labels, help }
    }

    pub const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, labels, help }
    }

    /// Of seconds.
    pub const fn seconds(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind: Kind::Histogram, labels, help }
    }
}

pub const CALLS: Metric = Metric::counter(
    "lienthong_upstream_calls_total",
    &["upstream", "outcome"],
    "Calls by how they ended: the class of the HTTP status (2xx to 5xx), not_sent, or unknown.",
);
pub const CALL_SECONDS: Metric = Metric::seconds(
    "lienthong_upstream_call_duration_seconds",
    &["upstream"],
    "From the first byte of a call to the last byte of its reply.",
);
pub const CALLS_IN_PROGRESS: Metric =
    Metric::gauge("lienthong_upstream_calls_in_progress", &["upstream"], "Calls under way.");
pub const CALLS_WAITING: Metric = Metric::gauge(
    "lienthong_upstream_calls_waiting",
    &["upstream"],
    "Calls that wait for their turn or for their quota.",
);
pub const NOT_CALLED: Metric = Metric::counter(
    "lienthong_upstream_not_called_total",
    &["upstream", "reason"],
    "Calls that were not made: no_turn, no_time, quota, breaker, or lease.",
);
pub const REPEATS: Metric = Metric::counter(
    "lienthong_upstream_repeats_total",
    &["upstream", "result"],
    "Reads that failed without an answer: repeated, or not for want of budget (no_budget).",
);
pub const BREAKER: Metric = Metric::gauge(
    "lienthong_breaker_state",
    &["route"],
    "The circuit breaker of a route: 0 closed, 1 half open, 2 open.",
);
pub const CACHE_ANSWERS: Metric = Metric::counter(
    "lienthong_cache_answers_total",
    &["cache", "answer"],
    "Answers of a cache: fresh, stale, asked (by this request or one beside it), or failed.",
);

/// All of the above.
pub const ALL: &[Metric] =
    &[CALLS, CALL_SECONDS, CALLS_IN_PROGRESS, CALLS_WAITING, NOT_CALLED, REPEATS, BREAKER, CACHE_ANSWERS];

/// Counts one more of something for as long as it is held.
pub struct InProgress(metrics::Gauge);

impl InProgress {
    pub fn of(gauge: metrics::Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
