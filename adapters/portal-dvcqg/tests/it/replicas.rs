//! Replicas of the gateway with a portal that allows an account one session: they share it, and log in by turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lienthong_adapter_kit::shared_session::{InMemory, LoginTurn, SharedSession, SharedSessionError, SharedSessions};
use lienthong_adapter_kit::{Secret, Tools};
use lienthong_domain::port::{DossierPortal, PortError};
use serde_json::{Value, json};

use crate::fake_portal::{Answer, FakePortal};
use crate::fixture;
use crate::support::{HandClock, adapter, adapter_with, code, dossier, kind, step};

const NAME: &str = "portal-dvcqg/VN:GOV:000.00.00.G22:vpcpdvcprovider/h15";

/// A portal of which a login ends the session before it.
struct OneSession {
    portal: FakePortal,
    /// The session that is alive: that of the login of this number, or none.
    alive: Arc<AtomicU32>,
}

impl OneSession {
    async fn start() -> Self {
        Self::with_logins(|_| None).await
    }

    /// `instead` is answered to a login, given its number, in place of a session.
    async fn with_logins(instead: impl Fn(u32) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let (logins, alive) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
        let newest = alive.clone();
        let portal = FakePortal::start(move |asked| {
            if asked.service() == "login" {
                let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
                std::thread::sleep(Duration::from_millis(30));
                return instead(number).unwrap_or_else(|| {
                    newest.store(number, Ordering::SeqCst);
                    Answer::ok(json!({ "error_code": "0", "session": format!("s-{number}") }))
                });
            }
            let is_alive = asked.body["session"] == format!("s-{}", newest.load(Ordering::SeqCst));
            Answer::ok(if is_alive {
                fixture!("replies/accepted.json")
            } else {
                fixture!("replies/session-invalid.json")
            })
        });
        Self { portal: portal.await, alive }
    }

    fn ends_all_sessions(&self) {
        self.alive.store(0, Ordering::SeqCst);
    }

    fn logins(&self) -> usize {
        self.portal.services().iter().filter(|service| *service == "login").count()
    }

    fn replica(&self, clock: &Arc<HandClock>, sessions: impl SharedSessions + 'static) -> Arc<dyn DossierPortal> {
        let tools = Tools { sessions: Arc::new(sessions), ..Tools::of_one_process(clock.clone()) };
        adapter_with(&self.portal.url, only_one(), &tools)
    }

    fn three(&self) -> ([Arc<dyn DossierPortal>; 3], InMemory, Arc<HandClock>) {
        let clock = Arc::new(HandClock::default());
        let store = InMemory::new(clock.clone());
        (std::array::from_fn(|_| self.replica(&clock, store.other_replica())), store, clock)
    }
}

fn only_one() -> Value {
    json!({ "session": { "only_one": true } })
}

async fn one_call(replica: &Arc<dyn DossierPortal>) -> Result<(), PortError> {
    replica.append_step(&code(), &step(json!({}))).await
}

