//! What is different between a dossier here and there.

use lienthong_domain::agreement::{
    Aspect, Class, Findings, LocalContents, LocalDossier, NationalDossier, Repair, Told, compare,
};
use lienthong_domain::dossier::DossierState;
use lienthong_domain::time::Timestamp;
use proptest::prelude::*;

const DUE: i64 = 1_800_000_000_000_000;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn here() -> LocalDossier {
    let contents = LocalContents { due_at: Some(at(DUE)), results: 1 };
    LocalDossier { state: DossierState::Finished, later_step: None, contents: Some(contents) }
}

fn there() -> NationalDossier {
    NationalDossier {
        state: Told::Value(DossierState::Finished),
        due_at: Told::Value(Some(at(DUE))),
        results: Told::Value(1),
    }
}

fn classes(findings: &Findings) -> Vec<Class> {
    findings.differences.iter().map(|difference| difference.class).collect()
}

#[test]
fn each_thing_that_differs_is_told_with_both_sides() {
    assert_eq!(compare(&here(), Some(&there())), Findings::default());
    let missing = compare(&here(), None);
    assert_eq!(classes(&missing), [Class::MissingNationally]);
    assert!(missing.not_observable.is_empty(), "of what is not there nothing else is compared");
    let cases = [
        (NationalDossier { state: Told::Value(DossierState::Stopped), ..there() }, Class::State, "finished", "stopped"),
        (NationalDossier { due_at: Told::Value(None), ..there() }, Class::DueAt, "2027-01-15T08:00:00Z", "none"),
        (
            NationalDossier { due_at: Told::Value(Some(at(DUE + 1_000_000))), ..there() },
            Class::DueAt,
            "2027-01-15T08:00:00Z",
            "2027-01-15T08:00:01Z",
        ),
        (NationalDossier { results: Told::Value(0), ..there() }, Class::ResultMissing, "1", "0"),
    ];
    for (national, class, expected, observed) in cases {
        let found = compare(&here(), Some(&national));
        assert_eq!(classes(&found), [class]);
        assert_eq!(
            (found.differences[0].expected.as_str(), found.differences[0].observed.as_str()),
            (expected, observed)
        );
    }
    let without = LocalDossier { contents: Some(LocalContents { due_at: None, results: 0 }), ..here() };
    assert_eq!(classes(&compare(&without, Some(&there()))), [Class::DueAt], "more results than here are no difference");
}

#[test]
fn parts_of_a_second_are_no_difference_and_a_second_is() {
    let local =
        |micros| LocalDossier { contents: Some(LocalContents { due_at: Some(at(micros)), results: 1 }), ..here() };
    for (micros, differs) in [(DUE, false), (DUE + 999_999, false), (DUE + 1_000_000, true), (DUE - 1, true)] {
        assert_eq!(classes(&compare(&local(micros), Some(&there()))).contains(&Class::DueAt), differs, "{micros}");
    }
}

#[test]
fn a_later_step_may_have_moved_the_state_and_an_earlier_one_has_not() {
    let national = NationalDossier { state: Told::Value(DossierState::ResultReturned), ..there() };
    assert_eq!(classes(&compare(&here(), Some(&national))), [Class::State]);
    let later = LocalDossier { later_step: Some(DossierState::ResultReturned), ..here() };
    assert_eq!(classes(&compare(&later, Some(&national))), []);
    assert_eq!(classes(&compare(&later, Some(&there()))), [], "nor need it have");
}

#[test]
fn what_is_not_told_or_not_readable_is_never_taken_for_equal() {
    let silent = compare(&here(), Some(&NationalDossier::PRESENT));
    assert_eq!(silent.not_observable, [Aspect::State, Aspect::DueAt, Aspect::Results]);
    assert!(silent.differences.is_empty() && silent.unreadable.is_empty());
    let garbled = NationalDossier { state: Told::Unreadable, due_at: Told::Unreadable, results: Told::Unreadable };
    let garbled = compare(&here(), Some(&garbled));
    assert_eq!(garbled.unreadable, [Aspect::State, Aspect::DueAt, Aspect::Results]);
    // Nor is what was erased here.
    let erased = compare(&LocalDossier { contents: None, ..here() }, Some(&there()));
    assert_eq!(erased.not_observable, [Aspect::DueAt, Aspect::Results]);
}

#[test]
fn what_the_gateway_can_send_it_sends_and_the_rest_is_asked() {
    for class in Class::ALL {
        let expected = match class {
            Class::MissingNationally => Repair::Resend,
            Class::State | Class::DueAt | Class::ResultMissing => Repair::Correct,
            Class::NotSent | Class::MissingLocally | Class::NeverGiven => Repair::Ask,
        };
        assert_eq!(class.repair(), expected);
    }
}

fn told<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Told<T>> {
    prop_oneof![value.prop_map(Told::Value), Just(Told::Nothing), Just(Told::Unreadable)]
}

proptest! {
    /// Each aspect ends in exactly one of: seen to be the same, different, not told, not readable.
    #[test]
    fn every_aspect_has_exactly_one_outcome(
        state in told(prop::sample::select(DossierState::ALL)),
        due in told(prop::option::of((0_i64..4).prop_map(|seconds| at(DUE + seconds * 500_000)))),
        results in told(0_usize..3),
    ) {
        let national = NationalDossier { state, due_at: due, results };
        let found = compare(&here(), Some(&national));
        for (aspect, class, is_same) in [
            (Aspect::State, Class::State, state == Told::Value(DossierState::Finished)),
            (Aspect::DueAt, Class::DueAt, matches!(due, Told::Value(Some(due)) if due.micros() < DUE + 1_000_000)),
            (Aspect::Results, Class::ResultMissing, matches!(results, Told::Value(results) if results >= 1)),
        ] {
            let outcomes = [
                is_same,
                classes(&found).contains(&class),
                found.not_observable.contains(&aspect),
                found.unreadable.contains(&aspect),
            ];
            prop_assert_eq!(outcomes.iter().filter(|holds| **holds).count(), 1, "{:?} {:?}", aspect, national);
        }
    }
}
