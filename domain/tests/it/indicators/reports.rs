//! Figures of many dossiers, by hand: shares, thresholds, the sync rate, lists, and what cannot be computed.

use std::sync::Arc;

use jiff::civil::date;
use lienthong_domain::dossier::{Channel, DossierCode};
use lienthong_domain::indicators::{
    Formula, HeldDossier, Indicator, Listed, NotObservable, Percent, Period, Report, SyncBasis, Tally, TallyMismatch,
    Value,
};
use lienthong_domain::scalar::Scalar;

use super::{at, formula, march, percent, tally, told};

const NO_BASIS: SyncBasis = SyncBasis { by_statistics: None, last_year: None };

fn share(numerator: u64, denominator: u64, text: &str) -> Value {
    Value::Share { numerator, denominator, percent: percent(text) }
}

fn on_time() -> HeldDossier {
    told("received 2 08:00; due 12 17:00; finished 9 08:00")
}

fn late() -> HeldDossier {
    told("received 2 08:00; due 12 17:00; finished 13 08:00")
}

fn report(groups: &[(usize, HeldDossier)], basis: &SyncBasis) -> Report {
    let mut tally = tally();
    for (count, dossier) in groups {
        for _ in 0..*count {
            tally.add(dossier);
        }
    }
    tally.report(basis)
}

#[test]
fn percentages_have_two_decimals_rounded_half_up() {
    for (numerator, denominator, text) in [
        (0, 7, "0.00"),
        (7, 7, "100.00"),
        (1, 3, "33.33"),             // 33.333…
        (2, 3, "66.67"),             // 66.666…
        (13, 15, "86.67"),           // 86.666…
        (1, 800, "0.13"),            // 0.125: half goes up
        (3, 800, "0.38"),            // 0.375
        (1, 20_000, "0.01"),         // 0.005
        (1, 20_001, "0.00"),         // 0.00499…
        (19_999, 20_000, "100.00"),  // 99.995
        (199_989, 200_000, "99.99"), // 99.9945
        (u64::MAX, u64::MAX, "100.00"),
        (u64::MAX / 2, u64::MAX, "50.00"),
        (9, 7, "100.00"), // never above
    ] {
        let found = Percent::of(numerator, denominator).expect("not by zero");
        assert_eq!(found.to_string(), text, "{numerator} ÷ {denominator}");
        assert_eq!(found, percent(text));
    }
    assert_eq!(Percent::of(0, 0), None);
    assert_eq!((Percent::whole(80).hundredths(), Percent::whole(101)), (8000, Percent::FULL));
}

#[test]
fn on_time_is_a_share_of_what_is_decided() {
    let unknown = told("received 2 08:00; finished 9 08:00");
    // 5 on time, 2 late, 3 of which no time limit is known: 5 ÷ 7 = 71.428…
    let result = *report(&[(5, on_time()), (2, late()), (3, unknown.clone())], &NO_BASIS).result(Indicator::OnTime);
    assert_eq!((result.value, result.undecided), (share(5, 7, "71.43"), 3));
    assert_eq!((result.earned, result.points_in_hundredths), (None, None), "the reference says nothing of points");
    // Nothing but the unknown is not zero, and nothing at all is not applicable.
    let result = *report(&[(3, unknown)], &NO_BASIS).result(Indicator::OnTime);
    assert_eq!((result.value, result.undecided), (Value::NotObservable(NotObservable::NothingDecided), 3));
    assert_eq!(report(&[], &NO_BASIS).result(Indicator::OnTime).value, Value::NotApplicable);
    let earlier = told("received 2/20 08:00; due 12 17:00; finished 9 08:00");
    let nowhere = told("due 12 17:00; finished 9 08:00");
    let report = report(&[(4, earlier), (2, nowhere)], &NO_BASIS);
    assert_eq!(report.result(Indicator::OnTime).value, Value::NotApplicable);
    assert_eq!((report.counted, report.outside_of_period, report.not_received), (0, 4, 2));
}

