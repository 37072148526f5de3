//! A stop: first it is said that no more should come, then nobody is let in, and whoever was let in gets an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum_server::AddrListener;
use lienthong::http::door::Door;
use lienthong_contract_tests::gateway::{client, wait_until_none};
use lienthong_sandbox::{FaultPlan, Operation, OperationFaults, Settings};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::wire::{Got, Kept};
use super::{Running, soon};
use crate::support::{dossier, dossier_path};

/// On one thread, which has not yet heard of those who have come: only the system knows of them.
#[tokio::test]
async fn whoever_had_come_before_the_door_was_closed_is_let_in_and_nobody_after_them() {
    let (close, closed) = watch::channel(false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::open(listener, closed).unwrap();
    let waiting: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    close.send_replace(true);
    let mut let_in = Vec::new();
    for _ in &waiting {
        let (_, from) = tokio::time::timeout(Duration::from_secs(5), door.accept_stream()).await.unwrap().unwrap();
        let_in.push(from.0);
    }
    assert_eq!(let_in, waiting.iter().map(|stream| stream.local_addr().unwrap()).collect::<Vec<_>>());
    assert!(tokio::time::timeout(Duration::from_millis(50), door.accept_stream()).await.is_err());
    let refused = std::net::TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

/// Clients that ask one request after the other until nobody listens; returns the codes that were accepted.
async fn a_stop_under_load(unready_ms: u64) {
    let mut running = Running::start(&format!("server.unready_ms = {unready_ms}")).await;
    let (accepted, resets) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..16)
        .map(|n| {
            let (address, token) = (running.deployment.address, running.token.clone());
            let (accepted, resets) = (Arc::clone(&accepted), Arc::clone(&resets));
            tokio::spawn(async move {
                let mut kept = Kept::new(address, &token);
                let (body, mut codes) = (dossier("received").to_string(), Vec::new());
                for turn in 0.. {
                    if n % 2 == 0 {
                        // Every second client comes by a new connection each time.
                        kept = Kept::new(address, &token);
                    }
                    let code = format!("H15.50-2611{:02}-{turn:06}", n + 10);
                    match kept.ask("PUT", &dossier_path(&code), &body).await {
                        Ok(Got::Answer { status: 202, .. }) => codes.push(code),
                        Ok(Got::Refused) => return codes,
                        Ok(Got::Reset) => {
                            resets.fetch_add(1, Ordering::Relaxed);
                            return codes;
                        }
                        other => panic!("client {n}, request {turn}: {other:?}"),
                    }
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                codes
            })
        })
        .collect();
    soon("they are at work", async || accepted.load(Ordering::Relaxed) > 200).await;
    let asked = Instant::now();
    running.program.terminate().unwrap();
    let mut codes = Vec::new();
    for client in clients {
        codes.extend(client.await.unwrap());
    }
    assert!(asked.elapsed() >= Duration::from_millis(unready_ms), "{:?}", asked.elapsed());
    // There is an instant between the last one that is let in and the first that is refused.
    assert!(resets.load(Ordering::Relaxed) <= 1, "{resets:?} new connections were reset");
    assert!(running.program.ended(Duration::from_secs(15)).await.unwrap().success());
    assert_eq!(running.times("a stop was asked for"), 1);
    assert_eq!(running.times("\"message\":\"stopped\""), 1);
    // What was accepted is there.
    let (program, _) = running.deployment.spawn().await.unwrap();
    running.program = program;
    println!("{} requests accepted until the end, none failed", codes.len());
    for code in codes.iter().rev().step_by(7) {
        running.get(&dossier_path(code)).await.is(200);
    }
    wait_until_none(
        &running.deployment.url(),
        &["accepted", "sending", "retry", "unknown", "dead"],
        Duration::from_secs(60),
    )
    .await
    .unwrap();
    assert_eq!(running.sandbox.dossiers().len(), codes.len(), "each accepted one is at the portal, and no other");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_a_stop_costs_nobody_a_request() {
    a_stop_under_load(300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_a_stop_without_notice_costs_nobody_a_request() {
    a_stop_under_load(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_goes_first_while_everything_is_still_served() {
    let mut running = Running::start("server.unready_ms = 4000").await;
    let mut kept = Kept::new(running.deployment.address, &running.token);
    assert_eq!(kept.ask("GET", "/readyz", "").await.unwrap().status(), 200);
    running.program.terminate().unwrap();
    let asked = Instant::now();
    let is_ready = async || client().get(format!("{}/readyz", running.deployment.url())).send().await.unwrap().status();
    soon("it is not ready", async || is_ready().await == 503).await;
    assert!(asked.elapsed() < Duration::from_millis(3000), "{:?}", asked.elapsed());
    assert_eq!(kept.ask("GET", "/readyz", "").await.unwrap().status(), 503);
    // Old and new connections are served, and may stay.
    let path = dossier_path("H15.50-261121-0001");
    for mut client in [kept, Kept::new(running.deployment.address, &running.token)] {
        let Got::Answer { head, .. } = client.ask("PUT", &path, &dossier("received").to_string()).await.unwrap() else {
            panic!("refused")
        };
        assert!(!head.contains("connection: close") && head.starts_with("http/1.1 20"), "{head}");
    }
    assert!(running.program.ended(Duration::from_secs(10)).await.unwrap().success());
    assert!(asked.elapsed() >= Duration::from_millis(4000), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_answered_after_the_door_was_closed_and_the_connection_is_told_to_end() {
    let mut running = Running::start("").await;
    let body = dossier("received").to_string();
    let mut kept = Kept::new(running.deployment.address, &running.token);
    assert!(kept.begin("PUT", &dossier_path("H15.50-261121-0001"), body.len()).await.unwrap());
    // It is under way when this is known.
    running.get("/v1/dossiers").await.is(200);
    running.program.terminate().unwrap();
    let (address, token) = (running.deployment.address, running.token.clone());
    soon("nobody is let in", async || {
        matches!(Kept::new(address, &token).ask("GET", "/livez", "").await, Ok(Got::Refused))
    })
    .await;
    // Longer than whoever says nothing is waited for.
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let Got::Answer { status, head, .. } = kept.finish(&body).await.unwrap() else { panic!("refused") };
    assert_eq!(status, 202);
    assert!(head.contains("connection: close"), "{head}");
    assert!(running.program.ended(Duration::from_secs(5)).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut running = Running::start("server.unready_ms = 60000").await;
    running.program.terminate().unwrap();
    running.until_logged("a stop was asked for", 1).await;
    let asked = Instant::now();
    running.program.terminate().unwrap();
    let status = running.program.ended(Duration::from_secs(5)).await.unwrap();
    assert!(!status.success(), "not everything was finished: {status}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sending_that_is_under_way_gets_its_answer_and_its_outcome_is_kept() {
    let mut settings = Settings::default();
    let slow = OperationFaults { delay_ms: (700, 700), ..OperationFaults::default() };
    settings.faults = FaultPlan::none().with(Operation::Insert, slow);
    let mut running = Running::with(settings, "server.drain_ms = 5000").await;
    running.put("H15.50-261121-0001", &dossier("received")).await.is(202);
    soon("the portal is at it", async || running.sandbox.dossiers().len() == 1).await;
    running.program.terminate().unwrap();
    assert!(running.program.ended(Duration::from_secs(10)).await.unwrap().success());
    assert_eq!(running.times("stopped before every call had its answer"), 0);
    let outbox = rusqlite::Connection::open(running.deployment.folder().join("data/lienthong.sqlite")).unwrap();
    let states: String = outbox.query_row("SELECT group_concat(status) FROM outbox", [], |row| row.get(0)).unwrap();
    assert_eq!(states, "delivered");
}
