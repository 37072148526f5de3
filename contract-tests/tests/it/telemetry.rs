//! What operators see: counts for Prometheus, an access log, and one trace from a caller through the outbox to the portal.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lienthong::telemetry::metrics;
use lienthong_adapter_kit::metrics::Kind;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE, WARD, client, wait_until_none};
use lienthong_sandbox::{FaultPlan, Operation, OperationFaults, Sandbox, Settings};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answer, World, dossier};

const CALLERS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn documented() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations/metrics.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_metric_is_in_the_guide_with_its_labels_and_nothing_else_is() {
    let guide = documented();
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `lienthong_"));
    // Of the table of metrics, not of that of alarms.
    let rows = rows.filter(|row| row.split(" | ").next().is_some_and(|name| !name.contains([' ', '{'])));
    let found: BTreeSet<(String, String)> = rows
        .map(|row| {
            let mut cells = row.split(" | ");
            (
                format!("lienthong_{}", cells.next().unwrap().trim_end_matches('`')),
                cells.next().unwrap().replace('`', ""),
            )
        })
        .collect();
    let expected = metrics::all().map(|metric| {
        let labels = if metric.labels.is_empty() { "–".to_owned() } else { metric.labels.join(", ") };
        (metric.name.to_owned(), labels)
    });
    assert_eq!(found, expected.collect());
}