#[test]
fn the_sync_rate_is_a_share_of_the_greater_number() {
    let basis = |by_statistics, last_year| SyncBasis { by_statistics, last_year };
    let unknown = Value::NotObservable(NotObservable::ReceivedUnknown);
    for (synchronised, given, expected) in [
        (9, basis(Some(12), None), share(9, 12, "75.00")),
        (9, basis(Some(12), Some(1200)), share(9, 12, "75.00")), // last year's is not asked for
        (9, basis(Some(6), None), share(9, 9, "100.00")),        // more synchronised than the statistics say
        (9, basis(Some(0), Some(1200)), share(9, 9, "100.00")),  // 0 is a figure
        (0, basis(Some(0), None), Value::NotApplicable),
        (0, basis(Some(5), None), share(0, 5, "0.00")),
        (9, basis(None, Some(120)), share(9, 10, "90.00")), // 120 ÷ 12
        (9, basis(None, Some(126)), share(9, 11, "81.82")), // 10.5 → 11
        (9, basis(None, Some(125)), share(9, 10, "90.00")), // 10.41…
        (9, basis(None, Some(60)), share(9, 9, "100.00")),  // 5
        (0, basis(None, Some(5)), Value::NotApplicable),    // 0.41… → 0
        (9, NO_BASIS, unknown),
        (0, NO_BASIS, unknown),
    ] {
        let report = report(&[(synchronised, on_time())], &given);
        assert_eq!(report.result(Indicator::SyncRate).value, expected, "{synchronised} and {given:?}");
    }
}

#[test]
fn a_quarter_has_a_fourth_of_last_year_and_other_periods_have_none() {
    let basis = SyncBasis { by_statistics: None, last_year: Some(42) };
    let value = |period: Period| {
        let mut tally = Tally::new(Arc::new(formula(period)));
        for _ in 0..7 {
            tally.add(&on_time());
        }
        tally.report(&basis).result(Indicator::SyncRate).value
    };
    // 42 ÷ 4 = 10.5 → 11; 42 ÷ 12 = 3.5 → 4, fewer than the 7 that were synchronised.
    assert_eq!(value(Period::quarter(2026, 1).expect("a quarter")), share(7, 11, "63.64"));
    assert_eq!(value(Period::month(2026, 3).expect("a month")), share(7, 7, "100.00"));
    let days = |first, last| Period::days(first, last).expect("forward");
    for (first, last) in [
        (date(2026, 3, 1), date(2026, 3, 30)),
        (date(2026, 3, 2), date(2026, 3, 31)),
        (date(2026, 2, 1), date(2026, 3, 31)),
        (date(2025, 12, 1), date(2026, 2, 28)),
        (date(2026, 1, 1), date(2026, 12, 31)),
    ] {
        assert_eq!(value(days(first, last)), Value::NotObservable(NotObservable::ReceivedUnknown), "{first} to {last}");
    }
    // A month or a quarter may also be told by its days.
    assert_eq!(days(date(2028, 2, 1), date(2028, 2, 29)), Period::month(2028, 2).expect("a month"));
    assert_eq!(days(date(2026, 10, 1), date(2026, 12, 31)), Period::quarter(2026, 4).expect("a quarter"));
}

#[test]
fn periods_begin_and_end_at_midnight_in_vietnam() {
    let days = |first, last| Period::days(first, last).expect("forward");
    for (period, inside, outside, end) in [
        (
            Period::month(2026, 3).expect("a month"),
            ["1 00:00", "31 23:59:59"],
            ["2/28 23:59:59", "4/1 00:00"],
            "31 23:59:59",
        ),
        (
            Period::quarter(2026, 2).expect("a quarter"),
            ["4/1 00:00", "6/30 23:59:59"],
            ["31 23:59:59", "7/1 00:00"],
            "6/30 23:59:59",
        ),
        (
            Period::quarter(2026, 4).expect("a quarter"),
            ["10/1 00:00", "12/31 23:59:59"],
            ["9/30 23:59:59", "1/1 00:00"],
            "12/31 23:59:59",
        ),
        (days(date(2026, 3, 5), date(2026, 3, 5)), ["5 00:00", "5 23:59:59"], ["4 23:59:59", "6 00:00"], "5 23:59:59"),
    ] {
        inside.iter().for_each(|text| assert!(period.contains(at(text)), "{text} in {period:?}"));
        outside.iter().for_each(|text| assert!(!period.contains(at(text)), "{text} in {period:?}"));
        assert_eq!(period.end(), at(end));
    }
    // One that is under way ends now, for what is unfinished; what belongs to it does not change.
    let march = Period::month(2026, 3).expect("a month");
    for (now, end) in [("20 10:00", "20 10:00"), ("31 23:59:59", "31 23:59:59"), ("4/5 00:00", "31 23:59:59")] {
        let seen = march.as_of(at(now));
        assert_eq!(seen.end(), at(end), "seen from {now}");
        assert!(seen.contains(at("31 23:59:59")) && !seen.contains(at("4/1 00:00")) && seen.a_year() == Some(12));
    }
    assert_eq!(Period::month(2026, 13), None);
    assert_eq!((Period::quarter(2026, 0), Period::quarter(2026, 5), Period::quarter(2026, -128)), (None, None, None));
    assert_eq!(Period::days(date(2026, 3, 2), date(2026, 3, 1)), None);
}

