//! A private PostgreSQL for tests, benchmarks and proofs: a folder of its own, a socket instead of a port, and the
//! durability of production. It must never outlive the process that started it.

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Where tests find a running server: a connection string.
pub const VARIABLE: &str = "LIENTHONG_TEST_POSTGRES";

const OLDEST_VERSION: u32 = 15;
/// Recovery after a crash included.
const LONGEST_START: Duration = Duration::from_secs(120);
const LONGEST_STOP: Duration = Duration::from_secs(30);
/// `sun_path`, without the zero at its end.
const LONGEST_SOCKET_PATH: usize = 107;
const SOCKET: &str = ".s.PGSQL.5432";

/// `fsync` and `synchronous_commit` are not here: a proof about lost data needs their defaults.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("port", "5432"),
    ("max_connections", "200"),
    ("shared_buffers", "256MB"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "15min"),
];

/// A server that ends, and whose folder goes, with the value.
pub struct Server {
    folder: TempDir,
    programs: PathBuf,
    user: Option<User>,
    settings: Vec<(String, String)>,
    /// `None` after a kill or a stop.
    running: Option<Running>,
}

impl Server {
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// `extra_settings` are laid over those of every test server.
    pub fn start_with(extra_settings: &[(&str, &str)]) -> Result<Self> {
        // Who can enter the folder is let in without a password.
        let only_its_owner = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("lt-pg-").permissions(only_its_owner).tempdir()?;
        let socket = folder.path().join(SOCKET);
        ensure!(
            socket.as_os_str().len() <= LONGEST_SOCKET_PATH,
            "{} is too long for a socket: set TMPDIR to a folder with a shorter name",
            socket.display()
        );
        let user = User::for_server()?;
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid))?;
        }
        let settings = SETTINGS.iter().chain(extra_settings).map(|(name, value)| (name.to_string(), value.to_string()));
        let settings = settings.collect();
        let mut server = Self { folder, programs: Self::find_programs()?, user, settings, running: None };
        server.make_data()?;
        server.launch()?;
        Ok(server)
    }

    /// The folder with `initdb` and `postgres`. Debian keeps them off PATH, one folder a version.
    pub fn find_programs() -> Result<PathBuf> {
        let has_both = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Some(folder) = std::env::split_paths(&path).find(has_both) {
            return Ok(folder);
        }
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let versions = versions.filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin"))).filter(|(_, folder)| has_both(folder))
        });
        let newest = versions.max().map(|(_, folder)| folder);
        newest.context(
            "PostgreSQL is not installed: initdb and postgres are missing (Debian: apt-get install postgresql)",
        )
    }

    /// For the user that may do everything.
    pub fn connection_string(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.folder.path().display())
    }

    /// A crash: `kill -9` of the server and of every process that it started.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        let server = running.pid()?;
        // Frozen first: it then starts no process, and reaps none, so that no id changes its owner meanwhile.
        kill_process(server, Signal::STOP)?;
        let children = kill_children(server);
        running.child.kill()?;
        running.child.wait()?;
        children
    }

    /// Starts again on the same data, after `kill` or `stop`; one that runs is stopped first.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        // Of a server that was killed. Nothing of it runs any more, but its process ids may be others' by now.
        for stale in ["data/postmaster.pid".into(), format!("{SOCKET}.lock")] {
            let _ = std::fs::remove_file(self.folder.path().join(stale));
        }
        self.launch()
    }

    /// Starts again on a copy of its data, as `pg_basebackup` makes it. What was there is gone.
    pub fn restart_on(&mut self, copy: &Path) -> Result<()> {
        self.stop()?;
        std::fs::remove_dir_all(self.data())?;
        let copied = Command::new("cp").arg("--archive").arg(copy).arg(self.data()).status()?;
        ensure!(copied.success(), "{} could not be copied", copy.display());
        if let Some(user) = &self.user {
            let owner = format!("{}:{}", user.uid, user.gid);
            let given = Command::new("chown").args(["--recursive", &owner]).arg(self.data()).status()?;
            ensure!(given.success(), "the copy could not be given to the server's user");
        }
        self.launch()
    }

    /// In good order: open transactions are rolled back, a checkpoint is written.
    pub fn stop(&mut self) -> Result<()> {
        // SIGINT is PostgreSQL's "fast" shutdown.
        self.end(Signal::INT)
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        kill_process(running.pid()?, signal)?;
        let deadline = Instant::now() + LONGEST_STOP;
        while running.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.kill()?;
                bail!("the server did not stop within {LONGEST_STOP:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.running = None;
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn make_data(&self) -> Result<()> {
        let mut initdb = self.command("initdb");
        initdb.arg("--pgdata").arg(self.data());
        initdb.args(["--username=postgres", "--auth-local=trust", "--auth-host=reject"]);
        initdb.args(["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        let output =
            initdb.output().with_context(|| format!("cannot run initdb in {}", self.folder.path().display()))?;
        ensure!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        let version = std::fs::read_to_string(self.data().join("PG_VERSION"))?;
        ensure!(
            version.trim().parse::<u32>()? >= OLDEST_VERSION,
            "PostgreSQL {} in {} is too old: {OLDEST_VERSION} or later is needed",
            version.trim(),
            self.programs.display()
        );
        Ok(())
    }

    fn launch(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.path().join("server.log"))?;
        let mut postgres = self.command("postgres");
        postgres.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        for (name, value) in &self.settings {
            postgres.arg("-c").arg(format!("{name}={value}"));
        }
        // A group of its own: Ctrl-C is for the tests, which still need their server while they end.
        postgres.process_group(0).stdout(log.try_clone()?).stderr(log);
        self.running = Some(Running::spawn(postgres)?);
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + LONGEST_START;
        while let Some(running) = &mut self.running {
            if is_ready(&self.folder.path().join("data/postmaster.pid"), running.child.id()) {
                break;
            }
            if let Some(status) = running.child.try_wait()? {
                self.running = None;
                bail!("the server ended with {status}: {}", self.log());
            }
            ensure!(Instant::now() < deadline, "the server is not ready after {LONGEST_START:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// One of PostgreSQL's programs as the server's user; it is told to quit when the thread that starts it ends.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        // SIGQUIT is PostgreSQL's "immediate" shutdown: unlike SIGKILL it takes the server's children along.
        command.args(["--pdeathsig", "QUIT", "--"]).arg(self.programs.join(program));
        if let Some(user) = &self.user {
            command.uid(user.uid).gid(user.gid);
        }
        // The caller's folder may be closed to the server's user.
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.end(Signal::QUIT).is_err() {
            let _ = self.kill();
        }
    }
}

struct Running {
    child: Child,
    /// Lets the thread that started the server end.
    _starter: mpsc::Sender<()>,
}

impl Running {
    /// From a thread that lasts as long as the value: the end of the *thread* that started a process, not that of its
    /// program, is what sends the parent-death signal, and threads of tests and runtimes come and go.
    fn spawn(mut command: Command) -> Result<Self> {
        let (give, take) = mpsc::channel();
        let (starter, ended) = mpsc::channel();
        std::thread::Builder::new().name("postgres".into()).spawn(move || {
            let _ = give.send(command.spawn());
            let _ = ended.recv();
        })?;
        let child = take.recv()?.context("cannot run postgres")?;
        Ok(Self { child, _starter: starter })
    }

    fn pid(&self) -> Result<Pid> {
        Pid::from_raw(self.child.id().try_into()?).context("a process has an id")
    }
}

/// A system user for the server where the tests run as root, as which PostgreSQL refuses to run.
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    fn for_server() -> Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
        let find = |wanted: &str| {
            users.lines().find_map(|line| match line.split(':').collect::<Vec<_>>()[..] {
                [name, _, uid, gid, ..] if name == wanted => {
                    Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
                }
                _ => None,
            })
        };
        let user = find("postgres").or_else(|| find("nobody"));
        Ok(Some(user.context("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")?))
    }
}

/// The server writes its state into the eighth line of its lock file, `ready` once it takes connections.
fn is_ready(lock_file: &Path, pid: u32) -> bool {
    let lock = std::fs::read_to_string(lock_file).unwrap_or_default();
    let line = |number: usize| lock.lines().nth(number).map(str::trim);
    line(0) == Some(pid.to_string().as_str()) && line(7) == Some("ready")
}

/// Until none is left: one in the middle of a write to the disk ends only after it.
fn kill_children(parent: Pid) -> Result<()> {
    let deadline = Instant::now() + LONGEST_STOP;
    loop {
        let alive = living_children(parent)?;
        if alive.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "processes of the server do not end: {alive:?}");
        for child in alive {
            let _ = kill_process(child, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// PostgreSQL puts each of its processes into a group of its own: only `/proc` knows them all.
fn living_children(parent: Pid) -> Result<Vec<Pid>> {
    let processes = std::fs::read_dir("/proc")?.flatten();
    let children = processes.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // `id (name) state parent …`, where the name may hold anything.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let (state, its_parent) = (fields.next()?, fields.next()?.parse::<i32>().ok()?);
        (state != "Z" && parent.as_raw_nonzero().get() == its_parent).then(|| Pid::from_raw(pid))?
    });
    Ok(children.collect())
}

/// The server for tests that share one.
pub fn server_for_tests() -> Result<String> {
    std::env::var(VARIABLE).ok().with_context(|| {
        format!(
            "these tests need a PostgreSQL server: run `cargo xtask test` (it starts a private one), or set {VARIABLE} \
             to the connection string of a server on which databases may be created"
        )
    })
}

/// Makes a database that nobody else uses, and returns its connection string. It stays: it goes with its server.
pub async fn fresh_database(server: &str) -> Result<String> {
    let (client, connection) = tokio_postgres::connect(server, NoTls).await.context("the PostgreSQL server")?;
    let connection = tokio::spawn(connection);
    let name = format!("t_{}", Uuid::now_v7().simple());
    client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
    drop(client);
    connection.await??;
    // Of a name that is given twice the last value counts, in both forms of a connection string.
    let joint = match server.contains("://") {
        true if server.contains('?') => '&',
        true => '?',
        false => ' ',
    };
    Ok(format!("{server}{joint}dbname={name}"))
}
