//! How long the work at hand may still take: set where a request comes in, kept to wherever something is waited for, without
//! being handed from call to call. Work that is spawned has a budget of its own, or none.

use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static UNTIL: Instant;
}

/// Does the work with so much time at most; never with more than the work around it has left. It is not broken off: whoever
/// waits for something below asks [`left`].
pub async fn within<F: Future>(time: Duration, work: F) -> F::Output {
    let until = Instant::now() + time;
    let until = UNTIL.try_with(|outer| until.min(*outer)).unwrap_or(until);
    UNTIL.scope(until, work).await
}

/// What is left, where somebody has set a limit.
pub fn left() -> Option<Duration> {
    UNTIL.try_with(|until| until.saturating_duration_since(Instant::now())).ok()
}

/// `most`, or what is left if that is less.
pub fn at_most(most: Duration) -> Duration {
    left().map_or(most, |left| left.min(most))
}
