//! A gateway with the sandbox behind it, for other people's tools: gone with everything it wrote when it is dropped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::run::{cargo, step};

const PROGRAM: &str = "target/debug/lienthong";

pub(crate) struct Gateway {
    port: u16,
    settings: Vec<(String, String)>,
    folder: PathBuf,
    _running: [Running; 2],
}

impl Gateway {
    pub(crate) fn start() -> Result<Self> {
        step("build", cargo(&["build", "--locked", "--package", "lienthong"]))?;
        let folder = std::env::temp_dir().join(format!("lienthong-tools-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let (portal, port) = (free_port()?, free_port()?);
        let mut sandbox =
            Running::start(Command::new(PROGRAM).args(["sandbox", "--listen", &format!("127.0.0.1:{portal}")]))?;
        let set = |name: &str, value: String| (format!("LIENTHONG__{name}"), value);
        let settings = vec![
            set("SERVER__LISTEN", format!("127.0.0.1:{port}")),
            set("SERVER__PUBLIC_URL", url(port)),
            set("ACCESS__TOKEN_LIFETIME_S", "3600".into()),
            set("STORAGE__SQLITE__DATA_FOLDER", folder.join("data").display().to_string()),
            // How full this machine's disk is has nothing to do with the API.
            set("STORAGE__LEAST_FREE_BYTES", "0".into()),
            set("STORAGE__LEAST_FREE_PERCENT", "0".into()),
            set("STORAGE__KEYS_FOLDER", folder.join("keys").display().to_string()),
            // The schema judge takes whoever answers after ten seconds for dead.
            set("INBOX__LONGEST_WAIT_S", "1".into()),
            set("ADAPTERS__PORTAL_DVCQG__ADAPTER_URL", url(portal)),
            set("LOG__FILTER", "error".into()),
        ];
        let mut serve = Running::start(lienthong(&settings).arg("serve"))?;
        wait_for(portal, &mut sandbox)?;
        wait_for(port, &mut serve)?;
        Ok(Self { port, settings, folder, _running: [serve, sandbox] })
    }

    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    /// The program with this gateway's configuration; the command is still to be given.
    pub(crate) fn lienthong(&self) -> Command {
        lienthong(&self.settings)
    }

    /// A token for a new client, which is added with these options.
    pub(crate) fn token(&self, id: &str, options: &[&str]) -> Result<String> {
        let added = self.lienthong().args(["client", "add", id, "--name", id]).args(options).output()?;
        let added = String::from_utf8_lossy(&added.stdout).into_owned();
        let secret = added.lines().find_map(|line| line.trim().strip_prefix("client_secret")).map(str::trim);
        let secret = secret.with_context(|| format!("no secret for the client: {added}"))?;
        token(self.port, id, secret)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn lienthong(settings: &[(String, String)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--config", "config/dev.toml"]).envs(settings.iter().map(|(name, value)| (name, value)));
    command
}

/// A program that ends with the value that holds it.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An access token, asked for as any client does.
fn token(port: u16, id: &str, secret: &str) -> Result<String> {
    let credentials = STANDARD.encode(format!("{id}:{secret}"));
    let form = "grant_type=client_credentials";
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        connection,
        "POST /oauth/token HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Basic {credentials}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{form}",
        form.len()
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let token = answer.split("\"access_token\":\"").nth(1).and_then(|rest| rest.split('"').next());
    token.map(str::to_owned).with_context(|| format!("no token: {answer}"))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn wait_for(port: u16, program: &mut Running) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(15);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = program.0.try_wait()? {
            bail!("the program on port {port} ended with {status}");
        }
        if Instant::now() > deadline {
            bail!("nothing answers on port {port}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
