//! What every test needs: the adapter with test settings, a clock that is set by hand, dossiers from fixtures.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lienthong_adapter_kit::{Tools, merge};
use lienthong_domain::dossier::{Dossier, DossierCode, Step};
use lienthong_domain::invalid::InvalidFields;
use lienthong_domain::port::{DossierPortal, PortError, PortErrorKind};
use lienthong_domain::time::{Clock, Timestamp};
use lienthong_portal_dvcqg::CARD;
use serde_json::{Value, json};

use crate::fake_portal::{Answer, Asked, FakePortal};

#[macro_export]
macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str::<serde_json::Value>(include_str!(concat!("../../fixtures/", $name))).unwrap()
    };
}

#[derive(Default)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn pass_ms(&self, ms: i64) {
        self.0.fetch_add(ms * 1000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000 + self.0.load(Ordering::SeqCst))
    }
}

pub(crate) fn settings(url: &str, more: Value) -> Value {
    let mut settings = CARD.default_settings().unwrap();
    let test = json!({
        "adapter_url": url, "madonvi": "000.00.00.H15",
        "account": { "username": "h15", "password": "mật-khẩu" },
        "integration_path": "/mapi/integration", "share_path": "/mapi/share",
        // Each call is counted: none is repeated.
        "http": { "connect_timeout_ms": 900, "total_timeout_ms": 1000, "retry_budget": { "percent": 0 } }
    });
    merge(&mut settings, test);
    merge(&mut settings, more);
    settings
}

pub(crate) fn adapter(url: &str, more: Value) -> (Arc<dyn DossierPortal>, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    (adapter_with(url, more, &Tools::of_one_process(clock.clone())), clock)
}

pub(crate) fn adapter_with(url: &str, more: Value, tools: &Tools) -> Arc<dyn DossierPortal> {
    (CARD.build)(&settings(url, more), tools).unwrap().dossier_portal.unwrap()
}

/// A portal that logs everybody in and answers everything else as told.
pub(crate) async fn portal(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> FakePortal {
    FakePortal::start(move |asked| match asked.service() {
        "login" => Answer::ok(fixture!("replies/login.json")),
        _ => answer(asked),
    })
    .await
}

pub(crate) fn dossier(change: Value) -> Dossier {
    let mut written = fixture!("dossier.json");
    merge(&mut written, change);
    // A member set to null is one that is left out.
    written.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    if let Some(owner) = written["owner"].as_object_mut() {
        owner.retain(|_, value| !value.is_null());
    }
    deserr::deserialize::<Dossier, _, InvalidFields>(written).unwrap()
}

pub(crate) fn step(change: Value) -> Step {
    let mut written = fixture!("step.json");
    merge(&mut written, change);
    deserr::deserialize::<Step, _, InvalidFields>(written).unwrap()
}

pub(crate) fn code() -> DossierCode {
    dossier(json!({})).code
}

/// Inserts a full dossier into a portal that answers so, and gives the outcome.
pub(crate) async fn insert_answered(answer: Answer, more: Value) -> Result<(), PortError> {
    let portal = portal(move |_| answer.clone()).await;
    adapter(&portal.url, more).0.insert(&dossier(json!({}))).await
}

pub(crate) fn kind(result: Result<(), PortError>) -> &'static str {
    result.map_or_else(|error| error.kind.name(), |()| "accepted")
}

pub(crate) fn reason(error: &PortError) -> (&str, &str) {
    match &error.kind {
        PortErrorKind::Rejected { reason } => (&reason.vi, &reason.en),
        other => panic!("{}", other.name()),
    }
}
