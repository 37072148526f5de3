//! Fields that are missing, wrong, too long or made up.

use lienthong_contract_tests::load::step;
use reqwest::Method;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::CODE;
use crate::support::{Answer, World, dossier, dossier_path, dossier_with, set};

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named_at_once_by_its_pointer() {
    let world = World::start().await;
    let mut body = dossier("received");
    for (pointer, value) in [
        ("/state", json!("done")),
        ("/channel", json!(1)),
        ("/submittedAt", json!("20/11/2026")),
        ("/dueAt", json!("2026-11-25 17:00:00")),
        ("/summary", json!(["a list"])),
        ("/isVerifiedByVneid", json!("true")),
        ("/hasDigitisedComponents", Value::Null),
        ("/procedureCode", json!("1.01")),
        ("/maHoSo", json!("an unknown member")),
        ("/owner/name", json!("   ")),
        ("/owner/ten", json!({})),
        (
            "/owner/identityDocuments",
            json!([{ "kind": "personal_number", "number": "12345" }, { "kind": "old_number" }]),
        ),
        ("/owner/taxCode", json!("0301")),
        ("/papers", json!([{ "id": "1", "name": "a", "link": "ftp://files/x" }, "no object", { "a/b~c": 1 }])),
        ("/fees", json!([{ "name": "Phí", "kind": "fee", "collection": "at_reception", "amount": 1.5 }])),
        ("/otherPapers", json!([{ "name": "Giấy", "count": 0, "form": "original" }])),
        ("/note", json!("bell \u{7}")),
    ] {
        set(&mut body, pointer, value);
    }
    body.as_object_mut().unwrap().remove("handlingUnit");
    let answer = world.put(CODE, &body).await.wrong_fields(&[
        ("/channel", "type"),
        ("/dueAt", "timestamp"),
        ("/fees/0/amount", "amount"),
        ("/handlingUnit", "required"),
        ("/hasDigitisedComponents", "type"),
        ("/isVerifiedByVneid", "type"),
        ("/maHoSo", "unknown_member"),
        ("/note", "control_character"),
        ("/otherPapers/0/count", "value"),
        ("/owner/identityDocuments/0/number", "identity_number"),
        ("/owner/identityDocuments/1/number", "required"),
        ("/owner/name", "too_short"),
        ("/owner/taxCode", "tax_code"),
        ("/owner/ten", "unknown_member"),
        ("/papers/0/link", "link"),
        ("/papers/1", "type"),
        ("/papers/2/a~1b~0c", "unknown_member"),
        ("/papers/2/id", "required"),
        ("/papers/2/name", "required"),
        ("/procedureCode", "procedure_code"),
        ("/state", "unknown_value"),
        ("/submittedAt", "timestamp"),
        ("/summary", "type"),
    ]);
    assert_eq!(answer.header("content-language"), "vi");
    assert_eq!(answer.json()["detail"], "23 trường không hợp lệ, xem errors.");
    assert!(!answer.text.contains("12345") && !answer.text.contains("0301"), "a value is repeated: {}", answer.text);

    let english = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(&world.token).json(&body);
    let english = Answer::of(english.header("accept-language", "en")).await.refused(400, "request.invalid");
    assert_eq!(english.header("content-language"), "en");
    assert_eq!(english.json()["detail"], "23 invalid fields, see errors.");
    let message_of = |answer: &Answer, pointer: &str| {
        let problem = answer.json();
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().find(|error| error["pointer"] == pointer).unwrap()["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message_of(&answer, "/handlingUnit"), "Thiếu trường bắt buộc này.");
    assert_eq!(message_of(&english, "/handlingUnit"), "This member is required.");
    for body in [json!([]), json!("text"), json!(7), Value::Null] {
        world.put(CODE, &body).await.wrong_fields(&[("", "type")]);
    }
    world.nothing_happened("wrong fields").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_more_wrong_fields_are_all_listed_and_beyond_five_hundred_counted() {
    let world = World::start().await;
    let papers = |count: usize, paper: &Value| Value::Array(vec![paper.clone(); count]);
    let two_wrong = json!({ "id": "", "name": 7 });
    let answer =
        world.put(CODE, &dossier_with("/papers", papers(75, &two_wrong))).await.refused(400, "request.invalid");
    let expected: Vec<(String, String)> = (0..75)
        .flat_map(|n| [(format!("/papers/{n}/id"), "too_short".into()), (format!("/papers/{n}/name"), "type".into())])
        .collect();
    let mut found = answer.errors();
    found.sort_by_key(|(pointer, _)| expected.iter().position(|(known, _)| known == pointer));
    assert_eq!(found, expected);
    assert_eq!(answer.json()["errorsOmitted"], Value::Null);

    let three_wrong = json!({ "id": "", "name": 7, "link": "x" });
    let answer = world.put(CODE, &dossier_with("/papers", papers(200, &three_wrong))).await;
    let answer = answer.refused(400, "request.invalid");
    assert_eq!((answer.errors().len(), &answer.json()["errorsOmitted"]), (500, &json!(100)));
    assert_eq!(answer.json()["detail"], "600 trường không hợp lệ, xem errors.");
    world.nothing_happened("many wrong fields").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_may_have_n_characters_however_it_was_typed_and_not_one_more() {
    let world = World::start().await;
    let text = |length: usize| "ế".repeat(length);
    let decomposed = |text: &str| text.nfd().collect::<String>();
    let mut number = 100;
    for (pointer, most) in [
        ("/summary", 1000),
        ("/note", 2000),
        ("/owner/name", 300),
        ("/handlingUnit", 500),
        ("/otherInformation", 2000),
        ("/receiptNumber", 100),
        ("/transitionReason", 500),
    ] {
        for form in [&(|text: String| text) as &dyn Fn(String) -> String, &|text| decomposed(&text)] {
            let refused = world.put(CODE, &dossier_with(pointer, json!(form(text(most + 1))))).await;
            refused.wrong_fields(&[(pointer, "too_long")]);
            number += 1;
            let code = format!("H15.50-261121-{number:04}");
            world.put(&code, &dossier_with(pointer, json!(form(text(most))))).await.is(202);
            let kept = world.get(&dossier_path(&code)).await.json();
            assert_eq!(kept["dossier"].pointer(pointer), Some(&json!(text(most))), "{pointer}: not whole, or not NFC");
        }
    }
    let mut officer = step("received", "Tiếp nhận");
    officer["handledBy"] = json!(decomposed(&text(51)));
    world.steps("H15.50-261121-0101", "k1", &officer).await.wrong_fields(&[("/handledBy", "too_long")]);
    officer["handledBy"] = json!(decomposed(&text(50)));
    world.steps("H15.50-261121-0101", "k1", &officer).await.is(202);
    // The portal counts characters as they arrive: all of them are within its limits.
    world.settle().await;
    assert_eq!(world.sandbox.counters().operations["insert"].refused, Default::default());
    assert_eq!(world.sandbox.dossiers().len(), 14);
    world.get(&dossier_path(CODE)).await.refused(404, "dossier.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn placeholders_are_refused_by_name_and_never_passed_on() {
    let world = World::start().await;
    let number = |kind: &str, number: &str| json!([{ "kind": kind, "number": number }]);
    for (kind, invented) in [
        ("personal_number", "000000000000"),
        ("personal_number", "111111111111"),
        ("personal_number", "123456789012"),
        ("personal_number", "000000000001"),
        ("old_number", "999999999"),
        ("old_number", "123456789"),
        ("old_number", "012345678"),
    ] {
        let answer = world.put(CODE, &dossier_with("/owner/identityDocuments", number(kind, invented))).await;
        let answer = answer.wrong_fields(&[("/owner/identityDocuments/0/number", "placeholder")]);
        assert!(!answer.text.contains(invented), "{}", answer.text);
    }
    for (kind, other_length) in [("personal_number", "012345679"), ("old_number", "001099012345")] {
        let answer = world.put(CODE, &dossier_with("/owner/identityDocuments", number(kind, other_length))).await;
        answer.wrong_fields(&[("/owner/identityDocuments/0/number", "identity_number")]);
    }
    for summary in ["dinhkem", "Đính kèm", " KHÔNG CÓ ", "n/a", "null", "-", "."] {
        world.put(CODE, &dossier_with("/summary", json!(summary))).await.wrong_fields(&[("/summary", "placeholder")]);
    }
    world.nothing_happened("placeholders").await;
    world.put(CODE, &dossier("received")).await.is(202);
    for name in ["Chuyên viên", "CÁN BỘ", "n/a"] {
        let mut officer = step("received", "Tiếp nhận");
        officer["handledBy"] = json!(name);
        world.steps(CODE, "key", &officer).await.wrong_fields(&[("/handledBy", "placeholder")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_implies_receipt_needs_its_time_and_an_online_dossier_needs_an_account() {
    let world = World::start().await;
    for state in ["received", "processing", "stopped", "finished", "result_returned"] {
        let mut body = dossier(state);
        body.as_object_mut().unwrap().remove("receivedAt");
        world.put(CODE, &body).await.wrong_fields(&[("/receivedAt", "required")]);
    }
    let mut online = dossier_with("/channel", json!("online"));
    online["owner"].as_object_mut().unwrap().remove("identityDocuments");
    world.put(CODE, &online).await.wrong_fields(&[("/owner/portalAccountId", "required")]);
    world.nothing_happened("dossiers that lack what their state needs").await;
}
