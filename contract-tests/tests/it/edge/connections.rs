//! Connections that are too many, too slow, or of which it is not certain what they ask.

use std::time::{Duration, Instant};

use lienthong_sandbox::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{World, dossier};

/// What comes back for these bytes until the connection is closed, or for `within`.
async fn raw(world: &World, bytes: &[u8], within: Duration) -> (String, bool) {
    let mut connection = TcpStream::connect(world.deployment.address).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(within, connection.read_to_end(&mut answer)).await.is_ok();
    (String::from_utf8_lossy(&answer).into_owned(), closed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_exactly_one_host_is_refused() {
    let world = World::start().await;
    for (what, head) in [
        ("none", "GET /livez HTTP/1.1\r\n\r\n"),
        ("two", "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("the same twice", "GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        ("an empty one", "GET /livez HTTP/1.1\r\nHost:\r\n\r\n"),
        ("another one than the target's", "GET http://a/livez HTTP/1.1\r\nHost: b\r\n\r\n"),
    ] {
        let (answer, closed) = raw(&world, head.as_bytes(), Duration::from_secs(3)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
        assert!(closed, "{what}: the connection goes on");
    }
    let (answer, _) =
        raw(&world, b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Duration::from_secs(3)).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

/// Of two lengths the one that counts is not certain to whoever stands in front: what is left over is never a request.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_smuggled_behind_a_second_length_is_never_answered() {
    let world = World::start().await;
    let smuggled = "GET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    for lengths in
        ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let bytes = format!("POST /oauth/token HTTP/1.1\r\nHost: a\r\n{lengths}\r\n\r\n0\r\n\r\n{smuggled}");
        let (answer, closed) = raw(&world, bytes.as_bytes(), Duration::from_secs(3)).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{lengths}: {answer}");
        assert!(closed, "{lengths}: the connection goes on");
    }
    for lengths in [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: +1",
        "Content-Length: 1, 1",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: x",
        "Transfer-Encoding : chunked",
        "Content-Length: 1\r\n Content-Length: 2",
    ] {
        let bytes = format!("POST /oauth/token HTTP/1.1\r\nHost: a\r\n{lengths}\r\n\r\nx{smuggled}");
        let (answer, closed) = raw(&world, bytes.as_bytes(), Duration::from_secs(3)).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && closed, "{lengths}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_its_head_drop_by_drop_or_says_nothing_is_cut_off_and_others_are_served() {
    let world = World::with(Settings::default(), "http.header_read_timeout_ms = 500").await;
    let started = Instant::now();
    let mut slow = Vec::new();
    for n in 0..100 {
        let mut connection = TcpStream::connect(world.deployment.address).await.unwrap();
        if n % 2 == 0 {
            connection.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nX-").await.unwrap();
        }
        slow.push(connection);
    }
    world.put("H15.50-261121-0001", &dossier("received")).await.is(202);
    for mut connection in slow {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), connection.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "a connection that says nothing is still open after {:?}", started.elapsed());
    }
    // One that has asked something may stay for as long, and no longer.
    let mut connection = TcpStream::connect(world.deployment.address).await.unwrap();
    connection.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), connection.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "an idle connection is never closed");
    assert!(rest.starts_with(b"HTTP/1.1 204 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_address_are_bounded_and_places_come_back() {
    let world = World::with(Settings::default(), "server.most_connections_of_one_address = 20").await;
    let mut open = Vec::new();
    for _ in 0..30 {
        let mut connection = TcpStream::connect(world.deployment.address).await.unwrap();
        let _ = connection.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut byte = [0];
        let answered = tokio::time::timeout(Duration::from_secs(2), connection.read(&mut byte)).await;
        if matches!(answered, Ok(Ok(1))) {
            open.push(connection);
        }
    }
    // The test's own client holds one or two.
    assert!((15..=20).contains(&open.len()), "{} connections were answered", open.len());
    drop(open);
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.put("H15.50-261121-0001", &dossier("received")).await.is(202);
}
