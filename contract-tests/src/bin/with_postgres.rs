//! Runs a command with a private PostgreSQL server beside it, named in `LIENTHONG_TEST_POSTGRES`, and ends as it ended.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lienthong_contract_tests::postgres::{Server, VARIABLE};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().context("usage: with_postgres <command> [<argument>…]")?;
    // Held back from here on, so that the server is stopped and its folder removed. The terminal sends the first two to
    // the command as well; the third is passed on.
    let (_interrupt, _hangup) = (signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let mut terminate = signal(SignalKind::terminate())?;

    let server = Server::start()?;
    let mut command = Command::new(&program);
    command.args(arguments).env(VARIABLE, server.connection_string());
    let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = terminate.recv() => {
                if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) {
                    kill_process(pid, Signal::TERM)?;
                }
            }
        }
    };
    // Its data is thrown away: it need not write it out first, which takes long after many databases.
    drop(server);
    // As a shell says it.
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
