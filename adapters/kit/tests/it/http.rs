//! "Never written" and "nobody knows" are told apart on a real socket.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lienthong_adapter_kit::Tools;
use lienthong_adapter_kit::http::{Call, CallError, HttpClient, HttpSettings, Reply, Url};
use lienthong_adapter_kit::retry_budget::RetryBudgetSettings;
use lienthong_adapter_kit::standing::{self, Standing};
use lienthong_domain::invalid::InvalidFields;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn settings() -> HttpSettings {
    deserr::deserialize::<_, _, InvalidFields>(json!({
        "connect_timeout_ms": 700, "total_timeout_ms": 800, "most_reply_bytes": 100, "most_in_flight": 2,
        "turn_timeout_ms": 100, "pool_idle_timeout_ms": 1000, "pool_most_idle": 2,
        "send_trace": true, "retry_budget": { "percent": 10, "most_saved": 2 }
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

fn new_client(settings: HttpSettings, standing: Arc<dyn Standing>) -> HttpClient {
    let clock = Arc::new(lienthong_domain::time::SystemClock);
    HttpClient::new("test", &settings, &Tools { standing, ..Tools::of_one_process(clock) }).unwrap()
}

/// A call that may change something.
fn change(url: Url, headers: &[(String, String)], body: Vec<u8>) -> Call<'_> {
    Call { url, headers, body, is_read: false, agency: None }
}

async fn call(url: Url) -> Result<Reply, CallError> {
    new_client(settings(), standing::always()).post_json(change(url, &[], b"{\"name\":\"in the body\"}".to_vec())).await
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
        Err(CallError::NotSent { note } | CallError::NotTried { note }) => {
            assert!(!note.contains("in-the-url"), "{note}")
        }
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
    let client = new_client(HttpSettings { most_in_flight: 1, ..settings() }, standing::always());
    let (first, second) = tokio::join!(
        client.post_json(change(url.clone(), &[], Vec::new())),
        client.post_json(change(url, &[], Vec::new()))
    );
    assert_ambiguous(first);
    assert_not_sent(second);
}

#[tokio::test]
async fn a_header_that_cannot_be_written_was_not_sent() {
    let url = says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = new_client(settings(), standing::always());
    assert_not_sent(client.post_json(change(url, &[("a".to_owned(), "b\r\nc: d".to_owned())], Vec::new())).await);
}

#[test]
fn limits_that_cannot_hold_are_all_named() {
    let wrong = deserr::deserialize::<HttpSettings, _, InvalidFields>(json!({
        "connect_timeout_ms": 500, "total_timeout_ms": 500, "most_reply_bytes": 0, "most_in_flight": 0,
        "turn_timeout_ms": 1, "pool_idle_timeout_ms": 1, "pool_most_idle": 1,
        "send_trace": true, "retry_budget": { "percent": 10, "most_saved": 2 }
    }))
    .unwrap_err();
    let places: Vec<_> = wrong.fields().iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(places, ["/most_reply_bytes", "/most_in_flight", "/total_timeout_ms"]);
    let budget = json!({ "percent": 101, "most_saved": 0 });
    let wrong = deserr::deserialize::<RetryBudgetSettings, _, InvalidFields>(budget).unwrap_err();
    let places: Vec<_> = wrong.fields().iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(places, ["/percent", "/most_saved"]);
}

const BODY: &[u8] = b"{\"name\":\"in the body\"}";

/// Answers every request that is complete with 200, and keeps what arrived on each connection.
async fn recorder() -> (Url, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/path?q=1", listener.local_addr().unwrap())).unwrap();
    let arrived: Arc<Mutex<Vec<String>>> = Arc::default();
    let record = arrived.clone();
    tokio::spawn(async move {
        for connection in 0.. {
            let Ok((mut socket, _)) = listener.accept().await else { return };
            record.lock().unwrap().push(String::new());
            let record = record.clone();
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = socket.read(&mut bytes).await {
                    let is_complete = {
                        let all = &mut record.lock().unwrap()[connection];
                        all.push_str(&String::from_utf8_lossy(&bytes[..read]));
                        all.as_bytes().ends_with(BODY)
                    };
                    if is_complete {
                        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                    }
                }
            });
        }
    });
    (url, arrived)
}

/// What arrived on each connection, once nothing more can come.
async fn all_of(arrived: &Mutex<Vec<String>>) -> Vec<String> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    arrived.lock().unwrap().clone()
}

