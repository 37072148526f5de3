//! Whoever sends its body, or takes its answers, drop by drop: it is cut off in time, and meanwhile holds up nobody.

use std::time::{Duration, Instant};

use lienthong_contract_tests::gateway::PROVINCE;
use lienthong_sandbox::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{World, dossier, dossier_path};

/// A connection that promises a body of a thousand bytes and gives the first.
async fn begin(world: &World, head: &str) -> TcpStream {
    let mut connection = TcpStream::connect(world.deployment.address).await.unwrap();
    let head = format!("{head} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n");
    let token = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n\r\n{{", world.token);
    connection.write_all(format!("{head}{token}").as_bytes()).await.unwrap();
    connection
}

/// What is answered; a byte is sent every 100 ms meanwhile.
async fn drip(connection: &mut TcpStream) -> String {
    let (mut reading, mut writing) = connection.split();
    let mut answer = Vec::new();
    let read = async { reading.read_to_end(&mut answer).await };
    let write = async {
        while writing.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = tokio::time::timeout(Duration::from_secs(10), read) => {}
        () = write => {}
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_drop_by_drop_is_answered_408_and_nothing_is_stored() {
    let world = World::with(Settings::default(), "http.body_read_timeout_ms = 1000").await;
    for head in ["POST /oauth/token".to_owned(), format!("PUT {}", dossier_path("H15.50-261121-0001"))] {
        let started = Instant::now();
        let answer = drip(&mut begin(&world, &head).await).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request.timeout"), "{head}: {answer}");
        assert!(started.elapsed() < Duration::from_secs(5), "{head}: {:?}", started.elapsed());
    }
    world.nothing_happened("slow bodies").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_send_slowly_hold_no_place() {
    let world = World::with(Settings::default(), "http = { concurrent_requests = 10, place_wait_ms = 50 }").await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(begin(&world, "POST /oauth/token").await);
    }
    // They are there: all of them are read by now.
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.put("H15.50-261121-0001", &dossier("received")).await.is(202);
    world.deployment.token(PROVINCE).await.unwrap();
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_answered_otherwise_is_refused_for_what_it_is_also_while_there_is_no_place() {
    let world = World::with(Settings::default(), "http = { concurrent_requests = 1, place_wait_ms = 50 }").await;
    let holds_the_place = begin(&world, &format!("PUT {}", dossier_path("H15.50-261121-0001"))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let large = "x".repeat(17 * 1024);
    let form = "POST /oauth/token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n";
    for (expected, request) in [
        ("413", format!("{form}Host: a\r\nContent-Length: {}\r\n\r\n{large}", large.len())),
        ("503", format!("{form}Host: a\r\nContent-Length: 1\r\n\r\nx")),
        ("400", format!("{form}Host: a\r\nHost: b\r\nContent-Length: 1\r\n\r\n")),
    ] {
        let mut connection = TcpStream::connect(world.deployment.address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), connection.read_to_end(&mut answer)).await.expect("none");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{expected}: {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("x-request-id"), "{answer}");
    }
    drop(holds_the_place);
}

/// Asks for the API document so often that no buffer on the way holds all the answers, and reads as `take` does before it
/// reads as fast as it can; how many answers came.
async fn answers(world: &World, take: impl AsyncFnOnce(&mut TcpStream)) -> usize {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut connection = socket.connect(world.deployment.address).await.unwrap();
    let one = "GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    connection.write_all(format!("{}{last}", one.repeat(ASKED)).as_bytes()).await.unwrap();
    take(&mut connection).await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), connection.read_to_end(&mut rest)).await.expect("still open");
    String::from_utf8_lossy(&rest).matches("HTTP/1.1 20").count()
}

const ASKED: usize = 200;

/// Bytes that the kernel has taken from the gateway for this connection and not got rid of.
fn queued(world: &World, connection: &TcpStream) -> usize {
    let ends = [world.deployment.address.port(), connection.local_addr().unwrap().port()];
    let ends = ends.map(|port| format!("0100007F:{port:04X}"));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let cells = lines.into_iter().find(|cells| cells[1..3] == ends).expect("the connection is gone");
    usize::from_str_radix(cells[4].split(':').next().unwrap(), 16).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_take_its_answers_is_cut_off() {
    let world = World::with(Settings::default(), "http.write_timeout_ms = 700").await;
    let at_once = answers(&world, async |_| {}).await;
    assert_eq!(at_once, ASKED + 1, "what is asked for is answered");
    let mut waiting = 0;
    let late = answers(&world, async |connection: &mut TcpStream| {
        tokio::time::sleep(Duration::from_millis(400)).await;
        waiting = queued(&world, connection);
        tokio::time::sleep(Duration::from_secs(2)).await;
    })
    .await;
    assert!(late < ASKED, "nothing was taken for two seconds, and then all {late} answers");
    assert!((1..=600_000).contains(&waiting), "{waiting} bytes wait in the kernel for who takes nothing");
    let slow = answers(&world, async |connection: &mut TcpStream| {
        for _ in 0..60 {
            let _ = connection.read(&mut [0; 1000]).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(slow < ASKED, "a kilobyte at a time was taken for three seconds, and then all {slow} answers");
    world.put("H15.50-261121-0001", &dossier("received")).await.is(202);
}
