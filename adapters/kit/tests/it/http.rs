//! "Never written" and "nobody knows" are told apart on a real socket.

use std::time::Duration;

use lienthong_adapter_kit::http::{CallError, HttpClient, HttpSettings, Reply, Url};
use lienthong_domain::invalid::InvalidFields;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn settings() -> HttpSettings {
    deserr::deserialize::<_, _, InvalidFields>(json!({
        "connect_timeout_ms": 700, "total_timeout_ms": 800, "most_reply_bytes": 100, "most_in_flight": 2,
        "turn_timeout_ms": 100, "pool_idle_timeout_ms": 1000, "pool_most_idle": 2
    }))
    .unwrap()
}

/// Serves every connection with `answer`, which is given the socket after the request's head was read.
async fn server<F, A>(answer: F) -> Url
where
    F: Fn(TcpStream) -> A + Send + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/path?secret=in-the-url", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            tokio::spawn(answer(socket));
        }
    });
    url
}

async fn says(text: &'static str) -> Url {
    server(move |mut socket| async move {
        let _ = socket.write_all(text.as_bytes()).await;
    })
    .await
}

async fn call(url: Url) -> Result<Reply, CallError> {
    HttpClient::new(&settings()).unwrap().post_json(url, &[], b"{\"name\":\"in the body\"}".to_vec()).await
}

fn assert_ambiguous(result: Result<Reply, CallError>) -> String {
    match result {
        Err(CallError::Ambiguous { note }) => {
            assert!(
                !note.contains("in-the-url") && !note.contains("in the body") && !note.contains("127.0.0.1"),
                "{note}"
            );
            note
        }
        Err(other) => panic!("{other}"),
        Ok(reply) => panic!("a reply of status {}", reply.status),
    }
}

fn assert_not_sent(result: Result<Reply, CallError>) {
    match result {
        Err(CallError::NotSent { note }) => assert!(!note.contains("in-the-url"), "{note}"),
        Err(other) => panic!("{other}"),
        Ok(reply) => panic!("a reply of status {}", reply.status),
    }
}

#[tokio::test]
async fn a_refused_port_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/?secret=in-the-url", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    assert_not_sent(call(url).await);
}

#[tokio::test]
async fn an_unknown_name_was_not_sent() {
    assert_not_sent(call(Url::parse("http://no-such-host.invalid/?secret=in-the-url").unwrap()).await);
}

#[tokio::test]
async fn a_failed_tls_handshake_was_not_sent() {
    let mut url = says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    url.set_scheme("https").unwrap();
    assert_not_sent(call(url).await);
}

#[tokio::test]
async fn accepted_and_closed_is_ambiguous() {
    assert_ambiguous(call(server(|socket| async move { drop(socket) }).await).await);
}

#[tokio::test]
async fn half_a_reply_is_ambiguous() {
    assert_ambiguous(call(says("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf").await).await);
}

#[tokio::test]
async fn half_a_head_is_ambiguous() {
    assert_ambiguous(call(says("HTTP/1.1 200 OK\r\nconten").await).await);
}

#[tokio::test]
async fn what_is_not_http_is_ambiguous() {
    assert_ambiguous(call(says("SSH-2.0-OpenSSH\r\n").await).await);
}

#[tokio::test]
async fn a_slow_drip_beyond_the_timeout_is_ambiguous() {
    let url = server(|mut socket| async move {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n").await;
        for _ in 0..90 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if socket.write_all(b".").await.is_err() {
                return;
            }
        }
    })
    .await;
    assert_eq!(assert_ambiguous(call(url).await), "no complete reply within 800 ms");
}

#[tokio::test]
async fn silence_is_ambiguous() {
    let url = server(|socket| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(socket);
    })
    .await;
    assert_eq!(assert_ambiguous(call(url).await), "no complete reply within 800 ms");
}

#[tokio::test]
async fn an_announced_oversize_reply_is_ambiguous() {
    let note = assert_ambiguous(call(says("HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n").await).await);
    assert_eq!(note, "reply longer than 100 bytes");
}

#[tokio::test]
async fn an_unannounced_oversize_reply_is_ambiguous() {
    let url = server(|mut socket| async move {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for _ in 0..1000 {
            if socket.write_all(b"10\r\n0123456789abcdef\r\n").await.is_err() {
                return;
            }
        }
    })
    .await;
    assert_eq!(assert_ambiguous(call(url).await), "reply longer than 100 bytes");
}

#[tokio::test]
async fn a_redirect_is_a_reply_and_is_not_followed() {
    let url = says("HTTP/1.1 307 Temporary\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(call(url).await.map(|reply| reply.status).unwrap(), 307);
}

#[tokio::test]
async fn a_reply_keeps_its_status_body_and_pause() {
    let url = says("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno").await;
    let reply = call(url).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((reply.status, reply.retry_after, reply.body), (429, Some(Duration::from_secs(7)), b"no".to_vec()));
}

#[tokio::test]
async fn a_call_without_a_turn_was_not_sent() {
    let url = server(|socket| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(socket);
    })
    .await;
    let client = HttpClient::new(&HttpSettings { most_in_flight: 1, ..settings() }).unwrap();
    let (first, second) =
        tokio::join!(client.post_json(url.clone(), &[], Vec::new()), client.post_json(url, &[], Vec::new()));
    assert_ambiguous(first);
    assert_not_sent(second);
}

#[tokio::test]
async fn a_header_that_cannot_be_written_was_not_sent() {
    let url = says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = HttpClient::new(&settings()).unwrap();
    assert_not_sent(client.post_json(url, &[("a".to_owned(), "b\r\nc: d".to_owned())], Vec::new()).await);
}

#[test]
fn limits_that_cannot_hold_are_all_named() {
    let wrong = deserr::deserialize::<HttpSettings, _, InvalidFields>(json!({
        "connect_timeout_ms": 500, "total_timeout_ms": 500, "most_reply_bytes": 0, "most_in_flight": 0,
        "turn_timeout_ms": 1, "pool_idle_timeout_ms": 1, "pool_most_idle": 1
    }))
    .unwrap_err();
    let places: Vec<_> = wrong.fields().iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(places, ["/most_reply_bytes", "/most_in_flight", "/total_timeout_ms"]);
}
