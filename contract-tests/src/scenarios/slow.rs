//! slowhttptest holds as many connections as it can by sending heads, sending bodies or taking answers drop by drop, while
//! an honest client goes on calling from another address.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::gateway::{Deployment, PROVINCE, ready};
use crate::pace::{Calls, Pace, failed, p99};

/// Its ways of being slow, each with its options: those of heads and answers go to what needs no token, those of bodies to
/// where tokens are given.
const WAYS: [(&str, &[&str]); 3] = [
    ("heads", &["-H", "-i", "1", "-x", "24", "-u", "/livez"]),
    ("bodies", &["-B", "-i", "1", "-x", "8", "-s", "8000", "-u", "/oauth/token"]),
    ("answers", &["-X", "-n", "1", "-z", "32", "-w", "512", "-y", "1024", "-k", "10", "-u", "/v1/openapi.json"]),
];

/// How often the honest client calls.
const EVERY: Duration = Duration::from_millis(20);

/// How long slow connections may last, and how many of them are opened.
#[derive(Debug, Clone, Copy)]
pub struct Volume {
    pub connections: usize,
    pub header_ms: u64,
    pub body_ms: u64,
    pub write_ms: u64,
    /// How long the honest client is watched before.
    pub before: Duration,
}

/// One way of being slow.
#[derive(Debug)]
pub struct Found {
    pub way: &'static str,
    /// Until the last slow connection was closed, and until when it should have been.
    pub took: Duration,
    pub limit: Duration,
    /// The most slow connections there were at a time.
    pub most_held: usize,
    /// The honest client's calls.
    pub before: Calls,
    pub during: Calls,
}

#[derive(Debug)]
pub struct Report {
    pub found: Vec<Found>,
    pub most_memory_mib: u64,
}

pub async fn run(volume: Volume) -> Result<Report> {
    let Volume { header_ms, body_ms, write_ms, .. } = volume;
    let more = format!(
        "http = {{ header_read_timeout_ms = {header_ms}, body_read_timeout_ms = {body_ms}, write_timeout_ms = {write_ms} }}\n\
         outbox.breaker = {{ failures_in_a_row = 5, first_pause_ms = 3600000, longest_pause_ms = 3600000 }}"
    );
    // The portal is out of reach: accepting alone is looked at.
    let deployment = Deployment::new("http://127.0.0.1:9", &more)?;
    let (program, _) = deployment.spawn().await?;
    let (url, token) = (deployment.url(), deployment.token(PROVINCE).await?);
    let pace = |day: String| Pace {
        url: url.clone(),
        token: token.clone(),
        day,
        every: EVERY,
        from: Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))),
    };
    let mut found = Vec::new();
    for (n, (way, options)) in (1..).zip(WAYS) {
        let before = pace(format!("H15.50-26110{n}")).keep(volume.before).await?;
        let held_for = match way {
            "heads" => header_ms,
            "bodies" => header_ms + body_ms,
            // What stands in the kernel's buffers is taken for granted; then the next head is waited for.
            _ => header_ms + write_ms,
        };
        // They are opened within two seconds, and three are for a busy machine.
        let rate = (volume.connections / 2).max(1);
        let limit = Duration::from_millis(held_for) + Duration::from_secs(5);
        let mut attack = Attack::start(&url, options, volume.connections, rate, limit * 2)?;
        // Watched a little longer than slow connections may last.
        let honest = tokio::spawn(pace(format!("H15.50-26120{n}")).keep(limit));
        let (took, most_held) = attack.wait(deployment.address, limit).await.with_context(|| format!("slow {way}"))?;
        let during = honest.await??;
        found.push(Found { way, took, limit, most_held, before, during });
    }
    ready(&url).await.context("the gateway is not ready afterwards")?;
    let most_memory_mib = program.most_memory_mib()?;
    program.kill()?;
    Ok(Report { found, most_memory_mib })
}

/// slowhttptest, ended with the value.
struct Attack {
    child: std::process::Child,
    started: Instant,
}

impl Attack {
    fn start(url: &str, options: &[&str], connections: usize, rate: usize, lasting: Duration) -> Result<Self> {
        let (path, options) = options.split_last().context("no address")?;
        let mut command = Command::new("slowhttptest");
        command.args(options).arg(format!("{url}{path}"));
        for (name, value) in [("-c", connections), ("-r", rate), ("-l", usize::try_from(lasting.as_secs())?)] {
            command.args([name, &value.to_string()]);
        }
        command.args(["-p", "1", "-v", "0"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("slowhttptest cannot be started (Debian: apt-get install slowhttptest)")?;
        Ok(Self { child, started: Instant::now() })
    }

    /// Until the gateway holds none of its connections any more, and how many it held at most.
    async fn wait(&mut self, gateway: SocketAddr, limit: Duration) -> Result<(Duration, usize)> {
        let (mut most, mut last_held) = (0, Duration::ZERO);
        while self.started.elapsed() < limit {
            let held = held_connections(gateway)?;
            most = most.max(held);
            if held > 0 {
                last_held = self.started.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ensure!(most > 0, "it opened no connection");
        if held_connections(gateway)? > 0 {
            bail!("connections are still open after {limit:?}");
        }
        Ok((last_held, most))
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connections to the gateway from the address of the slow, as its side of them has not closed them: ESTABLISHED (01) and
/// CLOSE_WAIT (08).
fn held_connections(gateway: SocketAddr) -> Result<usize> {
    let own = format!("0100007F:{:04X}", gateway.port());
    let table = std::fs::read_to_string("/proc/net/tcp").context("/proc/net/tcp")?;
    let is_held = |line: &&str| {
        let cells: Vec<&str> = line.split_whitespace().take(4).collect();
        matches!(cells[..], [_, local, other, "01" | "08"] if local == own && other.starts_with("0100007F:"))
    };
    Ok(table.lines().filter(is_held).count())
}

impl Report {
    /// What the honest client waited at most, but for one call in a hundred.
    pub fn longest_p99(&self) -> Duration {
        self.found.iter().map(|found| p99(&found.during)).max().unwrap_or_default()
    }

    /// An error that says what was not as it must be.
    pub fn check(&self) -> Result<()> {
        for Found { way, took, limit, before, during, .. } in &self.found {
            let answers: BTreeSet<u16> = before.iter().chain(during).map(|(status, _)| *status).collect();
            ensure!(failed(before) + failed(during) == 0, "slow {way}: honest calls failed: {answers:?}");
            ensure!(took < limit, "slow {way}: connections lasted {took:?}");
        }
        ensure!(self.most_memory_mib <= 256, "memory is not bounded: {} MiB", self.most_memory_mib);
        Ok(())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { way, took, limit, most_held, before, during } = self;
        write!(
            f,
            "slow {way}: at most {most_held} held, all closed after {:.1} s of {:.1}; the honest client: {} of {} calls \
             failed before, {} of {} during; p99 {:?} before, {:?} during",
            took.as_secs_f64(),
            limit.as_secs_f64(),
            failed(before),
            before.len(),
            failed(during),
            during.len(),
            p99(before),
            p99(during)
        )
    }
}
