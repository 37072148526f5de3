//! Indicators 3.3 to 5.4 of one dossier, by hand: what it is, and the verdict.

use std::collections::BTreeSet;

use lienthong_domain::dossier::{Channel, Database, DossierState, OnlinePayment};
use lienthong_domain::indicators::{
    Formula, FormulaTerms, HeldDossier, HeldPaper, HeldResult, Indicator, Reason, StateAt,
};
use lienthong_domain::money::Dong;
use lienthong_domain::scalar::Scalar;

use super::{at, march, told, words};

type Change = fn(&mut HeldDossier);

const LINKED: HeldResult = HeldResult { has_code: false, has_link: true };
const CODED: HeldResult = HeldResult { has_code: true, has_link: false };
const WHOLE: HeldResult = HeldResult { has_code: true, has_link: true };
const PAPER: HeldPaper = HeldPaper { has_attachment: false, is_digitised: false, is_from_national_repository: false };
const ATTACHED: HeldPaper = HeldPaper { has_attachment: true, ..PAPER };

fn finish(d: &mut HeldDossier) {
    d.history.push(StateAt { state: DossierState::Finished, at: at("9 08:00") });
}

fn prices(d: &mut HeldDossier, amounts: &[i64]) {
    d.fees = amounts.iter().map(|amount| Dong::new(*amount).expect("an amount")).collect();
}

fn online(d: &mut HeldDossier, returns_paper: Option<bool>) {
    d.channel = Some(Channel::Online);
    d.procedure_facts.returns_paper = returns_paper;
}

