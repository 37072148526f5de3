//! What must hold for any dossiers.

use lienthong_domain::dossier::{Channel, Database, DossierCode, DossierState, OnlinePayment};
use lienthong_domain::indicators::{
    Counting, HeldDossier, HeldPaper, HeldResult, Indicator, Percent, StateAt, SupplementRound, SyncBasis, Tally,
    Value, Verdict,
};
use lienthong_domain::money::Dong;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Duration, DurationUnit, Timestamp};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::{at, bare, march, tally};

/// From the end of February to the middle of April 2026, in half seconds close together and hours apart.
fn instants() -> impl Strategy<Value = Timestamp> {
    let start = at("2/25 08:00").micros();
    (0..1_200_i64, 0..4_i64)
        .prop_map(move |(hours, halves)| Timestamp::from_micros(start + hours * 3_600_000_000 + halves * 500_000))
}

fn histories() -> impl Strategy<Value = Vec<StateAt>> {
    let states = proptest::sample::select(DossierState::ALL);
    vec((states, instants()).prop_map(|(state, at)| StateAt { state, at }), 0..6)
}

fn rounds() -> impl Strategy<Value = Vec<SupplementRound>> {
    let round = (instants(), of(instants()));
    vec(round.prop_map(|(requested_at, completed_at)| SupplementRound { requested_at, completed_at }), 0..3)
}

fn held() -> impl Strategy<Value = HeldDossier> {
    let times = (of(instants()), of(instants()), of(instants()));
    let facts = (any::<Option<bool>>(), any::<Option<bool>>(), of(0..30_u32));
    let content = (
        of(proptest::sample::select(Channel::ALL)),
        of(proptest::sample::select(OnlinePayment::ALL)),
        vec(0..2_i64, 0..3),
        vec(any::<[bool; 3]>(), 0..3),
        vec(any::<[bool; 2]>(), 0..3),
        any::<[bool; 3]>(),
        any::<Option<bool>>(),
    );
    (times, histories(), rounds(), facts, content, 0..10_000_u32).prop_map(
        |(times, history, supplements, facts, content, number)| {
            let (channel, online_payment, prices, papers, results, flags, has_complaint) = content;
            let mut dossier = bare();
            dossier.code = DossierCode::parse(&format!("H15-260302-{number:04}")).expect("a code");
            (dossier.received_at, dossier.due_at, dossier.finished_at) = times;
            (dossier.procedure_facts.returns_paper, dossier.procedure_facts.bears_fees) = (facts.0, facts.1);
            dossier.procedure_facts.longest_legal_time =
                facts.2.map(|amount| Duration { amount, unit: DurationUnit::WorkingDay });
            dossier.fees = prices.into_iter().map(|price| Dong::new(price).expect("an amount")).collect();
            let paper = |[has_attachment, is_digitised, is_from_national_repository]: [bool; 3]| HeldPaper {
                has_attachment,
                is_digitised,
                is_from_national_repository,
            };
            dossier.papers = papers.into_iter().map(paper).collect();
            dossier.results =
                results.into_iter().map(|[has_code, has_link]| HeldResult { has_code, has_link }).collect();
            [dossier.has_digitised_components, dossier.is_verified_by_vneid, _] = flags;
            dossier.connected_databases = flags[2].then(|| Database::parse("7").expect("a code")).into_iter().collect();
            HeldDossier { channel, online_payment, history, supplements, has_complaint, ..dossier }
        },
    )
}

fn listing() -> Tally {
    Indicator::ALL.iter().fold(tally(), |tally, indicator| tally.listing(*indicator, 4))
}

fn tally_of<'a>(dossiers: impl IntoIterator<Item = &'a HeldDossier>) -> Tally {
    let mut tally = listing();
    for dossier in dossiers {
        tally.add(dossier);
    }
    tally
}

fn percent(tally: &Tally, indicator: Indicator) -> Option<(u64, u64, Percent)> {
    let basis = SyncBasis { by_statistics: Some(3), last_year: None };
    match tally.report(&basis).result(indicator).value {
        Value::Share { numerator, denominator, percent } => Some((numerator, denominator, percent)),
        _ => None,
    }
}

