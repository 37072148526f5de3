//! A gateway to test: in this process, or as the real program that can be killed.

use std::collections::HashMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use lienthong::access::Scope;
use lienthong::access::administer::{NewProof, Refused};
use lienthong::adapters::CARDS;
use lienthong::config::{self, Loaded};
use lienthong::wiring::{Gateway, Stores};
use lienthong_domain::catalogue::AgencyCode;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, SystemClock};
use lienthong_sandbox::PortalSettings;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The client that may write for all of province H15.
pub const PROVINCE: &str = "province";
/// A client that may write for H15.61 and below only.
pub const WARD: &str = "ward";

/// A configuration file in a folder of its own, with a gateway's data and keys beside it.
pub struct Deployment {
    folder: TempDir,
    pub file: PathBuf,
    pub address: SocketAddr,
    /// Of the tests' clients, by their ids.
    secrets: OnceCell<HashMap<&'static str, String>>,
    /// Held as long as the deployment lives: while its gateway is down, no other test's may take its place.
    _port: File,
}

/// A port below those that the system gives out by itself, locked against every other test on this machine.
fn reserve_port() -> Result<(SocketAddr, File)> {
    let locks = std::env::temp_dir().join("lienthong-test-ports");
    std::fs::create_dir_all(&locks)?;
    for _ in 0..1000 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(16_000..32_000)));
        let lock = File::create(locks.join(address.port().to_string()))?;
        if lock.try_lock().is_ok() && TcpListener::bind(address).is_ok() {
            return Ok((address, lock));
        }
    }
    bail!("no free port was found")
}

