//! Each fault as the caller sees it, and what the ledger then says.

use std::time::{Duration, Instant};

use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, Sandbox, Settings};
use serde_json::{Value, json};

use crate::caller::{
    CODE, Caller, INTEGRATION, always, assert_accepted, assert_refused, dossier, message, open, open_default,
    open_with, step,
};

async fn send_insert(caller: &Caller) -> reqwest::Result<reqwest::Response> {
    caller.send(INTEGRATION, &caller.upsert("False", json!([dossier(CODE)]))).await
}

/// The one effect bears the name of the fault; and the counters agree.
fn assert_effect(sandbox: &Sandbox, kind: FaultKind) {
    let ledger = sandbox.ledger();
    assert_eq!(ledger.len(), 1);
    assert_eq!(ledger[0].code, CODE);
    assert_eq!(ledger[0].fault, Some(kind));
    assert!(sandbox.dossier(CODE).is_some());
    assert_counted(sandbox, kind, 1);
}

fn assert_no_effect(sandbox: &Sandbox, kind: FaultKind) {
    assert!(sandbox.ledger().is_empty());
    assert_eq!(sandbox.dossier(CODE), None);
    assert_counted(sandbox, kind, 0);
}

fn assert_counted(sandbox: &Sandbox, kind: FaultKind, accepted: u64) {
    let counters = sandbox.counters();
    assert_eq!(counters.operations["insert"].faults[kind.name()], 1);
    assert_eq!(counters.operations["insert"].accepted, accepted);
    assert_eq!(counters.ambiguous("insert"), u64::from(kind.is_ambiguous()));
}

#[tokio::test]
async fn effect_then_timeout_is_work_done_and_silence_until_the_caller_hangs_up() {
    let (sandbox, mut caller) = open_with(Operation::Insert, FaultKind::EffectThenTimeout).await;
    caller.client = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(800)).build().unwrap();
    assert!(send_insert(&caller).await.unwrap_err().is_timeout());
    assert_effect(&sandbox, FaultKind::EffectThenTimeout);
    assert!(!caller.look_up(CODE).await["result"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_silence_lasts_no_longer_than_its_limit() {
    let mut settings = Settings::default();
    settings.portal.hold_ms = 200;
    settings.faults = always(Operation::Insert, FaultKind::EffectThenTimeout);
    let (sandbox, caller) = open(settings).await;
    let start = Instant::now();
    let error = send_insert(&caller).await.unwrap_err();
    assert!(!error.is_timeout());
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_effect(&sandbox, FaultKind::EffectThenTimeout);
}

#[tokio::test]
async fn refuse_is_a_refusal_without_effect() {
    let (sandbox, caller) = open_with(Operation::Insert, FaultKind::Refuse).await;
    let reply = caller.insert(dossier(CODE)).await;
    assert_refused(&reply, &[]);
    for word in ["tồn tại", "thành công"] {
        assert!(!message(&reply).contains(word));
    }
    assert_no_effect(&sandbox, FaultKind::Refuse);
    assert_eq!(sandbox.counters().operations["insert"].refused["injected"], 1);
}

#[tokio::test]
async fn a_reset_cuts_the_connection_before_or_after_the_work() {
    for kind in [FaultKind::ResetBefore, FaultKind::ResetAfter] {
        let (sandbox, caller) = open_with(Operation::Insert, kind).await;
        let error = send_insert(&caller).await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout() && !error.is_connect(), "{error:?}");
        assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
        match kind {
            FaultKind::ResetBefore => assert_no_effect(&sandbox, kind),
            _ => assert_effect(&sandbox, kind),
        }
        sandbox.set_faults(FaultPlan::none());
        caller.look_up(CODE).await;
    }
}

#[tokio::test]
async fn half_a_reply_promises_more_bytes_than_it_brings() {
    let (sandbox, caller) = open_with(Operation::Insert, FaultKind::HalfReply).await;
    let mut response = send_insert(&caller).await.unwrap();
    assert_eq!(response.status(), 200);
    let promised = response.content_length().unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert_eq!(first.len() as u64, promised / 2);
    assert!(response.chunk().await.is_err());
    assert_effect(&sandbox, FaultKind::HalfReply);
}

#[tokio::test]
async fn a_slow_drip_is_whole_in_the_end() {
    let drip = OperationFaults { drip_ms: 400, ..OperationFaults::only(FaultKind::SlowDrip, 1.0) };
    let (sandbox, caller) = open_default().await;
    sandbox.set_faults(FaultPlan::none().with(Operation::Insert, drip));
    let start = Instant::now();
    assert_accepted(&caller.insert(dossier(CODE)).await);
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert_effect(&sandbox, FaultKind::SlowDrip);
}

#[tokio::test]
async fn a_server_error_before_the_work_says_that_nothing_was_passed_on() {
    let (sandbox, caller) = open_with(Operation::Insert, FaultKind::ServerErrorBefore).await;
    let response = send_insert(&caller).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.text().await.unwrap().contains("not forwarded"));
    assert_no_effect(&sandbox, FaultKind::ServerErrorBefore);
}

#[tokio::test]
async fn a_server_error_after_the_work_is_500_or_502() {
    let (sandbox, caller) = open_with(Operation::Insert, FaultKind::ServerErrorAfter).await;
    let status = send_insert(&caller).await.unwrap().status().as_u16();
    assert!(matches!(status, 500 | 502), "{status}");
    assert_effect(&sandbox, FaultKind::ServerErrorAfter);
}

