//! Plays the day against the API, as local systems would: many dossiers at a time, each one's messages in order.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::stream::{self, StreamExt};
use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::day::{Message, Story};
use super::life::Life;

/// What the gateway said yes to, a dossier.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) code: String,
    /// Every accepted message in order.
    pub(super) messages: Vec<Message>,
}

/// What became of the day's messages.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) accepted: Vec<Accepted>,
    pub(super) lives: BTreeMap<Life, usize>,
    /// By problem code, and field code where there is one: how often, and the first answer's words.
    pub(super) refused: BTreeMap<String, (usize, String)>,
    /// Stories that did not go as their plan says.
    pub(super) surprises: Vec<String>,
}

impl Played {
    pub(super) fn is_as_expected(&self) -> bool {
        self.surprises.is_empty()
    }
}

const AT_A_TIME: usize = 32;

/// A token, as every local system gets its own.
pub(super) async fn token(address: &str, client: &str, secret: &str) -> anyhow::Result<String> {
    let request = Client::builder().no_proxy().build()?.post(format!("{address}/oauth/token"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let response = request.basic_auth(client, Some(secret)).body("grant_type=client_credentials").send().await?;
    let answer: Value = response.error_for_status()?.json().await?;
    answer["access_token"].as_str().map(str::to_owned).context("no access_token in the answer")
}

pub(super) async fn play(address: &str, token: &str, plan: Vec<Story>) -> anyhow::Result<Played> {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
    let (count, done) = (plan.len(), AtomicUsize::new(0));
    let mut told = stream::iter(plan)
        .map(|story| {
            let (client, done) = (&client, &done);
            async move {
                let result = tell(client, address, token, story).await;
                show_progress("tiếp nhận / accepting", done.fetch_add(1, Ordering::Relaxed) + 1, count);
                result
            }
        })
        .buffer_unordered(AT_A_TIME);
    let mut played = Played::default();
    while let Some(story) = told.next().await {
        let (story, accepted, refusals) = story?;
        *played.lives.entry(story.life).or_default() += 1;
        let refused_as = refusals.first().map(|refusal| refusal.code.as_str());
        if refused_as != story.refused_as {
            played.surprises.push(format!("{}: {:?}, not {:?}", story.code, refused_as, story.refused_as));
        }
        for refusal in refusals {
            let name = refusal.field.map_or(refusal.code.clone(), |field| format!("{} / {field}", refusal.code));
            played.refused.entry(name).or_insert((0, refusal.words)).0 += 1;
        }
        if !accepted.messages.is_empty() {
            played.accepted.push(accepted);
        }
    }
    println!();
    played.accepted.sort_by(|a, b| a.code.cmp(&b.code));
    Ok(played)
}

struct Refused {
    code: String,
    field: Option<String>,
    words: String,
}

/// One dossier's messages, one after another; a refusal ends the story.
async fn tell(
    client: &Client,
    address: &str,
    token: &str,
    story: Story,
) -> anyhow::Result<(Story, Accepted, Vec<Refused>)> {
    let mut accepted = Accepted { code: story.code.clone(), messages: Vec::new() };
    let mut refusals = Vec::new();
    for (n, message) in story.messages.iter().enumerate() {
        let path = format!("{address}/v1/dossiers/{}", story.code);
        let request = match message {
            Message::State(body) => client.put(path).json(body),
            Message::Step(body) => {
                client.post(format!("{path}/steps")).header("Idempotency-Key", format!("{}-{n}", story.code)).json(body)
            }
        };
        match send(request.bearer_auth(token)).await? {
            None => accepted.messages.push(message.clone()),
            Some(refusal) => {
                refusals.push(refusal);
                break;
            }
        }
    }
    Ok((story, accepted, refusals))
}

/// Sends until there is an answer that is not "later".
async fn send(request: reqwest::RequestBuilder) -> anyhow::Result<Option<Refused>> {
    loop {
        let response = request.try_clone().context("a body that can be sent twice")?.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(None);
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        }
        let problem: Value = response.json().await?;
        if status.is_server_error() {
            bail!("{status}: {problem}");
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let field = problem.pointer("/errors/0/code").map(text);
        let words = problem.pointer("/errors/0/message").map_or_else(|| text(&problem["detail"]), text);
        return Ok(Some(Refused { code: text(&problem["code"]), field, words }));
    }
}

/// Until nothing waits any more; an item that only an operator could move is a failure here.
pub(super) async fn wait_until_delivered(address: &str, limit: Duration) -> anyhow::Result<()> {
    let client = Client::builder().no_proxy().build()?;
    let (deadline, mut most) = (Instant::now() + limit, 0);
    loop {
        let ready: Value = client.get(format!("{address}/readyz")).send().await?.json().await?;
        let count = |status: &str| ready.pointer(&format!("/outbox/{status}")).and_then(Value::as_u64).unwrap_or(0);
        let waiting = count("accepted") + count("sending") + count("retry") + count("unknown");
        most = most.max(waiting);
        show_progress("gửi lên Cổng / delivering", usize::try_from(most - waiting)?, usize::try_from(most)?);
        if waiting == 0 {
            println!();
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{waiting} items are still not delivered");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn show_progress(what: &str, done: usize, all: usize) {
    let is_step = done == all || all < 100 || done.is_multiple_of(all / 100);
    if is_step && std::io::stdout().is_terminal() {
        print!("\r{what}: {done}/{all}   ");
        let _ = std::io::stdout().flush();
    }
}
