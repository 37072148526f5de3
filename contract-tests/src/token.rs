//! A token with keys behind PKCS#11: SoftHSM's, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::timestamp_authority::openssl;

pub const PIN: &str = "2468";
pub const LABEL: &str = "province";

pub struct Token {
    folder: TempDir,
}

impl Token {
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("tokens"))?;
        let settings =
            format!("directories.tokendir = {}\nlog.level = ERROR\n", folder.path().join("tokens").display());
        std::fs::write(folder.path().join("softhsm2.conf"), settings)?;
        let token = Self { folder };
        token.run(&["--init-token", "--free", "--label", LABEL, "--so-pin", "1357", "--pin", PIN])?;
        Ok(token)
    }

    /// Where the library finds its settings.
    pub fn settings(&self) -> String {
        self.folder.path().join("softhsm2.conf").display().to_string()
    }

    /// Puts a private key (PEM) into it.
    pub fn import(&self, key: &Path, label: &str, id: &str) -> Result<()> {
        let key = key.display().to_string();
        self.run(&["--import", &key, "--token", LABEL, "--pin", PIN, "--label", label, "--id", id])
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new("softhsm2-util");
        openssl(command.env("SOFTHSM2_CONF", self.settings()).args(arguments)).map(drop)
    }
}

/// The driver: where Debian puts it, here or on another architecture.
pub fn driver() -> Result<PathBuf> {
    let places =
        ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"];
    let found = places.into_iter().map(PathBuf::from).find(|place| place.exists());
    found.context("SoftHSM 2 is not installed (Debian: softhsm2); `cargo xtask test` installs it")
}
