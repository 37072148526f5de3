//! The commands for backup and restore, taken from the operator's guides and run as they stand there: what was accepted
//! before the copy is served by the restored gateway, and its audit log is whole.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lienthong::storage::migrations::MIGRATIONS;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE, client, wait_until_none};
use lienthong_contract_tests::postgres::{Server, fresh_database, server_for_tests};
use lienthong_contract_tests::scenarios::copy::{data_folder, move_to};
use lienthong_sandbox::{Sandbox, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::stores::audit::sound_records;
use super::stores::{Place, eventually, postgres_settings};
use super::support::{dossier, dossier_path};

/// Dossiers that are there before the backup begins.
const BEFORE: usize = 40;

/// The first block of commands in a guide that has these words, with what differs here replaced.
fn commands(guide: &str, words: &str, replaced: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations").join(guide);
    let text = std::fs::read_to_string(&file).unwrap();
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```").map(|(block, _)| block));
    let block = blocks.into_iter().find(|block| block.contains(words)).unwrap_or_else(|| panic!("{words} in {guide}"));
    // A block may stand in a list.
    let mut block = block.lines().map(str::trim_start).collect::<Vec<_>>().join("\n");
    for (from, to) in replaced {
        assert!(block.contains(from), "{from}: {block}");
        block = block.replace(from, to);
    }
    block
}

/// As an operator at a shell; `server` is the PostgreSQL that its programs find.
async fn run(commands: String, server: Option<&str>) -> String {
    let mut shell = Command::new("sh");
    shell.args(["-euc", &commands]);
    if let Some(server) = server {
        let part = |name: &str| server.split(' ').find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
        let programs = Server::find_programs().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{}:{path}", programs.display()));
        shell.env("PGHOST", part("host=")).env("PGUSER", part("user="));
    }
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
    let printed = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    assert!(output.status.success(), "{commands}\n{printed}");
    printed
}

struct World {
    sandbox: Sandbox,
    deployment: Arc<Deployment>,
    /// Where backups go.
    backup: TempDir,
}

impl World {
    async fn new(more: &str) -> Self {
        let sandbox = Sandbox::start(Settings::default()).await.unwrap();
        let deployment = Arc::new(Deployment::new(&sandbox.url(), more).unwrap());
        Self { sandbox, deployment, backup: tempfile::tempdir().unwrap() }
    }

    fn backup(&self) -> &str {
        self.backup.path().to_str().unwrap()
    }

    /// Runs the gateway; when there are dossiers, takes the backup while it goes on accepting more.
    async fn back_up(&self, take: impl Future<Output = String>) -> String {
        let gateway = self.deployment.start().await.unwrap();
        for number in 0..BEFORE {
            put(&self.deployment, &code(number)).await;
        }
        wait_until_none(&self.deployment.url(), &["accepted", "sending", "retry"], Duration::from_secs(30))
            .await
            .unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let going_on = tokio::spawn({
            let (deployment, is_over) = (Arc::clone(&self.deployment), Arc::clone(&is_over));
            async move {
                let mut number = BEFORE;
                while !is_over.load(Ordering::Relaxed) {
                    put(&deployment, &code(number)).await;
                    number += 1;
                }
                number
            }
        });
        let printed = take.await;
        is_over.store(true, Ordering::Relaxed);
        assert!(going_on.await.unwrap() > BEFORE, "nothing was accepted meanwhile");
        gateway.stop().await;
        printed
    }

    /// The restored gateway has what was there before the backup, and goes on.
    async fn is_restored_at(&self, place: &Place) {
        let gateway = self.deployment.start().await.unwrap();
        for number in 0..BEFORE {
            let found = get(&self.deployment, &code(number)).await;
            assert_eq!((&found["dossier"]["state"], &found["revision"]), (&json!("received"), &json!(1)), "{found}");
        }
        put(&self.deployment, "H15.50-261201-000001").await;
        wait_until_none(&self.deployment.url(), &["accepted", "sending", "retry", "unknown"], Duration::from_secs(30))
            .await
            .unwrap();
        assert!(self.sandbox.ledger().iter().any(|entry| entry.code == "H15.50-261201-000001"));
        log_is_whole(place).await;
        gateway.stop().await;
    }
}

fn code(number: usize) -> String {
    format!("H15.50-261130-{number:06}")
}

async fn put(deployment: &Deployment, code: &str) {
    let put = client()
        .put(format!("{}{}", deployment.url(), dossier_path(code)))
        .bearer_auth(deployment.token(PROVINCE).await.unwrap());
    let answer = put.json(&dossier("received")).send().await.unwrap();
    assert_eq!(answer.status(), 202);
}

async fn get(deployment: &Deployment, code: &str) -> Value {
    let get = client()
        .get(format!("{}{}", deployment.url(), dossier_path(code)))
        .bearer_auth(deployment.token(PROVINCE).await.unwrap());
    get.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

/// The restored log is a tree of its records; on PostgreSQL those without a place are given theirs.
async fn log_is_whole(place: &Place) {
    let database = place.open(MIGRATIONS, false).await.unwrap();
    let audit = lienthong::audit::store::open(&database);
    eventually("every record has its place", async || audit.unplaced().await.unwrap() == 0).await;
    // Accepted, sent, delivered.
    assert!(sound_records(&*audit).await >= 3 * u64::try_from(BEFORE).unwrap());
}

async fn keys_are_needed(deployment: &Deployment) {
    let (keys, elsewhere) = (deployment.folder().join("keys"), deployment.folder().join("keys-elsewhere"));
    std::fs::rename(&keys, &elsewhere).unwrap();
    let mut list = deployment.command().unwrap();
    list.args(["outbox", "list"]);
    let output = tokio::task::spawn_blocking(move || list.output().unwrap()).await.unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("keys"), "{output:?}");
    std::fs::remove_dir_all(&keys).ok();
    std::fs::rename(&elsewhere, &keys).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_sqlite_database_taken_while_the_gateway_runs_is_restored_with_its_log() {
    let world = World::new("").await;
    let data = data_folder(&world.deployment);
    let replaced = [("/var/lib/lienthong/data", data.to_str().unwrap()), ("/backup", world.backup())];
    let printed = world.back_up(run(commands("running.md", "VACUUM INTO", &replaced), None)).await;
    assert_eq!(printed.trim(), "ok");
    // As the guide says: the write-ahead log goes with its file.
    let database = data.join("lienthong.sqlite");
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(data.join(format!("lienthong.sqlite{ending}")));
    }
    let copy = std::fs::read_dir(world.backup.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(copy, &database).unwrap();
    keys_are_needed(&world.deployment).await;
    world.is_restored_at(&Place::Sqlite(database)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_postgresql_taken_while_the_gateway_runs_is_restored_with_its_log() {
    let server = server_for_tests().unwrap_or_else(|reason| panic!("{reason}"));
    let database = fresh_database(&server).await.unwrap();
    let world =
        World::new(&format!("storage = {{ engine = \"postgres\", postgres = {{ url = \"{database}\" }} }}")).await;
    let address = "postgresql://lienthong@db.h15.example/lienthong?sslmode=verify-full\
                   &sslrootcert=/etc/lienthong/postgres-ca.pem";
    let dump = commands("postgresql.md", "pg_dump", &[("/backup", world.backup()), (address, &database)]);
    world.back_up(run(dump, Some(&server))).await;

    let name = format!("restored_{}", uuid::Uuid::now_v7().simple());
    let role = "DO $$ BEGIN CREATE ROLE lienthong LOGIN; EXCEPTION WHEN duplicate_object THEN END $$";
    run(format!("psql --dbname=postgres --quiet --command='{role}'"), Some(&server)).await;
    let replaced = [("lienthong_restored", name.as_str()), ("/backup", world.backup()), ("2026-11-21", "$(date +%F)")];
    run(commands("postgresql.md", "pg_restore", &replaced), Some(&server)).await;
    let restored = format!("{server} user=lienthong dbname={name}");
    move_to(&world.deployment, &restored).unwrap();
    keys_are_needed(&world.deployment).await;
    world.is_restored_at(&Place::Postgres(postgres_settings(restored))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_physical_copy_of_postgresql_taken_while_the_gateway_runs_is_restored_with_its_log() {
    let mut server = Server::start().unwrap();
    let database = fresh_database(&server.connection_string()).await.unwrap();
    let world =
        World::new(&format!("storage = {{ engine = \"postgres\", postgres = {{ url = \"{database}\" }} }}")).await;
    let copy = commands("postgresql.md", "pg_basebackup", &[("/backup", world.backup())]);
    world.back_up(run(copy, Some(&server.connection_string()))).await;
    let base = std::fs::read_dir(world.backup.path()).unwrap().next().unwrap().unwrap().path();
    let _server =
        tokio::task::spawn_blocking(move || server.restart_on(&base).map(|()| server)).await.unwrap().unwrap();
    world.is_restored_at(&Place::Postgres(postgres_settings(database))).await;
}
