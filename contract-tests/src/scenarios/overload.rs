//! Too much at once: five times as many callers as at the peak, and one client that calls at twenty times its quota. What is
//! accepted stays accepted, what is refused costs little, and the others hardly notice.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Client;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::gateway::{Deployment, PROVINCE, WARD};
use crate::load::dossier;
use crate::pace::{Calls, Pace, failed, median, p99};

/// The portal is out of reach: accepting alone is looked at.
const NOWHERE: &str = "http://127.0.0.1:9";
const RESTING: &str = "outbox.breaker.failures_in_a_row = 5\noutbox.breaker.first_pause_ms = 3600000\n\
                       outbox.breaker.longest_pause_ms = 3600000\n";

pub struct Volume {
    /// `http.concurrent_requests`. Nine of ten of them are for requests like these: as many callers find the peak.
    pub places: usize,
    pub rounds: usize,
    /// Of overload in a round; the peak is measured for half as long before it.
    pub lasting: Duration,
}

#[derive(Debug)]
pub struct Overload {
    /// Of each round: accepted a second, with as many callers as are served at a time.
    pub peaks: Vec<f64>,
    /// And with five times as many, each of which calls again as soon as it is answered.
    pub goodputs: Vec<f64>,
    /// And at last with fifty times as many, most of whom wait in vain.
    pub flooded: f64,
    pub acknowledged: usize,
    /// With fifty times as many.
    pub refused: u64,
    /// Acknowledged, and not there afterwards.
    pub lost: usize,
    pub most_memory_mib: u64,
}

impl Overload {
    /// The median goodput, by the median peak.
    pub fn ratio(&self) -> f64 {
        median(&self.goodputs) / median(&self.peaks)
    }
}

#[derive(Debug)]
pub struct Neighbours {
    /// Of each round without and with the noisy client.
    pub alone: Vec<Duration>,
    pub beside: Vec<Duration>,
    pub noisy_allowed: u64,
    pub noisy_refused: u64,
}

/// A connection that sends what was made before and reads no more than it must: the machine is for the gateway.
struct Caller {
    address: SocketAddr,
    connection: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Caller {
    fn new(address: SocketAddr) -> Self {
        Self { address, connection: None, buffer: vec![0; 16 * 1024] }
    }

    /// The status of the answer.
    async fn put(&mut self, token: &str, code: &str, body: &[u8]) -> Result<u16> {
        let head = format!(
            "PUT /v1/dossiers/{code} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => TcpStream::connect(self.address).await?,
        };
        connection.write_all(&[head.as_bytes(), body].concat()).await?;
        let mut filled = 0;
        loop {
            let read = connection.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "cut off");
            filled += read;
            let text = String::from_utf8_lossy(&self.buffer[..filled]);
            let Some(end) = text.find("\r\n\r\n") else { continue };
            let of = |name: &str| {
                let line = text[..end].lines().find(|line| line.to_ascii_lowercase().starts_with(name));
                line.map(|line| line[name.len()..].trim().to_owned())
            };
            let length: usize = of("content-length:").context("no length")?.parse()?;
            if filled < end + 4 + length {
                continue;
            }
            let status = text.split(' ').nth(1).context("no status")?.parse()?;
            if of("connection:").is_none_or(|value| value != "close") {
                self.connection = Some(connection);
            }
            return Ok(status);
        }
    }
}

/// What `callers` got in that time, each calling again as soon as it is answered: codes that were acknowledged, and how many
/// calls were refused.
async fn call(
    address: SocketAddr,
    token: &str,
    callers: usize,
    day: &str,
    lasting: Duration,
) -> Result<(Vec<String>, u64)> {
    let (started, given) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut calling = JoinSet::new();
    for _ in 0..callers {
        let (token, day, given) = (token.to_owned(), day.to_owned(), Arc::clone(&given));
        let body = serde_json::to_vec(&dossier("received", "quá tải"))?;
        calling.spawn(async move {
            let mut caller = Caller::new(address);
            let (mut acknowledged, mut refused) = (Vec::new(), 0);
            while started.elapsed() < lasting {
                // One after the other, as an agency gives them.
                let code = format!("H15.50-{day}-{:07}", given.fetch_add(1, Ordering::Relaxed));
                match caller.put(&token, &code, &body).await? {
                    202 => acknowledged.push(code),
                    503 => refused += 1,
                    other => bail!("{other}"),
                }
            }
            anyhow::Ok((acknowledged, refused))
        });
    }
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    while let Some(done) = calling.join_next().await {
        let (codes, count) = done??;
        acknowledged.extend(codes);
        refused += count;
    }
    Ok((acknowledged, refused))
}