#[test]
fn each_missing_dossier_costs_its_part_of_six_points() {
    for (synchronised, received, earned, points) in [
        (12, 12, "100.00", 600),
        (9, 12, "75.00", 450),
        (0, 12, "0.00", 0),
        (13, 15, "86.67", 520), // 6 × 13 ÷ 15 = 5.2
        (1, 48, "2.08", 13),    // 6 ÷ 48 = 0.125: half goes up; of the rounded 2.08 % it would be 12
    ] {
        let basis = SyncBasis { by_statistics: Some(received), last_year: None };
        let result = *report(&[(synchronised, on_time())], &basis).result(Indicator::SyncRate);
        assert_eq!(result.earned, Some(percent(earned)), "{synchronised} of {received}");
        assert_eq!(result.points_in_hundredths, Some(points), "{synchronised} of {received}");
    }
}

#[test]
fn from_half_online_on_all_points_times_the_sync_rate() {
    let online = || {
        let mut dossier = on_time();
        dossier.channel = Some(Channel::Online);
        dossier.procedure_facts.returns_paper = Some(false);
        dossier
    };
    let of = |online_count, direct_count, received| {
        let basis = SyncBasis { by_statistics: received, last_year: None };
        *report(&[(online_count, online()), (direct_count, on_time())], &basis).result(Indicator::OnlineShare)
    };
    // 4 ÷ 8 is half; 8 of 12 were synchronised: 66.67 % of all points, and 4 ÷ 8 × 8 ÷ 12 = 33.33 %.
    let half = of(4, 4, Some(12));
    assert_eq!(half.value, share(4, 8, "50.00"));
    assert_eq!((half.earned, half.times_sync_rate), (Some(percent("66.67")), Some(percent("33.33"))));
    // 3 ÷ 8 = 37.5 % is below; 3 ÷ 8 × 8 ÷ 8 = 37.5 %.
    let below = of(3, 5, Some(8));
    assert_eq!((below.earned, below.times_sync_rate), (None, Some(percent("37.50"))));
    // 2 ÷ 3 × 3 ÷ 13 = 15.3846…, rounded once; 66.67 % of 23.08 % would be 15.3874…, so 15.39.
    assert_eq!(of(2, 1, Some(13)).times_sync_rate, Some(percent("15.38")));
    // Without a sync rate neither is known.
    let unknown = of(4, 4, None);
    assert_eq!((unknown.value, unknown.earned, unknown.times_sync_rate), (share(4, 8, "50.00"), None, None));
}

#[test]
fn thresholds_are_reached_by_the_share_and_not_by_its_rounding() {
    let digitised = || {
        let mut dossier = on_time();
        dossier.has_digitised_components = true;
        dossier
    };
    let of = |with, without| {
        let result = *report(&[(with, digitised()), (without, on_time())], &NO_BASIS).result(Indicator::Reuse);
        (result.value, result.earned)
    };
    assert_eq!(of(4, 1), (share(4, 5, "80.00"), Some(Percent::FULL)));
    assert_eq!(of(3, 1), (share(3, 4, "75.00"), None));
    // 15999 ÷ 20000 = 79.995 % is written 80.00 and does not reach 80 %.
    assert_eq!(of(15_999, 4_001), (share(15_999, 20_000, "80.00"), None));
    assert_eq!(of(16_000, 4_000), (share(16_000, 20_000, "80.00"), Some(Percent::FULL)));
}

