//! Names and fields of procedures come from the dossier, then from the catalogue, and are never guessed.

use serde_json::{Value, json};

use crate::fake_portal::{Answer, FakePortal};
use crate::fixture;
use crate::support::{adapter, dossier, kind, portal, reason};

fn nameless(more: Value) -> lienthong_domain::dossier::Dossier {
    let mut change = json!({ "procedureName": null, "fieldCode": null, "fieldName": null });
    lienthong_adapter_kit::merge(&mut change, more);
    dossier(change)
}

async fn catalogue(reply: Value) -> FakePortal {
    portal(move |asked| match asked.service() {
        "LayThuTuc" => Answer::ok(&reply),
        _ => Answer::ok(fixture!("replies/accepted.json")),
    })
    .await
}

fn two_fields() -> Value {
    json!({ "error_code": 0, "result": { "TENTTHC": "Tên", "LINHVUCTHUCHIEN": [
        { "MALINHVUC": "A1-B2", "TENLINHVUC": "Một" }, { "MALINHVUC": "A1-B3", "TENLINHVUC": "" }] } })
}

fn sent(portal: &FakePortal) -> [String; 3] {
    let item = portal.body_of("DongBoHoSoMC")["data"][0].clone();
    ["TenTTHC", "MaLinhVuc", "TenLinhVuc"].map(|name| item[name].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_catalogue_is_asked_once_for_many_dossiers() {
    let portal = catalogue(fixture!("replies/procedure.json")).await;
    let (port, _) = adapter(&portal.url, json!({}));
    let all = (0..10).map(|_| {
        let port = port.clone();
        tokio::spawn(async move { port.insert(&nameless(json!({}))).await })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    assert_eq!(portal.services().iter().filter(|service| *service == "LayThuTuc").count(), 1);
    assert_eq!(portal.body_of("LayThuTuc"), fixture!("requests/procedure.json"));
    assert_eq!(sent(&portal), ["Thủ tục đăng ký khai tử", "G15-HT02", "Hộ tịch"]);
}

#[tokio::test]
async fn it_is_asked_again_when_the_entry_is_old() {
    let portal = catalogue(fixture!("replies/procedure.json")).await;
    let (port, _) = adapter(&portal.url, json!({ "catalogue": { "keep_ms": 1 } }));
    for _ in 0..2 {
        port.insert(&nameless(json!({}))).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(portal.services().iter().filter(|service| *service == "LayThuTuc").count(), 2);
}

#[tokio::test]
async fn the_dossier_s_own_words_go_first() {
    let portal = catalogue(two_fields()).await;
    let (port, _) = adapter(&portal.url, json!({}));
    port.insert(&nameless(json!({ "procedureName": "Tên riêng", "fieldCode": "A1-B2" }))).await.unwrap();
    assert_eq!(sent(&portal), ["Tên riêng", "A1-B2", "Một"]);
    port.insert(&nameless(json!({ "fieldCode": "Z9-Z9", "fieldName": "Riêng" }))).await.unwrap();
    assert_eq!(sent(&portal), ["Tên", "Z9-Z9", "Riêng"]);
}

#[tokio::test]
async fn what_is_lacking_is_refused_with_its_reason_and_not_sent() {
    let unknown = json!({ "error_code": "0", "result": [] });
    let missing = json!({ "error_code": "-1", "message": "Thủ tục không tồn tại" });
    let no_field = json!({ "error_code": "0", "result": [{ "TENTTHC": "Tên", "LINHVUCTHUCHIEN": null }] });
    let rows = [
        (unknown.clone(), json!({}), "procedureName"),
        (missing, json!({}), "procedureName"),
        (unknown, json!({ "procedureName": "Tên" }), "fieldCode"),
        (no_field, json!({}), "fieldCode"),
        (two_fields(), json!({}), "fieldCode"),
        (two_fields(), json!({ "fieldCode": "A1-B3" }), "fieldName"),
        (two_fields(), json!({ "fieldCode": "Z9-Z9" }), "fieldName"),
    ];
    for (reply, own, named) in rows {
        let portal = catalogue(reply.clone()).await;
        let error = adapter(&portal.url, json!({})).0.insert(&nameless(own)).await.unwrap_err();
        let (vi, en) = reason(&error);
        assert!(vi.contains(named) && en.contains(named), "{vi} / {en}");
        assert!(vi.contains("1.000656.000.00.00.H15"));
        assert_eq!(portal.services(), ["login", "LayThuTuc"], "{reply}");
    }
}

#[tokio::test]
async fn a_catalogue_that_fails_makes_the_portal_unavailable_and_is_asked_again() {
    for answer in [
        Answer::Close,
        Answer::Silence,
        Answer::status(500, ""),
        Answer::ok("?"),
        Answer::ok(json!({ "error_code": 7 })),
    ] {
        let portal = portal(move |_| answer.clone()).await;
        let (port, _) = adapter(&portal.url, json!({}));
        for asked in [2, 3] {
            assert_eq!(kind(port.insert(&nameless(json!({}))).await), "unavailable");
            assert_eq!(portal.services().len(), asked);
        }
    }
}