/// Says yes this many times, then no: a process that was paused in between.
struct Yes(AtomicUsize);

impl Yes {
    fn times(times: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(times)))
    }
}

impl Standing for Yes {
    fn epoch(&self) -> Option<u64> {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok().then_some(1)
    }
}

/// Another number each time: a process that was given up and joined anew in between.
struct Anew(AtomicU64);

impl Standing for Anew {
    fn epoch(&self) -> Option<u64> {
        Some(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

fn assert_lease_ended(result: Result<Reply, CallError>) {
    let (Err(CallError::NotSent { note }) | Err(CallError::NotTried { note })) = result else { panic!("sent") };
    assert_eq!(note, "this replica's lease has ended");
}

#[tokio::test]
async fn a_replica_whose_lease_has_ended_does_not_even_connect() {
    let (url, arrived) = recorder().await;
    let client = new_client(settings(), Yes::times(0));
    assert_lease_ended(client.post_json(change(url, &[], BODY.to_vec())).await);
    assert_eq!(all_of(&arrived).await, [""; 0]);
}

#[tokio::test]
async fn a_lease_that_ends_before_the_body_is_taken_keeps_it_back() {
    let large = [vec![b' '; 3_000_000], BODY.to_vec()].concat();
    for body in [BODY.to_vec(), large] {
        let (url, arrived) = recorder().await;
        let client = new_client(settings(), Yes::times(1));
        assert_lease_ended(client.post_json(change(url, &[], body)).await);
        let arrived = all_of(&arrived).await;
        let rest = arrived.iter().map(|all| all.split_once("\r\n\r\n").map_or("", |(_, body)| body));
        assert!(rest.clone().all(str::is_empty), "{arrived:?}");
    }
}

#[tokio::test]
async fn a_process_that_joined_anew_does_not_send_what_it_began_before() {
    let (url, arrived) = recorder().await;
    let client = new_client(settings(), Arc::new(Anew(AtomicU64::new(1))));
    assert_lease_ended(client.post_json(change(url, &[], BODY.to_vec())).await);
    assert!(all_of(&arrived).await.iter().all(|all| !all.contains("in the body")));
}

#[tokio::test]
async fn a_lease_that_ends_between_two_calls_on_one_connection_keeps_the_second_back() {
    let (url, arrived) = recorder().await;
    let standing = Yes::times(3);
    let client = new_client(settings(), standing.clone());
    assert_eq!(client.post_json(change(url.clone(), &[], BODY.to_vec())).await.map(|reply| reply.status), Ok(200));
    assert_eq!(standing.0.load(Ordering::SeqCst), 1, "asked before the call and for its bytes, and not after them");
    assert_lease_ended(client.post_json(change(url, &[], BODY.to_vec())).await);
    let arrived = all_of(&arrived).await;
    assert_eq!((arrived.len(), arrived[0].matches("in the body").count()), (1, 1), "{arrived:?}");
}

#[tokio::test]
async fn the_guard_does_not_change_a_byte_of_the_request() {
    let (url, arrived) = recorder().await;
    let host = url.authority().to_owned();
    let client = new_client(settings(), standing::always());
    client.post_json(change(url, &[("dstcode".to_owned(), "x".to_owned())], BODY.to_vec())).await.map(drop).unwrap();
    let expected = format!(
        "POST /path?q=1 HTTP/1.1\r\ncontent-type: application/json\r\ndstcode: x\r\naccept: */*\r\n\
         user-agent: lienthong/0.1.0\r\nhost: {host}\r\ncontent-length: 22\r\n\r\n{{\"name\":\"in the body\"}}"
    );
    assert_eq!(all_of(&arrived).await, [expected]);
}
