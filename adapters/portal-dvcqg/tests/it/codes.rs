//! Every closed list has its code on the wire, and every code leads back to one member (NP-13).

use std::collections::BTreeMap;

use lienthong_domain::dossier::{
    Channel, DossierState, FeeCollection, FeeKind, IdentityKind, OnlinePayment, OwnerKind, PaperForm, ReturnMethod,
    SubmissionPlace,
};
use lienthong_domain::scalar::Scalar;
use serde_json::{Value, json};

use crate::fake_portal::Answer;
use crate::fixture;
use crate::support::{adapter, code, dossier, portal, step};

/// Sends one dossier a member and checks the codes in both directions.
async fn check<T: Scalar>(expected: &[(&str, &str)], put: impl Fn(&str) -> Value, place: &str) {
    let names: Vec<_> = expected.iter().map(|row| row.0).collect();
    assert_eq!(names, T::SCHEMA.values, "every member has its row");
    let portal = portal(|_| Answer::ok(fixture!("replies/accepted.json"))).await;
    let (port, _) = adapter(&portal.url, json!({}));
    let mut back = BTreeMap::new();
    for (name, code) in expected {
        port.insert(&dossier(put(name))).await.unwrap();
        let sent = portal.body_of("DongBoHoSoMC")["data"][0].pointer(place).unwrap().as_str().unwrap().to_owned();
        assert_eq!(sent, *code, "{name}");
        assert_eq!(back.insert(sent, *name), None, "two members share a code");
    }
    for (name, code) in expected {
        assert_eq!(back[*code], *name);
    }
}

const STATES: &[(&str, &str)] = &[
    ("registered", "1"),
    ("received", "2"),
    ("not_accepted", "3"),
    ("processing", "4"),
    ("supplement_requested", "5"),
    ("financial_duty_requested", "6"),
    ("withdrawn_by_citizen", "7"),
    ("stopped", "8"),
    ("finished", "9"),
    ("result_returned", "10"),
];

#[tokio::test]
async fn states() {
    check::<DossierState>(STATES, |name| json!({ "state": name }), "/TrangThaiHoSo").await;
}

#[tokio::test]
async fn states_of_steps() {
    let portal = portal(|_| Answer::ok(fixture!("replies/accepted.json"))).await;
    let (port, _) = adapter(&portal.url, json!({}));
    for (name, expected) in STATES {
        port.append_step(&code(), &step(json!({ "state": name }))).await.unwrap();
        assert_eq!(portal.body_of("CapNhatTienDoHoSoMC")["data"][0]["TrangThai"], *expected);
    }
}

#[tokio::test]
async fn channels() {
    let rows = [("direct", "1"), ("online", "2"), ("postal", "3")];
    check::<Channel>(&rows, |name| json!({ "channel": name }), "/KenhThucHien").await;
}

#[tokio::test]
async fn owner_kinds() {
    let rows = [("citizen", "1"), ("enterprise", "2"), ("state_agency", "3"), ("organisation", "4")];
    check::<OwnerKind>(&rows, |name| json!({ "owner": { "kind": name } }), "/LoaiDoiTuong").await;
}

#[tokio::test]
async fn identity_kinds() {
    let document = |name: &str| {
        let number = if name == "old_number" { "271828182" } else { "001099012345" };
        json!({ "owner": { "identityDocuments": [{ "kind": name, "number": number }] } })
    };
    let rows = [("personal_number", "1"), ("old_number", "2")];
    check::<IdentityKind>(&rows, document, "/DinhDanhCHS/0/LoaiDinhDanh").await;
}

#[tokio::test]
async fn return_methods() {
    let rows = [("counter", "0"), ("postal", "1")];
    check::<ReturnMethod>(&rows, |name| json!({ "returnMethod": name }), "/HinhThuc").await;
}

#[tokio::test]
async fn submission_places() {
    let rows = [("national_portal", "1"), ("local_system", "2")];
    check::<SubmissionPlace>(&rows, |name| json!({ "submittedThrough": name }), "/NoiNopHoSo").await;
}

#[tokio::test]
async fn online_payments() {
    let rows = [("none", "0"), ("national_portal", "1"), ("local_gateway", "2")];
    check::<OnlinePayment>(&rows, |name| json!({ "onlinePayment": name }), "/DuocThanhToanTrucTuyen").await;
}

fn fee(kind: &str, collection: &str) -> Value {
    json!({ "fees": [{ "name": "Phí", "kind": kind, "collection": collection, "amount": 1 }] })
}

#[tokio::test]
async fn fee_kinds() {
    let rows = [("fee", "1"), ("charge", "2")];
    check::<FeeKind>(&rows, |name| fee(name, "at_reception"), "/DanhSachLePhi/0/LoaiPhiLePhi").await;
}

#[tokio::test]
async fn fee_collections() {
    let rows = [("at_reception", "1"), ("on_supplement", "2"), ("with_result", "4")];
    check::<FeeCollection>(&rows, |name| fee("fee", name), "/DanhSachLePhi/0/HinhThucThu").await;
}

#[tokio::test]
async fn paper_forms() {
    let rows = [("original", "0"), ("copy", "1"), ("electronic", "2")];
    let paper = |name: &str| json!({ "otherPapers": [{ "name": "Giấy", "count": 1, "form": name }] });
    check::<PaperForm>(&rows, paper, "/DanhSachTepDinhKemKhac/0/LoaiGiayTo").await;
}

#[tokio::test]
async fn a_table_of_the_profile_can_be_corrected() {
    let portal = portal(|_| Answer::ok(fixture!("replies/accepted.json"))).await;
    let more =
        json!({ "codes": { "fee_kind": { "fee": "P", "charge": "L" }, "supplement_status": { "awaited": "7" } } });
    adapter(&portal.url, more).0.insert(&dossier(json!({}))).await.unwrap();
    let item = portal.body_of("DongBoHoSoMC")["data"][0].clone();
    assert_eq!(
        (&item["DanhSachLePhi"][0]["LoaiPhiLePhi"], &item["DanhSachLePhi"][1]["LoaiPhiLePhi"]),
        (&json!("L"), &json!("P"))
    );
    assert_eq!(item["DanhSachHoSoBoSung"][1]["TrangThaiBoSung"], "7");
}

#[tokio::test]
async fn the_members_of_a_supplement_paper_are_the_profile_s() {
    let portal = portal(|_| Answer::ok(fixture!("replies/accepted.json"))).await;
    let more =
        json!({ "wire": { "supplement_paper_members": { "name": "TenTepDinhKem", "count": "", "form": "Loai" } } });
    adapter(&portal.url, more).0.insert(&dossier(json!({}))).await.unwrap();
    let papers = portal.body_of("DongBoHoSoMC")["data"][0]["DanhSachHoSoBoSung"][0]["DanhSachGiayToBoSung"].clone();
    assert_eq!(papers, json!([{ "TenTepDinhKem": "Giấy báo tử", "Loai": "0" }]));
}
