//! What is not fit to be copied is refused before anything is copied, with the remedy.

use std::path::Path;
use std::time::Duration;

use lienthong::storage::NEWEST_SCHEMA;
use lienthong_contract_tests::gateway::Deployment;
use lienthong_contract_tests::scenarios::copy::{command, data_folder, move_to};

use super::{change, filled, is_equal, is_refused, migrated_target, new_target, run, source, storage};

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