#[test]
fn names_are_in_prometheus_form() {
    for metric in metrics::all() {
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        assert!(metric.kind != Kind::Histogram || metric.name.ends_with("_seconds"), "{}", metric.name);
        assert!(metric.name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{}", metric.name);
    }
}

/// The value of a line of `/metrics`, which is named whole.
fn value(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|one| one.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {line} in\n{text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_client_and_operation_and_calls_by_upstream() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let more = "quotas.clients = [{ client = \"ward\", requests = 2, window_s = 3600 }]";
    let deployment = Deployment::new(&sandbox.url(), more).unwrap();
    let (_program, _) = deployment.spawn().await.unwrap();
    let url = deployment.url();
    let (token, ward) = (deployment.token(PROVINCE).await.unwrap(), deployment.token(WARD).await.unwrap());
    let get = |path: &str, token: &str| client().get(format!("{url}{path}")).bearer_auth(token);
    for n in 0..3 {
        let put = client().put(format!("{url}/v1/dossiers/H15.50-261121-000{n}")).bearer_auth(&token);
        Answer::of(put.json(&dossier("received"))).await.is(202);
    }
    wait_until_none(&url, &["accepted", "sending", "retry"], Duration::from_secs(30)).await.unwrap();
    Answer::of(get("/v1/procedures/1.001612", &token)).await.is(200);
    Answer::of(get("/v1/procedures/1.001612", &token)).await.is(200);
    for status in [200, 200, 429] {
        Answer::of(get("/v1/dossiers", &ward)).await.is(status);
    }
    Answer::of(get("/v1/dossiers", "no token")).await.is(401);
    Answer::of(get("/nowhere/079203004711", &token)).await.is(404);

    Answer::of(client().get(format!("{url}/metrics"))).await.refused(401, "access.unauthenticated");
    let deadline = Instant::now() + Duration::from_secs(10);
    let text = loop {
        let answer = Answer::of(get("/metrics", &token)).await.is(200);
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        // The outbox is counted every second.
        if answer.text.contains("lienthong_outbox_items{") || Instant::now() > deadline {
            break answer.text;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let requests = |client: &str, operation: &str, status: u16| {
        let labels = format!("client=\"{client}\",operation=\"{operation}\",status=\"{status}\"");
        value(&text, &format!("lienthong_http_requests_total{{{labels}}}"))
    };
    assert_eq!(requests("province", "putDossier", 202), 3.0);
    assert_eq!((requests("ward", "listDossiers", 200), requests("ward", "listDossiers", 429)), (2.0, 1.0));
    assert_eq!((requests("", "listDossiers", 401), requests("", "-", 404)), (1.0, 1.0));
    assert_eq!(value(&text, "lienthong_quota_denied_total{policy=\"client\",client=\"ward\"}"), 1.0);
    assert_eq!(value(&text, "lienthong_http_request_duration_seconds_count{operation=\"putDossier\"}"), 3.0);
    assert_eq!(value(&text, "lienthong_client_request_duration_seconds_count{client=\"ward\"}"), 4.0, "and its token");
    assert_eq!(value(&text, "lienthong_deliveries_total{operation=\"dossier.insert\",outcome=\"delivered\"}"), 3.0);
    assert!(value(&text, "lienthong_upstream_calls_total{upstream=\"portal-dvcqg\",outcome=\"2xx\"}") >= 4.0);
    assert_eq!(value(&text, "lienthong_upstream_calls_in_progress{upstream=\"portal-dvcqg\"}"), 0.0);
    // The deliveries have asked first, the readers came later.
    let answers =
        |answer| value(&text, &format!("lienthong_cache_answers_total{{cache=\"procedures\",answer=\"{answer}\"}}"));
    assert!(answers("asked") >= 1.0 && answers("fresh") >= 2.0);
    assert_eq!(value(&text, "lienthong_breaker_state{route=\"dossier-portal\"}"), 0.0);
    assert_eq!(value(&text, "lienthong_outbox_items{status=\"accepted\"}"), 0.0);
    assert!(value(&text, "lienthong_storage_commit_duration_seconds_count{engine=\"sqlite\"}") >= 3.0);
    assert!(value(&text, "process_resident_memory_bytes") > 1e6);
    // Whatever is served is described, and nobody's number or address is in it.
    let known: BTreeSet<&str> = metrics::all().map(|metric| metric.name).collect();
    for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(known.contains(name) || name.starts_with("process_"), "{line}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} is not described");
    }
    assert!(!text.contains("079203004711") && !text.contains("H15.50"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_is_counted_and_told_of_and_so_is_why_a_request_was_refused() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let slow = OperationFaults { delay_ms: (700, 700), ..OperationFaults::default() };
    sandbox.set_faults(FaultPlan::none().with(Operation::Catalogue, slow));
    let deployment = Deployment::new(&sandbox.url(), "log.filter = \"info\"").unwrap();
    let (program, _) = deployment.spawn().await.unwrap();
    let (url, token) = (deployment.url(), deployment.token(PROVINCE).await.unwrap());
    let get = |path: &str| client().get(format!("{url}{path}")).bearer_auth(&token);
    let hung_up = tokio::time::timeout(Duration::from_millis(300), get("/v1/procedures/1.001612").send()).await;
    assert!(hung_up.is_err(), "it was to be slow");
    Answer::of(get("/v1/dossiers/H16-261121-0001")).await.refused(404, "dossier.not_found");
    let line = "lienthong_http_requests_total{client=\"province\",operation=\"getProcedure\",status=\"499\"}";
    let deadline = Instant::now() + Duration::from_secs(10);
    while !Answer::of(get("/metrics")).await.text.contains(line) {
        assert!(Instant::now() < deadline, "whoever hung up is not counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Whoever comes next waits for the same question, and does not ask another.
    Answer::of(get("/v1/procedures/1.001612")).await.is(200);
    assert_eq!(sandbox.counters().operations.get("catalogue").map(|catalogue| catalogue.calls), Some(1));
    program.stop().await.unwrap();
    let lines = log_lines(&deployment);
    let of = |operation: &str, status: u16| {
        lines.iter().find(|line| line["operation"] == operation && line["status"] == status).unwrap()
    };
    assert_eq!(of("getProcedure", 499)["client"], "province");
    assert_eq!(of("getDossier", 404)["code"], "dossier.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_for_those_who_may_read_them() {
    let world = World::start().await;
    let secret = world.deployment.secret(PROVINCE).await.unwrap();
    let request = client()
        .post(format!("{}/oauth/token", world.deployment.url()))
        .basic_auth(PROVINCE, Some(secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials&scope=dossiers:read");
    let answer: Value = Answer::of(request).await.is(200).json();
    let token = answer["access_token"].as_str().unwrap();
    let request = world.request(reqwest::Method::GET, "/metrics").bearer_auth(token);
    Answer::of(request).await.refused(403, "access.scope_missing");
    world.get("/metrics").await.is(200);
}

/// Passes bytes on between the gateway and the portal, and keeps what the gateway sent.
async fn listening_in(to: String) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
    let keep = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((gateway, _)) = listener.accept().await {
            let (keep, to) = (Arc::clone(&keep), to.trim_start_matches("http://").to_owned());
            tokio::spawn(async move {
                let (mut from_gateway, mut to_gateway) = gateway.into_split();
                let (mut from_portal, mut to_portal) = TcpStream::connect(to).await.unwrap().into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from_portal, &mut to_gateway).await });
                let mut part = [0; 4096];
                while let Ok(length @ 1..) = from_gateway.read(&mut part).await {
                    keep.lock().unwrap().extend_from_slice(&part[..length]);
                    let _ = to_portal.write_all(&part[..length]).await;
                }
            });
        }
    });
    (url, heard)
}

/// Takes what is sent as OTLP over HTTP, and keeps it.
async fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
    let keep = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let keep = Arc::clone(&keep);
            tokio::spawn(async move {
                let mut part = [0; 65_536];
                let mut request = Vec::new();
                while let Ok(length @ 1..) = socket.read(&mut part).await {
                    request.extend_from_slice(&part[..length]);
                    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
                    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                    if request.len() < end + 4 + length.unwrap_or(0_usize) {
                        continue;
                    }
                    keep.lock().unwrap().append(&mut request);
                    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                }
            });
        }
    });
    (url, kept)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn log_lines(deployment: &Deployment) -> Vec<Value> {
    let log = std::fs::read_to_string(deployment.folder().join("gateway.log")).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_goes_on_through_the_outbox_to_the_portal_the_log_and_the_collector() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let (portal, heard) = listening_in(sandbox.url()).await;
    let (collector, spans) = collector().await;
    let more = format!(
        "log.filter = \"info,lienthong::outbox=debug\"\ntrace = {{ otlp_url = \"{collector}\", sample_percent = 0 }}"
    );
    let deployment = Deployment::new(&portal, &more).unwrap();
    let (program, _) = deployment.spawn().await.unwrap();
    let (url, token) = (deployment.url(), deployment.token(PROVINCE).await.unwrap());
    let put =
        |code: &str| client().put(format!("{url}/v1/dossiers/{code}")).bearer_auth(&token).json(&dossier("received"));
    let traced = put("H15.50-261121-0001").header("traceparent", format!("00-{CALLERS_TRACE}-00f067aa0ba902b7-01"));
    let request_id = Answer::of(traced).await.is(202).header("x-request-id").to_owned();
    wait_until_none(&url, &["accepted", "sending", "retry"], Duration::from_secs(30)).await.unwrap();
    let sent = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    assert!(sent.contains(&format!("traceparent: 00-{CALLERS_TRACE}-")), "{sent}");
    assert!(!sent.contains("00f067aa0ba902b7"), "the portal's parent is our span, not the caller's");

    // What is no trace is none: a trace of our own begins, and is not sent, for its share is 0.
    heard.lock().unwrap().clear();
    Answer::of(put("H15.50-261121-0002").header("traceparent", "00-0-0-01")).await.is(202);
    wait_until_none(&url, &["accepted", "sending", "retry"], Duration::from_secs(30)).await.unwrap();
    let sent = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    let own: BTreeSet<&str> = sent.match_indices("traceparent: 00-").map(|(at, _)| &sent[at + 16..at + 48]).collect();
    assert!(own.len() == 1 && !own.contains(CALLERS_TRACE), "one trace of our own: {own:?}");
    assert!(own.iter().all(|id| id.bytes().all(|c| c.is_ascii_hexdigit())), "{own:?}");

    // The last spans are sent before the gateway ends.
    program.stop().await.unwrap();
    let spans = spans.lock().unwrap().clone();
    let id: Vec<u8> =
        (0..32).step_by(2).map(|at| u8::from_str_radix(&CALLERS_TRACE[at..at + 2], 16).unwrap()).collect();
    assert!(holds(&spans, &id) && holds(&spans, b"putDossier") && holds(&spans, b"upstream_call"));
    let lines = log_lines(&deployment);
    let access: Vec<&Value> = lines.iter().filter(|line| line["target"] == "access").collect();
    let line = access.iter().find(|line| line["request_id"] == *request_id).unwrap();
    assert_eq!(
        (&line["client"], &line["operation"], &line["status"]),
        (&"province".into(), &"putDossier".into(), &202.into())
    );
    assert_eq!(line["span"]["trace_id"], CALLERS_TRACE, "{line}");
    assert!(!format!("{access:?}").contains("H15.50-261121"), "a path holds a dossier code");
    let deliveries = lines.iter().filter(|line| line["message"] == "a delivery");
    let of_the_caller: Vec<&Value> = deliveries.filter(|line| line["span"]["trace_id"] == CALLERS_TRACE).collect();
    assert_eq!(of_the_caller.len(), 1, "{lines:?}");
    assert_eq!(of_the_caller[0]["outcome"], "delivered");
}