/// In turns, so that whatever else changes on this machine changes for both.
pub async fn overload(volume: &Volume) -> Result<Overload> {
    let Volume { places, rounds, lasting } = *volume;
    let limits = format!("http.concurrent_requests = {places}\nserver.most_connections_of_one_address = {places}00\n");
    let deployment = Deployment::new(NOWHERE, &format!("{RESTING}{limits}"))?;
    let (program, _) = deployment.spawn().await?;
    let (address, token) = (deployment.address, deployment.token(PROVINCE).await?);
    let at_a_time = places * 9 / 10;
    let (mut all, _) = call(address, &token, at_a_time, "261001", lasting.min(Duration::from_secs(2))).await?;
    let (mut peaks, mut goodputs) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for (month, callers, lasting, found) in
            [(11, at_a_time, lasting / 2, &mut peaks), (12, 5 * at_a_time, lasting, &mut goodputs)]
        {
            let (codes, _) = call(address, &token, callers, &format!("26{month}{round:02}"), lasting).await?;
            found.push(codes.len() as f64 / lasting.as_secs_f64());
            all.extend(codes);
        }
    }
    let (codes_of_flood, refused) = call(address, &token, 50 * at_a_time, "270101", lasting).await?;
    let flooded = codes_of_flood.len() as f64 / lasting.as_secs_f64();
    all.extend(codes_of_flood);
    let most_memory_mib = program.most_memory_mib()?;
    let there = codes(&deployment.url(), &token).await?;
    let lost = all.iter().filter(|code| !there.contains(*code)).count();
    program.kill()?;
    Ok(Overload { peaks, goodputs, flooded, acknowledged: all.len(), refused, lost, most_memory_mib })
}

/// Every dossier that the gateway lists.
async fn codes(url: &str, token: &str) -> Result<HashSet<String>> {
    let (client, mut codes, mut cursor) = (Client::builder().no_proxy().build()?, HashSet::new(), String::new());
    loop {
        let get = client.get(format!("{url}/v1/dossiers?limit=500{cursor}")).bearer_auth(token);
        let page: Value = get.send().await?.error_for_status()?.json().await?;
        let items = page["items"].as_array().context("items")?;
        codes.extend(items.iter().filter_map(|item| item["code"].as_str().map(str::to_owned)));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(codes),
        }
    }
}

/// A client of 100 calls a second, alone and beside one that calls at twenty times its quota of 50 a second.
pub async fn neighbours(rounds: usize, lasting: Duration) -> Result<Neighbours> {
    let quotas = format!("{RESTING}[quotas]\nclients = [{{ client = \"{WARD}\", requests = 50, window_s = 1 }}]\n");
    let deployment = Deployment::new(NOWHERE, &quotas)?;
    let (program, _) = deployment.spawn().await?;
    let (quiet, noisy) = (deployment.token(PROVINCE).await?, deployment.token(WARD).await?);
    let url = deployment.url();
    let quiet = |round: usize, what: &str| {
        let day = format!("H15.50-26{what}{round:02}");
        Pace { url: url.clone(), token: quiet.clone(), day, every: Duration::from_millis(10), from: None }.keep(lasting)
    };
    quiet(0, "01").await?;
    let mut found = Neighbours { alone: Vec::new(), beside: Vec::new(), noisy_allowed: 0, noisy_refused: 0 };
    for round in 1..=rounds {
        found.alone.push(p99_of_accepted(&quiet(round, "02").await?)?);
        let (day, every) = (format!("H15.61-2603{round:02}"), Duration::from_millis(1));
        let noise = Pace { url: url.clone(), token: noisy.clone(), day, every, from: None }.keep(lasting);
        let (beside, noise) = tokio::try_join!(quiet(round, "04"), noise)?;
        found.beside.push(p99_of_accepted(&beside)?);
        for (status, _) in noise {
            match status {
                202 => found.noisy_allowed += 1,
                429 => found.noisy_refused += 1,
                other => bail!("{other}"),
            }
        }
    }
    program.kill()?;
    Ok(found)
}

fn p99_of_accepted(calls: &Calls) -> Result<Duration> {
    ensure!(!calls.is_empty() && failed(calls) == 0, "someone within its quota was refused");
    Ok(p99(calls))
}

impl Neighbours {
    /// The median of the rounds with, by that of the rounds without.
    pub fn ratio(&self) -> f64 {
        let seconds = |rounds: &[Duration]| median(&rounds.iter().map(Duration::as_secs_f64).collect::<Vec<_>>());
        seconds(&self.beside) / seconds(&self.alone)
    }
}
