//! Agencies and procedures with dates: who stands under whom on a day, and what may be received on it.

use jiff::civil::{Date, date};
use lienthong_domain::catalogue::{
    Agency, AgencyCode, AgencyRegister, Procedure, ProcedureCode, ProcedureRegister, Standing,
};
use lienthong_domain::scalar::Scalar;
use proptest::prelude::*;

fn code(text: &str) -> AgencyCode {
    AgencyCode::parse(text).unwrap_or_else(|refusal| panic!("{text}: {}", refusal.message.en))
}

fn agency(text: &str, parent: Option<&str>, from: Option<Date>, to: Option<Date>) -> Agency {
    Agency { code: code(text), name: text.into(), parent: parent.map(code), valid_from: from, valid_to: to }
}

const REORGANISED: Date = date(2025, 7, 1);
const BEFORE: Date = date(2025, 6, 30);

/// A ward that moved from a district, abolished that day, to the province; and one whose code only looks like its child.
fn register() -> AgencyRegister {
    AgencyRegister::new([
        agency("H15", None, None, None),
        agency("H15.50", Some("H15"), None, Some(REORGANISED)),
        agency("H15.50.05", Some("H15.50"), None, Some(REORGANISED)),
        agency("H15.50.05", Some("H15"), Some(REORGANISED), None),
        agency("H15.61", Some("H15"), Some(REORGANISED), None),
        agency("H15.61.07", Some("H15.50.05"), Some(REORGANISED), None),
    ])
}

#[test]
fn a_sub_tree_follows_the_links_of_the_day() {
    let register = register();
    let within = |one: &str, root: &str, day: Date| register.is_within(&code(one), &code(root), day);
    assert!(within("H15.50.05", "H15.50", BEFORE) && within("H15.50.05", "H15", BEFORE));
    assert!(!within("H15.50.05", "H15.50", REORGANISED), "the district is no more");
    assert!(within("H15.50.05", "H15", REORGANISED), "the ward stands under the province now");
    assert!(!within("H15.61", "H15", BEFORE), "not there yet");
    assert!(!within("H15", "H15.61", REORGANISED), "nobody stands under its own child");
    // Of a period, whoever stood there on one of its days.
    let during = |first: Date, last: Date| register.within_days(&[code("H15")], first, last);
    let has = |codes: &[String], one: &str| codes.iter().any(|known| known == one);
    let (before, across, after) =
        (during(BEFORE, BEFORE), during(BEFORE, REORGANISED), during(REORGANISED, REORGANISED));
    assert!(has(&before, "H15.50") && !has(&before, "H15.61"), "{before:?}");
    assert!(has(&across, "H15.50") && has(&across, "H15.61") && has(&across, "H15"), "{across:?}");
    assert!(!has(&after, "H15.50") && has(&after, "H15.61"), "{after:?}");
    assert_eq!(register.find(&code("H15.50"), REORGANISED).map(|found| found.name.clone()), None);
}

#[test]
fn a_code_that_begins_like_another_proves_nothing() {
    let register = register();
    let within = |one: &str, root: &str| register.is_within(&code(one), &code(root), REORGANISED);
    assert!(!within("H15.61.07", "H15.61"), "it stands under the ward that its register names");
    assert!(within("H15.61.07", "H15.50.05") && within("H15.61.07", "H15"));
    for unknown in ["H15.99", "H15.61.08", "H15.50.05.01", "H16"] {
        assert!(!within(unknown, "H15"), "{unknown} is not in the register");
        assert!(within(unknown, unknown), "{unknown} is itself");
    }
    assert!(within("000.05.50.H15", "000.00.00.H15"), "in either scheme");
}

#[test]
fn parents_in_a_circle_end() {
    let register = AgencyRegister::new([
        agency("H15", Some("H15.50"), None, None),
        agency("H15.50", Some("H15"), None, None),
        agency("H16", Some("H16"), None, None),
    ]);
    let within = |one: &str, root: &str| register.is_within(&code(one), &code(root), REORGANISED);
    assert!(within("H15.50", "H15") && within("H15", "H15.50"));
    assert!(!within("H15", "H16") && !within("H16", "H15"));
}

proptest! {
    #[test]
    fn a_chain_of_agencies_stands_under_each_of_its_ancestors_and_no_other(depth in 1..15_usize, root in 0..15_usize) {
        let names: Vec<String> = (10..10 + depth).map(|n| format!("H{n}")).collect();
        let chain = names.iter().enumerate().map(|(n, name)| {
            agency(name, n.checked_sub(1).map(|above| names[above].as_str()), None, None)
        });
        let register = AgencyRegister::new(chain);
        let root = root.min(depth - 1);
        for (n, name) in names.iter().enumerate() {
            prop_assert_eq!(register.is_within(&code(name), &code(&names[root]), REORGANISED), n >= root);
        }
    }
}

fn procedure(text: &str) -> ProcedureCode {
    ProcedureCode::parse(text).unwrap_or_else(|refusal| panic!("{text}: {}", refusal.message.en))
}

fn known(text: &str, withdrawn_from: Option<Date>, successor: Option<&str>) -> Procedure {
    Procedure { code: procedure(text), name: text.into(), withdrawn_from, successor: successor.map(procedure) }
}

#[test]
fn a_procedure_is_judged_at_the_day_of_receipt() {
    let since = date(2026, 10, 1);
    let register = ProcedureRegister::new([
        known("2.002621", Some(since), Some("3.000722")),
        known("1.000001", Some(since), None),
        known("3.000722", None, None),
        known("TS_lop1", Some(since), None),
    ]);
    let standing = |text: &str, day: Date| register.standing(&procedure(text), day);
    let withdrawn = |successor: Option<&str>| Standing::Withdrawn { since, successor: successor.map(procedure) };
    for text in ["2.002621", "2.002621.H56", "2.002621.000.00.00.H56"] {
        assert_eq!(standing(text, date(2026, 9, 30)), Standing::InForce, "{text}: received before");
        assert_eq!(standing(text, since), withdrawn(Some("3.000722")), "{text}: on the day itself");
        assert_eq!(standing(text, date(2030, 1, 1)), withdrawn(Some("3.000722")), "{text}");
    }
    assert_eq!(standing("1.000001", since), withdrawn(None));
    assert_eq!(standing("3.000722", date(2030, 1, 1)), Standing::InForce);
    assert_eq!(standing("9.999999", since), Standing::Unknown, "the portal judges what the register does not have");
    assert_eq!(standing("TS_lop1", since), Standing::Unknown, "nobody can withdraw what is only local");
}
