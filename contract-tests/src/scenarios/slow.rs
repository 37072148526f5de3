//! slowhttptest holds as many connections as it can by sending heads, sending bodies or taking answers drop by drop, while
//! an honest client goes on calling from another address.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

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
    /// How many slow connections there were in all, and at a time.
    pub connections: usize,
    pub most_held: usize,
    /// How long the longest of them lasted, and how long it might have.
    pub longest: Duration,
    pub limit: Duration,
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
        // A connection lasts a little longer where the machine is busy, and as long as nobody has looked again.
        let limit = Duration::from_millis(held_for) + Duration::from_secs(2);
        let mut attack = Attack::start(&url, options, volume.connections, 3 * limit)?;
        let honest = tokio::spawn(pace(format!("H15.50-26120{n}")).keep(limit + Duration::from_secs(2)));
        let held = attack.watch(deployment.address).await.with_context(|| format!("slow {way}"))?;
        let during = honest.await??;
        let Held { connections, most: most_held, longest, .. } = held;
        found.push(Found { way, connections, most_held, longest, limit, before, during });
    }
    ready(&url).await.context("the gateway is not ready afterwards")?;
    let most_memory_mib = program.most_memory_mib()?;
    program.kill()?;
    Ok(Report { found, most_memory_mib })
}

/// slowhttptest, ended with the value.
struct Attack {
    child: Child,
    lasting: Duration,
}

impl Attack {
    /// It opens all of its connections within two seconds, if the machine lets it.
    fn start(url: &str, options: &[&str], connections: usize, lasting: Duration) -> Result<Self> {
        let (path, options) = options.split_last().context("no address")?;
        let mut command = Command::new("slowhttptest");
        command.args(options).arg(format!("{url}{path}"));
        let (rate, seconds) = ((connections / 2).max(1), usize::try_from(lasting.as_secs())?);
        for (name, value) in [("-c", connections), ("-r", rate), ("-l", seconds)] {
            command.args([name, &value.to_string()]);
        }
        command.args(["-p", "1", "-v", "0"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("slowhttptest cannot be started (Debian: apt-get install slowhttptest)")?;
        Ok(Self { child, lasting })
    }

    /// Until it has opened connections, and the gateway has held none of them for three seconds.
    async fn watch(&mut self, gateway: SocketAddr) -> Result<Held> {
        let (started, mut held, mut last_held) = (Instant::now(), Held::default(), None);
        while last_held.is_none_or(|last: Instant| last.elapsed() < Duration::from_secs(3)) {
            held.note(connections_from_here(gateway)?);
            if !held.open.is_empty() {
                ensure!(started.elapsed() < self.lasting, "{} connections are still open", held.open.len());
                last_held = Some(Instant::now());
            }
            ensure!(last_held.is_some() || started.elapsed() < self.lasting, "it opened no connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(held)
    }
}

/// The slow connections that were seen.
#[derive(Default)]
struct Held {
    /// By their other end, since when.
    open: HashMap<String, Instant>,
    connections: usize,
    most: usize,
    longest: Duration,
}

impl Held {
    fn note(&mut self, seen: HashSet<String>) {
        self.most = self.most.max(seen.len());
        self.open.retain(|other, _| seen.contains(other));
        for other in seen {
            let since = self.open.entry(other).or_insert_with(|| {
                self.connections += 1;
                Instant::now()
            });
            self.longest = self.longest.max(since.elapsed());
        }
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connections to the gateway from the address of the slow that its side of them has not closed: ESTABLISHED (01) and
/// CLOSE_WAIT (08); by their other ends.
fn connections_from_here(gateway: SocketAddr) -> Result<HashSet<String>> {
    let own = format!("0100007F:{:04X}", gateway.port());
    let table = std::fs::read_to_string("/proc/net/tcp").context("/proc/net/tcp")?;
    let other = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().take(4).collect();
        match cells[..] {
            [_, local, other, "01" | "08"] if local == own => Some(other.to_owned()),
            _ => None,
        }
    };
    Ok(table.lines().filter_map(other).filter(|other| other.starts_with("0100007F:")).collect())
}

impl Report {
    /// What the honest client waited at most, but for one call in a hundred.
    pub fn longest_p99(&self) -> Duration {
        self.found.iter().map(|found| p99(&found.during)).max().unwrap_or_default()
    }

    /// An error that says what was not as it must be.
    pub fn check(&self) -> Result<()> {
        for Found { way, longest, limit, before, during, .. } in &self.found {
            let answers: BTreeSet<u16> = before.iter().chain(during).map(|(status, _)| *status).collect();
            ensure!(failed(before) + failed(during) == 0, "slow {way}: honest calls failed: {answers:?}");
            ensure!(longest < limit, "slow {way}: connections lasted {longest:?}");
        }
        ensure!(self.most_memory_mib <= 256, "memory is not bounded: {} MiB", self.most_memory_mib);
        Ok(())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { way, connections, most_held, longest, limit, before, during } = self;
        write!(
            f,
            "slow {way}: {connections} connections, at most {most_held} at a time, each closed within {:.1} s of {:.1}; the \
             honest client: {} of {} calls failed before, {} of {} during; p99 {:?} before, {:?} during",
            longest.as_secs_f64(),
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
