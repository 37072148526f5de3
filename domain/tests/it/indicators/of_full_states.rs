//! What a full state and its steps tell the nation.

use std::collections::BTreeSet;

use lienthong_domain::catalogue::AgencyCode;
use lienthong_domain::dossier::{Dossier, DossierState, Step};
use lienthong_domain::indicators::{HeldDossier, HeldPaper, HeldResult, Indicator, ProcedureFacts, SupplementRound};
use lienthong_domain::invalid::InvalidFields;
use lienthong_domain::scalar::Scalar;
use serde_json::{Value, json};

use super::{at, march, state, words};

fn full_state(state: &str, more: Value) -> Dossier {
    let mut text = json!({
        "code": "H15.50.05.13-260302-0975",
        "procedureCode": "1.013225",
        "channel": "direct",
        "owner": {
            "kind": "citizen", "name": "Nguyễn Văn Thử",
            "identityDocuments": [{ "kind": "personal_number", "number": "001099012344" }],
        },
        "summary": "Cấp giấy phép",
        "submittedAt": "2026-03-01T20:00:00+07:00",
        "receivedAt": "2026-03-02T08:00:00+07:00",
        "state": state,
        "returnMethod": "counter",
        "handlingUnit": "Phòng Đăng ký",
        "submittedThrough": "local_system",
        "hasDigitisedComponents": true,
        "isVerifiedByVneid": true,
        "onlinePayment": "local_gateway",
    });
    for (name, value) in more.as_object().expect("an object") {
        text[name] = value.clone();
    }
    deserr::deserialize::<Dossier, _, InvalidFields>(text).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn step(word: &str, handled_at: &str) -> Step {
    let text = json!({ "handledBy": "Trần Thị Mẫu", "handledAt": handled_at, "content": "Xử lý", "state": state(word).as_str() });
    deserr::deserialize::<Step, _, InvalidFields>(text).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn held(dossier: &Dossier, steps: &[Step]) -> HeldDossier {
    let agency = AgencyCode::parse("H15.50.05.13").expect("an agency");
    HeldDossier::of(agency, dossier, steps, ProcedureFacts::default())
}

fn history(state: &str, more: Value, steps: &[Step]) -> Vec<(DossierState, String)> {
    let mut found: Vec<_> = held(&full_state(state, more), steps)
        .history
        .iter()
        .map(|entry| (entry.state, entry.at.in_vietnam().strftime("%-d %H:%M").to_string()))
        .collect();
    found.sort();
    found
}

#[test]
fn a_full_state_tells_the_time_of_its_state_where_it_has_one() {
    let times = json!({
        "refusedAt": "2026-03-04T08:00:00+07:00", "finishedAt": "2026-03-05T08:00:00+07:00",
        "returnedAt": "2026-03-06T08:00:00+07:00",
        "supplements": [
            { "id": "1", "requestedBy": "Trần Thị Mẫu", "content": "Bản sao", "requestedAt": "2026-03-03T09:00:00+07:00" },
        ],
    });
    for (word, expected) in [
        ("registered", &[("registered", "1 20:00")][..]),
        ("received", &[("received", "2 08:00")]),
        ("not_accepted", &[("not_accepted", "4 08:00")]),
        ("processing", &[]),
        ("supplement_requested", &[("supplement", "3 09:00")]),
        ("financial_duty_requested", &[]),
        ("withdrawn_by_citizen", &[("withdrawn", "5 08:00")]),
        ("stopped", &[("stopped", "5 08:00")]),
        ("finished", &[("finished", "5 08:00")]),
        ("result_returned", &[("finished", "5 08:00"), ("returned", "6 08:00")]),
    ] {
        let expected: Vec<_> = expected.iter().map(|(word, at)| (state(word), (*at).to_owned())).collect();
        assert_eq!(history(word, times.clone(), &[]), expected, "{word}");
    }
    assert_eq!(history("finished", json!({}), &[]), [], "without its time it tells none");
}

#[test]
fn what_a_step_tells_is_not_told_twice() {
    let finished = json!({ "finishedAt": "2026-03-05T08:00:00+07:00" });
    let steps = [step("processing", "2026-03-03T08:00:00+07:00"), step("finished", "2026-03-05T09:00:00+07:00")];
    let expected = [(state("processing"), "3 08:00".to_owned()), (state("finished"), "5 09:00".to_owned())];
    assert_eq!(history("finished", finished, &steps), expected);
    // One request, told by a step and half a minute later by the round of the full state, is not two.
    let requested = json!({ "dueAt": "2026-03-12T17:00:00+07:00", "supplements": [
        { "id": "1", "requestedBy": "Trần Thị Mẫu", "content": "Bản sao", "requestedAt": "2026-03-05T09:00:30+07:00" },
    ] });
    let dossier =
        held(&full_state("supplement_requested", requested), &[step("supplement", "2026-03-05T09:00:00+07:00")]);
    assert_eq!(words(march().judge(&dossier).verdict(Indicator::OnTime)), "met");
}

#[test]
fn a_second_request_for_a_supplement_is_one_whoever_tells_it() {
    let rounds = |times: &[&str]| {
        let round = |time: &&str| json!({ "id": time, "requestedBy": "Trần Thị Mẫu", "content": "Bản sao", "requestedAt": format!("2026-03-0{time}:00+07:00") });
        json!({ "dueAt": "2026-03-12T17:00:00+07:00", "supplements": times.iter().map(round).collect::<Vec<_>>() })
    };
    let told = |state: &str, time: &str| step(state, &format!("2026-03-0{time}:00+07:00"));
    let first = || vec![told("supplement", "3T08:00"), told("processing", "4T08:00")];
    let both = || [first(), vec![told("supplement", "5T08:00")]].concat();
    for (what, state, times, steps, expected) in [
        (
            "by the full state, after the steps",
            "supplement_requested",
            &["3T08:00", "5T08:00"][..],
            first(),
            "3 08:00, 5 08:00",
        ),
        ("by both", "supplement_requested", &["3T08:00", "5T08:01"], both(), "3 08:00, 5 08:00"),
        (
            "only one, and the full state is older than the steps",
            "supplement_requested",
            &["3T08:01"],
            first(),
            "3 08:00",
        ),
        ("by the list alone", "processing", &["3T08:00", "5T08:00"], vec![], "3 08:00, 5 08:00"),
        ("one of the list, of a dossier that goes on", "processing", &["3T08:00"], vec![], ""),
        ("of one request two papers", "supplement_requested", &["3T08:00", "3T08:00"], vec![], "3 08:00"),
    ] {
        let dossier = held(&full_state(state, rounds(times)), &steps);
        let requests = dossier.history.iter().filter(|entry| entry.state == self::state("supplement"));
        let days: BTreeSet<String> =
            requests.map(|entry| entry.at.in_vietnam().strftime("%-d %H:%M").to_string()).collect();
        let days: Vec<String> = days.into_iter().collect();
        assert_eq!(days.join(", "), expected, "{what}");
        let is_late = words(march().judge(&dossier).verdict(Indicator::OnTime)) == "costs second_supplement_request";
        assert_eq!(is_late, expected.contains(','), "{what}");
    }
}

#[test]
fn everything_the_formulas_read_is_taken_over_and_papers_that_were_taken_out_are_not() {
    let dossier = held(
        &full_state(
            "finished",
            json!({
                "dueAt": "2026-03-12T17:00:00+07:00", "finishedAt": "2026-03-05T08:00:00+07:00",
                "connectedDatabases": ["7"],
                "papers": [
                    { "id": "1", "name": "a.pdf", "link": "https://files.example.gov.vn/a", "isDigitised": true },
                    { "id": "2", "name": "b.pdf", "isFromNationalRepository": true },
                    { "id": "3", "name": "c.pdf", "link": "https://files.example.gov.vn/c", "isDeleted": true },
                ],
                "results": [{ "name": "KQ", "id": "1", "resultCode": "KQ.G15.000031", "link": "https://files.example.gov.vn/k" },
                    { "name": "KQ", "id": "2" }],
                "fees": [{ "name": "Lệ phí", "kind": "charge", "collection": "at_reception", "amount": 50000 }],
                "supplements": [{ "id": "1", "requestedBy": "Trần Thị Mẫu", "content": "Bản sao",
                    "requestedAt": "2026-03-03T08:00:00+07:00", "receivedAt": "2026-03-04T08:00:00+07:00" }],
            }),
        ),
        &[],
    );
    let none = HeldPaper::default();
    assert_eq!(
        dossier.papers,
        [
            HeldPaper { has_attachment: true, is_digitised: true, ..none },
            HeldPaper { is_from_national_repository: true, ..none },
        ]
    );
    assert_eq!(dossier.results, [HeldResult { has_code: true, has_link: true }, HeldResult::default()]);
    assert_eq!(dossier.fees.iter().map(|price| price.amount()).collect::<Vec<_>>(), [50_000]);
    let round = SupplementRound { requested_at: at("3 08:00"), completed_at: Some(at("4 08:00")) };
    assert_eq!(dossier.supplements, [round]);
    assert_eq!(
        (dossier.submitted_at, dossier.received_at, dossier.due_at, dossier.finished_at),
        (Some(at("1 20:00")), Some(at("2 08:00")), Some(at("12 17:00")), Some(at("5 08:00")))
    );
    assert!(dossier.has_digitised_components && dossier.is_verified_by_vneid);
    assert_eq!((dossier.connected_databases.len(), dossier.has_complaint), (1, None));
    assert_eq!(dossier.online_payment.map(|payment| payment.as_str()), Some("local_gateway"));
}
