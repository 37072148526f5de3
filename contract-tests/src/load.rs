//! A load: dossiers with their messages in order, sent until each is acknowledged, and the check that the portal's
//! ledger shows exactly these messages, each once, in their order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use lienthong_sandbox::{Effect, LedgerEntry};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::gateway::client;

/// How much is sent.
#[derive(Debug, Clone)]
pub struct Load {
    /// Part of the dossier codes, so that loads do not meet.
    pub day: &'static str,
    pub dossiers: usize,
    /// Full states a dossier.
    pub states: usize,
    /// Whether each state is followed by a step.
    pub with_steps: bool,
    pub connections: usize,
}

/// One acknowledged message.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub mark: String,
    pub at: Timestamp,
}

/// Everything that was acknowledged, a dossier.
pub type Ledger = HashMap<String, Vec<Acknowledged>>;

const STATES: &[&str] = &["received", "processing", "finished", "result_returned"];

impl Load {
    pub fn code(&self, number: usize) -> String {
        format!("H15.50-{}-{number:06}", self.day)
    }

    /// Sends everything; a message is repeated, with its own key, until it is acknowledged.
    pub async fn play(&self, url: &str, token: &str) -> Result<Ledger> {
        self.play_to_any(&[url.to_owned()], token).await
    }

    /// The same to several gateways, each attempt to any of them, as behind a balancer that knows nothing.
    pub async fn play_to_any(&self, urls: &[String], token: &str) -> Result<Ledger> {
        let (urls, token): (Arc<[String]>, Arc<str>) = (urls.into(), token.into());
        let mut told = stream::iter(1..=self.dossiers)
            .map(|number| {
                let (urls, token, load) = (Arc::clone(&urls), Arc::clone(&token), self.clone());
                tokio::spawn(async move { load.tell(&urls, &token, number).await })
            })
            .buffer_unordered(self.connections);
        let mut ledger = Ledger::with_capacity(self.dossiers);
        while let Some(dossier) = told.next().await {
            let (code, messages) = dossier??;
            ledger.insert(code, messages);
        }
        Ok(ledger)
    }

    async fn tell(&self, urls: &[String], token: &str, number: usize) -> Result<(String, Vec<Acknowledged>)> {
        let code = self.code(number);
        let mut acknowledged = Vec::new();
        for n in 0..self.states {
            let state = STATES[n.min(STATES.len() - 1)];
            let mark = format!("state {}", n + 1);
            let path = format!("/v1/dossiers/{code}");
            let body = dossier(state, &mark);
            send(urls, token, |url| client().put(format!("{url}{path}")).json(&body)).await?;
            acknowledged.push(Acknowledged { mark, at: Timestamp::now() });
            if self.with_steps {
                let mark = format!("step {}", n + 1);
                let key = format!("{code}-{n}");
                let body = step(state, &mark);
                let post =
                    |url: &str| client().post(format!("{url}{path}/steps")).header("Idempotency-Key", &key).json(&body);
                send(urls, token, post).await?;
                acknowledged.push(Acknowledged { mark, at: Timestamp::now() });
            }
        }
        Ok((code, acknowledged))
    }
}

/// A small valid dossier; its note tells its messages apart.
pub fn dossier(state: &str, note: &str) -> Value {
    json!({
        "procedureCode": "1.001612", "channel": "direct",
        "owner": { "kind": "citizen", "name": "Nguyễn Văn Thử",
                   "identityDocuments": [{ "kind": "personal_number", "number": "001099012345" }] },
        "summary": "Đăng ký hộ kinh doanh", "submittedAt": "2026-11-20T08:00:00+07:00",
        "receivedAt": "2026-11-20T08:15:00+07:00", "dueAt": "2026-11-25T17:00:00+07:00", "state": state,
        "returnMethod": "counter", "handlingUnit": "Bộ phận một cửa", "note": note,
        "submittedThrough": "local_system", "hasDigitisedComponents": false, "isVerifiedByVneid": false,
        "onlinePayment": "none",
    })
}

/// A small valid step.
pub fn step(state: &str, content: &str) -> Value {
    json!({ "handledBy": "Trần Thị Thử", "handledAt": "2026-11-20T08:20:00+07:00", "content": content, "state": state })
}

/// Until there is an answer that means yes. A lost connection or a 503 means "again"; any other refusal ends the test.
async fn send(urls: &[String], token: &str, request: impl Fn(&str) -> reqwest::RequestBuilder) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    // One that is paused must not hold a sender up for long while there are others.
    let patience = Duration::from_secs(if urls.len() > 1 { 3 } else { 30 });
    loop {
        let url = &urls[fastrand::usize(..urls.len())];
        match request(url).bearer_auth(token).timeout(patience).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer)
                if answer.status() == StatusCode::SERVICE_UNAVAILABLE || answer.status() == StatusCode::CONFLICT => {}
            Ok(answer) => bail!("{}: {}", answer.status(), answer.text().await.unwrap_or_default()),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => {}
        }
        if Instant::now() > deadline {
            bail!("no acknowledgement in two minutes");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What the portal's ledger shows of the acknowledged messages.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub messages: usize,
    pub lost: usize,
    pub doubled: usize,
    pub out_of_order: usize,
    /// Effects of dossiers that nobody sent.
    pub invented: usize,
}

impl Verdict {
    pub fn is_exact(&self) -> bool {
        *self == Verdict { messages: self.messages, ..Verdict::default() }
    }

    /// Each acknowledged message once, in its order. A full state that changed nothing is no effect.
    pub fn of(acknowledged: &Ledger, effects: &[LedgerEntry]) -> Self {
        let mut found: HashMap<&str, Vec<&str>> = HashMap::new();
        for entry in effects.iter().filter(|entry| entry.changed || entry.operation == Effect::AppendStep) {
            found.entry(&entry.code).or_default().push(&entry.mark);
        }
        let mut verdict = Self::default();
        for (code, messages) in acknowledged {
            let found = found.remove(code.as_str()).unwrap_or_default();
            let expected: Vec<&str> = messages.iter().map(|message| message.mark.as_str()).collect();
            let times = |mark: &str| found.iter().filter(|other| **other == mark).count();
            let lost = expected.iter().filter(|mark| times(mark) == 0).count();
            let doubled: usize = expected.iter().map(|mark| times(mark).saturating_sub(1)).sum();
            verdict.messages += expected.len();
            verdict.lost += lost;
            verdict.doubled += doubled;
            verdict.out_of_order += usize::from(lost == 0 && doubled == 0 && found != expected);
        }
        verdict.invented = found.len();
        verdict
    }
}
