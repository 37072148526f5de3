//! What the transport shows, as decisions: a write that may have arrived is unknown, a read is merely to be repeated.

use std::time::Duration;

use lienthong_domain::port::PortErrorKind;
use serde_json::json;

use crate::fake_portal::Answer;
use crate::fixture;
use crate::support::{adapter, code, dossier, insert_answered, kind, portal, step};

#[tokio::test]
async fn every_status_and_failure() {
    let refusal = || json!({ "error_code": "-1", "message": "Sai định dạng" });
    let rows = [
        (Answer::Close, "outcome_unknown", "unavailable"),
        (Answer::Silence, "outcome_unknown", "unavailable"),
        (Answer::status(500, "Lỗi"), "outcome_unknown", "unavailable"),
        (Answer::status(500, refusal()), "outcome_unknown", "unavailable"),
        (Answer::status(502, ""), "outcome_unknown", "unavailable"),
        (Answer::status(504, ""), "outcome_unknown", "unavailable"),
        (Answer::status(503, "bận"), "unavailable", "unavailable"),
        (Answer::status(429, ""), "rate_limited", "rate_limited"),
        (Answer::status(401, ""), "our_credential_refused", "our_credential_refused"),
        (Answer::status(403, refusal()), "our_credential_refused", "our_credential_refused"),
        (Answer::status(400, ""), "rejected", "unavailable"),
        (Answer::status(422, refusal()), "rejected", "unavailable"),
        (Answer::status(409, fixture!("replies/exists.json")), "already_exists", "unavailable"),
        (Answer::status(404, ""), "outcome_unknown", "unavailable"),
        (Answer::status(404, fixture!("replies/accepted.json")), "outcome_unknown", "unavailable"),
        (Answer::status(302, ""), "outcome_unknown", "unavailable"),
        (Answer::ok("{}"), "unreadable", "unavailable"),
    ];
    for (answer, write, read) in rows {
        let portal = portal(move |_| answer.clone()).await;
        let (port, _) = adapter(&portal.url, json!({}));
        let outcome = port.insert(&dossier(json!({}))).await;
        let shown = format!("{outcome:?}");
        assert!(!shown.contains("Tuyết") && !shown.contains("0010990") && !shown.contains("127.0.0.1"), "{shown}");
        assert_eq!(kind(outcome), write, "{shown}");
        assert_eq!(portal.services(), ["login", "DongBoHoSoMC"], "a write is never repeated");
        assert_eq!(kind(port.look_up(&code()).await.map(drop)), read, "{shown}");
    }
}

#[tokio::test]
async fn the_pause_asked_for_is_passed_on() {
    let answer = Answer::Reply(429, "retry-after: 30\r\n", String::new());
    let error = insert_answered(answer, json!({})).await.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::RateLimited { retry_after: Some(Duration::from_secs(30)) });
}

#[tokio::test]
async fn which_statuses_mean_not_taken_is_the_profile_s() {
    let more = json!({ "http_status": { "not_taken": [502] } });
    assert_eq!(kind(insert_answered(Answer::status(502, ""), more.clone()).await), "unavailable");
    assert_eq!(kind(insert_answered(Answer::status(503, ""), more).await), "outcome_unknown");
}

#[tokio::test]
async fn an_oversize_reply_is_unknown() {
    let more = json!({ "http": { "most_reply_bytes": 200 } });
    assert_eq!(kind(insert_answered(Answer::ok(" ".repeat(300)), more).await), "outcome_unknown");
}

#[tokio::test]
async fn a_portal_that_is_down_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (port, _) = adapter(&url, json!({}));
    assert_eq!(kind(port.insert(&dossier(json!({}))).await), "unavailable");
    assert_eq!(kind(port.append_step(&code(), &step(json!({}))).await), "unavailable");
    assert_eq!(kind(port.look_up(&code()).await.map(drop)), "unavailable");
}
