//! What each command runs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{packages, tools};

/// The full-volume proofs and what each shows.
const PROOFS: &[(&str, &str)] = &[
    ("kills", "kill -9 at 50 random instants under load: nothing acknowledged is lost, nothing is doubled"),
    ("replicas", "three replicas on one PostgreSQL, 20,000 dossiers, 50 kills and pauses: exact, and one audit log"),
    ("database", "PostgreSQL killed 20 times under load: 503 while it is away, nothing acknowledged is lost"),
    ("copy", "1,000,000 dossiers from SQLite to PostgreSQL, killed twice on the way: every row equal, bounded memory"),
    (
        "catalogue",
        "6,413 procedures copied: one list call, bounded details; again and nothing is written; killed in the midst",
    ),
    (
        "agreement",
        "106,000 dossiers against the nation, 1 % of every class of difference put in: exactly these found, killed in the midst",
    ),
    (
        "hostile",
        "JSON, base64, XML and addresses that are more than they look, 25 times: each refused, memory does not grow",
    ),
    ("cold", "10,000 readers of one procedure that nobody has asked for yet: one call to the portal"),
    ("overload", "five times as many callers as places, and a client at twenty times its quota: who feels it"),
    ("slow", "1,500 connections that send heads or bodies, or take answers, drop by drop: an honest client goes on"),
    ("rotation", "signing keys and the TLS certificate change every second under load: no request fails"),
    (
        "tampering",
        "the audit log is changed in every way we know, 200 times each: found, and the first wrong record named",
    ),
    (
        "power-cut",
        "2,000 power cuts under load, unsynced writes lost, torn, out of order: nothing acknowledged is lost, the log verifies",
    ),
    ("ambiguity", "30 % of 10,000 deliveries take effect and then time out: inserts, updates and steps stay exact"),
    ("poison", "one poison dossier in 1,000 does not slow the others"),
];

/// The benchmarks and their programs.
const BENCHMARKS: &[(&str, &str)] =
    &[("http", "bench"), ("storage", "bench_storage"), ("audit", "bench_audit"), ("search", "bench_search")];

/// Unit and scenario tests, then what needs other people's tools.
pub(crate) fn test() -> Result<()> {
    packages::postgresql()?;
    packages::sqlite3()?;
    packages::redis()?;
    packages::go_sumdb()?;
    packages::softhsm()?;
    if tools::has("cargo-nextest") {
        step("tests", with_postgres(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]))?;
    } else {
        println!("cargo-nextest is not installed: cargo test runs instead, more slowly");
        step("tests", with_postgres(&["test", "--workspace", "--locked", "--no-fail-fast"]))?;
    }
    judge("the audit log, read by Go's checksum database", "go_verifies")?;
    tools::identity_provider()?;
    tools::deploy_files()?;
    tools::oauth_client()?;
    tools::fuzz_the_api()
}

/// A test that needs what only this command has installed.
pub(crate) fn judge(name: &str, test: &str) -> Result<()> {
    let run = ["test", "--locked", "--package", "lienthong-contract-tests", "--test", "it", "--", "--ignored", test];
    step(name, cargo(&run))
}

/// One proof at full volume, in release.
pub(crate) fn prove(name: Option<&str>) -> Result<()> {
    let Some((name, _)) = PROOFS.iter().find(|(known, _)| Some(*known) == name) else {
        for (name, what) in PROOFS {
            println!("  cargo xtask prove {name:10} {what}");
        }
        if name.is_some() {
            bail!("there is no such proof");
        }
        return Ok(());
    };
    packages::postgresql()?;
    if *name == "slow" {
        packages::slowhttptest()?;
    }
    step("build", cargo(&["build", "--release", "--locked", "--package", "lienthong"]))?;
    step(
        name,
        cargo(&["run", "--release", "--locked", "--package", "lienthong-contract-tests", "--bin", "prove", "--", name]),
    )
}

/// Benchmarks print; nothing here passes or fails by its speed.
pub(crate) fn bench(name: Option<&str>) -> Result<()> {
    let chosen: Vec<_> = BENCHMARKS.iter().filter(|(known, _)| name.is_none_or(|name| name == *known)).collect();
    if chosen.is_empty() {
        bail!(
            "there is no such benchmark: {}",
            BENCHMARKS.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ")
        );
    }
    packages::postgresql()?;
    step("build", cargo(&["build", "--release", "--locked", "--package", "lienthong"]))?;
    for (name, program) in chosen {
        let run = ["run", "--release", "--locked", "--package", "lienthong-contract-tests", "--bin", program];
        step(name, cargo(&run))?;
    }
    Ok(())
}

/// The committed API document is the one that the code gives.
pub(crate) fn openapi() -> Result<()> {
    let output = cargo(&["run", "--quiet", "--locked", "--package", "lienthong", "--", "openapi"]).output()?;
    if !output.status.success() {
        bail!("lienthong openapi failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let file = Path::new("docs/openapi.json");
    std::fs::write(file, &output.stdout).with_context(|| file.display().to_string())?;
    println!("{} written", file.display());
    Ok(())
}

pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.args(arguments);
    command
}

/// Cargo with a private PostgreSQL server beside it, which its tests share.
fn with_postgres(arguments: &[&str]) -> Command {
    let mut command = cargo(&["run", "--quiet", "--locked", "--package", "lienthong-contract-tests"]);
    let inner = cargo(arguments);
    command.args(["--bin", "with_postgres", "--"]).arg(inner.get_program()).args(inner.get_args());
    command
}

pub(crate) fn step(name: &str, mut command: Command) -> Result<()> {
    println!("── {name}");
    let status = command.status().with_context(|| format!("{name}: cannot run {:?}", command.get_program()))?;
    if status.success() { Ok(()) } else { bail!("{name} failed") }
}