proptest! {
    #[test]
    fn the_order_of_dossiers_does_not_matter(
        (dossiers, shuffled) in vec(held(), 0..12).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        prop_assert_eq!(tally_of(&dossiers), tally_of(&shuffled));
    }

    #[test]
    fn nor_does_the_order_of_what_is_told_of_one(dossier in held()) {
        let mut turned = dossier.clone();
        turned.history.reverse();
        turned.supplements.reverse();
        turned.papers.reverse();
        turned.results.reverse();
        prop_assert_eq!(march().judge(&dossier), march().judge(&turned));
    }

    #[test]
    fn two_tallies_put_together_are_the_tally_of_all(dossiers in vec(held(), 0..12), cut in 0..12_usize) {
        let (one, other) = dossiers.split_at(cut.min(dossiers.len()));
        let mut merged = tally_of(one);
        merged.merge(&tally_of(other)).expect("the same formula and lists");
        prop_assert_eq!(merged, tally_of(&dossiers));
    }

    #[test]
    fn no_numerator_is_beyond_its_denominator(dossiers in vec(held(), 0..12), last_year in 0..200_u32) {
        let tally = tally_of(&dossiers);
        for basis in [SyncBasis { by_statistics: Some(5), last_year: None }, SyncBasis { by_statistics: None, last_year: Some(last_year) }] {
            let report = tally.report(&basis);
            prop_assert_eq!(report.counted + report.outside_of_period + report.not_received, dossiers.len() as u64);
            for result in report.results() {
                if let Value::Share { numerator, denominator, percent } = result.value {
                    prop_assert!(numerator <= denominator && 0 < denominator && percent <= Percent::FULL, "{result:?}");
                    prop_assert!(result.indicator == Indicator::SyncRate || denominator + result.undecided <= report.counted);
                    prop_assert!(result.times_sync_rate.is_none_or(|weighted| weighted <= percent));
                }
                prop_assert!(result.earned.is_none_or(|earned| earned <= Percent::FULL));
            }
        }
    }

    #[test]
    fn a_late_dossier_never_raises_the_share_on_time(dossiers in vec(held(), 0..12), late in held()) {
        let mut tally = tally_of(&dossiers);
        let before = percent(&tally, Indicator::OnTime);
        let is_late = matches!(tally.add(&late).verdict(Indicator::OnTime), Verdict::Costs(_));
        if let (Some(before), Some(after), true) = (before, percent(&tally, Indicator::OnTime), is_late) {
            prop_assert!(after.2 <= before.2 && after.0 == before.0 && after.1 == before.1 + 1);
        }
    }

    #[test]
    fn a_later_due_time_never_makes_a_dossier_late(dossier in held(), due in instants(), hours in 0..100_i64) {
        let with = |due| march().judge(&HeldDossier { due_at: Some(due), ..dossier.clone() }).verdict(Indicator::OnTime);
        if with(due) == Verdict::Met {
            prop_assert_eq!(with(due.plus_millis(hours * 3_600_000)), Verdict::Met);
        }
    }

    #[test]
    fn what_is_told_more_finely_than_a_second_changes_nothing(dossier in held()) {
        let whole = |at: Timestamp| Timestamp::from_micros(at.micros().div_euclid(1_000_000) * 1_000_000);
        let mut cut = dossier.clone();
        cut.received_at = cut.received_at.map(whole);
        cut.due_at = cut.due_at.map(whole);
        cut.finished_at = cut.finished_at.map(whole);
        cut.history.iter_mut().for_each(|entry| entry.at = whole(entry.at));
        for round in &mut cut.supplements {
            (round.requested_at, round.completed_at) = (whole(round.requested_at), round.completed_at.map(whole));
        }
        prop_assert_eq!(march().judge(&dossier), march().judge(&cut));
    }

    #[test]
    fn what_is_counted_is_in_the_period_and_what_is_not_costs_nothing_but_its_receipt(dossier in held()) {
        let judgement = march().judge(&dossier);
        let is_in_period = dossier.received_at.is_some_and(|at| march().period().contains(at));
        prop_assert_eq!(judgement.counting() == Counting::Counted, is_in_period);
        prop_assert_eq!(judgement.punctuality().is_some(), is_in_period);
        if !is_in_period {
            prop_assert!(judgement.costs().all(|cost| cost.indicator == Indicator::SyncRate && dossier.received_at.is_none()));
        }
    }
}
