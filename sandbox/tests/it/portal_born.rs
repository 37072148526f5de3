//! `DongBoTrangThaiHoSo`: what the portal takes about a dossier that was made on it, and what it then holds.

use lienthong_sandbox::{Effect, FaultKind, FaultPlan, Operation, Sandbox};
use serde_json::{Value, json};

use crate::caller::{
    CODE, Caller, INTEGRATION, SHARE, always, assert_accepted, assert_refused, dossier, message, with, without,
};
use crate::province::{NATIONAL, Province, new_dossier, portal_and_province};

async fn portal_with_a_dossier() -> (Sandbox, Caller, Province) {
    let (sandbox, province) = portal_and_province([]).await;
    let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
    sandbox.settled(id).await.unwrap();
    let mut caller = Caller::new(&sandbox);
    caller.log_in().await;
    (sandbox, caller, province)
}

fn report(status: &str) -> Value {
    json!({
        "MaHoSo": NATIONAL,
        "MaHoSoDonVi": CODE,
        "NoiDung": "Đã tiếp nhận",
        "NgayXuLy": "20261121090000",
        "TrangThai": status,
        "TaiLieuXuLy": [{
            "TepDinhKemId": "1",
            "TenTepDinhKem": "Phiếu tiếp nhận.pdf",
            "IsDeleted": "False",
            "MaThanhPhanHoSo": "",
            "DuongDanTaiTepTin": "http://127.0.0.1/1",
        }],
    })
}

impl Caller {
    async fn report(&self, report: Value) -> Value {
        self.ask(INTEGRATION, "DongBoTrangThaiHoSo", json!({ "type": "2", "data": report })).await
    }
}

#[tokio::test]
async fn a_report_is_held_with_the_dossier_and_in_the_ledger() {
    let (sandbox, caller, _province) = portal_with_a_dossier().await;
    assert_eq!(sandbox.portal_born(NATIONAL).unwrap().status, None);
    let reply = caller.report(report("2")).await;
    assert_accepted(&reply);
    let born = sandbox.portal_born(NATIONAL).unwrap();
    assert_eq!(born.status.as_deref(), Some("2"));
    assert_eq!(born.local_code.as_deref(), Some(CODE));
    assert_eq!(born.note.as_deref(), Some("Đã tiếp nhận"));
    assert_eq!(born.documents[0]["TenTepDinhKem"], "Phiếu tiếp nhận.pdf");
    assert_eq!(json!(born.history), json!([report("2")]));
    assert_eq!(born.given, new_dossier(NATIONAL).data);
    let ledger = sandbox.ledger();
    assert_eq!((ledger[0].operation, ledger[0].code.as_str()), (Effect::ReportStatus, NATIONAL));
    assert_eq!((ledger[0].mark.as_str(), ledger[0].changed), ("Đã tiếp nhận", true));
    let counters = &sandbox.counters().operations["report_status"];
    assert_eq!((counters.calls, counters.accepted), (1, 1));
}

#[tokio::test]
async fn the_same_status_twice_is_twice_in_the_history() {
    let (sandbox, caller, _province) = portal_with_a_dossier().await;
    for status in ["2", "2", "4"] {
        assert_accepted(&caller.report(report(status)).await);
    }
    let born = sandbox.portal_born(NATIONAL).unwrap();
    let history: Vec<&str> = born.history.iter().map(|report| report["TrangThai"].as_str().unwrap()).collect();
    assert_eq!(history, ["2", "2", "4"]);
    let ledger = sandbox.ledger();
    let changed: Vec<bool> = ledger.iter().map(|entry| entry.changed).collect();
    assert_eq!(changed, [true, false, true]);
    assert_eq!(ledger[0].digest, ledger[1].digest);
    assert_ne!(ledger[1].digest, ledger[2].digest);
}

#[tokio::test]
async fn the_last_report_replaces_note_local_code_and_documents() {
    let (sandbox, caller, _province) = portal_with_a_dossier().await;
    assert_accepted(&caller.report(report("2")).await);
    let bare = without(without(report("11"), "NoiDung"), "TaiLieuXuLy");
    assert_accepted(&caller.report(with(bare, "MaHoSoDonVi", "H15-261121-0009")).await);
    let born = sandbox.portal_born(NATIONAL).unwrap();
    assert_eq!((born.status.as_deref(), born.local_code.as_deref()), (Some("11"), Some("H15-261121-0009")));
    assert_eq!((born.note, born.documents.len(), born.history.len()), (None, 0, 2));
}

