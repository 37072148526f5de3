//! Indicator 2.1: whether a dossier was handled on time.
//!
//! The rule, as the reference gives it: on time if it ended at or before it was due. It ended when it was finished, else
//! when its result was returned, else when it was stopped or not accepted (withdrawn: only if it had been received). One
//! request for a supplement with nothing after it: at that request. More than one: late. Not ended: at the end of the
//! period. With a supplement, the time from its request to its completion is subtracted. Where no due time is told: end −
//! receipt − supplement is at most the longest legal time.
//!
//! Choices, where the reference leaves one open:
//! - Times are compared in whole seconds, as they are on the wire: ended in the second in which it was due is on time.
//! - Several times of one state: the last one counts (of stopped, not accepted and withdrawn, the last of all three).
//!   An end stands even if the history goes on after it.
//! - Withdrawn in the second of its receipt is withdrawn after it.
//! - Requests are told apart by their second: two entries in one second are one request. Only the history of states is
//!   counted; rounds of supplements tell times, not how often (unless no step tells a request: `HeldDossier::of`). What has the same
//!   second as the request is not after it.
//! - A finish time that was sent counts only where the history tells neither an end nor one open request.
//! - The time of a supplement is that of the rounds; where none is told, from the request to the next later entry of
//!   another state. A round that was not completed subtracts nothing, one completed before its request adds the
//!   difference (that is what the subtraction gives), and several are summed. Where the dossier ended by its request,
//!   nothing is subtracted: the wait came after the end.
//! - The subtraction is made where a due time is told too, even if it had been moved for the supplement.
//! - Without a due time, the legal time is laid out by the working calendar, with the supplement as a pause, so that all
//!   parts are in the unit of the legal time.
//! - Ended before receipt is on time. An end after the period is taken as it is.

use super::{Formula, HeldDossier, Period, Reason, Verdict};
use crate::dossier::DossierState::WithdrawnByCitizen;
use crate::dossier::DossierState::{self, Finished, NotAccepted, ResultReturned, Stopped, SupplementRequested};
use crate::time::{Pause, Timestamp};

const MICROS: i64 = 1_000_000;

/// How a dossier's punctuality was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Punctuality {
    pub end: End,
    /// Seconds that a supplement was awaited, as subtracted.
    pub supplement_seconds: i64,
    pub verdict: Verdict,
}

/// When a dossier ended, to the second, and what says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub at: Timestamp,
    pub by: EndedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    State(DossierState),
    /// The only request for a supplement, with nothing after it.
    SupplementRequest,
    /// The finish time that was sent, without a state that says so.
    FinishTime,
    /// It has not ended.
    PeriodEnd,
}

/// Judges a dossier that was received at `received`.
pub(super) fn judge(dossier: &HeldDossier, received: Timestamp, formula: &Formula) -> Punctuality {
    let received = whole_second(received);
    let requests = requests(dossier);
    let end = end(dossier, received, &requests, formula.period());
    let waits = if end.by == EndedBy::SupplementRequest { Vec::new() } else { waits(dossier, &requests) };
    let supplement_seconds = waits.iter().map(|(from, to)| to - from).sum();
    let verdict = if requests.len() > 1 {
        Verdict::Costs(Reason::SecondSupplementRequest)
    } else if let Some(due) = dossier.due_at {
        let is_on_time = second(end.at) - supplement_seconds <= second(due);
        if is_on_time { Verdict::Met } else { Verdict::Costs(why_late(end.by)) }
    } else {
        by_legal_time(dossier, received, end, &waits, formula)
    };
    Punctuality { end, supplement_seconds, verdict }
}

fn why_late(by: EndedBy) -> Reason {
    match by {
        EndedBy::State(_) | EndedBy::FinishTime => Reason::FinishedLate,
        EndedBy::SupplementRequest => Reason::SupplementRequestedLate,
        EndedBy::PeriodEnd => Reason::UnfinishedAfterDue,
    }
}

/// The seconds of its requests for a supplement, in order, each once.
fn requests(dossier: &HeldDossier) -> Vec<i64> {
    let mut seconds: Vec<i64> = of_states(dossier, &[SupplementRequested]).map(|(_, at)| at).collect();
    seconds.sort_unstable();
    seconds.dedup();
    seconds
}

fn of_states<'a>(
    dossier: &'a HeldDossier,
    states: &'a [DossierState],
) -> impl Iterator<Item = (DossierState, i64)> + 'a {
    let entries = dossier.history.iter().filter(|entry| states.contains(&entry.state));
    entries.map(|entry| (entry.state, second(entry.at)))
}

fn end(dossier: &HeldDossier, received: Timestamp, requests: &[i64], period: &Period) -> End {
    let last = |states: &[DossierState]| {
        of_states(dossier, states)
            .filter(|(state, at)| *state != WithdrawnByCitizen || second(received) <= *at)
            .max_by_key(|(state, at)| (*at, *state))
            .map(|(state, at)| (at, EndedBy::State(state)))
    };
    let open_request = || match requests {
        [one] if dossier.history.iter().all(|entry| second(entry.at) <= *one) => {
            Some((*one, EndedBy::SupplementRequest))
        }
        _ => None,
    };
    let (at, by) = last(&[Finished])
        .or_else(|| last(&[ResultReturned]))
        .or_else(|| last(&[Stopped, NotAccepted, WithdrawnByCitizen]))
        .or_else(open_request)
        .or_else(|| dossier.finished_at.map(|at| (second(at), EndedBy::FinishTime)))
        .unwrap_or((second(period.end()), EndedBy::PeriodEnd));
    End { at: instant(at), by }
}

/// From when to when supplements were awaited, in seconds.
fn waits(dossier: &HeldDossier, requests: &[i64]) -> Vec<(i64, i64)> {
    if !dossier.supplements.is_empty() {
        let rounds = dossier.supplements.iter();
        return rounds.filter_map(|round| Some((second(round.requested_at), second(round.completed_at?)))).collect();
    }
    let next = |request: i64| {
        let others = dossier.history.iter().filter(|entry| entry.state != SupplementRequested);
        others.map(|entry| second(entry.at)).filter(|at| *at > request).min()
    };
    requests.iter().filter_map(|request| Some((*request, next(*request)?))).collect()
}

fn by_legal_time(
    dossier: &HeldDossier,
    received: Timestamp,
    end: End,
    waits: &[(i64, i64)],
    formula: &Formula,
) -> Verdict {
    let forward = waits.iter().filter(|(from, to)| from <= to);
    let pauses: Vec<Pause> = forward.map(|(from, to)| Pause { from: instant(*from), to: instant(*to) }).collect();
    let added: i64 = waits.iter().map(|(from, to)| (from - to).max(0)).sum();
    let limit = dossier.procedure_facts.longest_legal_time;
    // A time limit that the calendar refuses is none.
    match limit.and_then(|limit| formula.calendar().due_at(received, limit, &pauses).ok()) {
        None => Verdict::Undecided(Reason::TimeLimitUnknown),
        Some(due) if second(end.at) + added <= second(due) => Verdict::Met,
        Some(_) => Verdict::Costs(Reason::BeyondLegalTime),
    }
}

fn second(at: Timestamp) -> i64 {
    at.micros().div_euclid(MICROS)
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_micros(second.saturating_mul(MICROS))
}

fn whole_second(at: Timestamp) -> Timestamp {
    instant(second(at))
}