#[test]
fn digitised_has_a_threshold_and_the_other_shares_have_none() {
    let mut whole = on_time();
    whole.papers = vec![lienthong_domain::indicators::HeldPaper {
        has_attachment: true,
        is_digitised: true,
        is_from_national_repository: true,
    }];
    whole.results = vec![lienthong_domain::indicators::HeldResult { has_code: true, has_link: true }];
    whole.is_verified_by_vneid = true;
    whole.procedure_facts.bears_fees = Some(true);
    whole.online_payment = Some(lienthong_domain::dossier::OnlinePayment::NationalPortal);
    let report_of = |bare| report(&[(4, whole.clone()), (bare, on_time())], &NO_BASIS);
    let (reached, missed) = (report_of(1), report_of(2));
    for (indicator, earned) in [
        (Indicator::Digitised, Some(Percent::FULL)),
        (Indicator::Reuse, Some(Percent::FULL)),
        (Indicator::ElectronicResult, None),
        (Indicator::NationalRepository, None),
        (Indicator::PopulationData, None),
    ] {
        assert_eq!(reached.result(indicator).value, share(4, 5, "80.00"), "{indicator}");
        assert_eq!(reached.result(indicator).earned, earned, "{indicator}");
        assert_eq!(missed.result(indicator).value, share(4, 6, "66.67"), "{indicator}");
        assert_eq!(missed.result(indicator).earned, None, "{indicator}");
    }
    // Nothing is known of the fees of the bare one.
    let paid = *reached.result(Indicator::OnlinePayment);
    assert_eq!((paid.value, paid.undecided, paid.earned), (share(4, 4, "100.00"), 1, None));
}

#[test]
fn satisfaction_is_what_neither_lateness_nor_complaints_take_off() {
    let with = |mut dossier: HeldDossier, complaint| {
        dossier.has_complaint = complaint;
        dossier
    };
    let of = |good, late_count, disliked, both, unknown| {
        let groups = [
            (good, with(on_time(), Some(false))),
            (late_count, with(late(), Some(false))),
            (disliked, with(on_time(), Some(true))),
            (both, with(late(), Some(true))),
            (unknown, with(late(), None)),
        ];
        let result = *report(&groups, &NO_BASIS).result(Indicator::Satisfaction);
        (result.value, result.earned, result.undecided)
    };
    // 100 − (10 + 0) = 90: reached. 100 − (10 + 10) = 80.
    assert_eq!(of(9, 1, 0, 0, 0), (share(9, 10, "90.00"), Some(Percent::FULL), 0));
    assert_eq!(of(8, 1, 1, 0, 0), (share(8, 10, "80.00"), None, 0));
    // One that is both: 100 − (1 ÷ 10 + 1 ÷ 10) = 80 and not 90.
    assert_eq!(of(9, 0, 0, 1, 0), (share(8, 10, "80.00"), None, 0));
    // 100 − (3 ÷ 4 + 3 ÷ 4) is below zero.
    assert_eq!(of(1, 0, 0, 3, 0), (share(0, 4, "0.00"), None, 0));
    // Those of which nothing is told are left out: 9 ÷ 10 still.
    assert_eq!(of(9, 1, 0, 0, 5), (share(9, 10, "90.00"), Some(Percent::FULL), 5));
    assert_eq!(of(0, 0, 0, 0, 5), (Value::NotObservable(NotObservable::NothingDecided), None, 5));
}

#[test]
fn what_cannot_be_computed_is_named_with_its_reason() {
    let report = report(&[(3, on_time())], &NO_BASIS);
    for (indicator, why) in [
        (Indicator::PublicationDecided, NotObservable::PublicationUnknown),
        (Indicator::PublicationDisclosed, NotObservable::PublicationUnknown),
        (Indicator::PetitionsInTime, NotObservable::PetitionsUnknown),
        (Indicator::SyncRate, NotObservable::ReceivedUnknown),
        (Indicator::Satisfaction, NotObservable::NothingDecided),
        (Indicator::OnlinePayment, NotObservable::NothingDecided),
    ] {
        let result = report.result(indicator);
        assert_eq!(result.value, Value::NotObservable(why), "{indicator}");
        assert_eq!((result.earned, result.points_in_hundredths), (None, None));
        assert!(!why.vietnamese().is_empty() && !why.english().is_empty());
    }
}

