//! Other people's programs that tests, proofs and benchmarks start: Debian's packages, installed where they are missing.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run::step;
use crate::tools::has;

/// PostgreSQL's programs, from which private servers are started; never a server itself.
pub(crate) fn postgresql() -> Result<()> {
    install(
        "postgresql",
        has_postgresql,
        "install PostgreSQL 15 or later by hand (Debian: apt-get install postgresql), so that initdb and postgres are on \
         PATH or in /usr/lib/postgresql/<version>/bin",
    )
}

/// The shell with which operators back up a database.
pub(crate) fn sqlite3() -> Result<()> {
    install("sqlite3", || has("sqlite3"), "install SQLite's shell by hand, so that sqlite3 is on PATH")
}

/// Redis, in which replicas count together; never a server of the machine's own.
pub(crate) fn redis() -> Result<()> {
    install("redis-server", || has("redis-server"), "install Redis or Valkey by hand, so that redis-server is on PATH")
}

/// Connections that are slow on purpose.
pub(crate) fn slowhttptest() -> Result<()> {
    install("slowhttptest", || has("slowhttptest"), "install slowhttptest by hand, so that it is on PATH")
}

/// Go with its checksum database's packages, which judge our audit log.
pub(crate) fn go_sumdb() -> Result<()> {
    let by_hand = "install Go and its package golang.org/x/mod by hand (Debian: golang-go, golang-golang-x-mod-dev)";
    install("golang-go", || has("go"), by_hand)?;
    let sumdb = Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog");
    install("golang-golang-x-mod-dev", || sumdb.is_dir(), by_hand)
}

/// A security module in software, behind PKCS#11 as real ones are.
pub(crate) fn softhsm() -> Result<()> {
    let by_hand = "install SoftHSM 2 by hand (Debian: softhsm2), so that softhsm2-util is on PATH";
    install("softhsm2", || has("softhsm2-util"), by_hand)
}

fn install(package: &str, is_installed: impl Fn() -> bool, by_hand: &'static str) -> Result<()> {
    if is_installed() {
        return Ok(());
    }
    println!("{package} is not installed, and it is needed");
    ensure!(has("apt-get"), "there is no apt-get here: {by_hand}");
    let is_root = std::fs::metadata("/proc/self").context("/proc/self")?.uid() == 0;
    ensure!(is_root || has("sudo"), "only root may install, and there is no sudo: {by_hand}");
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new(if is_root { "env" } else { "sudo" });
        // sudo drops the environment, so it is set behind it.
        command.args(if is_root { &[][..] } else { &["env"] });
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
        step(&format!("apt-get {}", arguments.join(" ")), command)
    };
    let arguments = ["install", "-y", "--no-install-recommends", package];
    apt_get(&arguments)
        // The lists of packages may be missing or old.
        .or_else(|_| apt_get(&["update"]).and_then(|()| apt_get(&arguments)))
        .context(by_hand)?;
    ensure!(is_installed(), "the package was installed, but its programs are not found: {by_hand}");
    Ok(())
}

fn has_postgresql() -> bool {
    let programs = ["initdb", "postgres"];
    let has_both = |folder: &Path| programs.iter().all(|program| folder.join(program).is_file());
    let mut versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    programs.iter().all(|program| has(program)) || versions.any(|version| has_both(&version.path().join("bin")))
}
