//! Addresses of the exchange: prefixes, `dstcode`, paths, and the adapter's own errors.

use lienthong_sandbox::{DstcodePlacement, Sandbox, Settings};
use reqwest::Response;
use serde_json::{Value, json};

use crate::caller::{CODE, Caller, DSTCODE, INTEGRATION, SHARE, assert_accepted, dossier, message, open, open_default};

async fn log_in_at(caller: &Caller, place: &str, header: Option<&str>) -> Response {
    let mut request = caller.client.post(format!("{}{place}", caller.url));
    if let Some(header) = header {
        request = request.header("dstcode", header);
    }
    request.json(&json!({ "username": "sandbox", "password": "sandbox-password" })).send().await.unwrap()
}

async fn assert_adapter_error(response: Response, status: u16) {
    assert_eq!(response.status(), status);
    let error: Value = response.json().await.unwrap();
    assert!(error.get("error_code").is_none(), "an adapter error is no portal reply: {error}");
    assert!(error["type"].is_string());
}

#[tokio::test]
async fn both_adapter_prefixes_and_the_bare_path_lead_to_the_portal() {
    let (_sandbox, caller) = open_default().await;
    for prefix in ["/XrdAdapter/RestService/forward", "/VXPAdapter/RestService/forward", ""] {
        let response = log_in_at(&caller, &format!("{prefix}/mapi/login"), Some(DSTCODE)).await;
        assert_eq!(response.status(), 200, "{prefix}");
    }
}

#[tokio::test]
async fn dstcode_is_taken_from_header_or_query_plain_or_encoded() {
    let (_sandbox, caller) = open_default().await;
    let encoded = DSTCODE.replace(':', "%3A");
    for query in [format!("dstcode={DSTCODE}"), format!("providerurl=https%3A%2F%2Fa.example&dstcode={encoded}")] {
        assert_eq!(log_in_at(&caller, &format!("/mapi/login?{query}"), None).await.status(), 200, "{query}");
    }
    assert_eq!(log_in_at(&caller, "/mapi/login", Some(DSTCODE)).await.status(), 200);
}

#[tokio::test]
async fn a_missing_wrong_or_contradicting_dstcode_stops_at_the_adapter() {
    let (sandbox, caller) = open_default().await;
    assert_adapter_error(log_in_at(&caller, "/mapi/login", None).await, 500).await;
    assert_adapter_error(log_in_at(&caller, "/mapi/login", Some("VN:GOV:000.00.00.G22:other")).await, 500).await;
    let both = format!("/mapi/login?dstcode={DSTCODE}");
    assert_adapter_error(log_in_at(&caller, &both, Some("VN:GOV:000.00.00.G22:other")).await, 500).await;
    assert_eq!(sandbox.counters().unreadable, 3);
}

#[tokio::test]
async fn a_placement_that_is_switched_off_is_not_seen() {
    for (placement, header_works) in [(DstcodePlacement::Header, true), (DstcodePlacement::Query, false)] {
        let mut settings = Settings::default();
        settings.portal.dstcode_placements = vec![placement];
        let sandbox = Sandbox::start(settings).await.unwrap();
        let caller = Caller::new(&sandbox);
        let by_header = log_in_at(&caller, "/mapi/login", Some(DSTCODE)).await;
        let by_query = log_in_at(&caller, &format!("/mapi/login?dstcode={DSTCODE}"), None).await;
        assert_eq!(by_header.status() == 200, header_works);
        assert_eq!(by_query.status() == 200, !header_works);
    }
}

#[tokio::test]
async fn another_path_method_or_content_type_stops_at_the_adapter() {
    let (_sandbox, caller) = open_default().await;
    assert_adapter_error(log_in_at(&caller, "/mapi/elsewhere", Some(DSTCODE)).await, 404).await;
    let url = format!("{}/mapi/login", caller.url);
    let get = caller.client.get(&url).header("dstcode", DSTCODE).send().await.unwrap();
    assert_adapter_error(get, 405).await;
    let plain = caller.client.post(&url).header("dstcode", DSTCODE).body("{}").send().await.unwrap();
    assert_adapter_error(plain, 415).await;
}

#[tokio::test]
async fn the_two_functional_paths_can_be_set_also_to_one_and_the_same() {
    let mut settings = Settings::default();
    settings.portal.integration_path = "/mapi/g".into();
    settings.portal.share_path = "/mapi/g".into();
    let (_sandbox, caller) = open(settings).await;
    let inserted = caller.read("/mapi/g", &caller.upsert("False", json!([dossier(CODE)]))).await;
    assert_accepted(&inserted);
    let listed = caller.ask("/mapi/g", "LayDanhSachTTHC", json!({})).await;
    assert_eq!(listed["error_code"], "0");
}

#[tokio::test]
async fn a_service_answers_only_at_its_own_path() {
    let (_sandbox, caller) = open_default().await;
    for (path, service) in
        [(SHARE, "DongBoHoSoMC"), (INTEGRATION, "LayDanhSachTTHC"), (INTEGRATION, "KhongCoDichVuNay")]
    {
        let reply = caller.ask(path, service, json!({})).await;
        assert_eq!(reply["error_code"], "-1");
        assert!(message(&reply).contains(service));
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_by_the_portal() {
    let (sandbox, caller) = open_default().await;
    for body in ["", "[]", "{\"service\":", "\"text\""] {
        let request = caller.client.post(format!("{}{INTEGRATION}", caller.url)).header("dstcode", DSTCODE);
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        let reply: Value = response.json().await.unwrap();
        assert_eq!(reply["error_code"], "-1", "{body}");
    }
    assert_eq!(sandbox.counters().unreadable, 4);
}

#[tokio::test]
async fn settings_that_cannot_be_are_all_named_at_once() {
    let mut settings = Settings::default();
    settings.portal.agency = "nobody".into();
    settings.portal.share_path = "/_sandbox/x".into();
    settings.faults.operations.insert("inserts".into(), Default::default());
    let error = Sandbox::start(settings).await.unwrap_err().to_string();
    for word in ["portal.agency", "portal.share_path", "faults.operations.inserts"] {
        assert!(error.contains(word), "{error}");
    }
}
