//! One client that calls at a steady pace, whatever comes back, and how long each of its calls took.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use reqwest::Client;
use tokio::task::JoinSet;

use crate::load::dossier;

/// A client with its pace.
pub struct Pace {
    pub url: String,
    pub token: String,
    /// Part of the dossier codes, with the agency: so that no two meet.
    pub day: String,
    pub every: Duration,
    /// The address it calls from, if not any.
    pub from: Option<IpAddr>,
}

/// The status of each call, 0 for one that was not answered, and how long it took.
pub type Calls = Vec<(u16, Duration)>;

impl Pace {
    pub async fn keep(self, lasting: Duration) -> Result<Calls> {
        let builder = Client::builder().no_proxy().timeout(Duration::from_secs(60)).local_address(self.from);
        // Given up before the gateway does: what is sent while it closes an idle connection is lost, and not its fault.
        let client = builder.pool_idle_timeout(Duration::from_millis(300)).build()?;
        let body = serde_json::to_vec(&dossier("received", "đều đặn"))?;
        let (mut calls, mut ticks) = (JoinSet::new(), tokio::time::interval(self.every));
        let (started, mut n) = (Instant::now(), 0);
        while started.elapsed() < lasting {
            ticks.tick().await;
            n += 1;
            let put = client.put(format!("{}/v1/dossiers/{}-{n:07}", self.url, self.day)).bearer_auth(&self.token);
            let put = put.header("content-type", "application/json").body(body.clone());
            calls.spawn(async move {
                let asked = Instant::now();
                let answered = async {
                    let answer = put.send().await?;
                    let status = answer.status().as_u16();
                    answer.bytes().await.map(|_| status)
                };
                (answered.await.unwrap_or(0), asked.elapsed())
            });
        }
        let mut answers = Vec::new();
        while let Some(call) = calls.join_next().await {
            answers.push(call?);
        }
        Ok(answers)
    }
}

/// The 99th percentile of how long they took.
pub fn p99(calls: &Calls) -> Duration {
    let mut times: Vec<Duration> = calls.iter().map(|(_, took)| *took).collect();
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().unwrap_or(Duration::MAX)
}

/// How many were not accepted.
pub fn failed(calls: &Calls) -> usize {
    calls.iter().filter(|(status, _)| *status != 202).count()
}

/// The median of what several rounds gave.
pub fn median(rounds: &[f64]) -> f64 {
    let mut sorted = rounds.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
