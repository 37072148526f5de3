//! Insert, update, progress and look-up: what the portal takes, and what it then holds.

use lienthong_sandbox::{Effect, ExtraProcedure, FaultPlan, Settings, SuccessCode};
use serde_json::{Value, json};

use crate::caller::{
    CODE, INTEGRATION, assert_accepted, assert_refused, dossier, message, open, open_default, step, with, without,
};

const OTHER: &str = "H15.50.05.13-261121-0002";

#[tokio::test]
async fn inserting_a_code_twice_says_it_exists_and_changes_nothing() {
    let (sandbox, caller) = open_default().await;
    let reply = caller.insert(dossier(CODE)).await;
    assert_eq!(message(&reply), "Đồng bộ hồ sơ thành công");
    let again = caller.insert(with(dossier(CODE), "GhiChu", "khác")).await;
    assert_refused(&again, &[]);
    assert_eq!(message(&again), format!("Hồ sơ {CODE} đã tồn tại"));
    let held = sandbox.dossier(CODE).unwrap();
    assert_eq!(held.inserts, 1);
    assert_eq!(Value::Object(held.fields), dossier(CODE));
    assert_eq!(sandbox.ledger().len(), 1);
}

#[tokio::test]
async fn updating_a_code_that_is_not_there_says_so() {
    let (sandbox, caller) = open_default().await;
    let reply = caller.update(dossier(CODE)).await;
    assert_refused(&reply, &[]);
    assert_eq!(message(&reply), format!("Hồ sơ {CODE} không tồn tại"));
    assert!(sandbox.ledger().is_empty());
    assert_eq!(sandbox.counters().operations["update"].refused["missing"], 1);
}

#[tokio::test]
async fn an_update_replaces_the_whole_dossier_and_the_ledger_tells_whether_it_changed() {
    let (sandbox, caller) = open_default().await;
    assert_accepted(&caller.insert(with(dossier(CODE), "GhiChu", "cũ")).await);
    assert_accepted(&caller.update(dossier(CODE)).await);
    assert_accepted(&caller.update(dossier(CODE)).await);
    assert_eq!(Value::Object(sandbox.dossier(CODE).unwrap().fields), dossier(CODE));
    let ledger = sandbox.ledger();
    let told: Vec<_> = ledger.iter().map(|entry| (entry.seq, entry.operation, entry.changed)).collect();
    assert_eq!(told, [(1, Effect::Insert, true), (2, Effect::Update, true), (3, Effect::Update, false)]);
    assert_eq!(ledger[1].digest, ledger[2].digest);
    assert_ne!(ledger[0].digest, ledger[1].digest);
}

#[tokio::test]
async fn one_bad_dossier_refuses_the_whole_batch() {
    let (sandbox, caller) = open_default().await;
    let bad = with(dossier(OTHER), "GhiChu", "x".repeat(2001));
    let reply = caller.read(INTEGRATION, &caller.upsert("False", json!([dossier(CODE), bad]))).await;
    assert_refused(&reply, &["data[1].GhiChu"]);
    let twice = caller.read(INTEGRATION, &caller.upsert("False", json!([dossier(CODE), dossier(CODE)]))).await;
    assert_refused(&twice, &["đã tồn tại"]);
    assert!(sandbox.dossiers().is_empty());
    let both = caller.read(INTEGRATION, &caller.upsert("False", json!([dossier(CODE), dossier(OTHER)]))).await;
    assert_accepted(&both);
    assert_eq!(sandbox.dossiers().len(), 2);
}

#[tokio::test]
async fn a_dossier_must_carry_the_agency_of_the_account_in_either_scheme() {
    let (_sandbox, caller) = open_default().await;
    for code in ["000.00.00.H15-261121-0001", "H15.50.05.13-261121-0975", "000.01.50.H15-20261121-0092637"] {
        assert_accepted(&caller.insert(dossier(code)).await);
    }
    for code in ["000.00.00.H26-261121-0001", "H1.50-261121-0001", "HS-0001"] {
        assert_refused(&caller.insert(dossier(code)).await, &["MaHoSo", code, "H15"]);
    }
    let mut foreign = caller.upsert("False", json!([dossier(CODE)]));
    foreign["madonvi"] = "000.00.00.H26".into();
    assert_refused(&caller.read(INTEGRATION, &foreign).await, &["madonvi", "H26"]);
}

#[tokio::test]
async fn an_unknown_procedure_is_refused_a_withdrawn_and_a_suffixed_one_are_known() {
    let mut settings = Settings::default();
    settings.portal.extra_procedures.push(ExtraProcedure {
        code: "TS_lop1.000.00.00.H15".into(),
        name: "Tuyển sinh lớp 1".into(),
        field_code: "G03-GD10".into(),
        field_name: "Giáo dục".into(),
    });
    let (_sandbox, caller) = open(settings).await;
    let of = |procedure: &str, number: u32| with(dossier(&format!("H15-261121-000{number}")), "MaTTHC", procedure);
    assert_refused(&caller.insert(of("9.999999", 1)).await, &["MaTTHC", "9.999999"]);
    assert_refused(&caller.insert(of("1.001193x", 1)).await, &["MaTTHC"]);
    let known = ["2.002621", "1.001193.000.00.00.H15", "2.002621.H56", "TS_lop1.000.00.00.H15"];
    for (number, procedure) in known.into_iter().enumerate() {
        assert_accepted(&caller.insert(of(procedure, number as u32 + 2)).await);
    }
}

