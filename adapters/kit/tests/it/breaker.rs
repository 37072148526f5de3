//! The breaker opens, probes and closes by its rules, and cannot be wedged.

use std::time::Duration;

use lienthong_adapter_kit::breaker::{Answer, Breaker, BreakerSettings, Outcome, Permit, State};
use lienthong_domain::invalid::{InvalidFields, Message};
use lienthong_domain::port::{PortError, PortErrorKind};
use proptest::prelude::*;
use serde_json::json;

fn breaker() -> Breaker {
    Breaker::new(BreakerSettings::default())
}

fn permit(breaker: &mut Breaker, now: u64) -> Permit {
    match breaker.permits(now) {
        Answer::Permit(permit) => permit,
        Answer::Denied { .. } => panic!("denied at {now}"),
    }
}

fn report(breaker: &mut Breaker, now: u64, outcome: Outcome) {
    let leave = permit(breaker, now);
    breaker.record(now, leave, outcome);
}

fn denied_for(breaker: &mut Breaker, now: u64) -> Option<u64> {
    match breaker.permits(now) {
        Answer::Permit(_) => None,
        Answer::Denied { retry_after } => Some(u64::try_from(retry_after.as_millis()).unwrap()),
    }
}

#[test]
fn five_failures_in_a_row_open_it_and_a_success_between_does_not() {
    let mut it = breaker();
    for now in 0..4 {
        report(&mut it, now, Outcome::Failure);
    }
    report(&mut it, 4, Outcome::Success);
    for now in 5..9 {
        report(&mut it, now, Outcome::Failure);
    }
    assert_eq!(it.state(), State::Closed);
    report(&mut it, 9, Outcome::Failure);
    assert_eq!(it.state(), State::Open);
    assert_eq!(denied_for(&mut it, 10), Some(4_999));
}

#[test]
fn half_of_twenty_calls_in_the_window_open_it_and_nineteen_do_not() {
    let mut it = breaker();
    for now in 0..19 {
        report(&mut it, now * 100, if now % 2 == 0 { Outcome::Failure } else { Outcome::Success });
    }
    assert_eq!(it.state(), State::Closed);
    report(&mut it, 1_900, Outcome::Failure);
    assert_eq!(it.state(), State::Open);
}

#[test]
fn what_is_older_than_the_window_is_forgotten() {
    let mut it = breaker();
    for n in 0..200 {
        // One call a second: never twenty in ten seconds, however many fail.
        report(&mut it, n * 1_000, if n % 2 == 0 { Outcome::Failure } else { Outcome::Success });
    }
    assert_eq!(it.state(), State::Closed);
}

#[test]
fn the_pause_doubles_up_to_its_limit_and_starts_over_after_a_good_probe() {
    let mut it = breaker();
    (0..5).for_each(|_| report(&mut it, 0, Outcome::Failure));
    let mut now = 0;
    for pause in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
        assert_eq!(denied_for(&mut it, now + pause - 1), Some(1));
        now += pause;
        let probe = permit(&mut it, now);
        assert_eq!(it.state(), State::HalfOpen);
        assert!(denied_for(&mut it, now).is_some(), "one probe at a time");
        it.record(now, probe, Outcome::Failure);
    }
    now += 60_000;
    report(&mut it, now, Outcome::Success);
    assert_eq!(it.state(), State::Closed);
    (0..5).for_each(|_| report(&mut it, now, Outcome::Failure));
    assert_eq!(denied_for(&mut it, now), Some(5_000));
}

#[test]
fn a_refusal_is_not_counted_and_closes_a_probing_breaker() {
    let mut it = breaker();
    for now in 0..4 {
        report(&mut it, now, Outcome::Failure);
    }
    (0..100).for_each(|_| report(&mut it, 5, Outcome::Refusal));
    assert_eq!(it.state(), State::Closed);
    report(&mut it, 6, Outcome::Failure);
    assert_eq!(it.state(), State::Open, "refusals do not break the row either");
    report(&mut it, 6_000, Outcome::Refusal);
    assert_eq!(it.state(), State::Closed);
}

#[test]
fn a_lost_probe_gives_way_to_another_and_its_late_outcome_says_nothing() {
    let mut it = breaker();
    (0..5).for_each(|_| report(&mut it, 0, Outcome::Failure));
    let lost = permit(&mut it, 5_000);
    assert_eq!(denied_for(&mut it, 5_001), Some(59_999));
    let second = permit(&mut it, 65_000);
    it.record(65_001, lost, Outcome::Success);
    assert_eq!(it.state(), State::HalfOpen);
    it.record(65_002, second, Outcome::Success);
    assert_eq!(it.state(), State::Closed);
}

#[test]
fn a_call_from_before_the_opening_does_not_reopen_or_close() {
    let mut it = breaker();
    let early = permit(&mut it, 0);
    (0..5).for_each(|_| report(&mut it, 0, Outcome::Failure));
    it.record(1, early, Outcome::Success);
    assert_eq!(it.state(), State::Open);
}

