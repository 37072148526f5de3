//! Where a call goes and what it carries around its body, for each placement that is in use somewhere (NP-01).

use serde_json::{Value, json};

use crate::fake_portal::{Answer, Asked};
use crate::fixture;
use crate::support::{adapter, code, dossier, portal};

async fn asked(more: Value) -> Vec<Asked> {
    let portal = portal(|_| Answer::ok(fixture!("replies/accepted.json"))).await;
    let (port, _) = adapter(&portal.url, more);
    port.insert(&dossier(json!({}))).await.unwrap();
    port.look_up(&code()).await.unwrap();
    portal.asked()
}

fn targets(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|asked| asked.target.as_str()).collect()
}

#[tokio::test]
async fn the_prefix_is_the_profile_s() {
    for (prefix, before) in [
        ("XrdAdapter/RestService/forward", "/XrdAdapter/RestService/forward"),
        ("/VXPAdapter/RestService/forward/", "/VXPAdapter/RestService/forward"),
        ("", ""),
    ] {
        let asked = asked(json!({ "adapter_prefix": prefix, "services": { "look_up_at": "share" } })).await;
        let expected = ["/mapi/login", "/mapi/integration", "/mapi/share"].map(|path| format!("{before}{path}"));
        assert_eq!(targets(&asked), expected);
        assert!(asked.iter().all(|asked| asked.head.starts_with("POST ")));
    }
}

#[tokio::test]
async fn the_destination_is_a_header_a_parameter_or_both() {
    const HEADER: &str = "dstcode: VN:GOV:000.00.00.G22:vpcpdvcprovider";
    const QUERY: &str = "?dstcode=VN%3AGOV%3A000.00.00.G22%3Avpcpdvcprovider";
    for (placement, header, query) in [("header", true, false), ("query", false, true), ("both", true, true)] {
        for asked in asked(json!({ "dstcode_placement": placement })).await {
            assert_eq!(asked.head.contains(HEADER), header, "{placement}");
            assert_eq!(asked.target.ends_with(QUERY), query, "{placement}");
        }
    }
    for asked in asked(json!({ "dstcode": "", "dstcode_placement": "both" })).await {
        assert!(!asked.head.contains("dstcode"));
    }
}

#[tokio::test]
async fn a_back_end_is_picked_by_a_parameter() {
    let asked = asked(json!({ "providerurl": "https://apidvc.example.vn/x?y", "dstcode_placement": "query" })).await;
    assert!(asked[0].target.ends_with("&providerurl=https%3A%2F%2Fapidvc.example.vn%2Fx%3Fy"), "{}", asked[0].target);
}

#[tokio::test]
async fn headers_are_the_profile_s() {
    let asked = asked(json!({ "headers": { "Charset": "", "X-Road-Client": "VN/GOV/1/a" } })).await;
    let head = asked[1].head.to_lowercase();
    assert!(head.contains("accept: application/json\r\n") && head.contains("content-type: application/json"));
    assert!(head.contains("x-road-client: vn/gov/1/a") && !head.contains("charset"));
}

#[tokio::test]
async fn times_have_the_form_of_the_profile() {
    let asked = asked(json!({ "wire": { "time_format": "dd/MM/yyyy HH:mm:ss" } })).await;
    assert_eq!(asked[1].body["data"][0]["NgayNopHoSo"], "08/10/2026 00:05:09");
}
