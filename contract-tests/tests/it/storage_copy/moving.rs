//! A gateway with real content moves, tells the same, and goes on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lienthong::audit::{Frontier, leaf_hash};
use lienthong_contract_tests::gateway::{Deployment, PROVINCE, client, wait_until_none};
use lienthong_contract_tests::load::{Load, Verdict, dossier, step};
use lienthong_contract_tests::postgres::server_for_tests;
use lienthong_contract_tests::scenarios::copy::{self, move_to};
use lienthong_contract_tests::scenarios::replicas::read_log;
use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, Sandbox, Settings};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{connect, is_equal, new_target, source, storage};
use crate::support::Answer;

const REFUSED: &str = "H15.50-261129-000001";
const UNKNOWN: &str = "H15.50-261129-000002";
const WAITING: [&str; 2] = ["H15.50-261129-000003", "H15.50-261129-000004"];

fn always(kind: FaultKind, operations: &[Operation]) -> FaultPlan {
    operations.iter().fold(FaultPlan::none(), |plan, operation| plan.with(*operation, OperationFaults::only(kind, 1.0)))
}

async fn send(deployment: &Deployment, method: Method, path: &str, key: Option<&str>, body: Option<&Value>) -> Value {
    let mut request = client()
        .request(method, format!("{}{path}", deployment.url()))
        .bearer_auth(deployment.token(PROVINCE).await.unwrap());
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = Answer::of(request).await;
    assert!(answer.status < 300, "{path}: {answer:?}");
    answer.json()
}

async fn get(deployment: &Deployment, path: &str) -> Value {
    send(deployment, Method::GET, path, None, None).await
}

async fn put(deployment: &Deployment, code: &str, note: &str) -> Value {
    let body = dossier("processing", note);
    send(deployment, Method::PUT, &format!("/v1/dossiers/{code}"), None, Some(&body)).await
}

/// Everything that the API tells, by its path. Of what waits it cannot tell the same twice: there the delivery is left out.
async fn all_answers(deployment: &Deployment) -> BTreeMap<String, Value> {
    let mut answers = BTreeMap::new();
    let list = get(deployment, "/v1/dossiers?limit=500").await;
    for item in list["items"].as_array().unwrap() {
        let code = item["code"].as_str().unwrap();
        let mut view = get(deployment, &format!("/v1/dossiers/{code}")).await;
        if WAITING.contains(&code) {
            view["sync"] = Value::Null;
        } else {
            let path = view["sync"]["operation"].as_str().unwrap().to_owned();
            answers.insert(path.clone(), get(deployment, &path).await);
        }
        answers.insert(code.to_owned(), view);
    }
    answers.insert("list".into(), list);
    answers
}

/// Delivered, refused, of unknown outcome, and waiting because the portal is away.
async fn make_content(deployment: &Deployment, sandbox: &Sandbox) -> Verdict {
    let load = Load { day: "261130", dossiers: 8, states: 2, with_steps: true, connections: 4 };
    let acknowledged = load.play(&deployment.url(), &deployment.token(PROVINCE).await.unwrap()).await.unwrap();
    settle(deployment).await;
    let verdict = Verdict::of(&acknowledged, &sandbox.ledger());

    let poison = BTreeMap::from([(REFUSED.to_owned(), "Trường GhiChu: sai".to_owned())]);
    let silence = always(FaultKind::EffectThenTimeout, &[Operation::AppendSteps]);
    sandbox.set_faults(FaultPlan { poison, ..silence });
    put(deployment, REFUSED, "wrong").await;
    put(deployment, UNKNOWN, "right").await;
    let path = format!("/v1/dossiers/{UNKNOWN}/steps");
    send(deployment, Method::POST, &path, Some("its-key"), Some(&step("processing", "lost"))).await;
    wait_for(deployment, REFUSED, "dead").await;
    wait_for(deployment, UNKNOWN, "unknown").await;
    settle(deployment).await;

    sandbox.set_faults(always(FaultKind::ServerErrorBefore, &[Operation::Insert]));
    for code in WAITING {
        put(deployment, code, "waits").await;
        wait_for(deployment, code, "retry").await;
    }
    verdict
}

async fn settle(deployment: &Deployment) {
    wait_until_none(&deployment.url(), &["accepted", "sending", "retry"], Duration::from_secs(30)).await.unwrap();
}

