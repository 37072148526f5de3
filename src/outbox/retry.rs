//! When to try again: a fixed schedule, spread by jitter, ended by a deadline.

use lienthong_domain::time::Timestamp;

/// Delays after the first, second, … attempt; the last one repeats until the deadline.
#[derive(Debug, Clone)]
pub struct RetrySchedule {
    pub delays_ms: Vec<i64>,
    /// Each delay is spread by up to this share, both ways.
    pub jitter_percent: i64,
    /// How long after its first attempt an item is given up to an operator.
    pub give_up_after_ms: i64,
}

impl RetrySchedule {
    /// When the next attempt is due, or `None` if the deadline has passed. `spread` is any number, by which equal items
    /// spread differently.
    pub fn next(&self, attempts: i64, first_tried_at: Timestamp, now: Timestamp, spread: u64) -> Option<Timestamp> {
        if now.millis_since(first_tried_at) >= self.give_up_after_ms {
            return None;
        }
        let last = self.delays_ms.len().saturating_sub(1);
        let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(last);
        let delay = self.delays_ms.get(at).copied().unwrap_or(1000);
        let span = delay * self.jitter_percent / 100;
        let offset = i64::try_from(spread % (2 * span.unsigned_abs() + 1)).unwrap_or(0) - span;
        Some(now.plus_millis((delay + offset).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> RetrySchedule {
        RetrySchedule { delays_ms: vec![1000, 5000, 30_000], jitter_percent: 20, give_up_after_ms: 3_600_000 }
    }

    #[test]
    fn delays_grow_repeat_the_last_and_stay_within_the_jitter() {
        let start = Timestamp::from_micros(0);
        for (attempts, delay) in [(1, 1000), (2, 5000), (3, 30_000), (9, 30_000)] {
            for spread in 0..5000 {
                let due = schedule().next(attempts, start, start, spread).unwrap().millis_since(start);
                assert!((delay * 8 / 10..=delay * 12 / 10).contains(&due), "{attempts}: {due}");
            }
        }
    }

    #[test]
    fn after_the_deadline_the_item_is_given_up() {
        let start = Timestamp::from_micros(0);
        assert_eq!(schedule().next(1, start, start.plus_millis(3_600_000), 0), None);
    }
}
