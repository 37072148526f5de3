//! The private PostgreSQL server that other tests lean on.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lienthong_contract_tests::postgres::{Server, VARIABLE, fresh_database};
use tokio_postgres::{Client, NoTls};

async fn connect(database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn numbers(client: &Client) -> Vec<i32> {
    client.query("SELECT number FROM numbers ORDER BY 1", &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_server_that_is_killed_comes_back_with_what_was_committed() {
    let mut server = Server::start().unwrap();
    let database = fresh_database(&server.connection_string()).await.unwrap();
    let client = connect(&database).await;
    client.batch_execute("CREATE TABLE numbers (number int); INSERT INTO numbers VALUES (1)").await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO numbers VALUES (2)").await.unwrap();
    server.kill().unwrap();
    assert!(client.simple_query("COMMIT").await.is_err(), "its processes are gone");
    server.restart().unwrap();
    assert_eq!(numbers(&connect(&database).await).await, [1]);
    server.restart().unwrap();
    assert_eq!(numbers(&connect(&database).await).await, [1]);
}

#[tokio::test]
async fn fresh_databases_of_one_server_do_not_see_each_other() {
    let server = Server::start_with(&[("max_connections", "20")]).unwrap();
    let (one, other) =
        tokio::join!(async { connect(&fresh_database(&server.connection_string()).await.unwrap()).await }, async {
            connect(&fresh_database(&server.connection_string()).await.unwrap()).await
        },);
    for (client, number) in [(&one, 1), (&other, 2)] {
        client.batch_execute("CREATE TABLE numbers (number int)").await.unwrap();
        client.execute("INSERT INTO numbers VALUES ($1)", &[&number]).await.unwrap();
    }
    assert_eq!(numbers(&one).await, [1]);
    assert_eq!(numbers(&other).await, [2]);
    let settings = "SELECT current_setting('max_connections'), current_setting('fsync'), \
                    current_setting('synchronous_commit'), current_setting('listen_addresses'), \
                    current_setting('lc_collate'), current_setting('server_encoding')";
    let row = one.query_one(settings, &[]).await.unwrap();
    let settings: Vec<&str> = (0..row.len()).map(|column| row.get(column)).collect();
    assert_eq!(settings, ["20", "on", "on", "", "C", "UTF8"], "durable, and reached through its socket only");
}

#[test]
fn a_command_with_a_server_ends_as_it_would_without() {
    for (script, code) in [("exit 7", 7), ("kill -TERM $$", 128 + 15), (&format!("test -n \"${VARIABLE}\""), 0)] {
        let status = Command::new(env!("CARGO_BIN_EXE_with_postgres")).args(["sh", "-c", script]).status().unwrap();
        assert_eq!(status.code(), Some(code), "{script}");
    }
}

#[tokio::test]
async fn a_killed_test_run_leaves_no_server_behind() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_with_postgres"));
    // `cat` ends with this test, whatever becomes of `run`.
    run.args(["sh", "-c", &format!("echo \"${VARIABLE}\"; exec cat")]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut run = run.spawn().unwrap();
    let mut server = String::new();
    BufReader::new(run.stdout.take().unwrap()).read_line(&mut server).unwrap();
    let client = connect(server.trim()).await;
    client.simple_query("SELECT 1").await.unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !client.is_closed() || tokio_postgres::connect(server.trim(), NoTls).await.is_ok() {
        assert!(Instant::now() < deadline, "the server still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Only the value's end removes the folder.
    let folder = server.strip_prefix("host=").and_then(|rest| rest.split(' ').next()).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
