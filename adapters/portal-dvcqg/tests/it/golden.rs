//! Every request, member by member, as the fixtures show it.

use lienthong_domain::agreement::{NationalDossier, Told};
use lienthong_domain::dossier::DossierState;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use serde_json::{Value, json};

use crate::fake_portal::Answer;
use crate::fixture;
use crate::support::{adapter, code, dossier, portal, step};

#[tokio::test]
async fn a_full_dossier_is_inserted_and_updated() {
    let portal = portal(|_| Answer::ok(fixture!("replies/accepted.json"))).await;
    let (port, _) = adapter(&portal.url, json!({}));
    port.insert(&dossier(json!({}))).await.unwrap();
    assert_eq!(portal.services(), ["login", "DongBoHoSoMC"], "a dossier that names all it needs asks for nothing");
    assert_eq!(portal.body_of("login"), fixture!("requests/login.json"));
    let mut expected = fixture!("requests/insert.json");
    assert_eq!(portal.body_of("DongBoHoSoMC"), expected);

    port.update(&dossier(json!({}))).await.unwrap();
    expected["isUpdating"] = json!("True");
    assert_eq!(portal.body_of("DongBoHoSoMC"), expected);
}

#[tokio::test]
async fn a_step_is_appended() {
    let portal = portal(|_| Answer::ok(fixture!("replies/accepted.json"))).await;
    adapter(&portal.url, json!({})).0.append_step(&code(), &step(json!({}))).await.unwrap();
    assert_eq!(portal.body_of("CapNhatTienDoHoSoMC"), fixture!("requests/append-step.json"));
}

#[tokio::test]
async fn what_is_absent_is_an_empty_text_and_never_null() {
    let portal = portal(|_| Answer::ok(fixture!("replies/accepted.json"))).await;
    let bare = dossier(json!({
        "channel": "direct", "receiptNumber": null, "otherInformation": null, "receivedAt": null, "dueAt": null,
        "refusedAt": null, "finishedAt": null, "returnedAt": null, "returnNote": null, "note": null,
        "state": "registered", "connectedDatabases": [], "papers": [], "fees": [], "otherPapers": [],
        "supplements": [], "results": [],
        "owner": { "identityDocuments": [], "taxCode": null, "portalAccountId": null, "phone": null, "email": null, "fax": null }
    }));
    adapter(&portal.url, json!({})).0.insert(&bare).await.unwrap();
    let item = portal.body_of("DongBoHoSoMC")["data"][0].clone();
    let full = fixture!("requests/insert.json");
    for (name, value) in full["data"][0].as_object().unwrap() {
        let sent = &item[name];
        assert_eq!(sent.is_array(), value.is_array(), "{name}");
        assert!(sent.as_array().is_none_or(Vec::is_empty), "{name}");
    }
    for name in [
        "SoBienNhan",
        "MaDoiTuong",
        "Email",
        "Fax",
        "SoDienThoai",
        "NgayTiepNhan",
        "NgayHenTra",
        "NgayTuChoi",
        "NgayTra",
        "GhiChu",
    ] {
        assert_eq!(item[name], "", "{name}");
    }
}

#[tokio::test]
async fn a_dossier_is_looked_up() {
    for (reply, present) in [
        (json!({ "error_code": 0, "result": [{ "MAHOSO": "x" }] }), true),
        (json!({ "error_code": "00", "result": { "data": [{ "MAHOSO": "x" }] } }), true),
        (json!({ "error_code": "0", "result": { "MAHOSO": "x" } }), true),
        (json!({ "error_code": "0", "result": [] }), false),
        (json!({ "error_code": "0", "result": "" }), false),
        (json!({ "error_code": "0", "result": null }), false),
        (json!({ "ERROR_CODE": 0 }), false),
        (json!({ "error_code": "-1", "message": "Hồ sơ không tồn tại" }), false),
    ] {
        let answer = reply.clone();
        let portal = portal(move |_| Answer::ok(&answer)).await;
        let presence = adapter(&portal.url, json!({})).0.look_up(&code()).await.unwrap();
        assert_eq!(presence.is_some(), present, "{reply}");
        assert!(presence.is_none_or(|told| told == NationalDossier::PRESENT), "it is another one's, or tells nothing");
        assert_eq!(portal.body_of("TraCuuHoSo"), fixture!("requests/look-up.json"));
    }
}

