//! What a local system may get wrong, over HTTP: each mistake is named where it stands, in the reader's language, and
//! after it nothing is stored and nothing reaches the portal.

use lienthong_contract_tests::gateway::client;
use lienthong_contract_tests::load::step;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unicode_normalization::UnicodeNormalization;

use crate::support::{Answer, World, dossier, dossier_path, dossier_with, set};

const CODE: &str = "H15.50-261121-0001";
const WARD_CODE: &str = "H15.61-261121-0001";

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_is_named_by_line_and_column_and_never_repeated() {
    let world = World::start().await;
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for (what, body, line) in [
        ("an empty body", "", 1),
        ("a name without quotes", "{\n  \"owner\": Nguyễn Bí Mật\n}", 2),
        ("a body that was cut", "{\"summary\": \"Nguyễn Bí Mật", 1),
        ("text after the end", "{\"summary\": 1}\n\n  Nguyễn Bí Mật", 3),
        ("a comma too many", "{\n\n\"summary\": \"Nguyễn Bí Mật\",}", 3),
        ("a byte order mark", "\u{feff}{}", 1),
        ("half a surrogate pair", r#"{"summary": "Nguyễn Bí Mật \ud800"}"#, 1),
        ("no number", "{\"fees\": NaN}", 1),
        ("a number beyond all numbers", "{\"fees\": 1e999}", 1),
        ("arrays in arrays, 200 deep", &deep, 1),
    ] {
        let answer = world.put_bytes(CODE, body).await.refused(400, "request.malformed");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("Dòng {line}, cột ")), "{what}: {detail}");
        assert!(!answer.text.contains("Bí Mật"), "{what}: {}", answer.text);
    }
    for body in [&b"{\"summary\": \"\xff\xfe\"}"[..], b"\x00", b"\x1f\x8b\x08\x00"] {
        world.put_bytes(CODE, body).await.refused(400, "request.malformed");
    }
    let english = world.request(Method::PUT, &dossier_path(CODE)).header("accept-language", "en-GB, vi;q=0.5");
    let english = english.header("content-type", "application/json").bearer_auth(&world.token).body("{\n\n x}");
    let detail = Answer::of(english).await.refused(400, "request.malformed").json()["detail"].clone();
    assert_eq!(detail, "Line 3, column 2: not valid JSON.");
    world.nothing_happened("malformed bodies").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_appears_twice_is_refused_wherever_it_stands() {
    let world = World::start().await;
    for body in [
        r#"{"state": "received", "state": "finished"}"#,
        r#"{"owner": {"name": "Nguyễn Bí Mật", "name": "Trần Bí Mật"}}"#,
        r#"{"papers": [{}, {"id": "1", "\u0069d": "2"}]}"#,
    ] {
        let answer = world.put_bytes(CODE, body).await.refused(400, "request.malformed");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("một trường xuất hiện hai lần"), "{detail}");
        assert!(!answer.text.contains("Bí Mật"), "{}", answer.text);
    }
    world.nothing_happened("members twice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_application_json_is_read() {
    let world = World::start().await;
    let body = dossier("received").to_string();
    for kind in [
        None,
        Some("text/plain"),
        Some("text/json"),
        Some("application/jsonx"),
        Some("application/x-www-form-urlencoded"),
        Some("application/xml; note=application/json"),
        Some(""),
    ] {
        let mut request = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(&world.token).body(body.clone());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        Answer::of(request).await.refused(415, "request.media_type");
    }
    world.nothing_happened("other content types").await;
    let request = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(&world.token).body(body);
    Answer::of(request.header("content-type", "Application/JSON; charset=utf-8")).await.is(202);
}

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
async fn a_body_beyond_the_limit_is_answered_413() {
    const LIMIT: usize = 4 << 20;
    let world = World::start().await;
    let head = |length: &str| {
        format!(
            "PUT {} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             {length}\r\nconnection: close\r\n\r\n",
            dossier_path(CODE),
            world.token
        )
    };
    // Ten megabytes are promised, or pieces without end; what is one byte too many is the last that is waited for.
    let chunk = [format!("{:x}\r\n", LIMIT + 1).into_bytes(), vec![b' '; LIMIT + 1]].concat();
    for (length, body) in [("content-length: 10485760", vec![b' '; LIMIT + 1]), ("transfer-encoding: chunked", chunk)] {
        let mut connection = tokio::net::TcpStream::connect(world.deployment.address).await.unwrap();
        connection.write_all(head(length).as_bytes()).await.unwrap();
        connection.write_all(&body).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("\"code\":\"request.too_large\""), "{answer}");
    }
    // Whoever sends all ten before listening is answered too, not cut off.
    let ten_megabytes = dossier_with("/note", json!("x".repeat(10 << 20)));
    let request = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(&world.token).json(&ten_megabytes);
    assert_eq!(request.send().await.unwrap().status(), 413);
    world.nothing_happened("bodies that are too large").await;
    // As much as the limit is read, and found to be no dossier.
    world.put_bytes(CODE, vec![b' '; LIMIT]).await.refused(400, "request.malformed");
    world.put(CODE, &dossier("received")).await.is(202);
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

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_of_someone_else_can_be_neither_written_nor_seen() {
    let world = World::start().await;
    let as_ward = |method: Method, path: &str| world.request(method, path).bearer_auth(&world.ward);
    for foreign in [CODE, "H15-261121-0001", "H16.61-261121-0001", "H15.61.05-261121-0001", "000.00.00.H15-261121-0001"]
    {
        let answer = Answer::of(as_ward(Method::PUT, &dossier_path(foreign)).json(&dossier("received"))).await;
        answer.refused(403, "access.agency_not_allowed");
        let steps =
            as_ward(Method::POST, &format!("{}/steps", dossier_path(foreign))).header("Idempotency-Key", foreign);
        Answer::of(steps.json(&step("received", "Tiếp nhận"))).await.refused(403, "access.agency_not_allowed");
    }
    // An agency that the register does not have stands under nobody.
    world.put("H15.99-261121-0001", &dossier("received")).await.refused(403, "access.agency_not_allowed");
    world.nothing_happened("writing for others").await;

    let operation = world.put(CODE, &dossier("received")).await.is(202).header("location").to_owned();
    world.get(&operation).await.is(200);
    Answer::of(as_ward(Method::GET, &dossier_path(CODE))).await.refused(404, "dossier.not_found");
    Answer::of(as_ward(Method::GET, &operation)).await.refused(404, "operation.not_found");
    let nothing = Answer::of(as_ward(Method::GET, "/v1/dossiers")).await.is(200).json();
    assert_eq!(nothing["items"], json!([]), "the list shows what may not be seen");
    // In either scheme of ids, the ward's own dossier is the ward's.
    for own in [WARD_CODE, "000.00.61.H15-261121-0002"] {
        Answer::of(as_ward(Method::PUT, &dossier_path(own)).json(&dossier("received"))).await.is(202);
        Answer::of(as_ward(Method::GET, &dossier_path(own))).await.is(200);
        world.get(&dossier_path(own)).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nothing_is_read() {
    let world = World::start().await;
    let (token, almost) = (&world.token, &world.token[..world.token.len() - 2]);
    for (authorization, code) in [
        (None, "access.unauthenticated"),
        (Some(String::new()), "access.unauthenticated"),
        (Some("Bearer".into()), "access.unauthenticated"),
        (Some(format!("Bearer {almost}")), "access.token_invalid"),
        (Some(format!("Basic {token}")), "access.unauthenticated"),
        (Some(token.clone()), "access.unauthenticated"),
    ] {
        for (method, path) in [
            (Method::PUT, dossier_path(CODE)),
            (Method::GET, dossier_path(CODE)),
            (Method::GET, "/v1/dossiers".into()),
            (Method::POST, format!("{}/steps", dossier_path(CODE))),
            (Method::POST, "/v1/dossier-batches".into()),
            (Method::GET, "/v1/operations/019aa0c0-0000-7000-8000-000000000000".into()),
        ] {
            let mut request = world.request(method, &path).json(&dossier("received"));
            if let Some(authorization) = &authorization {
                request = request.header("authorization", authorization);
            }
            let answer = Answer::of(request).await.refused(401, code);
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
            assert!(!answer.text.contains(almost), "the token is repeated");
        }
    }
    world.nothing_happened("requests without a token").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_looking_transition_needs_a_reason() {
    let world = World::start().await;
    for (number, (from, to)) in
        [("result_returned", "registered"), ("not_accepted", "finished"), ("finished", "received")].iter().enumerate()
    {
        let code = format!("H15.50-261121-{number:04}");
        world.put(&code, &dossier(from)).await.is(202);
        let answer = world.put(&code, &dossier(to)).await.refused(409, "dossier.transition_needs_reason");
        assert!(answer.json()["detail"].as_str().unwrap().contains("transitionReason"), "{}", answer.text);
        let kept = world.get(&dossier_path(&code)).await.json();
        assert_eq!((&kept["revision"], &kept["dossier"]["state"]), (&json!(1), &json!(from)));
        let mut with_reason = dossier(to);
        with_reason["transitionReason"] = json!("Nhập nhầm trạng thái, đã có biên bản.");
        assert_eq!(world.put(&code, &with_reason).await.is(202).json()["revision"], 2);
    }
    world.settle().await;
    // The reason is the province's own affair.
    let told = serde_json::to_string(&world.sandbox.dossiers()).unwrap();
    assert_eq!(world.sandbox.ledger().len(), 6);
    assert!(!told.contains("biên bản"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_state_cannot_follow_the_last_step_needs_a_reason() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    world.steps(CODE, "1", &step("finished", "Xong")).await.is(202);
    let back = json!([step("result_returned", "Trả"), step("received", "Nhận lại")]);
    world.steps(CODE, "2", &back).await.refused(409, "dossier.transition_needs_reason");
    let steps = world.get(&dossier_path(CODE)).await.json()["steps"].clone();
    assert_eq!(steps.as_array().unwrap().len(), 1, "of a request with one bad step none is taken: {steps}");
    let mut again = step("received", "Nhận lại");
    again["transitionReason"] = json!("Mở lại theo kết luận thanh tra.");
    world.steps(CODE, "2", &json!([step("result_returned", "Trả"), again])).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_before_its_dossier_is_refused() {
    let world = World::start().await;
    let answer = world.steps(CODE, "key", &step("received", "Tiếp nhận")).await;
    answer.refused(409, "dossier.step_before_dossier");
    world.nothing_happened("a step without a dossier").await;
    // The refused request used no key up.
    world.put(CODE, &dossier("received")).await.is(202);
    world.steps(CODE, "key", &step("received", "Tiếp nhận")).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_one_to_a_hundred_and_all_or_none() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    let many = |count: usize| Value::Array(vec![step("received", "Tiếp nhận"); count]);
    world.steps(CODE, "a", &many(0)).await.wrong_fields(&[("", "too_many")]);
    world.steps(CODE, "b", &many(101)).await.wrong_fields(&[("", "too_many")]);
    let mut one_bad = many(3);
    one_bad[1]["content"] = json!("");
    one_bad[2]["state"] = json!("xong");
    world.steps(CODE, "c", &one_bad).await.wrong_fields(&[("/1/content", "too_short"), ("/2/state", "unknown_value")]);
    world.settle().await;
    assert_eq!(world.get(&dossier_path(CODE)).await.json()["steps"], json!([]));
    assert_eq!(world.sandbox.ledger().len(), 1, "only the dossier itself");
    world.steps(CODE, "d", &many(100)).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_procedure_is_refused_from_its_day_on_and_the_successor_is_named() {
    let world = World::start().await;
    let received = |procedure: &str, at: &str| {
        let mut body = dossier_with("/procedureCode", json!(procedure));
        body["submittedAt"] = json!("2026-09-20T08:00:00+07:00");
        body["receivedAt"] = json!(at);
        body
    };
    for (procedure, at) in [
        ("2.002621", "2026-10-01T00:00:00+07:00"),
        // The same instant, told in UTC: the day is that of Việt Nam.
        ("2.002621", "2026-09-30T17:00:00Z"),
        ("2.002621.H15", "2026-10-02T08:00:00+07:00"),
        ("2.002621.000.00.00.H15", "2027-01-01T08:00:00+07:00"),
    ] {
        let answer = world.put(CODE, &received(procedure, at)).await;
        let answer = answer.wrong_fields(&[("/procedureCode", "procedure_withdrawn")]);
        let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("3.000722") && message.contains("2026-10-01"), "{message}");
    }
    // Not received yet: the day of submission counts.
    let mut submitted = dossier("registered");
    submitted["procedureCode"] = json!("2.002621");
    submitted.as_object_mut().unwrap().remove("receivedAt");
    world.put(CODE, &submitted).await.wrong_fields(&[("/procedureCode", "procedure_withdrawn")]);
    world.nothing_happened("a withdrawn procedure").await;

    for (number, at) in ["2026-09-30T23:59:59+07:00", "2026-09-30T16:59:59.999Z"].iter().enumerate() {
        let code = format!("H15.50-260930-{number:04}");
        world.put(&code, &received("2.002621", at)).await.is(202);
        // It was received in time, so its later states are taken too.
        let mut later = received("2.002621", at);
        later["state"] = json!("processing");
        world.put(&code, &later).await.is(202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_is_a_dossier_code_and_the_same_in_path_and_body() {
    let world = World::start().await;
    world.put(CODE, &dossier_with("/code", json!(WARD_CODE))).await.wrong_fields(&[("/code", "code_differs")]);
    world.put(CODE, &dossier_with("/code", json!(7))).await.wrong_fields(&[("/code", "type")]);
    for code in [
        "x",
        "H15.50-261121-001",
        "H15.50-261321-0001",
        "H15.50-261121-00000001",
        "h15.50-261121-0001",
        "..-261121-0001",
    ] {
        world.put(code, &dossier("received")).await.wrong_fields(&[("#/path/code", "dossier_code")]);
        world.get(&dossier_path(code)).await.wrong_fields(&[("#/path/code", "dossier_code")]);
    }
    Answer::of(world.request(Method::GET, "/v1/dossiers/%ff").bearer_auth(&world.token))
        .await
        .refused(400, "request.malformed");
    world.nothing_happened("wrong codes").await;
    world.put(CODE, &dossier_with("/code", json!(CODE))).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_lets_only_the_reader_of_the_current_revision_write() {
    let world = World::start().await;
    let conditional = |tag: &'static str, state: &str| {
        let request = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(&world.token).header("if-match", tag);
        Answer::of(request.json(&dossier(state)))
    };
    conditional("\"1\"", "received").await.refused(412, "request.precondition_failed");
    world.nothing_happened("a condition on what is not there").await;
    let first = world.put(CODE, &dossier("received")).await.is(202);
    assert_eq!(first.header("etag"), "\"1\"");
    for other in ["\"2\"", "\"0\"", "1", "W/\"1\"", "\"x\"", ""] {
        conditional(other, "processing").await.refused(412, "request.precondition_failed");
    }
    let kept = world.get(&dossier_path(CODE)).await;
    assert_eq!((kept.header("etag"), &kept.json()["dossier"]["state"]), ("\"1\"", &json!("received")));
    assert_eq!(conditional("\"1\"", "processing").await.is(202).header("etag"), "\"2\"");
    conditional("\"1\"", "finished").await.refused(412, "request.precondition_failed");
    // Whoever lost the answer asks again with what it knew then: the same content is already there.
    let again = conditional("\"1\"", "processing").await.is(200);
    assert_eq!(again.header("etag"), "\"2\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_needs_a_sound_idempotency_key() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    world.settle().await;
    for path in ["/v1/dossier-batches".to_owned(), format!("{}/steps", dossier_path(CODE))] {
        let post = || world.request(Method::POST, &path).bearer_auth(&world.token).json(&step("received", "Tiếp nhận"));
        Answer::of(post()).await.refused(400, "request.idempotency_key_missing");
        let too_long = "k".repeat(256);
        for key in ["", "\"\"", "two words", "a\"b", &too_long] {
            let answer = Answer::of(post().header("Idempotency-Key", key)).await;
            answer.wrong_fields(&[("#/headers/Idempotency-Key", "idempotency_key")]);
        }
        let twice = post().header("Idempotency-Key", "one").header("Idempotency-Key", "two");
        Answer::of(twice).await.wrong_fields(&[("#/headers/Idempotency-Key", "idempotency_key")]);
    }
    assert_eq!(world.get(&dossier_path(CODE)).await.json()["steps"], json!([]));
    assert_eq!(world.sandbox.ledger().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_answer_and_with_another_body_none() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    world.put(WARD_CODE, &dossier("received")).await.is(202);
    let first = world.steps(CODE, "key-1", &step("received", "Tiếp nhận")).await.is(202);
    assert_eq!(first.header("idempotent-replayed"), "");
    for written in ["key-1", "\"key-1\""] {
        let again = world.steps(CODE, written, &step("received", "Tiếp nhận")).await.is(202);
        assert_eq!((again.text.as_str(), again.header("idempotent-replayed")), (first.text.as_str(), "true"));
        assert_eq!(again.header("location"), first.header("location"), "a repeat leads to the same operation");
        assert_eq!(again.header("content-type"), "application/json");
    }
    let another_body = step("received", "Nội dung khác");
    world.steps(CODE, "key-1", &another_body).await.refused(422, "idempotency.key_reused");
    world.steps(WARD_CODE, "key-1", &step("received", "Tiếp nhận")).await.refused(422, "idempotency.key_reused");
    let batch = json!({ "items": [dossier_with("/code", json!(CODE))] });
    world.post("/v1/dossier-batches", "key-1", &batch).await.refused(422, "idempotency.key_reused");
    // Another system's keys are its own.
    let ward = world.request(Method::POST, &format!("{}/steps", dossier_path(WARD_CODE))).bearer_auth(&world.ward);
    let ward = ward.header("Idempotency-Key", "key-1").json(&step("received", "Tiếp nhận"));
    assert_eq!(Answer::of(ward).await.is(202).header("idempotent-replayed"), "");
    world.settle().await;
    let steps = |code: &str| world.sandbox.dossier(code).unwrap().steps.len();
    assert_eq!((steps(CODE), steps(WARD_CODE)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_with_one_key_at_once_take_effect_once() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    let racers = (0..16).map(|_| async { world.steps(CODE, "race", &step("received", "Tiếp nhận")).await });
    let answers = futures::future::join_all(racers).await;
    let accepted: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 202).collect();
    assert!(!accepted.is_empty());
    assert!(accepted.iter().all(|answer| answer.text == accepted[0].text), "{accepted:?}");
    for other in answers.iter().filter(|answer| answer.status != 202) {
        assert_eq!((other.status, other.json()["code"].as_str()), (409, Some("idempotency.in_flight")));
        assert_ne!(other.header("retry-after"), "");
    }
    world.settle().await;
    assert_eq!(world.sandbox.dossier(CODE).unwrap().steps.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_each_bad_item_is_refused_alone() {
    let world = World::start().await;
    let item = |n: usize| {
        let code = json!(format!("H15.50-261121-{n:04}"));
        match n % 10 {
            3 => (400, "request.invalid", dossier_with("/summary", json!("dinhkem"))),
            5 => (403, "access.agency_not_allowed", dossier_with("/code", json!(format!("H16-261121-{n:04}")))),
            7 => (400, "request.invalid", dossier("received")),
            9 => (400, "request.invalid", json!("no object")),
            _ => (202, "", dossier_with("/code", code)),
        }
    };
    let mut expected: Vec<(u64, &str, Value)> = (0..500).map(item).collect();
    for (n, (_, code, item)) in expected.iter_mut().enumerate() {
        if n % 10 == 3 {
            item["code"] = json!(format!("H15.50-261121-{n:04}"));
            assert_eq!(*code, "request.invalid");
        }
    }
    let items: Vec<&Value> = expected.iter().map(|(_, _, item)| item).collect();
    let result = world.post("/v1/dossier-batches", "batch", &json!({ "items": items })).await.is(202).json();
    assert_eq!((&result["accepted"], &result["refused"]), (&json!(300), &json!(200)));
    for (n, (status, code, _)) in expected.iter().enumerate() {
        let found = &result["items"][n];
        assert_eq!((&found["index"], &found["status"]), (&json!(n), &json!(status)), "{found}");
        if *status == 202 {
            assert_eq!(found["dossier"]["code"], format!("H15.50-261121-{n:04}"));
        } else {
            assert_eq!(found["problem"]["code"], *code, "{found}");
        }
    }
    assert_eq!(result["items"][3]["problem"]["errors"][0]["pointer"], "/summary");
    assert_eq!(result["items"][7]["problem"]["errors"][0]["pointer"], "/code");
    world.settle().await;
    let held: Vec<String> = world.sandbox.dossiers().into_iter().map(|dossier| dossier.code).collect();
    let wanted: Vec<String> =
        (0..500).filter(|n| expected[*n].0 == 202).map(|n| format!("H15.50-261121-{n:04}")).collect();
    assert_eq!(held, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_a_list_of_one_to_five_hundred() {
    let world = World::start().await;
    let many = |count: usize| json!({ "items": vec![json!(1); count] });
    for (body, place, code) in [
        (many(501), "/items", "items"),
        (many(0), "/items", "items"),
        (json!({}), "/items", "items"),
        (json!({ "items": {} }), "/items", "items"),
        (json!([]), "", "items"),
        (json!({ "items": [1], "more": true }), "/more", "unknown_member"),
    ] {
        world.post("/v1/dossier-batches", "key", &body).await.wrong_fields(&[(place, code)]);
    }
    world.nothing_happened("batches out of bounds").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_addresses_and_methods_are_problems_too() {
    let world = World::start().await;
    for path in ["/", "/v1", "/v2/dossiers", "/v1/dossiers/", "/v1/dossiers/x/y/z", "/v1/operations", "/favicon.ico"] {
        Answer::of(world.request(Method::GET, path)).await.refused(404, "route.not_found");
        Answer::of(world.request(Method::POST, path).bearer_auth(&world.token)).await.refused(404, "route.not_found");
    }
    for (method, path) in [
        (Method::DELETE, dossier_path(CODE)),
        (Method::PATCH, dossier_path(CODE)),
        (Method::POST, "/v1/dossiers".into()),
        (Method::GET, "/v1/dossier-batches".into()),
        (Method::GET, format!("{}/steps", dossier_path(CODE))),
        (Method::DELETE, "/v1/operations/019aa0c0-0000-7000-8000-000000000000".into()),
        (Method::POST, "/livez".into()),
        (Method::POST, "/v1/openapi.json".into()),
    ] {
        let answer = Answer::of(world.request(method.clone(), &path).bearer_auth(&world.token)).await;
        let answer = answer.refused(405, "route.method_not_allowed");
        assert_ne!(answer.header("allow"), "", "{method} {path}: RFC 9110 wants the methods that are allowed");
    }
    for id in ["x", "019aa0c0-0000-7000-8000-000000000000"] {
        world.get(&format!("/v1/operations/{id}")).await.refused(404, "operation.not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_knows_its_parameters_and_its_own_cursors() {
    let world = World::start().await;
    for number in 1..=3 {
        world.put(&format!("H15.50-261121-{number:04}"), &dossier("received")).await.is(202);
    }
    for (query, place, code) in [
        ("page=2", "#/query/page", "unknown_parameter"),
        ("State=received", "#/query/State", "unknown_parameter"),
        ("state=done", "#/query/state", "unknown_value"),
        ("updatedSince=yesterday", "#/query/updatedSince", "timestamp"),
        ("limit=0", "#/query/limit", "limit"),
        ("limit=501", "#/query/limit", "limit"),
        ("limit=-1", "#/query/limit", "limit"),
        ("limit=ten", "#/query/limit", "limit"),
        ("cursor=", "#/query/cursor", "cursor"),
        ("cursor=x", "#/query/cursor", "cursor"),
        ("cursor=%ff", "#/query/cursor", "cursor"),
    ] {
        world.get(&format!("/v1/dossiers?{query}")).await.wrong_fields(&[(place, code)]);
    }
    let all_wrong = world.get("/v1/dossiers?limit=0&state=x&page=1").await;
    all_wrong.wrong_fields(&[
        ("#/query/limit", "limit"),
        ("#/query/page", "unknown_parameter"),
        ("#/query/state", "unknown_value"),
    ]);
    let cursor = world.get("/v1/dossiers?limit=1").await.json()["nextCursor"].as_str().unwrap().to_owned();
    world.get(&format!("/v1/dossiers?cursor={cursor}")).await.is(200);
    // Whichever letter is changed, it is no longer ours.
    for at in 0..cursor.len() {
        let mut letters = cursor.clone().into_bytes();
        letters[at] = if letters[at] == b'A' { b'Q' } else { b'A' };
        let changed = String::from_utf8(letters).unwrap();
        world.get(&format!("/v1/dossiers?cursor={changed}")).await.wrong_fields(&[("#/query/cursor", "cursor")]);
    }
    world.get(&format!("/v1/dossiers?cursor={}", &cursor[..cursor.len() - 2])).await.refused(400, "request.invalid");
}

const STATUS_MAP: &str = r#"
[[status_maps]]
agency = "H15"
entries = [
    { status = "01", means = "received" },
    { status = "02", means = "processing" },
    { status = "02", sub_status = "chờ", means = "supplement_requested" },
    { status = "99", means = "stopped", sent_as = "finished", override_reason = "Công văn 12/UBND ngày 2026-10-01" },
]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_local_status_is_mapped_by_the_agencys_table_and_an_unknown_one_is_refused() {
    let world = World::with(lienthong_sandbox::Settings::default(), STATUS_MAP).await;
    let with_status = |status: Value| {
        let mut body = dossier("received");
        body.as_object_mut().unwrap().remove("state");
        body["localStatus"] = status;
        body
    };
    let unknown = with_status(json!({ "status": "03" }));
    world.put(CODE, &unknown).await.wrong_fields(&[("/localStatus", "unknown_status")]);
    let mut neither = dossier("received");
    neither.as_object_mut().unwrap().remove("state");
    world.put(CODE, &neither).await.wrong_fields(&[("/state", "required")]);
    let wrong = with_status(json!({ "status": "", "more": 1 }));
    let wrong = world.put(CODE, &wrong).await.refused(400, "request.invalid").errors();
    assert!(wrong.contains(&("/localStatus/status".into(), "too_short".into())), "{wrong:?}");
    assert!(wrong.contains(&("/localStatus/more".into(), "unknown_member".into())), "{wrong:?}");
    world.nothing_happened("unknown statuses").await;

    for (status, state) in [
        (json!({ "status": "01" }), "received"),
        (json!({ "status": "02", "subStatus": "không có trong bảng" }), "processing"),
        (json!({ "status": "02", "subStatus": "chờ" }), "supplement_requested"),
        // Typed in decomposed letters it is the same status.
        (json!({ "status": "02", "subStatus": "chờ".nfd().collect::<String>() }), "supplement_requested"),
        (json!({ "status": "99" }), "finished"),
    ] {
        let number = world.get("/v1/dossiers").await.json()["items"].as_array().unwrap().len();
        let code = format!("H15.61-261121-{number:04}");
        world.put(&code, &with_status(status)).await.is(202);
        assert_eq!(world.get(&dossier_path(&code)).await.json()["dossier"]["state"], state);
    }
    // The use of the override is in the audit log, once.
    let database = world.deployment.folder().join("data/lienthong.sqlite");
    let connection = rusqlite::Connection::open(database).unwrap();
    let overrides: i64 = connection
        .query_row(
            "SELECT count(*) FROM audit_record WHERE instr(record, CAST('state_override' AS BLOB)) > 0",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(overrides, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_told_as_another_without_a_reason_keeps_the_gateway_from_starting() {
    for reason in ["", ", override_reason = \"\"", ", override_reason = \"  \""] {
        for means in ["supplement_requested", "financial_duty_requested", "stopped"] {
            let more = format!(
                "[[status_maps]]\nagency = \"H15\"\nentries = [{{ status = \"1\", means = \"received\" }}, \
                 {{ status = \"5\", means = \"{means}\", sent_as = \"finished\"{reason} }}]"
            );
            let deployment = lienthong_contract_tests::gateway::Deployment::new("http://127.0.0.1:1", &more).unwrap();
            let refusal = deployment.load().err().expect("the table was loaded").to_string();
            assert!(refusal.contains("status_maps.0.entries.1"), "{refusal}");
            assert!(refusal.contains("override_reason"), "{refusal}");
        }
    }
}

/// Whatever a body is made into, the answer is one of ours and repeats nobody's name.
#[tokio::test(flavor = "multi_thread")]
async fn no_mutation_of_a_body_breaks_the_gateway_or_makes_it_talk() {
    let world = World::start().await;
    let mut rng = fastrand::Rng::with_seed(20_261_121);
    let mut body = dossier("received");
    body["owner"]["name"] = json!("Lò Thị Kín Đáo");
    body["papers"] = json!([{ "id": "1", "name": "a.pdf", "link": "https://files.example.gov.vn/a" }]);
    body["localStatus"] = json!({ "status": "01" });
    let (mut refused, mut accepted) = (0, 0);
    for _ in 0..250 {
        let mut mutated = body.clone();
        for _ in 0..rng.usize(1..3) {
            mutate(&mut mutated, &mut rng);
        }
        let answer = if rng.u8(..) < 64 {
            let mut bytes = mutated.to_string().into_bytes();
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
            world.put_bytes(CODE, bytes).await
        } else {
            world.put(CODE, &mutated).await
        };
        match answer.status {
            200 | 202 => accepted += 1,
            400 | 403 | 409 => {
                refused += 1;
                assert!(!answer.text.contains("Kín Đáo") && !answer.text.contains("001099012345"), "{}", answer.text);
            }
            other => panic!("{other}: {} to {mutated}", answer.text),
        }
    }
    assert!(refused > 50 && accepted > 5, "{refused} refused, {accepted} accepted: the mutations show nothing");
    assert_eq!(client().get(format!("{}/livez", world.deployment.url())).send().await.unwrap().status(), 204);
}

/// Replaces, removes or adds one value somewhere in the tree.
fn mutate(value: &mut Value, rng: &mut fastrand::Rng) {
    match value {
        Value::Object(members) if !members.is_empty() && rng.u8(..) < 220 => {
            let name = members.keys().nth(rng.usize(..members.len())).unwrap().clone();
            match rng.u8(..8) {
                0..=2 => drop(members.remove(&name)),
                3 => drop(members.insert(rng.char('\u{20}'..'\u{2ff}').to_string(), json!(rng.u8(..)))),
                _ => mutate(members.get_mut(&name).unwrap(), rng),
            }
        }
        Value::Array(items) if !items.is_empty() && rng.u8(..) < 200 => {
            let at = rng.usize(..items.len());
            mutate(&mut items[at], rng);
        }
        other => {
            *other = match rng.u8(..8) {
                0 => Value::Null,
                1 => json!(rng.i64(..)),
                2 => json!(rng.f64() * 1e300),
                3 => json!(""),
                4 => json!("\u{0}"),
                5 => json!("ế".repeat(rng.usize(..3000))),
                6 => json!([]),
                _ => json!({ "a": [true] }),
            };
        }
    }
}
