//! What is live is in force from the next request on, and recorded; nobody's request fails for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lienthong_contract_tests::gateway::{PROVINCE, client, count};
use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::wire::{Got, Kept};
use super::{Running, is_a_chain, soon};
use crate::support::{Answer, dossier, dossier_path, dossier_with};

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_raised_and_lowered_by_a_signal_under_load_and_no_request_fails() {
    let quota = |requests: usize| format!("quotas.client = {{ requests = {requests}, window_s = 3600 }}");
    let running = Running::start(&quota(1_000_000)).await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..6)
        .map(|n| {
            let (address, token) = (running.deployment.address, running.token.clone());
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut kept = Kept::new(address, &token);
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let (method, path, body, status) = match n % 2 {
                        0 => ("GET", "/v1/dossiers?limit=1".to_owned(), String::new(), 200),
                        _ => {
                            let path = dossier_path(&format!("H15.50-26112{n}-{turn:06}"));
                            ("PUT", path, dossier("received").to_string(), 202)
                        }
                    };
                    match kept.ask(method, &path, &body).await.unwrap() {
                        Got::Answer { status: given, head, .. } => {
                            assert_eq!(given, status, "{head}");
                            assert!(head.contains("ratelimit-policy: \"client\";q=10000"), "{head}");
                        }
                        other => panic!("{other:?}"),
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let policy = async || running.get("/v1/dossiers?limit=1").await.is(200).header("ratelimit-policy").to_owned();
    for n in 1..=10 {
        running.change(&quota(1_000_000 + n)).await;
        assert_eq!(policy().await, format!("\"client\";q={};w=3600", 1_000_000 + n));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let answered = answered.load(Ordering::Relaxed);
    println!("{answered} requests, 10 changes, none failed");
    assert!(answered > 100, "only {answered} requests: the load proves nothing");
    let records = running.records().await;
    assert_eq!(records.len(), 11, "{records:#?}");
    is_a_chain(&records);
    for record in &records[1..] {
        let told = (&record["op"], &record["purpose"], &record["config"]["changed"]);
        assert_eq!(told, (&json!("config.change"), &json!("signal"), &json!(["quotas.client.requests"])));
        assert!(!record.to_string().contains("100000"), "values stay out of the log: {record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_tables_and_lifetimes_are_those_of_the_new_configuration() {
    let running = Running::start("").await;
    // An agency that nobody knew.
    let code = "H15.77-261121-0001";
    let body = dossier("received");
    let before = running.put(code, &body).await;
    assert!(before.status >= 400, "{before:?}");
    running
        .change(
            r#"
agencies = [
    { code = "H15", name = "Ủy ban nhân dân tỉnh" }, { code = "H15.50", name = "Trung tâm", parent = "H15" },
    { code = "H15.61", name = "Phường", parent = "H15" }, { code = "H15.77", name = "Phường mới", parent = "H15" },
]
procedures = [{ code = "1.001193", name = "Đăng ký khai sinh", withdrawn_from = "2020-01-01" }]
status_maps = [{ agency = "H15", entries = [{ status = "MOI", means = "received" }] }]
dossiers = { page_items = 7, steps_per_request = 1 }
http = { body_bytes = 3000 }
access = { token_lifetime_s = 77 }
"#,
        )
        .await;
    running.put(code, &body).await.is(202);
    let withdrawn = running.put("H15.50-261121-0002", &dossier_with("/procedureCode", json!("1.001193"))).await;
    assert_eq!(withdrawn.errors(), [("/procedureCode".to_owned(), "procedure_withdrawn".to_owned())]);
    let mut mapped = dossier("received");
    mapped.as_object_mut().unwrap().remove("state");
    mapped["localStatus"] = json!({ "status": "MOI" });
    running.put("H15.50-261121-0003", &mapped).await.is(202);
    let large = dossier_with("/note", json!("x".repeat(3000)));
    running.put("H15.50-261121-0004", &large).await.refused(413, "request.too_large");
    assert_eq!(running.get("/v1/dossiers?limit=8").await.status, 400);
    running.get("/v1/dossiers?limit=7").await.is(200);
    let secret = running.deployment.secret(PROVINCE).await.unwrap();
    let token = client().post(format!("{}/oauth/token", running.deployment.url())).basic_auth(PROVINCE, Some(secret));
    let token = token.header("content-type", "application/x-www-form-urlencoded");
    let given = token.body("grant_type=client_credentials").send().await.unwrap();
    assert_eq!(given.json::<Value>().await.unwrap()["expires_in"], 77);
    let records = running.records().await;
    is_a_chain(&records);
    let changed = &records[1]["config"]["changed"];
    let names = ["access.token_lifetime_s", "agencies", "dossiers.page_items", "dossiers.steps_per_request"];
    assert_eq!(changed.as_array().unwrap()[..4], names.map(Value::from));
    assert_eq!(changed.as_array().unwrap().len(), 7, "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_becomes_talkative_and_quiet_again() {
    let running = Running::start("log.filter = \"info,access=warn\"").await;
    let lines = || running.times("\"operation\":\"listDossiers\"");
    running.get("/v1/dossiers").await.is(200);
    assert_eq!(lines(), 0);
    running.change("log.filter = \"info\"").await;
    running.get("/v1/dossiers").await.is(200);
    soon("the request is logged", async || lines() == 1).await;
    running.change("log.filter = \"info,access=warn\"").await;
    running.get("/v1/dossiers").await.is(200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(lines(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_keeps_what_it_has_in_memory() {
    let running = Running::start(
        "quotas = { client = { requests = 50, window_s = 86400 }, token = { requests = 900, window_s = 60 } }",
    )
    .await;
    let left = async |path: &str| {
        let answer = running.get(path).await.is(200);
        let text = answer.header("ratelimit").to_owned();
        text.split("r=").nth(1).unwrap().split(';').next().unwrap().parse::<u32>().unwrap()
    };
    let asked = || running.sandbox.counters().operations["catalogue"].calls;
    assert_eq!(left("/v1/procedures/1.001612").await, 49);
    let first = asked();
    assert!(first > 0, "{:?}", running.sandbox.counters());
    // Of one's own and of others: what was counted goes on, and so does what the catalogue said.
    running.change("dossiers.page_items = 9\nquotas.token = { requests = 901, window_s = 60 }").await;
    assert_eq!(left("/v1/procedures/1.001612").await, 48);
    assert_eq!(asked(), first, "answered from memory");
    // Another adapter begins with nothing; another quota is whole.
    running.change("adapters.portal-dvcqg.catalogue.pause_ms = 9000\nquotas.client.requests = 60").await;
    assert_eq!(left("/v1/procedures/1.001612").await, 59);
    assert_eq!(asked(), first + 1);
    // One that is there again has not kept its old count.
    running.change("quotas.client.requests = 50").await;
    assert_eq!(left("/v1/dossiers").await, 49);
}

/// A change is judged by what the settings say, not by how the file is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_says_the_same_in_other_words_changes_nothing() {
    let running = Running::start("").await;
    let text = std::fs::read_to_string(&running.deployment.file).unwrap();
    std::fs::write(&running.deployment.file, format!("# a remark\n{text}\n")).unwrap();
    running.change("http.body_bytes = 4194304").await;
    assert_eq!(running.records().await.len(), 1, "only that of the start");
    Answer::of(running.request(Method::GET, "/v1/dossiers")).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_looked_at_as_often_as_the_setting_in_force_says() {
    let running = Running::start("").await;
    let takes = async |items: u32| {
        let refused = running.get(&format!("/v1/dossiers?limit={}", items + 1)).await.status == 400;
        refused && running.get(&format!("/v1/dossiers?limit={items}")).await.status == 200
    };
    running.deployment.change("dossiers.page_items = 3").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!takes(3).await, "files are not looked at");
    running.change("configuration.reload_ms = 20").await;
    assert!(takes(3).await);
    running.deployment.change("dossiers.page_items = 4").unwrap();
    soon("without a signal", async || takes(4).await).await;
    running.deployment.change("configuration.reload_ms = 0").unwrap();
    soon("this was taken over", async || running.records().await.len() == 4).await;
    running.deployment.change("dossiers.page_items = 5").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(takes(4).await, "files are not looked at any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_a_file_that_is_just_being_written_is_not_taken_over() {
    let running = Running::start("configuration.reload_ms = 1000").await;
    let whole = std::fs::read_to_string(&running.deployment.file).unwrap();
    for n in 1..=8 {
        let begun = Instant::now();
        // Another half each time: the same one twice would be a file that stays as it is.
        running.deployment.change(&format!("dossiers.page_items = {n}")).unwrap();
        tokio::time::sleep(Duration::from_millis(350)).await;
        std::fs::write(&running.deployment.file, &whole).unwrap();
        if begun.elapsed() > Duration::from_millis(900) {
            // On a machine as busy as this it may have been seen twice.
            return;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(300..800))).await;
    }
    assert_eq!(running.records().await.len(), 1, "only that of the start");
}

/// Failures of the portal are met as the new settings say; what was put off before keeps its time.
#[tokio::test(flavor = "multi_thread")]
async fn delays_and_the_breaker_of_the_route_are_those_of_the_new_configuration() {
    let mut settings = Settings::default();
    let failing = OperationFaults::only(FaultKind::ServerErrorBefore, 1.0);
    settings.faults = FaultPlan::none().with(Operation::Insert, failing.clone());
    let running = Running::with(settings, "outbox = { retry_delays_ms = [3600000] }").await;
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|n| format!("H15.50-261121-{n:04}"));
    let retries = async |expected: u64| {
        let url = running.deployment.url();
        soon("it is put off", async || count(&url, "retry").await.unwrap() == expected).await;
    };
    running.put(&first, &dossier("received")).await.is(202);
    retries(1).await;
    running.change("outbox = { retry_delays_ms = [300], retry_jitter_percent = 0 }").await;
    running.put(&second, &dossier("received")).await.is(202);
    retries(2).await;
    running.sandbox.set_faults(FaultPlan::none());
    soon("the second is tried again", async || running.sandbox.dossier(&second).is_some()).await;
    assert!(running.sandbox.dossier(&first).is_none(), "in an hour");

    // One failure opens the breaker now, for an hour.
    running
        .change("outbox.breaker = { failures_in_a_row = 1, first_pause_ms = 3600000, longest_pause_ms = 3600000 }")
        .await;
    running.sandbox.set_faults(FaultPlan::none().with(Operation::Insert, failing));
    running.put(&third, &dossier("received")).await.is(202);
    retries(2).await;
    running.sandbox.set_faults(FaultPlan::none());
    running.put(&fourth, &dossier("received")).await.is(202);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!([&third, &fourth].iter().all(|code| running.sandbox.dossier(code).is_none()), "nothing is sent");
}