#[test]
fn every_port_error_has_its_outcome() {
    let of = |kind| Outcome::of::<()>(&Err(PortError::new("test", kind)));
    assert_eq!(Outcome::of(&Ok::<_, PortError>(())), Outcome::Success);
    assert_eq!(of(PortErrorKind::Rejected { reason: Message::new("a", "b") }), Outcome::Refusal);
    for kind in [PortErrorKind::AlreadyExists, PortErrorKind::NotFound, PortErrorKind::OurCredentialRefused] {
        assert_eq!(of(kind), Outcome::Refusal);
    }
    for kind in [PortErrorKind::Unavailable, PortErrorKind::Unreadable, PortErrorKind::OutcomeUnknown] {
        assert_eq!(of(kind), Outcome::Failure);
    }
    assert_eq!(of(PortErrorKind::RateLimited { retry_after: None }), Outcome::Failure);
    assert_eq!(of(PortErrorKind::QuotaSpent { retry_after: Duration::ZERO }), Outcome::NotAsked);
    let own_fault = PortError::new("test", PortErrorKind::Unavailable).not_asked();
    assert_eq!(Outcome::of::<()>(&Err(own_fault)), Outcome::NotAsked);
}

#[test]
fn what_was_not_asked_neither_opens_nor_closes_it() {
    let mut it =
        Breaker::new(BreakerSettings { failures_in_a_row: 2, first_pause_ms: 100, ..BreakerSettings::default() });
    for _ in 0..10 {
        let Answer::Permit(permit) = it.permits(0) else { panic!() };
        it.record(0, permit, Outcome::NotAsked);
    }
    assert_eq!(it.state(), State::Closed);
    for _ in 0..2 {
        let Answer::Permit(permit) = it.permits(0) else { panic!() };
        it.record(0, permit, Outcome::Failure);
    }
    let Answer::Permit(probe) = it.permits(100) else { panic!() };
    it.record(100, probe, Outcome::NotAsked);
    assert_eq!(it.state(), State::Open, "a probe that was not made has shown nothing");
    assert!(matches!(it.permits(100), Answer::Permit(_)), "and the next one may be made at once");
}

#[test]
fn a_longer_window_forgets_as_it_should() {
    let short =
        BreakerSettings { window_ms: 1000, failures_in_a_row: 1000, least_calls: 4, ..BreakerSettings::default() };
    let mut it = Breaker::new(short.clone());
    let call = |it: &mut Breaker, now, outcome| {
        let Answer::Permit(permit) = it.permits(now) else { panic!("denied at {now}") };
        it.record(now, permit, outcome);
    };
    let late = 1_000_000;
    call(&mut it, late, Outcome::Success);
    it.follow(BreakerSettings { window_ms: 60_000, ..short });
    for n in 0..100 {
        call(&mut it, late + n, Outcome::Success);
    }
    // Two windows later those successes are forgotten: half of four calls is enough.
    for outcome in [Outcome::Success, Outcome::Success, Outcome::Failure, Outcome::Failure] {
        call(&mut it, late + 130_000, outcome);
    }
    assert_eq!(it.state(), State::Open);
}

#[test]
fn settings_are_read_and_every_mistake_is_named() {
    let wrong = deserr::deserialize::<BreakerSettings, _, InvalidFields>(json!({
        "window_ms": 1, "least_calls": 0, "failure_percent": 101, "failures_in_a_row": 0,
        "first_pause_ms": 10, "longest_pause_ms": 9, "probe_timeout_ms": 0
    }))
    .unwrap_err();
    assert_eq!(wrong.fields().len(), 6);
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Wait(u64),
    Call(Outcome),
    LosePermit,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0_u64..20_000).prop_map(Act::Wait),
        prop_oneof![Just(Outcome::Success), Just(Outcome::Failure), Just(Outcome::Refusal)].prop_map(Act::Call),
        Just(Act::LosePermit),
    ]
}

proptest! {
    #[test]
    fn it_is_never_wedged_and_never_probes_twice(acts in prop::collection::vec(act(), 0..200)) {
        let settings = BreakerSettings::default();
        let longest = Duration::from_millis(settings.longest_pause_ms.max(settings.probe_timeout_ms));
        let mut it = Breaker::new(settings);
        let mut now = 0;
        for act in acts {
            match act {
                Act::Wait(ms) => now += ms,
                Act::LosePermit => { let _ = it.permits(now); }
                Act::Call(outcome) => match it.permits(now) {
                    Answer::Denied { retry_after } => prop_assert!(retry_after > Duration::ZERO && retry_after <= longest),
                    Answer::Permit(leave) => {
                        if it.state() == State::HalfOpen {
                            let second_is_denied = matches!(it.permits(now), Answer::Denied { .. });
                            prop_assert!(second_is_denied);
                        }
                        it.record(now, leave, outcome);
                    }
                },
            }
            // From any state, after the promised wait, a call is let through.
            let mut later = it.clone();
            if let Answer::Denied { retry_after } = later.permits(now) {
                let at = now + u64::try_from(retry_after.as_millis()).unwrap();
                prop_assert!(matches!(later.permits(at), Answer::Permit(_)));
            }
        }
    }

    #[test]
    fn without_failures_it_never_opens(outcomes in prop::collection::vec(any::<bool>(), 0..300)) {
        let mut it = breaker();
        for (now, success) in outcomes.into_iter().enumerate() {
            report(&mut it, now as u64, if success { Outcome::Success } else { Outcome::Refusal });
        }
        prop_assert_eq!(it.state(), State::Closed);
    }
}

#[test]
fn other_settings_hold_from_the_next_call_on_and_an_open_breaker_stays_open_for_its_time() {
    let mut it = breaker();
    report(&mut it, 0, Outcome::Failure);
    it.follow(BreakerSettings { failures_in_a_row: 2, first_pause_ms: 7_000, ..BreakerSettings::default() });
    report(&mut it, 1, Outcome::Failure);
    assert_eq!(it.state(), State::Open, "the failure before counts");
    it.follow(BreakerSettings { first_pause_ms: 1, ..BreakerSettings::default() });
    assert_eq!(denied_for(&mut it, 2), Some(6_999));
}
