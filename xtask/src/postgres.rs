//! PostgreSQL's programs for tests, proofs and benchmarks, which start private servers; never a server itself.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run::step;
use crate::tools::has;

const BY_HAND: &str = "install PostgreSQL 15 or later by hand (Debian: apt-get install postgresql), so that initdb and \
                       postgres are on PATH or in /usr/lib/postgresql/<version>/bin";

/// Installs Debian's package where the programs are missing.
pub(crate) fn install() -> Result<()> {
    if is_installed() {
        return Ok(());
    }
    println!("PostgreSQL is not installed, and the tests need it");
    ensure!(has("apt-get"), "there is no apt-get here: {BY_HAND}");
    let is_root = std::fs::metadata("/proc/self").context("/proc/self")?.uid() == 0;
    ensure!(is_root || has("sudo"), "only root may install, and there is no sudo: {BY_HAND}");
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new(if is_root { "env" } else { "sudo" });
        // sudo drops the environment, so it is set behind it.
        command.args(if is_root { &[][..] } else { &["env"] });
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
        step(&format!("apt-get {}", arguments.join(" ")), command)
    };
    let package = ["install", "-y", "--no-install-recommends", "postgresql"];
    apt_get(&package)
        // The lists of packages may be missing or old.
        .or_else(|_| apt_get(&["update"]).and_then(|()| apt_get(&package)))
        .context(BY_HAND)?;
    ensure!(is_installed(), "the package was installed, but its programs are not found: {BY_HAND}");
    Ok(())
}

fn is_installed() -> bool {
    let programs = ["initdb", "postgres"];
    let has_both = |folder: &Path| programs.iter().all(|program| folder.join(program).is_file());
    let mut versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    programs.iter().all(|program| has(program)) || versions.any(|version| has_both(&version.path().join("bin")))
}