async fn wait_for(deployment: &Deployment, code: &str, status: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let view = get(deployment, &format!("/v1/dossiers/{code}")).await;
        if view["sync"]["status"] == status {
            return;
        }
        assert!(Instant::now() < deadline, "not {status}: {view}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Head of the only shard: size and frontier.
fn head(deployment: &Deployment) -> (i64, Vec<u8>) {
    let connection = Connection::open(source(deployment)).unwrap();
    let sql = "SELECT size, frontier FROM audit_head";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

async fn begins_with(database: &str, (size, frontier): (i64, Vec<u8>)) -> bool {
    let sql = "SELECT record FROM audit_record WHERE idx < $1 ORDER BY idx";
    let mut tree = Frontier::default();
    for row in connect(database).await.query(sql, &[&size]).await.unwrap() {
        tree.append(leaf_hash(row.get(0)));
    }
    tree.size().cast_signed() == size && tree.to_bytes() == frontier
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_moves_tells_the_same_and_goes_on_where_it_stopped() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let quick = "adapters.portal-dvcqg.http = { connect_timeout_ms = 200, total_timeout_ms = 500 }";
    let deployment = Deployment::new(&sandbox.url(), quick).unwrap();
    let gateway = deployment.start().await.unwrap();
    assert!(make_content(&deployment, &sandbox).await.is_exact());
    let before = all_answers(&deployment).await;
    assert_eq!(before["list"]["items"].as_array().unwrap().len(), 8 + 2 + WAITING.len());
    gateway.stop().await;
    let head = head(&deployment);

    let database = new_target().await;
    let copied = storage(&deployment, "copy", &database).await;
    is_equal(&copied);
    assert!(copied.1.contains(deployment.folder().join("keys").to_str().unwrap()), "{}", copied.1);
    is_equal(&storage(&deployment, "verify", &database).await);

    move_to(&deployment, &database).unwrap();
    sandbox.set_faults(FaultPlan::none());
    let gateway = deployment.start().await.unwrap();
    let after = all_answers(&deployment).await;
    for (path, answer) in &before {
        assert_eq!(after.get(path), Some(answer), "{path}");
    }
    settle(&deployment).await;
    for code in WAITING {
        assert_eq!(get(&deployment, &format!("/v1/dossiers/{code}")).await["sync"]["status"], "delivered", "{code}");
    }
    // A stored answer is given again, and nothing is accepted twice.
    let path = format!("/v1/dossiers/{UNKNOWN}/steps");
    send(&deployment, Method::POST, &path, Some("its-key"), Some(&step("processing", "lost"))).await;
    let unknown = get(&deployment, &format!("/v1/dossiers/{UNKNOWN}")).await;
    assert_eq!((unknown["steps"].as_array().unwrap().len(), &unknown["sync"]["status"]), (1, &json!("unknown")));
    // The next states: of one that was delivered, and of one that was refused, whose place it takes.
    assert_eq!(put(&deployment, "H15.50-261130-000001", "the third").await["revision"], 3);
    assert_eq!(put(&deployment, REFUSED, "corrected").await["revision"], 2);
    settle(&deployment).await;
    wait_for(&deployment, REFUSED, "delivered").await;
    let log = read_log(&database).await.unwrap();
    assert!(log.head_is_theirs && log.gaps == 0 && log.without_place == 0, "{log:?}");
    assert!(log.records > head.0 && log.items == log.accepted, "{log:?} {}", head.0);
    assert!(begins_with(&database, head).await, "another log");
    gateway.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_sent_when_the_gateway_was_killed_is_taken_back_as_unknown_after_the_move() {
    let mut portal = Settings::default();
    portal.portal.hold_ms = 60_000;
    portal.faults = always(FaultKind::EffectThenTimeout, &[Operation::Insert]);
    let sandbox = Sandbox::start(portal).await.unwrap();
    let patient = "adapters.portal-dvcqg.http = { connect_timeout_ms = 500, total_timeout_ms = 60000 }";
    let deployment = Deployment::new(&sandbox.url(), patient).unwrap();
    let (gateway, _) = deployment.spawn().await.unwrap();
    put(&deployment, UNKNOWN, "on its way").await;
    while sandbox.ledger().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gateway.kill().unwrap();

    let database = new_target().await;
    is_equal(&storage(&deployment, "copy", &database).await);
    let target = connect(&database).await;
    let row = target.query_one("SELECT status, holder IS NOT NULL, lost_leases FROM outbox", &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), ("sending", true, 0_i64));

    move_to(&deployment, &database).unwrap();
    sandbox.set_faults(FaultPlan::none());
    let gateway = deployment.start().await.unwrap();
    wait_for(&deployment, UNKNOWN, "delivered").await;
    let row = target.query_one("SELECT status, holder IS NOT NULL, lost_leases FROM outbox", &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), ("delivered", false, 1_i64));
    let log = read_log(&database).await.unwrap();
    assert!(log.head_is_theirs && log.gaps == 0, "{log:?}");
    let sql = "SELECT count(*) FROM audit_record WHERE convert_from(record, 'UTF8') LIKE '%outbox.lease_lost%'";
    assert_eq!(target.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 1);
    assert_eq!(sandbox.dossiers().len(), 1);
    gateway.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_killed_twice_goes_on_and_ends_equal() {
    let server = server_for_tests().unwrap_or_else(|reason| panic!("{reason}"));
    let report = copy::run(&server, 1000, 2).await.unwrap();
    report.check().unwrap_or_else(|error| panic!("{error}\n{report:?}"));
    assert!(report.printed.contains("going on in "), "{}", report.printed);
}