#[tokio::test]
async fn a_dossier_that_was_not_made_on_the_portal_is_refused() {
    let (sandbox, caller, _province) = portal_with_a_dossier().await;
    let unknown = caller.report(with(report("2"), "MaHoSo", "G22.99-261121-000009")).await;
    assert_refused(&unknown, &[]);
    assert_eq!(message(&unknown), "Hồ sơ G22.99-261121-000009 không tồn tại");
    assert_accepted(&caller.insert(dossier(CODE)).await);
    assert_refused(&caller.report(with(report("2"), "MaHoSo", CODE)).await, &[CODE, "không phát sinh tại Cổng"]);
    let refused = &sandbox.counters().operations["report_status"].refused;
    assert_eq!(json!(refused), json!({ "missing": 1, "not_born_here": 1 }));
    assert_eq!(sandbox.ledger().len(), 1, "the insert alone");
}

#[tokio::test]
async fn a_report_outside_the_reference_is_refused_by_field() {
    let (sandbox, caller, _province) = portal_with_a_dossier().await;
    let paper = json!([{ "TepDinhKemId": 1 }]);
    for (wrong, words) in [
        (with(report("2"), "TrangThai", "12"), ["data.TrangThai", "danh mục"]),
        (with(report("2"), "TrangThai", 2), ["data.TrangThai", "phải là chuỗi"]),
        (with(report("2"), "NgayXuLy", "20261321090000"), ["data.NgayXuLy", "yyyyMMddHHmmss"]),
        (with(report("2"), "NgayXuLy", "21/11/2026"), ["data.NgayXuLy", "yyyyMMddHHmmss"]),
        (without(report("2"), "NgayXuLy"), ["data.NgayXuLy", "bắt buộc"]),
        (without(report("2"), "MaHoSo"), ["data.MaHoSo", "bắt buộc"]),
        (with(report("2"), "MaHoSoDonVi", ""), ["data.MaHoSoDonVi", "bắt buộc"]),
        (with(report("2"), "GhiChu", "x"), ["data.GhiChu", "đặc tả"]),
        (with(report("2"), "TaiLieuXuLy", paper), ["data.TaiLieuXuLy[0].TepDinhKemId", "phải là chuỗi"]),
        (json!([report("2")]), ["data", "phải là đối tượng"]),
    ] {
        assert_refused(&caller.report(wrong).await, &words);
    }
    let asked = async |more: Value| caller.ask(INTEGRATION, "DongBoTrangThaiHoSo", more).await;
    assert_refused(&asked(json!({ "data": report("2") })).await, &["type", "bắt buộc"]);
    assert_refused(&asked(json!({ "type": "1", "data": report("2") })).await, &["type", "danh mục"]);
    assert_refused(&asked(json!({ "type": "2" })).await, &["data", "bắt buộc"]);
    assert_refused(&caller.ask(SHARE, "DongBoTrangThaiHoSo", json!({})).await, &["DongBoTrangThaiHoSo"]);
    assert!(sandbox.portal_born(NATIONAL).unwrap().history.is_empty() && sandbox.ledger().is_empty());
}

#[tokio::test]
async fn faults_strike_a_report_as_they_strike_any_other_call() {
    let (sandbox, caller, _province) = portal_with_a_dossier().await;
    sandbox.set_faults(always(Operation::ReportStatus, FaultKind::ServerErrorAfter));
    let body = caller.body("DongBoTrangThaiHoSo", json!({ "type": "2", "data": report("2") }));
    assert!(caller.send(INTEGRATION, &body).await.unwrap().status().is_server_error());
    assert_eq!(sandbox.ledger()[0].fault, Some(FaultKind::ServerErrorAfter));
    sandbox.set_faults(always(Operation::ReportStatus, FaultKind::Refuse));
    assert_refused(&caller.report(report("4")).await, &[]);
    sandbox.set_faults(always(Operation::ReportStatus, FaultKind::Duplicate));
    assert_accepted(&caller.report(report("4")).await);
    let born = sandbox.portal_born(NATIONAL).unwrap();
    let history: Vec<&str> = born.history.iter().map(|report| report["TrangThai"].as_str().unwrap()).collect();
    assert_eq!(history, ["2", "4", "4"]);
    assert_eq!(sandbox.counters().ambiguous("report_status"), 1);
    let mut poisoned = FaultPlan::none();
    poisoned.poison.insert(NATIONAL.into(), "Không nhận".into());
    sandbox.set_faults(poisoned);
    assert_eq!(message(&caller.report(report("9")).await), "Không nhận");
}
