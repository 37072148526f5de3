//! Keys are changed beside a running gateway: what was proved stays proved, what was kept stays readable, and what was erased opens
//! nowhere any more.

use std::path::Path;
use std::sync::Arc;

use lienthong::storage::bodies::Bodies;
use lienthong::storage::generations::{Generation, KeyName, Purpose};
use lienthong::storage::keys::Keys;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE, client};
use lienthong_contract_tests::postgres::{fresh_database, server_for_tests};
use lienthong_domain::time::Timestamp;
use lienthong_sandbox::{Sandbox, Settings};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::json;
use uuid::Uuid;

use super::stores::eventually;
use super::support::{Answer, World, dossier, dossier_path, dossier_with};

const BY: &str = "Trần Văn Khóa";

async fn run(world: &World, arguments: &[&str], code: i32) -> String {
    let output = world.cli(arguments).await;
    let printed = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
    printed
}

/// Until an operator's command succeeds: replicas notice what has changed within seconds.
async fn in_the_end(world: &World, arguments: &[&str]) {
    let mut said = String::new();
    eventually(&format!("{arguments:?}"), async || {
        let output = world.cli(arguments).await;
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("{said}");
        output.status.success()
    })
    .await;
}

/// How many keys have signed the newest head.
async fn signatures(world: &World) -> usize {
    let head = Answer::of(world.request(Method::GET, "/audit/checkpoint")).await.is(200).text;
    head.lines().filter(|line| line.starts_with('—')).count()
}

async fn prove(world: &World, id: &str, file: &Path) -> String {
    let file = file.display().to_string();
    eventually("it is signed", async || world.cli(&["audit", "prove", id, "--file", &file]).await.status.success())
        .await;
    file
}