#[tokio::test]
async fn a_step_before_its_dossier_is_refused() {
    let (sandbox, caller) = open_default().await;
    let reply = caller.append(json!([step(CODE, "Tiếp nhận")])).await;
    assert_eq!(message(&reply), format!("Hồ sơ {CODE} không tồn tại"));
    assert!(sandbox.ledger().is_empty());
}

#[tokio::test]
async fn a_step_without_content_is_refused() {
    let (_sandbox, caller) = open_default().await;
    assert_accepted(&caller.insert(dossier(CODE)).await);
    let complete = step(CODE, "x");
    for broken in [with(complete.clone(), "NoiDungXuLy", Value::Null), with(complete.clone(), "NoiDungXuLy", "")] {
        assert_refused(&caller.append(json!([broken])).await, &["data[0].NoiDungXuLy"]);
    }
    assert_refused(&caller.append(json!([without(complete, "NoiDungXuLy")])).await, &["data[0].NoiDungXuLy"]);
}

#[tokio::test]
async fn the_same_step_twice_is_two_steps() {
    let (sandbox, caller) = open_default().await;
    assert_accepted(&caller.insert(dossier(CODE)).await);
    for _ in 0..2 {
        assert_accepted(&caller.append(json!([step(CODE, "Thẩm định")])).await);
    }
    assert_eq!(sandbox.dossier(CODE).unwrap().steps.len(), 2);
    assert_eq!(sandbox.ledger().iter().filter(|entry| entry.operation == Effect::AppendStep).count(), 2);
    assert!(sandbox.kindnesses().is_empty());
}

#[tokio::test]
async fn with_dedup_steps_the_same_step_twice_is_one() {
    let mut settings = Settings::default();
    settings.portal.dedup_steps = true;
    let (sandbox, caller) = open(settings).await;
    assert_accepted(&caller.insert(dossier(CODE)).await);
    for content in ["Thẩm định", "Thẩm định", "Trình ký"] {
        assert_accepted(&caller.append(json!([step(CODE, content)])).await);
    }
    let contents: Vec<Value> =
        sandbox.dossier(CODE).unwrap().steps.into_iter().map(|mut step| step["NoiDungXuLy"].take()).collect();
    assert_eq!(contents, ["Thẩm định", "Trình ký"]);
    assert_eq!(sandbox.ledger().len(), 3);
    assert_eq!(sandbox.kindnesses(), ["dedup_steps"]);
}

#[tokio::test]
async fn a_look_up_proves_presence_and_tells_nothing_else() {
    let (_sandbox, caller) = open_default().await;
    assert_eq!(caller.look_up(CODE).await["result"], json!([]));
    caller.insert(dossier(CODE)).await;
    let reply = caller.look_up(CODE).await;
    assert_eq!(reply["error_code"], "0");
    assert_eq!(reply["result"], json!([{ "MAHOSO": CODE }]));
}

#[tokio::test]
async fn a_rich_look_up_tells_the_stored_fields_in_upper_case() {
    let mut settings = Settings::default();
    settings.portal.rich_lookup = true;
    let (sandbox, caller) = open(settings).await;
    caller.insert(with(dossier(CODE), "DSKetNoiCSDL", json!([{ "MaCSDL": "1" }]))).await;
    let result = &caller.look_up(CODE).await["result"][0];
    assert_eq!(result["MAHOSO"], CODE);
    assert_eq!(result["TRANGTHAIHOSO"], "2");
    assert_eq!(result["DSKETNOICSDL"], json!([{ "MACSDL": "1" }]));
    assert_eq!(sandbox.kindnesses(), ["rich_lookup"]);
}

#[tokio::test]
async fn the_success_code_can_be_a_string_a_number_or_double_zero() {
    for (form, expected) in
        [(SuccessCode::String, json!("0")), (SuccessCode::Number, json!(0)), (SuccessCode::DoubleZero, json!("00"))]
    {
        let mut settings = Settings::default();
        settings.portal.success_code = form;
        let (_sandbox, caller) = open(settings).await;
        assert_eq!(caller.insert(dossier(CODE)).await["error_code"], expected);
    }
}

#[tokio::test]
async fn a_poisoned_dossier_is_always_refused_with_its_message() {
    let mut settings = Settings::default();
    settings.faults.poison.insert(CODE.into(), "Dữ liệu hồ sơ sai quy định".into());
    let (sandbox, caller) = open(settings).await;
    for _ in 0..3 {
        assert_eq!(message(&caller.insert(dossier(CODE)).await), "Dữ liệu hồ sơ sai quy định");
    }
    assert_accepted(&caller.insert(dossier(OTHER)).await);
    assert_eq!(sandbox.counters().operations["insert"].refused["poison"], 3);
    sandbox.set_faults(FaultPlan::none());
    assert_accepted(&caller.insert(dossier(CODE)).await);
}

#[tokio::test]
async fn a_full_ledger_stops_all_effects_and_loses_none() {
    let mut settings = Settings::default();
    settings.portal.ledger_limit = 2;
    let (sandbox, caller) = open(settings).await;
    assert_accepted(&caller.insert(dossier(CODE)).await);
    let two = json!([step(CODE, "Một"), step(CODE, "Hai")]);
    assert_refused(&caller.append(two).await, &["đã đầy"]);
    assert_accepted(&caller.append(json!([step(CODE, "Một")])).await);
    assert_refused(&caller.insert(dossier(OTHER)).await, &["đã đầy"]);
    assert_eq!(sandbox.ledger().len(), 2);
    assert_eq!(sandbox.dossier(CODE).unwrap().steps.len(), 1);
}