impl Deployment {
    /// `more` is TOML laid over what a test needs: quick retries, the sandbox as the portal, tokens for a long run.
    pub fn new(portal_url: &str, more: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (address, port) = reserve_port()?;
        let portal = PortalSettings::default();
        let mut settings: toml::Table = format!(
            r#"
server = {{ listen = "{address}", unready_ms = 0 }}
storage = {{ keys_folder = {:?}, least_free_bytes = 0, least_free_percent = 0, sqlite = {{ data_folder = {:?} }} }}
outbox = {{ most_in_flight = 64, claim_batch = 64, retry_delays_ms = [20, 50, 100, 250], look_up_delay_ms = 20, poll_ms = 100, credential_pause_ms = 300, breaker = {{ failures_in_a_row = 1000, failure_percent = 100, first_pause_ms = 50, longest_pause_ms = 200 }} }}
log = {{ filter = "warn", format = "json" }}
catalogue = {{ every_hours = 0 }}
agreement = {{ nightly = false, calls_per_second = 2000 }}
agencies = [
    {{ code = "H15", name = "Ủy ban nhân dân tỉnh" }},
    {{ code = "H15.50", name = "Trung tâm", parent = "H15" }},
    {{ code = "H15.61", name = "Phường", parent = "H15" }},
]
access = {{ token_lifetime_s = 3600, refresh_ms = 50 }}
quotas = {{ client = {{ requests = 0 }}, token = {{ requests = 0 }}, operations = [] }}
[adapters.portal-dvcqg]
adapter_url = "{portal_url}"
madonvi = "{}"
integration_path = "{}"
share_path = "{}"
account = {{ username = "{}", password = "{}" }}
http = {{ connect_timeout_ms = 500, total_timeout_ms = 1000, most_in_flight = 64 }}
"#,
            folder.path().join("keys"),
            folder.path().join("data"),
            portal.agency,
            portal.integration_path,
            portal.share_path,
            portal.username,
            portal.password,
        )
        .parse()?;
        lay_over(&mut settings, more.parse().context("the test's own settings")?);
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, toml::to_string(&settings)?)?;
        Ok(Self { folder, file, address, secrets: OnceCell::new(), _port: port })
    }

    /// Writes the file of the configuration again, with `more` laid over it.
    pub fn change(&self, more: &str) -> Result<()> {
        let mut settings: toml::Table = std::fs::read_to_string(&self.file)?.parse()?;
        lay_over(&mut settings, more.parse().context("the test's own settings")?);
        Ok(std::fs::write(&self.file, toml::to_string(&settings)?)?)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn load(&self) -> Result<Loaded> {
        config::load(Some(&self.file), std::iter::empty(), CARDS).map_err(|mistakes| anyhow::anyhow!("{mistakes:?}"))
    }

    /// The tests' clients, added before the gateway first starts.
    async fn secrets(&self) -> Result<&HashMap<&'static str, String>> {
        self.secrets.get_or_try_init(|| self.add_clients()).await
    }

    async fn add_clients(&self) -> Result<HashMap<&'static str, String>> {
        let (settings, clock): (_, Arc<dyn Clock>) = (self.load()?.settings, Arc::new(SystemClock));
        let stores = Stores::open(&settings, &clock, settings.storage.migrate_at_start).await?;
        let administration = stores.administration(&clock);
        let mut secrets = HashMap::new();
        for (id, agency) in [(PROVINCE, "H15"), (WARD, "H15.61")] {
            let client = lienthong::access::Client {
                id: id.to_owned(),
                name: id.to_owned(),
                agencies: vec![AgencyCode::parse(agency).map_err(|refusal| anyhow!(refusal.message.en))?],
                procedures: Vec::new(),
                scopes: Scope::ALL.to_vec(),
                created_at: clock.now(),
                revoked_at: None,
            };
            let added = match administration.add(client, NewProof::Secret).await {
                // Another replica's deployment was first: one more secret.
                Err(Refused::Because(_)) => administration.rotate(id, NewProof::Secret, None).await,
                other => other,
            };
            let added = added.map_err(|refused| anyhow!("client {id}: {refused:?}"))?;
            secrets.insert(id, added.secret.context("a secret was to be made")?);
        }
        Ok(secrets)
    }

    /// The secret of one of the tests' clients.
    pub async fn secret(&self, id: &str) -> Result<&str> {
        Ok(self.secrets().await?.get(id).with_context(|| format!("no client {id}"))?)
    }

    /// A token for one of the tests' clients, from the running gateway.
    pub async fn token(&self, id: &str) -> Result<String> {
        token(&self.url(), id, self.secret(id).await?).await
    }

    /// Starts the gateway in this process.
    pub async fn start(&self) -> Result<Gateway> {
        self.secrets().await?;
        Gateway::start(&self.load()?, CARDS, Arc::new(SystemClock)).await
    }

    /// The program with this deployment's configuration; the command is still to be given.
    pub fn command(&self) -> Result<Command> {
        let mut command = Command::new(program()?);
        command.arg("--config").arg(&self.file);
        Ok(command)
    }

    /// Starts the gateway as a program of its own and waits until it is ready; returns how long that took.
    pub async fn spawn(&self) -> Result<(Program, Duration)> {
        self.secrets().await?;
        self.spawn_with(&[]).await
    }

    /// The same with variables in its environment; the tests' clients are there, or are not needed.
    pub async fn spawn_with(&self, environment: &[(&str, &str)]) -> Result<(Program, Duration)> {
        let log = std::fs::File::options().create(true).append(true).open(self.folder().join("gateway.log"))?;
        let mut command = self.command()?;
        command.envs(environment.iter().copied());
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // Not before: the program may have had to be built, or another build waited for.
        let started = Instant::now();
        let mut program = Program(command.spawn()?);
        loop {
            // Asked again soon: one request that is not answered must not take all of the time.
            let asked = tokio::time::timeout(Duration::from_secs(2), ready(&self.url())).await;
            if matches!(asked, Ok(Ok(_))) {
                return Ok((program, started.elapsed()));
            }
            if let Some(status) = program.0.try_wait()? {
                bail!("the gateway ended with {status}: {}", self.log());
            }
            if started.elapsed() > Duration::from_secs(30) {
                let (waits_in, log) = (waits_in(program.id()), self.log());
                bail!("the gateway is not ready after 30 s ({asked:?}); it waits in {waits_in}: {log}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What the program has logged.
    pub fn whole_log(&self) -> String {
        std::fs::read_to_string(self.folder().join("gateway.log")).unwrap_or_default()
    }

    /// The end of it.
    fn log(&self) -> String {
        let log = self.whole_log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// Where in the kernel the threads of a process wait: `jbd2_log_wait_commit` is a disk that is busy with something else.
fn waits_in(process: u32) -> String {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let read = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("wchan")).ok();
    let mut places: Vec<String> = threads.filter_map(read).collect();
    places.sort();
    places.dedup();
    places.join(", ")
}

fn lay_over(under: &mut toml::Table, over: toml::Table) {
    for (name, value) in over {
        match (under.get_mut(&name), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => lay_over(under, over),
            (_, value) => {
                under.insert(name, value);
            }
        }
    }
}

/// A running gateway program; ends with the value.
pub struct Program(Child);

impl Program {
    /// `kill -9`.
    pub fn kill(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.0.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("the gateway does not end; it waits in {}", waits_in(self.id()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Stops it in its tracks, as a machine does that is starved of everything.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// `kill -HUP`: read the configuration again.
    pub fn hang_up(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// `kill -TERM`: come to an end.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Until it has ended by itself.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("the gateway still runs after {within:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The most memory that it had at any time.
    pub fn most_memory_mib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?.parse()?;
        Ok(kib >> 10)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, built in the profile of the caller if it is not there or stale.
pub fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| {
        let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        build.args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "lienthong",
            "--message-format=json-render-diagnostics",
        ]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let output = build.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
        let messages = String::from_utf8_lossy(&output.stdout);
        let executable =
            messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
                let is_ours = message.pointer("/target/name")?.as_str()? == "lienthong";
                message.get("executable")?.as_str().filter(|_| is_ours).map(PathBuf::from)
            });
        executable.ok_or_else(|| "cargo build made no program".to_owned())
    });
    built.as_deref().map_err(|reason| anyhow::anyhow!("{reason}"))
}

/// A token for a client that proves itself by its secret.
pub async fn token(url: &str, id: &str, secret: &str) -> Result<String> {
    let request = client().post(format!("{url}/oauth/token")).basic_auth(id, Some(secret));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer: Value = request.body("grant_type=client_credentials").send().await?.error_for_status()?.json().await?;
    answer["access_token"].as_str().map(str::to_owned).context("no access_token")
}

/// What `/readyz` says.
pub async fn ready(url: &str) -> Result<Value> {
    Ok(client().get(format!("{url}/readyz")).send().await?.error_for_status()?.json().await?)
}

/// Items of a status, as `/readyz` counts them.
pub async fn count(url: &str, status: &str) -> Result<u64> {
    Ok(ready(url).await?.pointer(&format!("/outbox/{status}")).and_then(Value::as_u64).unwrap_or(0))
}

/// Waits until this line of `/metrics`, which is named whole, has this value. The token must be of a client that may read them.
pub async fn wait_for_metric(url: &str, token: &str, line: &str, expected: f64) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = client().get(format!("{url}/metrics")).bearer_auth(token).send().await?;
        let text = answer.error_for_status()?.text().await?;
        let value = text.lines().find_map(|one| one.strip_prefix(line)?.trim().parse::<f64>().ok());
        if value == Some(expected) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{line} is {value:?}, not {expected}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Until the given statuses are empty.
pub async fn wait_until_none(url: &str, statuses: &[&str], limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        let ready = ready(url).await?;
        let count = |status: &&str| ready.pointer(&format!("/outbox/{status}")).and_then(Value::as_u64).unwrap_or(0);
        let waiting: u64 = statuses.iter().map(count).sum();
        if waiting == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{waiting} items still wait: {ready}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One HTTP client for everything here.
pub fn client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
        builder.build().unwrap_or_default()
    })
}
