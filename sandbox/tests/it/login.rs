//! Sessions: how they begin, and every way in which they end.

use std::time::Duration;

use lienthong_sandbox::{FaultKind, Operation, OperationFaults, Sandbox, Settings};
use serde_json::{Value, json};

use crate::caller::{CODE, Caller, INTEGRATION, always, assert_accepted, dossier, message, open, open_default};

fn assert_session_refused(reply: &Value) {
    assert_eq!(reply["error_code"], "401");
    assert_eq!(message(reply), "Phiên làm việc không hợp lệ hoặc đã hết hạn");
}

#[tokio::test]
async fn a_login_gives_error_code_0_and_a_session_that_works() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let mut caller = Caller::new(&sandbox);
    let reply = caller.try_log_in("sandbox", "sandbox-password").await;
    assert_eq!(reply["error_code"], 0);
    caller.session = reply["session"].as_str().unwrap().to_owned();
    assert_accepted(&caller.insert(dossier(CODE)).await);
}

#[tokio::test]
async fn a_wrong_password_gives_no_session() {
    let (sandbox, caller) = open_default().await;
    let reply = caller.try_log_in("sandbox", "wrong").await;
    assert_eq!(reply["error_code"], -1);
    assert!(reply.get("session").is_none());
    assert_eq!(sandbox.counters().operations["login"].refused["login"], 1);
}

#[tokio::test]
async fn a_password_that_is_a_number_is_refused_by_field() {
    let (_sandbox, caller) = open_default().await;
    let reply = caller.read("/mapi/login", &json!({ "username": "sandbox", "password": 12 })).await;
    assert!(message(&reply).contains("password") && message(&reply).contains("phải là chuỗi"));
}

#[tokio::test]
async fn without_a_session_nothing_is_done() {
    let (sandbox, mut caller) = open_default().await;
    caller.session = "made-up".into();
    assert_session_refused(&caller.insert(dossier(CODE)).await);
    assert_eq!(sandbox.dossier(CODE), None);
    assert_eq!(sandbox.counters().operations["insert"].refused["session"], 1);
}

#[tokio::test]
async fn a_session_ends_with_its_lifetime_and_a_new_login_helps() {
    let mut settings = Settings::default();
    settings.portal.session_lifetime_ms = 1_000;
    let (_sandbox, mut caller) = open(settings).await;
    assert_accepted(&caller.insert(dossier(CODE)).await);
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_session_refused(&caller.update(dossier(CODE)).await);
    caller.log_in().await;
    assert_accepted(&caller.update(dossier(CODE)).await);
}

#[tokio::test]
async fn with_a_single_session_a_new_login_ends_the_old_one() {
    let mut settings = Settings::default();
    settings.portal.single_session = true;
    let (sandbox, first) = open(settings).await;
    let mut second = Caller::new(&sandbox);
    second.log_in().await;
    assert_session_refused(&first.insert(dossier(CODE)).await);
    assert_accepted(&second.insert(dossier(CODE)).await);
}

#[tokio::test]
async fn by_default_two_sessions_live_side_by_side() {
    let (sandbox, first) = open_default().await;
    let mut second = Caller::new(&sandbox);
    second.log_in().await;
    assert_accepted(&first.insert(dossier(CODE)).await);
    assert_accepted(&second.update(dossier(CODE)).await);
}

#[tokio::test]
async fn a_login_can_fail_or_forget_the_session() {
    let (sandbox, caller) = open_default().await;
    sandbox.set_faults(always(Operation::Login, FaultKind::Refuse));
    assert_eq!(caller.try_log_in("sandbox", "sandbox-password").await["error_code"], -1);
    sandbox.set_faults(always(Operation::Login, FaultKind::LoginWithoutSession));
    let reply = caller.try_log_in("sandbox", "sandbox-password").await;
    assert_eq!(reply["error_code"], 0);
    assert!(reply.get("session").is_none());
}

#[tokio::test]
async fn a_login_can_be_slow() {
    let (sandbox, mut caller) = open_default().await;
    let slow = OperationFaults { delay_ms: (200, 220), ..OperationFaults::default() };
    sandbox.set_faults(lienthong_sandbox::FaultPlan::none().with(Operation::Login, slow));
    let start = std::time::Instant::now();
    caller.log_in().await;
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn the_session_expired_fault_ends_the_session_and_does_nothing() {
    let (sandbox, mut caller) = open_default().await;
    sandbox.set_faults(always(Operation::Insert, FaultKind::SessionExpired));
    assert_session_refused(&caller.insert(dossier(CODE)).await);
    assert_session_refused(&caller.look_up(CODE).await);
    assert!(sandbox.ledger().is_empty());
    sandbox.set_faults(lienthong_sandbox::FaultPlan::none());
    caller.log_in().await;
    assert_accepted(&caller.insert(dossier(CODE)).await);
}

#[tokio::test]
async fn a_body_without_session_is_refused_like_a_dead_one() {
    let (_sandbox, caller) = open_default().await;
    let body = json!({ "madonvi": "000.00.00.H15", "service": "TraCuuHoSo", "mahoso": CODE });
    assert_session_refused(&caller.read(INTEGRATION, &body).await);
}
