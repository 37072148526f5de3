//! A configuration that cannot be taken over changes nothing, and the log says what is wrong with it, and where.

use std::time::Duration;

use lienthong_contract_tests::postgres::{fresh_database, server_for_tests};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::json;

use super::{Running, is_a_chain, soon};
use crate::support::{Answer, dossier, dossier_with};

/// A body of more than 1,000 bytes, and an agency that is not in the way of anybody.
async fn is_as_before(running: &Running, code: &str) {
    running.put(code, &dossier_with("/note", json!("x".repeat(900)))).await.is(202);
    let policy = running.get("/v1/dossiers").await.is(200);
    assert_eq!(policy.header("ratelimit-policy"), "");
    assert_eq!(running.records().await.len(), 1, "only that of the start");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_and_what_would_be_live_beside_it_is_not_taken_over() {
    let running = Running::start("").await;
    let original = std::fs::read_to_string(&running.deployment.file).unwrap();
    let file = running.deployment.file.display().to_string();
    for (restart, names) in [
        ("storage.write_queue = 9", &["storage.write_queue"][..]),
        (
            "storage.engine = \"postgres\"\nstorage.postgres.url = \"postgresql://a@127.0.0.1:1/c\"",
            &["storage.engine", "storage.postgres.url"],
        ),
        ("deployment.name = \"another.name\"", &["deployment.name"]),
        ("server = { drain_ms = 5, most_connections = 7 }", &["server.drain_ms", "server.most_connections"]),
        ("outbox.most_in_flight = 99", &["outbox.most_in_flight"]),
    ] {
        std::fs::write(&running.deployment.file, &original).unwrap();
        let live = "http.body_bytes = 1000\nquotas.client = { requests = 3, window_s = 60 }\nagencies = []";
        let log = running.refuse(&format!("{restart}\n{live}")).await;
        for name in names {
            assert!(log.contains(&format!("{name} needs a restart")), "{name}: {log}");
        }
        assert_eq!(log.matches("needs a restart").count(), names.len(), "{log}");
        assert!(log.contains(&file), "where it is: {log}");
        is_as_before(&running, &format!("H15.50-261121-{:04}", log.len() % 10_000)).await;
    }
    // Without it, the live ones are taken over.
    std::fs::write(&running.deployment.file, &original).unwrap();
    running.change("http.body_bytes = 1000").await;
    let large = dossier_with("/note", json!("x".repeat(900)));
    running.put("H15.50-261121-9999", &large).await.refused(413, "request.too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_as_check_config_tells_them_and_change_nothing() {
    let running = Running::start("").await;
    let original = std::fs::read_to_string(&running.deployment.file).unwrap();
    let wrong = "http = { body_bytes = 1000, body_bites = 1 }\noutbox.retry_jitter_percent = 51\n\
                 adapters.portal-dvcqg.adapter_urls = \"x\"\nagencies = [{ code = \"H15\", name = \"x\", parent = \"H99\" }]";
    let log = running.refuse(wrong).await;
    let output = running.deployment.command().unwrap().arg("check-config").output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    let told: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert_eq!(told.len(), 2 * 2, "each mistake in two languages: {printed}");
    for words in told {
        assert!(log.contains(&words.replace('"', "\\\"")), "check-config says {words:?}, the log {log}");
    }
    for key in ["http.body_bites", "adapters.portal-dvcqg.adapter_urls"] {
        assert!(log.contains(&format!("\"key\":\"{key}\"")), "{log}");
    }
    is_as_before(&running, "H15.50-261121-0001").await;

    // What is no TOML, and what is not there at all.
    std::fs::write(&running.deployment.file, "[http\nbody_bytes = a-secret-word").unwrap();
    let before = running.times("nothing was changed\"");
    running.program.hang_up().unwrap();
    running.until_logged("nothing was changed\"", before + 1).await;
    assert!(running.times("Line 1") > 0 && running.times("a-secret-word") == 0);
    std::fs::remove_file(&running.deployment.file).unwrap();
    running.program.hang_up().unwrap();
    running.until_logged("nothing was changed\"", before + 2).await;
    std::fs::write(&running.deployment.file, &original).unwrap();
    is_as_before(&running, "H15.50-261121-0002").await;
    running.change("dossiers.page_items = 3").await;
    assert_eq!(running.get("/v1/dossiers?limit=4").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_stays_wrong_is_complained_about_once() {
    let running = Running::start("configuration.reload_ms = 20").await;
    running.deployment.change("http.body_bites = 1").unwrap();
    running.until_logged("nothing was changed\"", 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(running.times("nothing was changed\""), 1);
    running.deployment.change("http.body_bitten = 1").unwrap();
    running.until_logged("nothing was changed\"", 2).await;
    is_as_before(&running, "H15.50-261121-0001").await;
}

/// Nothing is recorded between the two `statements` of somebody else.
async fn what_cannot_be_recorded_does_not_take_effect(
    running: Running,
    statement: impl AsyncFn(&'static str),
    statements: [&'static str; 2],
) {
    statement(statements[0]).await;
    let log = running.refuse("dossiers.page_items = 3\nconfiguration.reload_ms = 50").await;
    assert!(log.contains("could not be written into the audit log"), "{log}");
    let list =
        async |limit| Answer::of(running.request(Method::GET, &format!("/v1/dossiers?limit={limit}"))).await.status;
    assert_eq!(list(4).await, 200, "as before");
    statement(statements[1]).await;
    running.program.hang_up().unwrap();
    soon("it is taken over", async || list(4).await == 400).await;
    running.put("H15.50-261121-0001", &dossier("received")).await.is(202);
    let records = running.records().await;
    assert_eq!(records.len(), 2, "{records:#?}");
    is_a_chain(&records);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_does_not_take_effect_on_sqlite() {
    let running = Running::start("storage.sqlite.busy_timeout_ms = 100").await;
    let other = Connection::open(running.deployment.folder().join("data/lienthong.sqlite")).unwrap();
    let statement = async |sql| other.execute_batch(sql).unwrap();
    what_cannot_be_recorded_does_not_take_effect(running, statement, ["BEGIN IMMEDIATE", "ROLLBACK"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_does_not_take_effect_on_postgres() {
    let database = fresh_database(&server_for_tests().unwrap()).await.unwrap();
    let storage = format!("storage = {{ engine = \"postgres\", postgres.url = {database:?} }}");
    let running = Running::start(&storage).await;
    let (other, connection) = tokio_postgres::connect(&database, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let statement = async |sql| other.batch_execute(sql).await.unwrap();
    let away_and_back =
        ["ALTER TABLE audit_pending RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO audit_pending"];
    what_cannot_be_recorded_does_not_take_effect(running, statement, away_and_back).await;
}
