//! Codes of dossiers and procedures, and the statuses that agencies have of their own.

use reqwest::Method;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::{CODE, WARD_CODE};
use crate::support::{Answer, World, dossier, dossier_path, dossier_with};

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
