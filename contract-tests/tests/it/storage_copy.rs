//! From SQLite to PostgreSQL by the real program: everything arrives, the gateway goes on there, and what is not fit to be
//! copied is refused with the remedy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lienthong::audit::{Frontier, leaf_hash};
use lienthong::storage::NEWEST_SCHEMA;
use lienthong::storage::copy::{NOT_COPIED, TABLES, Table};
use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::postgres::Postgres;
use lienthong::storage::sqlite::Sqlite;
use lienthong_contract_tests::gateway::{Deployment, KEY, client, wait_until_none};
use lienthong_contract_tests::load::{Load, Verdict, dossier, step};
use lienthong_contract_tests::postgres::{fresh_database, server_for_tests};
use lienthong_contract_tests::scenarios::copy::{self, command, data_folder, fill, make_source, move_to};
use lienthong_contract_tests::scenarios::replicas::read_log;
use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, Sandbox, Settings};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use super::stores::{SQLITE_LIMITS, postgres_settings};
use super::support::Answer;

async fn new_target() -> String {
    let server = server_for_tests().unwrap_or_else(|reason| panic!("{reason}"));
    fresh_database(&server).await.unwrap()
}

async fn connect(database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A target that has this program's schema and nothing in it.
async fn migrated_target() -> (String, Client) {
    let database = new_target().await;
    Postgres::migrate(&postgres_settings(database.clone()), MIGRATIONS).await.unwrap();
    let client = connect(&database).await;
    (database, client)
}

fn source(deployment: &Deployment) -> PathBuf {
    data_folder(deployment).join("lienthong.sqlite")
}

fn change(deployment: &Deployment, sql: &str) {
    Connection::open(source(deployment)).unwrap().execute_batch(sql).unwrap();
}

/// A deployment whose gateway has stopped, with this many dossiers.
async fn filled(dossiers: usize) -> Deployment {
    let deployment = Deployment::new("http://127.0.0.1:1", "").unwrap();
    make_source(&deployment, dossiers).await.unwrap();
    deployment
}

/// How the program ended, and all that it printed.
async fn run(mut command: Command) -> (Option<i32>, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let printed = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    (output.status.code(), printed)
}

async fn storage(deployment: &Deployment, what: &str, database: &str) -> (Option<i32>, String) {
    run(command(deployment, what, database).unwrap()).await
}

#[track_caller]
fn is_equal((code, printed): &(Option<i32>, String)) {
    assert_eq!(*code, Some(0), "{printed}");
    assert!(printed.contains("\nEQUAL\n") && !printed.contains('≠'), "{printed}");
}

#[track_caller]
fn is_refused((code, printed): &(Option<i32>, String), words: &[&str]) {
    assert_eq!(*code, Some(1), "{printed}");
    for word in words {
        assert!(printed.contains(word), "{word}: {printed}");
    }
    assert!(!printed.contains("\nEQUAL\n"), "{printed}");
}

// ---- The table of data -----------------------------------------------------------------------------------------------

/// Columns of a table as an engine has them: name, kind, whether it may be absent.
type Columns = BTreeMap<String, (String, bool)>;

#[track_caller]
fn are_told(table: &Table, columns: &Columns, key: &[String], kind: impl Fn(&Table, usize) -> String) {
    let told = table.columns.iter().enumerate();
    let told: Columns = told.map(|(at, c)| (c.name.to_owned(), (kind(table, at), c.is_nullable))).collect();
    assert_eq!(told, *columns, "{}: src/storage/copy/tables.rs does not say what the schema says", table.name);
    assert_eq!(table.key, key, "{}: another key", table.name);
}

/// Every table is copied or stays behind for a reason, and is called once.
#[track_caller]
fn are_all_known(tables: &[String]) {
    for table in tables {
        let is_copied = TABLES.iter().any(|known| known.name == table);
        let stays = NOT_COPIED.iter().any(|(known, _)| known == table);
        assert!(is_copied != stays, "{table}: add it to TABLES or to NOT_COPIED in src/storage/copy/tables.rs");
    }
    for table in TABLES {
        assert!(tables.iter().any(|known| known == table.name), "{} is copied and not there", table.name);
    }
}

#[test]
fn what_is_copied_is_every_column_of_every_table_that_sqlite_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lienthong.sqlite");
    Sqlite::migrate(&file, &SQLITE_LIMITS, MIGRATIONS).unwrap();
    let database = Connection::open(file).unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    are_all_known(&texts("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"));
    for table in TABLES {
        let name = table.name;
        let sql = format!("SELECT name, type, NOT \"notnull\" FROM pragma_table_info('{name}')");
        let mut statement = database.prepare(&sql).unwrap();
        let columns = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
        let key = texts(&format!("SELECT name FROM pragma_table_info('{name}') WHERE pk > 0 ORDER BY pk"));
        let columns = columns.map(Result::unwrap).collect();
        are_told(table, &columns, &key, |table, at| table.columns[at].kind.sqlite().to_owned());
        // Rows come in the order of an index: a table that is sorted first needs room for all of it.
        for sql in [table.first, table.after] {
            let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let key = rusqlite::params_from_iter(vec![""; statement.parameter_count()]);
            let plan: Vec<String> = statement.query_map(key, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            assert!(!plan.concat().contains("TEMP"), "{sql}: {plan:?}");
        }
    }
}

#[tokio::test]
async fn what_is_copied_is_every_column_of_every_table_that_postgresql_has() {
    let (_, client) = migrated_target().await;
    let tables = client.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'", &[]).await.unwrap();
    are_all_known(&tables.iter().map(|row| row.get(0)).collect::<Vec<_>>());
    for table in TABLES {
        let sql = "SELECT column_name::text, udt_name::text, is_nullable = 'YES', collation_name::text, \
                   is_identity = 'YES' OR column_default LIKE 'nextval%' \
                   FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1";
        let found = client.query(sql, &[&table.name]).await.unwrap();
        let columns = found.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        let sql = "SELECT column_name::text FROM information_schema.key_column_usage \
                   WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position";
        let key: Vec<String> = client.query(sql, &[&table.name]).await.unwrap().iter().map(|row| row.get(0)).collect();
        are_told(table, &columns, &key, |table, at| table.columns[at].kind.postgres().name().to_owned());
        for row in found {
            let (name, collation): (String, Option<String>) = (row.get(0), row.get(3));
            // The order of the other engine.
            assert!(collation.is_none_or(|collation| collation == "C"), "{}.{name} is not COLLATE \"C\"", table.name);
            let is_counted = row.get::<_, Option<bool>>(4) == Some(true);
            assert!(!is_counted, "{}.{name}: a copied counter must be set to go on behind the rows", table.name);
        }
    }
}

// ---- A gateway moves -------------------------------------------------------------------------------------------------

const REFUSED: &str = "H15.50-261129-000001";
const UNKNOWN: &str = "H15.50-261129-000002";
const WAITING: [&str; 2] = ["H15.50-261129-000003", "H15.50-261129-000004"];

fn always(kind: FaultKind, operations: &[Operation]) -> FaultPlan {
    operations.iter().fold(FaultPlan::none(), |plan, operation| plan.with(*operation, OperationFaults::only(kind, 1.0)))
}

async fn send(deployment: &Deployment, method: Method, path: &str, key: Option<&str>, body: Option<&Value>) -> Value {
    let mut request = client().request(method, format!("{}{path}", deployment.url())).bearer_auth(KEY);
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
    let acknowledged = load.play(&deployment.url()).await.unwrap();
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
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let view = get(deployment, &format!("/v1/dossiers/{code}")).await;
        if view["sync"]["status"] == status {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "not {status}: {view}");
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

// ---- Comparing -------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_differs_is_found_and_named() {
    let deployment = filled(30).await;
    let database = new_target().await;
    is_equal(&storage(&deployment, "copy", &database).await);
    let target = connect(&database).await;
    let code = fill::code(7);
    for (change, back, said) in [
        (
            format!("UPDATE dossier SET state = 'finished', steps = 9 WHERE code = '{code}'"),
            format!("UPDATE dossier SET state = 'processing', steps = 0 WHERE code = '{code}'"),
            format!("dossier (code = {code}): khác ở / differs in state, steps"),
        ),
        (
            format!("UPDATE lane SET lane = lane || 'x' WHERE lane = '{code}'"),
            format!("UPDATE lane SET lane = '{code}' WHERE lane = '{code}x'"),
            format!("lane (route = dossier-portal, lane = {code}): thiếu ở đích / missing in the target"),
        ),
        (
            "INSERT INTO idempotency VALUES ('zzz', 'k', '', 1, '', 1)".to_owned(),
            "DELETE FROM idempotency WHERE client_id = 'zzz'".to_owned(),
            "idempotency (client_id = zzz, key = k): chỉ có ở đích / only in the target".to_owned(),
        ),
        (
            "UPDATE outbox SET problem = NULL WHERE status = 'dead'".to_owned(),
            r#"UPDATE outbox SET problem = '{"kind":"rejected","reason":{"en":"Refused.","vi":"Bị từ chối."}}' WHERE status = 'dead'"#.to_owned(),
            "differs in problem".to_owned(),
        ),
        (
            "UPDATE body SET sealed = sealed || '\\x00' WHERE id = (SELECT min(id::text)::uuid FROM body)".to_owned(),
            "UPDATE body SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE id = (SELECT min(id::text)::uuid FROM body)"
                .to_owned(),
            "differs in sealed".to_owned(),
        ),
    ] {
        assert_eq!(target.execute(&change, &[]).await.unwrap(), 1, "{change}");
        is_refused(&storage(&deployment, "verify", &database).await, &["DIFFERENT: ", &said, "≠"]);
        assert_eq!(target.execute(&back, &[]).await.unwrap(), 1, "{back}");
    }
    is_equal(&storage(&deployment, "verify", &database).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_the_tree_of_its_records_is_found_even_if_both_sides_agree() {
    let deployment = filled(20).await;
    change(&deployment, "UPDATE audit_head SET frontier = zeroblob(length(frontier))");
    let database = new_target().await;
    let refused = storage(&deployment, "copy", &database).await;
    is_refused(&refused, &["DIFFERENT: audit_head (", "not the tree of the records"]);
    let sql = "SELECT count(*) FROM storage_copy WHERE copied = total";
    let target = connect(&database).await;
    assert_eq!(target.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), TABLES.len() as i64, "still unfinished");
    let again = storage(&deployment, "copy", &database).await;
    assert!(again.1.contains("only the comparison is left"), "{}", again.1);
    change(&deployment, "UPDATE audit_record SET record = CAST('x' AS BLOB) WHERE idx = 3");
    let database = new_target().await;
    let refused = storage(&deployment, "copy", &database).await;
    is_refused(&refused, &[", 3): không đúng chỗ", "not what was hashed"]);
}

// ---- Refusals --------------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_copy_is_not_served_and_goes_on_only_from_its_own_source() {
    let deployment = filled(40).await;
    let (database, target) = migrated_target().await;
    // Something breaks in the middle.
    target.batch_execute("ALTER TABLE audit_record ADD CONSTRAINT broken CHECK (idx < 50)").await.unwrap();
    let mut first = command(&deployment, "copy", &database).unwrap();
    first.args(["--chunk-rows", "7"]);
    is_refused(&run(first).await, &["audit_record", "run the same command again"]);
    let sql = "SELECT copied, last_key[2] FROM storage_copy WHERE name = 'audit_record'";
    let row = target.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), (49_i64, "48"), "whole chunks only");

    let on_target = Deployment::new("http://127.0.0.1:1", "").unwrap();
    move_to(&on_target, &database).unwrap();
    let refused = on_target.start().await.err().expect("a part of a copy is served").to_string();
    assert!(refused.contains("holds a part of a copy") && refused.contains("lienthong storage copy"), "{refused}");
    let mut list = on_target.command().unwrap();
    list.args(["outbox", "list"]);
    is_refused(&run(list).await, &["holds a part of a copy"]);

    let other = filled(40).await;
    is_refused(&storage(&other, "copy", &database).await, &["of another source", "dropdb"]);

    target.batch_execute("ALTER TABLE audit_record DROP CONSTRAINT broken").await.unwrap();
    let on = storage(&deployment, "copy", &database).await;
    is_equal(&on);
    assert!(on.1.contains("going on in audit_record behind row 49"), "{}", on.1);
    let again = storage(&deployment, "copy", &database).await;
    is_refused(&again, &["the target is not empty", "lienthong storage verify"]);
    assert!(!again.1.contains("again to go on"), "a refusal is no interruption: {}", again.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_does_not_go_on_from_a_source_that_was_served_since() {
    let deployment = filled(5).await;
    let (database, target) = migrated_target().await;
    target.batch_execute("ALTER TABLE audit_record ADD CONSTRAINT broken CHECK (idx < 5)").await.unwrap();
    is_refused(&storage(&deployment, "copy", &database).await, &["run the same command again"]);
    target.batch_execute("ALTER TABLE audit_record DROP CONSTRAINT broken").await.unwrap();
    let gateway = deployment.start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    gateway.stop().await;
    is_refused(&storage(&deployment, "copy", &database).await, &["this source was served since", "createdb"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_or_a_target_that_is_being_served_is_refused() {
    let deployment = filled(3).await;
    let gateway = deployment.start().await.unwrap();
    let (database, target) = migrated_target().await;
    is_refused(&storage(&deployment, "copy", &database).await, &["another gateway serves", "stop it first"]);
    gateway.stop().await;

    let joined = "INSERT INTO replica VALUES (gen_random_uuid(), 1, now_micros() + 60000000)";
    target.batch_execute(joined).await.unwrap();
    let served = ["1 gateways serve the target", "stop them"];
    is_refused(&storage(&deployment, "copy", &database).await, &served);
    is_refused(&storage(&deployment, "verify", &database).await, &served);
    target.batch_execute("UPDATE replica SET expires_at = 0").await.unwrap();
    is_equal(&storage(&deployment, "copy", &database).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_rows_is_refused_and_stays_as_it_is() {
    let deployment = filled(3).await;
    for sql in ["INSERT INTO key_check VALUES ('bodies-1.key', '')", "INSERT INTO lane VALUES ('r', 'l', 1)"] {
        let (database, target) = migrated_target().await;
        target.batch_execute(sql).await.unwrap();
        is_refused(&storage(&deployment, "copy", &database).await, &["the target is not empty", "new database"]);
        let left = target.query_one("SELECT to_regclass('storage_copy') IS NULL", &[]).await.unwrap();
        assert!(left.get::<_, bool>(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_keys_than_those_of_the_source_are_refused() {
    let deployment = filled(3).await;
    let database = new_target().await;
    let key = deployment.folder().join("keys/digest.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::write(&key, [1_u8; 32]).unwrap();
    is_refused(&storage(&deployment, "copy", &database).await, &["digest.key", "not the key of this source"]);
    std::fs::remove_file(&key).unwrap();
    is_refused(&storage(&deployment, "copy", &database).await, &["digest.key", "missing"]);
    std::fs::write(&key, kept).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    is_equal(&storage(&deployment, "copy", &database).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_this_program_does_not_know_is_refused_on_either_side() {
    let later = |is_additive: bool| {
        // Some digest, in the words of both engines.
        let digest = "(SELECT digest FROM migration LIMIT 1)";
        format!("INSERT INTO migration VALUES ({}, 'later', {digest}, {is_additive})", NEWEST_SCHEMA + 1)
    };
    let run_newer = ["(later)", "run the newer program"];
    for (sql, words) in [
        (later(false), &run_newer[..]),
        // What was only added would stay behind.
        (later(true), &["copy with the newer program"]),
        ("DELETE FROM migration".to_owned(), &["lacks migrations 1 (first)", "lienthong migrate"]),
        ("DROP TABLE migration".to_owned(), &["lacks migrations 1 (first)", "lienthong migrate"]),
    ] {
        let deployment = filled(1).await;
        change(&deployment, &sql);
        is_refused(&storage(&deployment, "copy", &new_target().await).await, words);
    }
    let deployment = filled(1).await;
    let (database, target) = migrated_target().await;
    target.batch_execute(&later(false)).await.unwrap();
    is_refused(&storage(&deployment, "copy", &database).await, &run_newer);
    let unmigrated = new_target().await;
    is_refused(&storage(&deployment, "verify", &unmigrated).await, &["lienthong migrate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_way_to_copy_is_said_at_once() {
    let deployment = filled(1).await;
    let database = new_target().await;
    let data = data_folder(&deployment);
    let from = |path: &Path| format!("sqlite:{}", path.display());
    let to = format!("postgres:{database}");
    let (here, nowhere) = (from(&data), from(&data.join("nothing")));
    for (from, to, words) in [
        (to.as_str(), here.as_str(), &["only from sqlite:", "no way back"][..]),
        (&here, &here, &["only from sqlite:"]),
        (&here, "postgres:", &["only from sqlite:"]),
        (&nowhere, &to, &["nothing", "there is no such database"]),
        (&here, "postgresql://u:secret@localhost/d", &["--to: the password stands in the address"]),
        (&here, "postgres:host=example.org dbname=d", &["sslmode=require"]),
    ] {
        let mut copy = deployment.command().unwrap();
        copy.args(["storage", "copy", "--from", from, "--to", to]);
        let (code, printed) = run(copy).await;
        assert!(!printed.contains("secret"), "{printed}");
        is_refused(&(code, printed), words);
    }
    assert!(!data.join("nothing").exists(), "nothing is made");
    // How the server is reached is what the configuration says.
    let mut copy = command(&deployment, "copy", &database).unwrap();
    copy.env("LIENTHONG__STORAGE__POSTGRES__CA_FILE", "/no/such.pem");
    is_refused(&run(copy).await, &["storage.postgres.ca_file /no/such.pem"]);
    // The file itself may be named too.
    let mut copy = deployment.command().unwrap();
    copy.args(["storage", "copy", "--from", &from(&source(&deployment)), "--to", &to]);
    is_equal(&run(copy).await);
}