/// Received on 2 March, due on 12 March, then changed.
#[rustfmt::skip]
const ROWS: &[(Indicator, &str, Change, &str)] = &[
    (Indicator::OnlineShare, "no channel counts as direct", |d| d.channel = None, "costs channel_missing"),
    (Indicator::OnlineShare, "direct", |d| d.results = vec![WHOLE], "costs direct_channel"),
    (Indicator::OnlineShare, "by post", |d| d.channel = Some(Channel::Postal), "costs postal_channel"),
    (Indicator::OnlineShare, "online, no paper to return", |d| online(d, Some(false)), "met"),
    (Indicator::OnlineShare, "online, a paper to return, none there", |d| online(d, Some(true)), "costs electronic_result_missing"),
    (Indicator::OnlineShare, "… a result with neither", |d| { online(d, Some(true)); d.results = vec![HeldResult::default()] }, "costs electronic_result_missing"),
    (Indicator::OnlineShare, "… only its code", |d| { online(d, Some(true)); d.results = vec![CODED] }, "costs electronic_result_missing"),
    (Indicator::OnlineShare, "… only its link", |d| { online(d, Some(true)); d.results = vec![LINKED] }, "costs result_code_missing"),
    (Indicator::OnlineShare, "… code and link, of two results", |d| { online(d, Some(true)); d.results = vec![LINKED, CODED] }, "costs result_code_missing"),
    (Indicator::OnlineShare, "… code and link", |d| { online(d, Some(true)); d.results = vec![LINKED, WHOLE] }, "met"),
    (Indicator::OnlineShare, "online, not known what it returns", |d| online(d, None), "undecided paper_result_unknown"),
    (Indicator::OnlineShare, "… but a whole result is there", |d| { online(d, None); d.results = vec![WHOLE] }, "met"),

    (Indicator::OnlinePayment, "not known whether it bears fees", |d| d.online_payment = Some(OnlinePayment::NationalPortal), "undecided fees_of_procedure_unknown"),
    (Indicator::OnlinePayment, "no fees, paid all the same", |d| { d.procedure_facts.bears_fees = Some(false); d.online_payment = Some(OnlinePayment::NationalPortal) }, "not concerned"),
    (Indicator::OnlinePayment, "paid on the national portal", |d| { d.procedure_facts.bears_fees = Some(true); prices(d, &[5000]); d.online_payment = Some(OnlinePayment::NationalPortal) }, "met"),
    (Indicator::OnlinePayment, "paid through the province", |d| { d.procedure_facts.bears_fees = Some(true); prices(d, &[5000]); d.online_payment = Some(OnlinePayment::LocalGateway) }, "met"),
    (Indicator::OnlinePayment, "paid in cash", |d| { d.procedure_facts.bears_fees = Some(true); prices(d, &[5000]); d.online_payment = Some(OnlinePayment::None) }, "costs not_paid_online"),
    (Indicator::OnlinePayment, "not told how it was paid", |d| { d.procedure_facts.bears_fees = Some(true); prices(d, &[5000]) }, "costs not_paid_online"),
    (Indicator::OnlinePayment, "every price is 0", |d| { d.procedure_facts.bears_fees = Some(true); prices(d, &[0, 0]) }, "not concerned"),
    (Indicator::OnlinePayment, "every price is 0, paid online", |d| { d.procedure_facts.bears_fees = Some(true); prices(d, &[0]); d.online_payment = Some(OnlinePayment::NationalPortal) }, "not concerned"),
    (Indicator::OnlinePayment, "one price of two is 0", |d| { d.procedure_facts.bears_fees = Some(true); prices(d, &[0, 1]) }, "costs not_paid_online"),
    (Indicator::OnlinePayment, "no price is told", |d| d.procedure_facts.bears_fees = Some(true), "costs fee_not_told"),
    (Indicator::OnlinePayment, "no price is told, paid online", |d| { d.procedure_facts.bears_fees = Some(true); d.online_payment = Some(OnlinePayment::LocalGateway) }, "met"),

    (Indicator::ElectronicResult, "not finished", |d| d.results = vec![LINKED], "not concerned"),
    (Indicator::ElectronicResult, "stopped", |d| d.history.push(StateAt { state: DossierState::Stopped, at: at("9 08:00") }), "not concerned"),
    (Indicator::ElectronicResult, "finished, without a result", finish, "costs result_link_missing"),
    (Indicator::ElectronicResult, "finished, a result without a link", |d| { finish(d); d.results = vec![CODED] }, "costs result_link_missing"),
    (Indicator::ElectronicResult, "finished, a link is enough", |d| { finish(d); d.results = vec![CODED, LINKED] }, "met"),
    (Indicator::ElectronicResult, "handed over, with a link", |d| { d.history.push(StateAt { state: DossierState::ResultReturned, at: at("9 08:00") }); d.results = vec![LINKED] }, "met"),
    (Indicator::ElectronicResult, "finished, of a procedure that returns none", |d| { finish(d); d.procedure_facts.returns_paper = Some(false) }, "not concerned"),

    (Indicator::Digitised, "not finished", |d| { d.papers = vec![ATTACHED]; d.results = vec![LINKED] }, "not concerned"),
    (Indicator::Digitised, "nothing attached", finish, "costs attachment_and_result_link_missing"),
    (Indicator::Digitised, "papers without attachments", |d| { finish(d); d.papers = vec![PAPER]; d.results = vec![LINKED] }, "costs attachment_missing"),
    (Indicator::Digitised, "attached, no result", |d| { finish(d); d.papers = vec![ATTACHED] }, "costs result_link_missing"),
    (Indicator::Digitised, "attached, and in the result", |d| { finish(d); d.papers = vec![ATTACHED]; d.results = vec![LINKED] }, "met"),
    (Indicator::Digitised, "one attachment of two is enough", |d| { finish(d); d.papers = vec![PAPER, ATTACHED]; d.results = vec![LINKED] }, "met"),
    (Indicator::Digitised, "attached, of a procedure that returns none", |d| { finish(d); d.papers = vec![ATTACHED]; d.procedure_facts.returns_paper = Some(false) }, "met"),
    (Indicator::Digitised, "nothing attached, of such a procedure", |d| { finish(d); d.procedure_facts.returns_paper = Some(false) }, "costs attachment_missing"),

    (Indicator::Reuse, "nothing digitised", |d| d.papers = vec![ATTACHED], "costs nothing_digitised"),
    (Indicator::Reuse, "it says so of the dossier", |d| d.has_digitised_components = true, "met"),
    (Indicator::Reuse, "it says so of one paper", |d| d.papers = vec![PAPER, HeldPaper { is_digitised: true, ..PAPER }], "met"),

    (Indicator::NationalRepository, "none taken", |d| d.papers = vec![HeldPaper { is_digitised: true, ..ATTACHED }], "costs nothing_from_repository"),
    (Indicator::NationalRepository, "one taken", |d| d.papers = vec![PAPER, HeldPaper { is_from_national_repository: true, ..PAPER }], "met"),

    (Indicator::PopulationData, "neither", |_| {}, "costs no_population_data"),
    (Indicator::PopulationData, "verified with VNeID", |d| d.is_verified_by_vneid = true, "met"),
    (Indicator::PopulationData, "some database, and it is not known which", |d| d.connected_databases = vec![database("7")], "undecided population_database_unknown"),
    (Indicator::PopulationData, "some database, and verified", |d| { d.connected_databases = vec![database("7")]; d.is_verified_by_vneid = true }, "met"),

    // Due on the 12th: finished on the 9th is on time, on the 20th late.
    (Indicator::Satisfaction, "on time, complaints not known", finish, "undecided complaints_unknown"),
    (Indicator::Satisfaction, "late, complaints not known", |_| {}, "undecided complaints_unknown"),
    (Indicator::Satisfaction, "on time, none", |d| { finish(d); d.has_complaint = Some(false) }, "met"),
    (Indicator::Satisfaction, "on time, but disliked", |d| { finish(d); d.has_complaint = Some(true) }, "costs complaint"),
    (Indicator::Satisfaction, "late", |d| d.has_complaint = Some(false), "costs late"),
    (Indicator::Satisfaction, "late and disliked", |d| d.has_complaint = Some(true), "costs late_and_complaint"),
    (Indicator::Satisfaction, "not known whether late", |d| { d.due_at = None; d.has_complaint = Some(true) }, "undecided punctuality_unknown"),
    (Indicator::SyncRate, "what is counted is synchronised", |_| {}, "met"),
    (Indicator::PetitionsInTime, "no dossier tells", |_| {}, "not concerned"),
];