#[tokio::test]
async fn a_double_encoded_reply_holds_the_real_one_as_text() {
    let (sandbox, caller) = open_with(Operation::Insert, FaultKind::DoubleEncoded).await;
    let outer = caller.insert(dossier(CODE)).await;
    assert_eq!(outer["error_code"], "0");
    let inner: Value = serde_json::from_str(message(&outer)).unwrap();
    assert_accepted(&inner);
    assert_effect(&sandbox, FaultKind::DoubleEncoded);
    let refused: Value = serde_json::from_str(message(&caller.insert(dossier(CODE)).await)).unwrap();
    assert_refused(&refused, &["đã tồn tại"]);
}

#[tokio::test]
async fn success_may_come_without_its_phrase() {
    let (sandbox, caller) = open_with(Operation::Insert, FaultKind::PhraseMissing).await;
    let reply = caller.insert(dossier(CODE)).await;
    assert_eq!(reply["error_code"], "0");
    assert!(!message(&reply).contains("thành công"));
    assert_effect(&sandbox, FaultKind::PhraseMissing);
}

#[tokio::test]
async fn the_code_may_come_as_a_number_or_as_double_zero() {
    for (kind, good, bad) in
        [(FaultKind::CodeAsNumber, json!(0), json!(-1)), (FaultKind::CodeAs00, json!("00"), json!("-1"))]
    {
        let (sandbox, caller) = open_with(Operation::Insert, kind).await;
        assert_eq!(caller.insert(dossier(CODE)).await["error_code"], good);
        assert_effect(&sandbox, kind);
        assert_eq!(caller.insert(dossier(CODE)).await["error_code"], bad);
    }
}

#[tokio::test]
async fn an_adapter_fault_is_a_page_or_an_error_that_is_no_portal_reply() {
    let (sandbox, caller) = open_with(Operation::LookUp, FaultKind::AdapterFault).await;
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..20 {
        let body = caller.body("TraCuuHoSo", json!({ "mahoso": format!("H15-261121-{number:04}") }));
        let response = caller.send(INTEGRATION, &body).await.unwrap();
        seen.insert(response.status().as_u16());
        let text = response.text().await.unwrap();
        assert!(!text.contains("error_code"), "{text}");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [200, 500]);
    assert_eq!(sandbox.counters().operations["look_up"].accepted, 0);
    let (sandbox, caller) = open_with(Operation::Insert, FaultKind::AdapterFault).await;
    send_insert(&caller).await.unwrap();
    assert_no_effect(&sandbox, FaultKind::AdapterFault);
}

#[tokio::test]
async fn a_call_may_be_handed_on_twice_and_the_second_is_answered() {
    let (sandbox, caller) = open_with(Operation::Insert, FaultKind::Duplicate).await;
    assert!(message(&caller.insert(dossier(CODE)).await).contains("đã tồn tại"));
    assert_eq!(sandbox.dossier(CODE).unwrap().inserts, 1);
    sandbox
        .set_faults(FaultPlan::none().with(Operation::AppendSteps, OperationFaults::only(FaultKind::Duplicate, 1.0)));
    assert_accepted(&caller.append(json!([step(CODE, "Xử lý")])).await);
    assert_eq!(sandbox.dossier(CODE).unwrap().steps.len(), 2);
}

#[tokio::test]
async fn a_fault_strikes_only_the_operation_it_is_set_for() {
    let (sandbox, caller) = open_with(Operation::AppendSteps, FaultKind::ResetAfter).await;
    assert_accepted(&caller.insert(dossier(CODE)).await);
    assert_accepted(&caller.update(dossier(CODE)).await);
    let steps = caller.body("CapNhatTienDoHoSoMC", json!({ "data": [step(CODE, "Một")] }));
    assert!(caller.send(INTEGRATION, &steps).await.is_err());
    assert_eq!(sandbox.dossier(CODE).unwrap().steps.len(), 1);
    assert_eq!(sandbox.counters().ambiguous("append_steps"), 1);
    assert_eq!(sandbox.counters().ambiguous("insert"), 0);
    assert_eq!(sandbox.ledger()[2].fault, Some(FaultKind::ResetAfter));
}

#[tokio::test]
async fn latency_delays_the_answer_and_not_the_work() {
    let (sandbox, mut caller) = open_default().await;
    let slow = OperationFaults { delay_ms: (5_000, 5_000), ..OperationFaults::default() };
    sandbox.set_faults(FaultPlan::none().with(Operation::Insert, slow));
    caller.client = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(800)).build().unwrap();
    assert!(send_insert(&caller).await.unwrap_err().is_timeout());
    assert_eq!(sandbox.ledger().len(), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_silence() {
    let faults = always(Operation::Insert, FaultKind::EffectThenTimeout);
    let settings = Settings { faults, ..Settings::default() };
    let (sandbox, caller) = open(settings).await;
    let body = caller.upsert("False", json!([dossier(CODE)]));
    let url = format!("{}{INTEGRATION}", caller.url);
    let call = caller.client.post(url).header("dstcode", crate::caller::DSTCODE).json(&body).send();
    let call = tokio::spawn(call);
    while sandbox.ledger().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let start = Instant::now();
    sandbox.stop().await;
    assert!(call.await.unwrap().is_err());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(caller.send(INTEGRATION, &body).await.unwrap_err().is_connect());
}
