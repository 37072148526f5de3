//! A private Redis for tests and proofs, on a socket of its own; ends with the value.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

pub struct Redis {
    folder: TempDir,
    child: Child,
}

impl Redis {
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("lt-redis-").tempdir()?;
        let child = launch(folder.path())?;
        Ok(Self { folder, child })
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(self.folder.path()).display())
    }

    /// `kill -9`: what it held in memory is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again, empty.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let _ = std::fs::remove_file(socket(self.folder.path()));
        self.child = launch(self.folder.path())?;
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

fn launch(folder: &Path) -> Result<Child> {
    let socket = socket(folder);
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(&socket);
    let child = command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let child = child.context("redis-server cannot be started (Debian: apt-get install redis-server)")?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        ensure!(Instant::now() < deadline, "redis-server does not listen on {}", socket.display());
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(child)
}