/// Ten calls of every replica at once, all of which must be accepted.
async fn many_calls(replicas: &[Arc<dyn DossierPortal>]) {
    let calls = replicas.iter().cycle().take(10 * replicas.len()).cloned();
    let calls = calls.map(|replica| tokio::spawn(async move { replica.update(&dossier(json!({}))).await }));
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_login_serves_all_replicas() {
    let portal = OneSession::start().await;
    let (replicas, store, clock) = portal.three();
    many_calls(&replicas).await;
    assert_eq!(portal.logins(), 1);
    let started_later = portal.replica(&clock, store.other_replica());
    one_call(&started_later).await.unwrap();
    assert_eq!(portal.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_portal_ends_is_renewed_once_for_all() {
    let portal = OneSession::start().await;
    let (replicas, ..) = portal.three();
    for logins in 1..4 {
        many_calls(&replicas).await;
        assert_eq!(portal.logins(), logins);
        many_calls(&replicas).await;
        assert_eq!(portal.logins(), logins, "all go on with the new one");
        portal.ends_all_sessions();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_old_is_renewed_once_for_all() {
    let portal = OneSession::start().await;
    let (replicas, _, clock) = portal.three();
    for (pass, logins) in [(0, 1), (569_999, 1), (1, 2), (569_999, 2), (-600_000, 3)] {
        clock.pass_ms(pass);
        many_calls(&replicas).await;
        assert_eq!(portal.logins(), logins);
    }
}

#[tokio::test]
async fn replicas_need_not_agree_on_the_time() {
    let portal = OneSession::start().await;
    let store = InMemory::new(Arc::new(HandClock::default()));
    for ahead in [0, -3_600_000, 3_600_000, 0] {
        let clock = Arc::new(HandClock::default());
        clock.pass_ms(ahead);
        let replica = portal.replica(&clock, store.other_replica());
        one_call(&replica).await.unwrap();
        one_call(&replica).await.unwrap();
    }
    assert_eq!(portal.logins(), 1);
}

#[tokio::test]
async fn a_login_that_fails_holds_nobody_up() {
    let refused = || Answer::ok(json!({ "error_code": -1, "message": "Sai mật khẩu" }));
    for (answer, expected) in [(refused(), "our_credential_refused"), (Answer::Close, "unavailable")] {
        let portal = OneSession::with_logins(move |number| (number == 1).then(|| answer.clone())).await;
        let ([one, other, third], store, _) = portal.three();
        assert_eq!(kind(one_call(&one).await), expected);
        let turn = store.begin(NAME).await.unwrap().expect("the turn is free again");
        store.end(turn).await.unwrap();
        one_call(&other).await.unwrap();
        one_call(&third).await.unwrap();
        one_call(&one).await.unwrap();
        assert_eq!(portal.logins(), 2);
    }
}

#[tokio::test]
async fn a_login_whose_caller_went_away_is_kept_for_all() {
    let portal = OneSession::start().await;
    let ([one, other, _], store, _) = portal.three();
    let given_up = tokio::spawn(async move { one_call(&one).await });
    let under_way = async {
        while let Some(turn) = store.begin(NAME).await.unwrap() {
            store.end(turn).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), under_way).await.expect("a login in its turn");
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    one_call(&other).await.unwrap();
    assert_eq!(portal.logins(), 1);
}

#[tokio::test]
async fn another_replica_s_login_is_waited_for_and_not_for_ever() {
    let portal = OneSession::start().await;
    let ([one, ..], store, _) = portal.three();
    let turn = store.begin(NAME).await.unwrap().unwrap();
    let asked = Instant::now();
    assert_eq!(kind(one_call(&one).await), "unavailable");
    assert!((1000..3000).contains(&asked.elapsed().as_millis()), "{:?}", asked.elapsed());
    assert_eq!(portal.portal.services(), [""; 0]);

    portal.alive.store(7, Ordering::SeqCst);
    let keeping = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        store.keep(&turn, &Secret::new("s-7"), 0).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(one_call(&one), keeping);
    outcome.unwrap();
    assert_eq!(portal.logins(), 0);
}

/// A store in which another replica logs in between a look and the turn.
struct Overtaken {
    store: InMemory,
    other: InMemory,
}

#[async_trait]
impl SharedSessions for Overtaken {
    async fn newest(&self, name: &str) -> Result<Option<SharedSession>, SharedSessionError> {
        self.store.newest(name).await
    }

    async fn begin(&self, name: &str) -> Result<Option<LoginTurn>, SharedSessionError> {
        let turn = self.other.begin(name).await?.unwrap();
        self.other.keep(&turn, &Secret::new("s-7"), 0).await?;
        self.other.end(turn).await?;
        self.store.begin(name).await
    }

    async fn keep(&self, turn: &LoginTurn, token: &Secret, age_ms: i64) -> Result<i64, SharedSessionError> {
        self.store.keep(turn, token, age_ms).await
    }

    async fn end(&self, turn: LoginTurn) -> Result<(), SharedSessionError> {
        self.store.end(turn).await
    }
}

#[tokio::test]
async fn a_login_that_ended_just_before_the_turn_is_not_repeated() {
    let portal = OneSession::start().await;
    portal.alive.store(7, Ordering::SeqCst);
    let clock = Arc::new(HandClock::default());
    let store = InMemory::new(clock.clone());
    let replica = portal.replica(&clock, Overtaken { other: store.other_replica(), store: store.other_replica() });
    one_call(&replica).await.unwrap();
    assert_eq!(portal.logins(), 0);
    assert!(store.begin(NAME).await.unwrap().is_some(), "the turn was ended");
}

#[tokio::test]
async fn without_only_one_each_logs_in_for_itself() {
    let logins = AtomicU32::new(0);
    let portal = FakePortal::start(move |asked| match asked.service() {
        "login" => {
            let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
            Answer::ok(json!({ "error_code": "0", "session": format!("s-{number}") }))
        }
        _ => Answer::ok(fixture!("replies/accepted.json")),
    })
    .await;
    let tools = Tools {
        sessions: Arc::new(Failing { operation: "newest", store: InMemory::new(Arc::new(HandClock::default())) }),
        ..Tools::of_one_process(Arc::new(HandClock::default()))
    };
    for number in 1..4 {
        let replica = adapter_with(&portal.url, json!({}), &tools);
        for _ in 0..2 {
            one_call(&replica).await.unwrap();
            assert_eq!(portal.body_of("CapNhatTienDoHoSoMC")["session"], format!("s-{number}"));
        }
    }
    let (alone, _) = adapter(&portal.url, only_one());
    one_call(&alone).await.unwrap();
}

/// A store that cannot be reached in the midst of it.
struct Failing {
    operation: &'static str,
    store: InMemory,
}

impl Failing {
    fn fails(&self, operation: &str) -> Result<(), SharedSessionError> {
        if self.operation == operation { Err(SharedSessionError("no connection".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl SharedSessions for Failing {
    async fn newest(&self, name: &str) -> Result<Option<SharedSession>, SharedSessionError> {
        self.fails("newest")?;
        self.store.newest(name).await
    }

    async fn begin(&self, name: &str) -> Result<Option<LoginTurn>, SharedSessionError> {
        self.fails("begin")?;
        self.store.begin(name).await
    }

    async fn keep(&self, turn: &LoginTurn, token: &Secret, age_ms: i64) -> Result<i64, SharedSessionError> {
        self.fails("keep")?;
        self.store.keep(turn, token, age_ms).await
    }

    async fn end(&self, turn: LoginTurn) -> Result<(), SharedSessionError> {
        self.fails("end")?;
        self.store.end(turn).await
    }
}

#[tokio::test]
async fn without_the_store_nothing_is_sent() {
    let rows: [(_, _, &[&str]); 4] = [
        ("newest", "unavailable", &[]),
        ("begin", "unavailable", &[]),
        ("keep", "unavailable", &["login"]),
        ("end", "accepted", &["login", "CapNhatTienDoHoSoMC"]),
    ];
    for (operation, expected, asked) in rows {
        let portal = OneSession::start().await;
        let clock = Arc::new(HandClock::default());
        let store = InMemory::new(clock.clone());
        let replica = portal.replica(&clock, Failing { operation, store: store.other_replica() });
        let outcome = one_call(&replica).await;
        let shown = format!("{outcome:?}");
        assert!(!shown.contains("s-1") && !shown.contains("h15"), "{shown}");
        assert_eq!(kind(outcome), expected, "{operation}");
        assert_eq!(portal.portal.services(), asked, "{operation}");
        let is_free = store.begin(NAME).await.unwrap().is_some();
        assert_eq!(is_free, operation != "end", "{operation}");
    }
}

#[tokio::test]
async fn a_turn_that_could_not_be_ended_is_found_again_by_its_replica() {
    let portal = OneSession::start().await;
    let clock = Arc::new(HandClock::default());
    let store = InMemory::new(clock.clone());
    let replica = portal.replica(&clock, Failing { operation: "end", store });
    one_call(&replica).await.unwrap();
    portal.ends_all_sessions();
    one_call(&replica).await.unwrap();
    assert_eq!(portal.logins(), 2);
}
