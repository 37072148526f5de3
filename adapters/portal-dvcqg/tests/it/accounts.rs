//! An online dossier names the owner's account; one that is not given is looked up, each time, and never kept or shown.

use serde_json::{Value, json};

use crate::fake_portal::{Answer, FakePortal};
use crate::fixture;
use crate::support::{adapter, dossier, kind, portal, reason};

fn without_account(more: Value) -> lienthong_domain::dossier::Dossier {
    let mut change = json!({ "owner": { "portalAccountId": null } });
    lienthong_adapter_kit::merge(&mut change, more);
    dossier(change)
}

async fn accounts(reply: Value) -> FakePortal {
    portal(move |asked| match asked.service() {
        "TraCuuTechID" => Answer::ok(&reply),
        _ => Answer::ok(fixture!("replies/accepted.json")),
    })
    .await
}

#[tokio::test]
async fn the_account_is_looked_up_for_each_sending() {
    let portal = accounts(fixture!("replies/account.json")).await;
    let (port, _) = adapter(&portal.url, json!({}));
    port.insert(&without_account(json!({}))).await.unwrap();
    port.update(&without_account(json!({}))).await.unwrap();
    assert_eq!(portal.services(), ["login", "TraCuuTechID", "DongBoHoSoMC", "TraCuuTechID", "DongBoHoSoMC"]);
    assert_eq!(portal.body_of("TraCuuTechID"), fixture!("requests/account.json"));
    assert_eq!(portal.body_of("DongBoHoSoMC")["data"][0]["MaDoiTuong"], "tech-7f3a");
    assert!(portal.asked()[1].target.ends_with("/mapi/share"), "the number is in the body, never in the URL");
}

#[tokio::test]
async fn an_enterprise_is_found_by_its_tax_code() {
    let portal = accounts(fixture!("replies/account.json")).await;
    let enterprise = without_account(json!({ "owner": { "kind": "enterprise" } }));
    adapter(&portal.url, json!({})).0.insert(&enterprise).await.unwrap();
    assert_eq!(portal.body_of("TraCuuTechID")["mstorcmnd"], "8001234567");
}

#[tokio::test]
async fn other_channels_need_no_account() {
    let portal = accounts(json!({})).await;
    for channel in ["direct", "postal"] {
        adapter(&portal.url, json!({})).0.insert(&without_account(json!({ "channel": channel }))).await.unwrap();
        assert_eq!(portal.body_of("DongBoHoSoMC")["data"][0]["MaDoiTuong"], "");
    }
    assert!(!portal.services().contains(&"TraCuuTechID".to_owned()));
}

#[tokio::test]
async fn an_owner_without_an_account_is_refused_without_the_number() {
    for reply in [
        json!({ "error_code": 0, "result": [] }),
        json!({ "error_code": 0, "result": [{ "TECHNICALID": "" }] }),
        json!({ "error_code": -1, "message": "Số 001099012345 không tồn tại" }),
    ] {
        let portal = accounts(reply).await;
        let error = adapter(&portal.url, json!({})).0.insert(&without_account(json!({}))).await.unwrap_err();
        assert!(reason(&error).0.contains("tài khoản") && reason(&error).1.contains("account"));
        assert!(!format!("{error:?}").contains("001099012345"));
        assert_eq!(portal.services(), ["login", "TraCuuTechID"], "nothing was sent");
    }
}

#[tokio::test]
async fn a_failed_look_up_of_the_account_makes_the_portal_unavailable() {
    for answer in [Answer::Close, Answer::status(500, ""), Answer::ok("<html>")] {
        let portal = portal(move |_| answer.clone()).await;
        assert_eq!(kind(adapter(&portal.url, json!({})).0.insert(&without_account(json!({}))).await), "unavailable");
    }
}

#[tokio::test]
async fn a_refused_look_up_of_the_account_does_not_repeat_the_number() {
    let portal = accounts(json!({ "error_code": -1, "message": "Mã 8001234567 bị khóa" })).await;
    let enterprise = without_account(json!({ "owner": { "kind": "enterprise" } }));
    let error = adapter(&portal.url, json!({})).0.insert(&enterprise).await.unwrap_err();
    // The question was refused, not the dossier: it is asked again later.
    assert_eq!(error.kind.name(), "unavailable");
    assert!(!format!("{error:?}").contains("8001234567"), "{error:?}");
}