#[test]
fn every_indicator_is_reported_once_with_its_names_and_its_source() {
    let report = report(&[(1, on_time())], &NO_BASIS);
    let order: Vec<Indicator> = report.results().iter().map(|result| result.indicator).collect();
    assert_eq!(order, Indicator::ALL);
    for indicator in Indicator::ALL {
        let result = report.result(*indicator);
        assert_eq!(result.indicator, *indicator);
        assert!(!indicator.english().is_empty() && !indicator.vietnamese().is_empty());
        let source = result.source();
        assert!(source.vi.contains("chưa được xác nhận") && source.en.contains("not confirmed"), "{source:?}");
        assert!(source.vi.contains(indicator.as_str()) && source.vi.contains("766/QĐ-TTg"), "{source:?}");
    }
    assert!(report.version.contains("766/QĐ-TTg"));
    assert_eq!(report.period, *march().period());
}

fn numbered(number: usize, dossier: HeldDossier) -> HeldDossier {
    HeldDossier { code: DossierCode::parse(&format!("H15-260302-{number:04}")).expect("a code"), ..dossier }
}

#[test]
fn the_dossiers_behind_a_figure_are_listed_where_asked_for() {
    let mut tally = tally().listing(Indicator::OnTime, 2).listing(Indicator::SyncRate, 9);
    let unknown = told("received 2 08:00; finished 9 08:00");
    let mut nowhere = told("processing 5 08:00");
    nowhere.received_at = None;
    let given = [(7, late()), (2, unknown), (5, on_time()), (9, nowhere), (4, late()), (6, late()), (1, on_time())];
    for (number, dossier) in given {
        tally.add(&numbered(number, dossier));
    }
    let listed = |indicator| -> Vec<String> {
        tally.listed(indicator).flat_map(Listed::iter).map(|(code, reason)| format!("{code} {reason}")).collect()
    };
    // The first two by code of 4, 6, 7, and the one that is not decided besides.
    let expected =
        ["H15-260302-0004 finished_late", "H15-260302-0006 finished_late", "H15-260302-0002 time_limit_unknown"];
    assert_eq!(listed(Indicator::OnTime), expected);
    let left_out: Vec<_> =
        tally.listed(Indicator::OnTime).map(|listed| (listed.costs_points, listed.left_out)).collect();
    assert_eq!(left_out, [(true, 1), (false, 0)]);
    assert_eq!(listed(Indicator::SyncRate), ["H15-260302-0009 receipt_time_missing"]);
    assert_eq!(listed(Indicator::Reuse), [""; 0], "not asked for");
    assert_eq!(tally.report(&NO_BASIS).result(Indicator::OnTime).value, share(2, 5, "40.00"), "all are counted");
}

#[test]
fn a_list_of_none_stays_empty() {
    let mut tally = tally().listing(Indicator::OnTime, 0);
    tally.add(&late());
    assert_eq!(tally.listed(Indicator::OnTime).flat_map(Listed::iter).count(), 0);
}

#[test]
fn tallies_of_different_formulas_or_lists_are_not_put_together() {
    let terms = |change: fn(&mut lienthong_domain::indicators::FormulaTerms)| {
        let mut terms = march().terms().clone();
        change(&mut terms);
        Tally::new(Arc::new(Formula::new(terms, *march().period(), march().calendar().clone())))
    };
    for other in [
        Tally::new(Arc::new(formula(Period::month(2026, 4).expect("a month")))),
        terms(|terms| terms.version = "another".into()),
        terms(|terms| terms.reuse_full_at = Percent::whole(70)),
        tally().listing(Indicator::OnTime, 3),
    ] {
        let mut one = tally();
        one.add(&late());
        let before = one.clone();
        assert_eq!(one.merge(&other), Err(TallyMismatch));
        assert_eq!(one, before, "and nothing was changed");
    }
    assert_eq!(tally().listing(Indicator::OnTime, 3).merge(&tally().listing(Indicator::OnTime, 4)), Err(TallyMismatch));
    assert_eq!(tally().merge(&terms(|_| {})), Ok(()), "equal is enough, it need not be the same");
}