#[tokio::test]
async fn what_a_look_up_tells_is_read_and_nothing_is_read_into_it() {
    let own = code().as_str().to_owned();
    let due = Timestamp::parse("2026-11-25T17:00:00+07:00").unwrap();
    let nothing = NationalDossier::PRESENT;
    for (members, expected) in [
        (json!({}), nothing.clone()),
        (
            json!({ "TRANGTHAIHOSO": "4" }),
            NationalDossier { state: Told::Value(DossierState::Processing), ..NationalDossier::PRESENT },
        ),
        (
            json!({ "TrangThaiHoSo": 10 }),
            NationalDossier { state: Told::Value(DossierState::ResultReturned), ..NationalDossier::PRESENT },
        ),
        (json!({ "trangthaihoso": "11" }), NationalDossier { state: Told::Unreadable, ..NationalDossier::PRESENT }),
        (json!({ "trangthaihoso": "" }), NationalDossier { state: Told::Unreadable, ..NationalDossier::PRESENT }),
        (json!({ "trangthaihoso": ["4"] }), NationalDossier { state: Told::Unreadable, ..NationalDossier::PRESENT }),
        (
            json!({ "NGAYHENTRA": "20261125170000" }),
            NationalDossier { due_at: Told::Value(Some(due)), ..NationalDossier::PRESENT },
        ),
        (json!({ "NGAYHENTRA": null }), NationalDossier { due_at: Told::Value(None), ..NationalDossier::PRESENT }),
        (json!({ "NGAYHENTRA": "" }), NationalDossier { due_at: Told::Value(None), ..NationalDossier::PRESENT }),
        (
            json!({ "NGAYHENTRA": "25/11/2026" }),
            NationalDossier { due_at: Told::Unreadable, ..NationalDossier::PRESENT },
        ),
        (
            json!({ "DANHSACHGIAYTOKETQUA": [] }),
            NationalDossier { results: Told::Value(0), ..NationalDossier::PRESENT },
        ),
        (
            json!({ "DANHSACHGIAYTOKETQUA": [{ "DUONGDANTEPTINKETQUA": "https://a" }, { "DUONGDANTEPTINKETQUA": "" }, {}] }),
            NationalDossier { results: Told::Value(1), ..NationalDossier::PRESENT },
        ),
        (
            json!({ "DANHSACHGIAYTOKETQUA": { "DUONGDANTEPTINKETQUA": "https://a" } }),
            NationalDossier { results: Told::Value(1), ..NationalDossier::PRESENT },
        ),
        (
            json!({ "DANHSACHGIAYTOKETQUA": "https://a" }),
            NationalDossier { results: Told::Unreadable, ..NationalDossier::PRESENT },
        ),
        (
            json!({ "DANHSACHGIAYTOKETQUA": ["https://a"] }),
            NationalDossier { results: Told::Unreadable, ..NationalDossier::PRESENT },
        ),
    ] {
        let mut item = members.clone();
        item["MAHOSO"] = json!(own.to_lowercase());
        // Of another one's, and of one that does not say whose it is, nothing is believed but that something is there.
        let mut others = members.clone();
        others["MAHOSO"] = json!("H99-1");
        for (items, expected) in
            [(json!([others, item]), &expected), (json!([others]), &nothing), (json!([members]), &nothing)]
        {
            let answer = json!({ "error_code": 0, "result": items });
            let portal = portal(move |_| Answer::ok(&answer)).await;
            let told = adapter(&portal.url, json!({})).0.look_up(&code()).await.unwrap();
            if items == json!([{}]) {
                assert_eq!(told.as_ref(), None, "an item without members is none");
            } else {
                assert_eq!(told.as_ref(), Some(expected), "{items}");
            }
        }
    }
    // A province that does not want a member compared.
    let settings = json!({ "look_up": { "state": "" } });
    let answer = json!({ "error_code": 0, "result": [{ "MAHOSO": own, "TRANGTHAIHOSO": "4" }] });
    let portal = portal(move |_| Answer::ok(&answer)).await;
    assert_eq!(adapter(&portal.url, settings).0.look_up(&code()).await.unwrap(), Some(nothing));
}

#[tokio::test]
async fn what_does_not_answer_a_look_up_is_neither_present_nor_absent() {
    for reply in [
        json!({ "error_code": "-1", "message": "Lỗi" }),
        json!({ "error_code": "-1", "message": "Lỗi", "result": [{}, {"a": 1}] }),
        json!({ "error_code": "5", "result": [] }),
        json!({ "error_code": "0", "result": false }),
        json!({ "error_code": "0", "result": "có" }),
        json!({ "error_code": "0", "message": "đã tồn tại", "result": [] }),
        json!({ "result": [] }),
        json!([]),
        json!({ "error_code": "-9", "message": "{\"error_code\":0,\"result\":[]}" }),
    ] {
        let answer = reply.clone();
        let portal = portal(move |_| Answer::ok(&answer)).await;
        let error = adapter(&portal.url, json!({})).0.look_up(&code()).await.unwrap_err();
        assert_eq!(error.kind.name(), "unavailable", "{reply}");
    }
}

#[test]
fn every_scalar_of_the_fixtures_is_a_text() {
    fn check(value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(check),
            Value::Object(members) => members.values().for_each(check),
            other => assert!(other.is_string(), "{other}"),
        }
    }
    check(&fixture!("requests/insert.json"));
    check(&fixture!("requests/append-step.json"));
}
