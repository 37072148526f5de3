//! Trouble of another system stays its own: reads are repeated within a budget, nothing is waited for beyond the time that
//! there is, quotas are asked before each call, and a breaker answers at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lienthong_adapter_kit::breaker::{BreakerSettings, RouteBreaker};
use lienthong_adapter_kit::http::{Call, CallError, HttpClient, HttpSettings, Url};
use lienthong_adapter_kit::retry_budget::{RetryBudget, RetryBudgetSettings};
use lienthong_adapter_kit::upstream_quota::UpstreamQuotas;
use lienthong_adapter_kit::{Tools, time_budget};
use lienthong_domain::invalid::InvalidFields;
use lienthong_domain::port::{PortError, PortErrorKind};
use lienthong_domain::time::SystemClock;
use proptest::prelude::*;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn settings(percent: u32) -> HttpSettings {
    deserr::deserialize::<_, _, InvalidFields>(json!({
        "connect_timeout_ms": 500, "total_timeout_ms": 5000, "most_reply_bytes": 100, "most_in_flight": 1,
        "turn_timeout_ms": 3000, "pool_idle_timeout_ms": 1000, "pool_most_idle": 2, "send_trace": true,
        "retry_budget": { "percent": percent, "most_saved": 2 }
    }))
    .unwrap()
}

/// Closes the first `failures` connections unanswered, answers the others, and counts all.
async fn failing(failures: usize) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let seen: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            if count.fetch_add(1, Ordering::SeqCst) >= failures {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            }
        }
    });
    (url, seen)
}

fn client(settings: &HttpSettings) -> HttpClient {
    HttpClient::new("test", settings, &Tools::of_one_process(Arc::new(SystemClock))).unwrap()
}

fn call(url: &Url, is_read: bool) -> Call<'static> {
    Call { url: url.clone(), headers: &[], body: b"{}".to_vec(), is_read, agency: None }
}

#[tokio::test]
async fn a_read_without_an_answer_is_made_once_more() {
    let (url, seen) = failing(1).await;
    let status = client(&settings(10)).post_json(call(&url, true)).await.map(|reply| reply.status);
    assert_eq!((status, seen.load(Ordering::SeqCst)), (Ok(200), 2));
    let (url, seen) = failing(2).await;
    assert!(client(&settings(10)).post_json(call(&url, true)).await.is_err());
    assert_eq!(seen.load(Ordering::SeqCst), 2, "once more, and no more");
}

#[tokio::test]
async fn what_may_change_something_is_never_made_again() {
    let (url, seen) = failing(1).await;
    let failed = client(&settings(100)).post_json(call(&url, false)).await;
    assert!(matches!(failed, Err(CallError::Ambiguous { .. })));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn where_everything_fails_only_a_share_is_repeated() {
    let (url, seen) = failing(usize::MAX).await;
    let client = client(&settings(10));
    for _ in 0..40 {
        assert!(client.post_json(call(&url, true)).await.is_err());
    }
    // Two were saved at the start, when no more could be; each ten calls earned one.
    assert_eq!(seen.load(Ordering::SeqCst), 40 + 2 + 3);
}

proptest! {
    #[test]
    fn no_more_is_repeated_than_was_saved_and_earned(
        percent in 0_u32..=100, most_saved in 1_u32..20, calls in prop::collection::vec(any::<bool>(), 0..400),
    ) {
        let budget = RetryBudget::new(RetryBudgetSettings { percent, most_saved });
        let (mut first, mut repeated) = (0_u32, 0_u32);
        for fails in calls {
            budget.earn();
            first += 1;
            repeated += u32::from(fails && budget.spend());
            prop_assert!(repeated * 100 <= most_saved * 100 + first * percent);
        }
        prop_assert!(percent > 0 || repeated == 0);
    }
}

#[tokio::test]
async fn nothing_is_waited_for_beyond_the_time_that_there_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let client = client(&settings(10));
    let started = Instant::now();
    // An answer, a turn that is not free, and a budget inside a budget: none of them waits for its own limit.
    let waits = async { tokio::join!(client.post_json(call(&silent, true)), client.post_json(call(&silent, true))) };
    let inner = time_budget::within(Duration::from_secs(60), waits);
    let (first, second) = time_budget::within(Duration::from_millis(300), inner).await;
    assert!(first.is_err() && second.is_err());
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    let none_left = time_budget::within(Duration::ZERO, client.post_json(call(&silent, false))).await;
    assert!(matches!(none_left, Err(CallError::NotTried { .. })), "what cannot be waited for is not begun");
    // A change is not begun either if there is no time for its connection: nobody could tell whether it was made.
    let little = Duration::from_millis(400);
    let not_begun = time_budget::within(little, client.post_json(call(&silent, false))).await;
    assert!(matches!(not_begun, Err(CallError::NotTried { .. })));
}

/// So many calls for each name; then a second to wait.
struct Counted {
    allowed: usize,
    taken: Mutex<HashMap<String, usize>>,
}

#[async_trait]
impl UpstreamQuotas for Counted {
    async fn take(&self, upstream: &str, agency: Option<&str>, _: Duration) -> Result<(), Duration> {
        let mut taken = self.taken.lock().unwrap();
        let taken = taken.entry(format!("{upstream} {}", agency.unwrap_or_default())).or_default();
        *taken += 1;
        if *taken <= self.allowed { Ok(()) } else { Err(Duration::from_secs(1)) }
    }
}

#[tokio::test]
async fn beyond_the_quota_nothing_is_called_not_even_to_repeat_a_read() {
    let quotas = Arc::new(Counted { allowed: 2, taken: Mutex::default() });
    let tools = Tools { quotas: quotas.clone(), ..Tools::of_one_process(Arc::new(SystemClock)) };
    let client = HttpClient::new("registry", &settings(100), &tools).unwrap();
    let (url, seen) = failing(usize::MAX).await;
    let of = |agency| Call { agency: Some(agency), ..call(&url, true) };
    assert!(matches!(client.post_json(of("H15")).await, Err(CallError::Ambiguous { .. })));
    assert_eq!(seen.load(Ordering::SeqCst), 2, "the repeated call is charged too");
    let over = client.post_json(of("H15")).await;
    assert_eq!(over.map(drop), Err(CallError::OverQuota { retry_after: Duration::from_secs(1) }));
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    assert!(
        matches!(client.post_json(of("H16")).await, Err(CallError::Ambiguous { .. })),
        "another agency has its own"
    );
    assert!(quotas.taken.lock().unwrap().contains_key("registry H16"));
}

#[tokio::test]
async fn an_open_breaker_answers_at_once_and_our_own_quota_does_not_open_it() {
    let settings = BreakerSettings { failures_in_a_row: 3, ..BreakerSettings::default() };
    let breaker = RouteBreaker::new("test", settings);
    let fails = |kind: PortErrorKind| async move { Err::<(), _>(PortError::new("test", kind)) };
    for _ in 0..10 {
        let spent = PortErrorKind::QuotaSpent { retry_after: Duration::from_secs(1) };
        assert!(breaker.guard("test", fails(spent)).await.is_err());
    }
    for _ in 0..3 {
        let error = breaker.guard("test", fails(PortErrorKind::Unreadable)).await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Unreadable, "let through");
    }
    let called = AtomicUsize::new(0);
    let call = async {
        called.fetch_add(1, Ordering::SeqCst);
        Ok::<_, PortError>(())
    };
    assert_eq!(breaker.guard("test", call).await.unwrap_err().kind, PortErrorKind::Unavailable);
    assert_eq!(called.load(Ordering::SeqCst), 0);
}