fn database(code: &str) -> Database {
    Database::parse(code).expect("a code")
}

fn dossier_of(change: Change) -> HeldDossier {
    let mut dossier = told("received 2 08:00; due 12 17:00");
    change(&mut dossier);
    dossier
}

#[test]
fn each_row_is_as_judged_by_hand() {
    let mut wrong = Vec::new();
    for (indicator, what, change, expected) in ROWS {
        let found = words(march().judge(&dossier_of(*change)).verdict(*indicator));
        if found != *expected {
            wrong.push(format!("{indicator} {what}: expected {expected}, found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_code_of_the_population_database_is_configuration() {
    let terms = FormulaTerms {
        population_databases: vec![database("1"), database("9")],
        ..FormulaTerms::of_working_document()
    };
    let march = march();
    let formula = Formula::new(terms, *march.period(), march.calendar().clone());
    for (codes, expected) in [
        (&["9"][..], "met"),
        (&["7", "1"], "met"),
        (&["7"], "costs no_population_data"),
        (&[], "costs no_population_data"),
    ] {
        let mut dossier = dossier_of(|_| {});
        dossier.connected_databases = codes.iter().map(|code| database(code)).collect();
        assert_eq!(words(formula.judge(&dossier).verdict(Indicator::PopulationData)), expected, "{codes:?}");
    }
}

#[test]
fn a_judgement_lists_every_indicator_it_costs_points_in() {
    let mut dossier = told("received 2 08:00; due 12 17:00; finished 13 08:00");
    dossier.has_complaint = Some(false);
    let found: Vec<String> =
        march().judge(&dossier).costs().map(|cost| format!("{} {}", cost.indicator, cost.reason)).collect();
    // Nothing is known of fees: 3.6 is undecided and costs nothing.
    let expected = [
        "2.1 finished_late",
        "3.3 direct_channel",
        "4.1 result_link_missing",
        "4.2 attachment_and_result_link_missing",
        "4.3 nothing_digitised",
        "4.4 nothing_from_repository",
        "4.5 no_population_data",
        "5.4 late",
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_reason_stands_in_a_table_and_has_words_of_its_own() {
    let told_of = |text: &str| {
        let word = text.split([' ', ';']).nth(1).unwrap_or_default().to_owned();
        (text.starts_with("costs ") || text.starts_with("undecided ")).then_some(word)
    };
    let of_shares = ROWS.iter().filter_map(|row| told_of(row.3));
    let mut reasons: BTreeSet<String> =
        super::on_time::ROWS.iter().filter_map(|row| told_of(row.2)).chain(of_shares).collect();
    // Stands in a test of its own: no verdict of a counted dossier.
    reasons.insert(Reason::ReceiptTimeMissing.to_string());
    let all: BTreeSet<String> = Reason::ALL.iter().map(Reason::to_string).collect();
    assert_eq!(reasons, all);
    for texts in [Reason::vietnamese, Reason::english] {
        let texts: BTreeSet<&str> = Reason::ALL.iter().map(|reason| texts(*reason)).collect();
        assert_eq!(texts.len(), Reason::ALL.len());
    }
    // What costs points in one place is never only unknown in another.
    let texts = ROWS.iter().map(|row| row.3).chain(super::on_time::ROWS.iter().map(|row| row.2));
    let (costs, undecided): (Vec<_>, Vec<_>) = texts.partition(|text| text.starts_with("costs "));
    let words = |texts: Vec<&str>| texts.into_iter().filter_map(told_of).collect::<BTreeSet<_>>();
    let (costs, undecided) = (words(costs), words(undecided));
    assert!(costs.is_disjoint(&undecided), "{costs:?} {undecided:?}");
}
