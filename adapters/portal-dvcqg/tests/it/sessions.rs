//! One login at a time, renewed by age and on refusal, with exactly one repetition of the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use crate::fake_portal::{Answer, Asked, FakePortal};
use crate::fixture;
use crate::support::{adapter, code, dossier, kind, step};

fn login(number: u32) -> Answer {
    Answer::ok(json!({ "error_code": "0", "session": format!("s-{number}") }))
}

/// Gives out s-1, s-2, …, and answers the rest as told.
async fn counting(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> FakePortal {
    let logins = AtomicU32::new(0);
    FakePortal::start(move |asked| match asked.service() {
        "login" => login(logins.fetch_add(1, Ordering::SeqCst) + 1),
        _ => answer(asked),
    })
    .await
}

fn accepted() -> Answer {
    Answer::ok(fixture!("replies/accepted.json"))
}

#[tokio::test]
async fn one_login_serves_all() {
    let portal = counting(|_| accepted()).await;
    let (port, _) = adapter(&portal.url, json!({}));
    let all = (0..20).map(|_| {
        let port = port.clone();
        tokio::spawn(async move { port.update(&dossier(json!({}))).await })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    assert_eq!(portal.services().iter().filter(|service| *service == "login").count(), 1);
}

#[tokio::test]
async fn a_session_is_renewed_before_its_age() {
    let portal = counting(|_| accepted()).await;
    let (port, clock) = adapter(&portal.url, json!({}));
    for (pass, expected) in [(0, "s-1"), (569_999, "s-1"), (1, "s-2"), (569_999, "s-2"), (-600_000, "s-3")] {
        clock.pass_ms(pass);
        port.append_step(&code(), &step(json!({}))).await.unwrap();
        assert_eq!(portal.body_of("CapNhatTienDoHoSoMC")["session"], expected);
    }
}

#[tokio::test]
async fn a_refused_session_is_renewed_and_the_call_made_once_more() {
    let portal = counting(|asked| {
        if asked.body["session"] == "s-1" { Answer::ok(fixture!("replies/session-invalid.json")) } else { accepted() }
    })
    .await;
    let (port, _) = adapter(&portal.url, json!({}));
    port.insert(&dossier(json!({}))).await.unwrap();
    assert_eq!(portal.services(), ["login", "DongBoHoSoMC", "login", "DongBoHoSoMC"]);
    port.insert(&dossier(json!({}))).await.unwrap();
    assert_eq!(portal.services().len(), 5, "the new session is kept");
}

#[tokio::test]
async fn a_session_refused_with_http_401_is_one_too() {
    let portal = counting(|asked| {
        let refused = Answer::status(401, fixture!("replies/session-invalid.json"));
        if asked.body["session"] == "s-1" { refused } else { accepted() }
    })
    .await;
    adapter(&portal.url, json!({})).0.insert(&dossier(json!({}))).await.unwrap();
}

#[tokio::test]
async fn a_session_refused_again_is_no_loop() {
    let portal = counting(|_| Answer::ok(fixture!("replies/session-invalid.json"))).await;
    let outcome = adapter(&portal.url, json!({})).0.insert(&dossier(json!({}))).await;
    assert_eq!(kind(outcome), "unavailable");
    assert_eq!(portal.services(), ["login", "DongBoHoSoMC", "login", "DongBoHoSoMC"]);
}

#[tokio::test]
async fn many_calls_with_one_refused_session_log_in_once() {
    let portal = counting(|asked| {
        if asked.body["session"] == "s-1" { Answer::ok(fixture!("replies/session-invalid.json")) } else { accepted() }
    })
    .await;
    let (port, _) = adapter(&portal.url, json!({}));
    let all = (0..8).map(|_| {
        let port = port.clone();
        tokio::spawn(async move { port.update(&dossier(json!({}))).await })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    assert_eq!(portal.services().iter().filter(|service| *service == "login").count(), 2);
}

#[tokio::test]
async fn logins_that_fail() {
    let rows = [
        (Answer::ok(json!({ "error_code": -1, "message": "Sai mật khẩu" })), "our_credential_refused"),
        (Answer::ok(json!({ "error_code": "5", "session": "s-1" })), "our_credential_refused"),
        (Answer::status(401, ""), "our_credential_refused"),
        (Answer::status(403, ""), "our_credential_refused"),
        (Answer::ok(json!({ "error_code": 0 })), "unavailable"),
        (Answer::ok(json!({ "error_code": 0, "session": "" })), "unavailable"),
        (Answer::ok(json!({ "session": "s-1" })), "unavailable"),
        (Answer::ok("<html>"), "unavailable"),
        (Answer::status(400, ""), "unavailable"),
        (Answer::status(500, ""), "unavailable"),
        (Answer::status(503, ""), "unavailable"),
        (Answer::status(429, ""), "rate_limited"),
        (Answer::Close, "unavailable"),
        (Answer::Silence, "unavailable"),
    ];
    for (answer, expected) in rows {
        let portal = FakePortal::start(move |_| answer.clone()).await;
        let outcome = adapter(&portal.url, json!({})).0.append_step(&code(), &step(json!({}))).await;
        let shown = format!("{outcome:?}");
        assert!(!shown.contains("mật-khẩu") && !shown.contains("s-1"), "{shown}");
        assert_eq!(kind(outcome), expected);
        assert_eq!(portal.services(), ["login"], "nothing of the call was sent");
    }
}

#[tokio::test]
async fn those_who_wait_for_a_failing_login_share_its_failure() {
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = attempts.clone();
    let portal = FakePortal::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(100));
        Answer::ok(json!({ "error_code": -1, "message": "Sai mật khẩu" }))
    })
    .await;
    let (port, _) = adapter(&portal.url, json!({}));
    let calls = (code(), step(json!({})));
    let one = || port.append_step(&calls.0, &calls.1);
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    for outcome in [a, b, c, d] {
        assert_eq!(kind(outcome), "our_credential_refused");
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
    assert_eq!(kind(one().await), "our_credential_refused");
    assert_eq!(attempts.load(Ordering::SeqCst), 2, "a later call tries again");
}

#[tokio::test]
async fn a_login_that_is_given_up_does_not_hold_up_the_next() {
    let portal = counting(|_| accepted()).await;
    let (port, _) = adapter(&portal.url, json!({}));
    {
        let dossier = dossier(json!({}));
        let mut call = Box::pin(port.insert(&dossier));
        assert!(futures_poll_once(call.as_mut()).is_none());
    }
    port.insert(&dossier(json!({}))).await.unwrap();
}

fn futures_poll_once<F: Future + Unpin>(future: F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