async fn newest_accept(world: &World) -> String {
    let found = world.wait_for("/v1/audit/records?kind=accept", |found| found["items"][0].is_object()).await;
    found["items"][0]["record"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_signs_the_log_is_changed_and_what_each_has_signed_is_verified() {
    let mut world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    world.put("000.00.50.H15-261122-0001", &dossier("received")).await.is(202);
    world.settle().await;
    let old_key = run(&world, &["audit", "key"], 0).await.lines().next().unwrap().to_owned();
    let old_proof = prove(&world, &newest_accept(&world).await, &folder.path().join("old")).await;

    assert!(run(&world, &["keys", "add", "audit"], 0).await.contains("audit-2.key"));
    assert!(run(&world, &["keys", "list"], 0).await.contains("audit-2"));
    in_the_end(&world, &["keys", "use", "audit-2", "--by", BY]).await;
    assert_eq!(signatures(&world).await, 1, "nothing was done without --yes");
    in_the_end(&world, &["keys", "use", "audit-2", "--by", BY, "--yes"]).await;
    assert!(run(&world, &["keys", "use", "audit-2", "--by", BY, "--yes"], 1).await.contains("in use already"));
    eventually("both sign", async || {
        world.put("000.00.50.H15-261122-0002", &dossier_with("/note", json!(Uuid::now_v7().to_string()))).await.is(202);
        world.settle().await;
        signatures(&world).await == 2
    })
    .await;
    let keys = run(&world, &["audit", "key"], 0).await;
    let new_key = keys.lines().nth(1).unwrap().to_owned();
    assert_ne!(new_key, old_key);
    let middle_proof = prove(&world, &newest_accept(&world).await, &folder.path().join("middle")).await;
    for key in [&old_key, &new_key] {
        run(&world, &["audit", "verify-proof", &middle_proof, "--key", key], 0).await;
    }

    assert!(run(&world, &["keys", "retire", "audit-2", "--by", BY, "--yes"], 1).await.contains("the newest"));
    run(&world, &["keys", "retire", "audit-1", "--by", BY, "--yes"], 0).await;
    assert!(!world.deployment.folder().join("keys/audit-1.key").exists());
    eventually("only the new one signs", async || {
        world.put("000.00.50.H15-261122-0003", &dossier_with("/note", json!(Uuid::now_v7().to_string()))).await.is(202);
        world.settle().await;
        signatures(&world).await == 1
    })
    .await;
    let new_proof = prove(&world, &newest_accept(&world).await, &folder.path().join("new")).await;
    run(&world, &["audit", "verify-proof", &old_proof, "--key", &old_key], 0).await;
    run(&world, &["audit", "verify-proof", &new_proof, "--key", &new_key], 0).await;
    run(&world, &["audit", "verify-proof", &new_proof, "--key", &old_key], 1).await;
    let both = ["audit", "verify", "--key", &old_key, "--key", &new_key];
    run(&world, &both, 0).await;
    run(&world, &["audit", "verify"], 0).await;
    let said = run(&world, &["audit", "verify", "--key", &old_key], 1).await;
    assert!(said.contains("--key"), "whoever knows only the old key is told what is missing: {said}");

    world.restart().await;
    let before = Answer::of(world.request(Method::GET, "/audit/checkpoint")).await.is(200).text;
    world.put("000.00.50.H15-261122-0004", &dossier("received")).await.is(202);
    world.settle().await;
    eventually("it is signed after a restart", async || {
        Answer::of(world.request(Method::GET, "/audit/checkpoint")).await.is(200).text != before
    })
    .await;
    assert_eq!(signatures(&world).await, 1);
    run(&world, &both, 0).await;
    let records = world.get("/v1/audit/records?kind=key").await.json();
    let ops: Vec<&str> =
        records["items"].as_array().unwrap().iter().map(|item| item["record"]["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["key.retire", "key.use"], "{records}");
    assert_eq!(records["items"][1]["record"]["generation"]["name"], "audit-2", "{records}");
    assert!(!records.to_string().contains(BY), "{records}");
}

/// How many bodies of a database open with the keys of this folder, and how many there are.
fn opens(folder: &Path, database: &Path) -> (usize, usize) {
    let retired = |number: u32| Generation {
        key: KeyName { purpose: Purpose::Contents, number },
        used_from: Timestamp::from_micros(0),
        retired_at: (number == 1).then(|| Timestamp::from_micros(1)),
        public: None,
    };
    let keys = Keys::open(folder, false, &[]).or_else(|_| Keys::open(folder, false, &[retired(1), retired(2)]));
    let bodies = Bodies::new(Arc::new(keys.unwrap()));
    let database = Connection::open(database).unwrap();
    let mut statement = database.prepare("SELECT id, wrapped_key, sealed FROM body").unwrap();
    let rows = statement.query_map([], |row| Ok((Uuid::from_bytes(row.get(0)?), row.get(1)?, row.get(2)?))).unwrap();
    let rows: Vec<(Uuid, Vec<u8>, Vec<u8>)> = rows.collect::<Result<_, _>>().unwrap();
    (rows.iter().filter(|(id, wrapped, sealed)| bodies.open(*id, wrapped, sealed).is_ok()).count(), rows.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_contents_is_changed_and_what_was_erased_opens_nowhere_any_more() {
    let mut world = World::outside("").await;
    for n in 0..30 {
        world.put(&format!("000.00.50.H15-261122-{n:04}"), &dossier("received")).await.is(202);
    }
    world.settle().await;
    // As the log, a standby or an archive of PostgreSQL would keep it.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.sqlite");
    world.copy_to(&copy);
    let keys = world.deployment.folder().join("keys");
    let opens = |database: &Path| opens(&keys, database);
    assert_eq!(opens(&copy), (30, 30));
    let erased = ["erase", "dossier", "000.00.50.H15-261122-0007", "--ground", "on-request", "--by", BY, "--yes"];
    run(&world, &erased, 0).await;

    run(&world, &["keys", "add", "bodies"], 0).await;
    assert!(run(&world, &["keys", "retire", "bodies-1", "--by", BY, "--yes"], 1).await.contains("only one in use"));
    in_the_end(&world, &["keys", "use", "bodies-2", "--by", BY, "--yes"]).await;
    world.put("000.00.50.H15-261122-0040", &dossier("received")).await.is(202);
    assert!(run(&world, &["keys", "retire", "bodies-1", "--by", BY], 0).await.contains("--yes"));
    in_the_end(&world, &["keys", "retire", "bodies-1", "--by", BY, "--yes"]).await;
    assert!(!world.deployment.folder().join("keys/bodies-1.key").exists());

    for round in 0..2 {
        for n in [0, 6, 8, 29, 40] {
            let shown = world.get(&dossier_path(&format!("000.00.50.H15-261122-{n:04}"))).await.is(200).json();
            assert!(shown["dossier"].is_object() || shown["state"].is_string(), "round {round}: {shown}");
        }
        world.put(&format!("000.00.50.H15-261122-005{round}"), &dossier("received")).await.is(202);
        world.settle().await;
        // Keys that sign tokens were wrapped anew, too: the same token still counts.
        world.restart().await;
        world.get("/v1/dossiers").await.is(200);
        world.deployment.token(PROVINCE).await.unwrap();
    }
    assert_eq!(opens(&copy), (0, 30), "a copy from before opens no more, what was erased included");
    world.stop().await;
    let here = opens(&world.database());
    assert_eq!(here.0, here.1, "everything that is kept opens");
    let database = Connection::open(world.database()).unwrap();
    let old: i64 = database.query_row("SELECT count(*) FROM body WHERE key_id <> 2", [], |row| row.get(0)).unwrap();
    assert_eq!(old, 0);
}

/// The keys of a folder, in another one.
fn copy_keys(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "key") {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_taken_into_use_that_a_replica_does_not_have() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let database = fresh_database(&server_for_tests().unwrap()).await.unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let replicas = folders.each_ref().map(|folder| {
        let storage = format!(
            "storage = {{ engine = \"postgres\", keys_folder = {:?}, postgres = {{ url = \"{database}\" }} }}\nreplicas.lease_ms = 5000",
            folder.path()
        );
        Deployment::new(&sandbox.url(), &storage).unwrap()
    });
    let (_first, _) = replicas[0].spawn().await.unwrap();
    copy_keys(folders[0].path(), folders[1].path());
    std::fs::set_permissions(folders[1].path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let (_second, _) = replicas[1].spawn_with(&[]).await.unwrap();
    let token = replicas[0].token(PROVINCE).await.unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = replicas[0].command().unwrap();
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.success(), [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat())
    };
    for purpose in ["audit", "bodies"] {
        assert!(run(&["keys", "add", purpose]).await.0);
        let name = format!("{purpose}-2");
        let take_into_use = ["keys", "use", &name, "--by", BY, "--yes"];
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let (done, said) = run(&take_into_use).await;
        assert!(!done && said.contains("does not have"), "{said}");
        copy_keys(folders[0].path(), folders[1].path());
        eventually("every replica has it", async || run(&take_into_use).await.0).await;
        let retire = ["keys", "retire", &format!("{purpose}-1"), "--by", BY, "--yes"];
        eventually("every replica uses it", async || run(&retire).await.0).await;
    }
    for (replica, other) in [(0, 1), (1, 0)] {
        let path = dossier_path(&format!("000.00.50.H15-261122-000{replica}"));
        let put = client().put(format!("{}{path}", replicas[replica].url())).bearer_auth(&token);
        Answer::of(put.json(&dossier("received"))).await.is(202);
        Answer::of(client().get(format!("{}{path}", replicas[other].url())).bearer_auth(&token)).await.is(200);
    }
}
