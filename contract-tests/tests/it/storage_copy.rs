//! From SQLite to PostgreSQL by the real program: everything arrives, the gateway goes on there, and what is not fit to be
//! copied is refused with the remedy.

mod comparing;
mod moving;
mod refusals;
mod schema;

use std::path::PathBuf;
use std::process::Command;

use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::postgres::Postgres;
use lienthong_contract_tests::gateway::Deployment;
use lienthong_contract_tests::postgres::{fresh_database, server_for_tests};
use lienthong_contract_tests::scenarios::copy::{command, data_folder, make_source};
use rusqlite::Connection;
use tokio_postgres::{Client, NoTls};

use super::stores::postgres_settings;

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
