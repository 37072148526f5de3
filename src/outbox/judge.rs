//! What the outcome of an attempt or of a look-up means for an item: its next status, and when something is due again.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lienthong_domain::invalid::Message;
use lienthong_domain::port::{AfterAmbiguity, PortError, PortErrorKind, Presence};
use lienthong_domain::time::Timestamp;

use super::store::Settlement;
use super::worker::Worker;
use super::{Attempt, Claimed, Learned, Problem, Status};

/// A receiver's `Retry-After` is believed up to a day.
const MOST_RETRY_AFTER_MS: i64 = 24 * 3_600_000;

impl Worker {
    pub(super) fn judge(&self, claimed: &Claimed, attempt: Attempt) -> Settlement {
        let Attempt { operation, result, learned } = attempt;
        let settlement = match result {
            Ok(()) => self.settlement(claimed, operation, Status::Delivered, None, None),
            Err(error) => self.judge_failure(claimed, operation, &error),
        };
        Settlement { learned, ..settlement }
    }

    fn judge_failure(&self, claimed: &Claimed, operation: &'static str, error: &PortError) -> Settlement {
        let now = self.clock.now();
        let problem = Some(problem_of(error));
        match &error.kind {
            PortErrorKind::Unavailable => self.retry_later(claimed, operation, problem, 0),
            PortErrorKind::RateLimited { retry_after } => {
                self.retry_later(claimed, operation, problem, asked_pause(*retry_after))
            }
            PortErrorKind::QuotaSpent { retry_after } => {
                let due = self.after_quota(claimed, *retry_after);
                self.settlement(claimed, operation, Status::Retry, Some(due), problem)
            }
            PortErrorKind::OurCredentialRefused => {
                self.settlement(claimed, operation, Status::Retry, Some(self.rest(error)), problem)
            }
            PortErrorKind::Rejected { .. } | PortErrorKind::AlreadyExists | PortErrorKind::NotFound => {
                self.settlement(claimed, operation, Status::Dead, None, problem)
            }
            PortErrorKind::Unreadable | PortErrorKind::OutcomeUnknown => {
                let due = match self.delivery.after_ambiguity(claimed) {
                    AfterAmbiguity::Park => None,
                    AfterAmbiguity::LookUp | AfterAmbiguity::Resend => {
                        Some(now.plus_millis(self.settings.look_up_delay_ms))
                    }
                };
                self.settlement(claimed, operation, Status::Unknown, due, problem)
            }
        }
    }

    /// Our account was refused: the route rests. Returns until when.
    fn rest(&self, error: &PortError) -> Timestamp {
        tracing::error!(system = error.system, "our account was refused: the route rests until it is accepted again");
        let until = self.clock.now().plus_millis(self.settings.credential_pause_ms);
        self.rests_until.store(until.micros(), Ordering::Relaxed);
        until
    }

    pub(super) fn judge_look_up(&self, claimed: &Claimed, found: Result<Presence, PortError>) -> Settlement {
        match found {
            Ok(presence) => {
                let problem = claimed.item.problem.clone();
                let due = Some(self.clock.now());
                let mut settlement = self.settlement(claimed, "outbox.look_up", Status::Retry, due, problem);
                settlement.learned.presence = Some(presence);
                settlement
            }
            // Past the deadline nothing is due any more: the item stays unknown and visible, an operator decides.
            Err(error) => {
                let due = match &error.kind {
                    PortErrorKind::OurCredentialRefused => Some(self.rest(&error)),
                    PortErrorKind::RateLimited { retry_after } => self.next_attempt(claimed, asked_pause(*retry_after)),
                    PortErrorKind::QuotaSpent { retry_after } => Some(self.after_quota(claimed, *retry_after)),
                    _ => self.next_attempt(claimed, 0),
                };
                self.settlement(claimed, "outbox.look_up", Status::Unknown, due, Some(problem_of(&error)))
            }
        }
    }

    /// When there may be a place in the quota again. No failure of the item: it does not wait longer each time, and is not
    /// given up for it. Spread, lest all that wait come at once.
    fn after_quota(&self, claimed: &Claimed, retry_after: Duration) -> Timestamp {
        let spread = i64::try_from(claimed.item.id.as_u64_pair().1 % 1000).unwrap_or(0);
        self.clock.now().plus_millis(asked_pause(Some(retry_after)) + spread)
    }

    fn next_attempt(&self, claimed: &Claimed, least_ms: i64) -> Option<Timestamp> {
        let (item, now) = (&claimed.item, self.clock.now());
        let spread = item.id.as_u64_pair().1 ^ item.fence.unsigned_abs();
        // Look-ups are no attempts, but they too must become rarer: the fence counts both.
        let tries = if item.status == Status::Unknown { item.fence } else { item.attempts };
        let retry = self.retry.read().unwrap_or_else(PoisonError::into_inner);
        let due = retry.next(tries, item.first_tried_at.unwrap_or(now), now, spread)?;
        Some(due.max(now.plus_millis(least_ms)))
    }

    fn retry_later(
        &self,
        claimed: &Claimed,
        operation: &'static str,
        problem: Option<Problem>,
        least_ms: i64,
    ) -> Settlement {
        match self.next_attempt(claimed, least_ms) {
            Some(due) => self.settlement(claimed, operation, Status::Retry, Some(due), problem),
            None => self.settlement(claimed, operation, Status::Dead, None, problem),
        }
    }

    pub(super) fn settlement(
        &self,
        claimed: &Claimed,
        operation: &'static str,
        to: Status,
        due_at: Option<Timestamp>,
        problem: Option<Problem>,
    ) -> Settlement {
        Settlement {
            id: claimed.item.id,
            fence: claimed.item.fence,
            operation,
            to,
            due_at,
            problem,
            learned: Learned::default(),
            now: self.clock.now(),
        }
    }
}

/// A pause that the receiver asked for, in milliseconds.
fn asked_pause(retry_after: Option<Duration>) -> i64 {
    let asked = retry_after.map_or(0, |after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
    asked.min(MOST_RETRY_AFTER_MS)
}

fn problem_of(error: &PortError) -> Problem {
    let reason = match &error.kind {
        PortErrorKind::Rejected { reason } => Some(reason.clone()),
        PortErrorKind::AlreadyExists => {
            Some(Message::new("Hệ thống nhận cho biết hồ sơ đã tồn tại.", "It exists there already."))
        }
        PortErrorKind::NotFound => Some(Message::new("Hệ thống nhận chưa có hồ sơ này.", "The dossier is not there.")),
        _ => None,
    };
    Problem {
        kind: error.kind.name().to_owned(),
        upstream_code: error.upstream_code.clone(),
        note: error.note.clone(),
        reason,
    }
}

pub(super) fn own_problem(kind: &str) -> Option<Problem> {
    Some(Problem { kind: kind.to_owned(), upstream_code: None, note: None, reason: None })
}
