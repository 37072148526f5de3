//! `lienthong serve`

use std::sync::Arc;
use std::time::Duration;

use lienthong_domain::time::SystemClock;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;
use crate::adapters::CARDS;
use crate::config::{Loaded, Mistake};
use crate::telemetry;
use crate::wiring::{By, Configuration, Gateway, NotTaken};

/// Reads the configuration, for the first time or again.
type Read = dyn Fn() -> Result<Loaded, Vec<Mistake>> + Send + Sync;

pub(super) async fn run(read: Box<Read>) -> Result<(), Failure> {
    // From the first moment on: a signal without a handler ends the process.
    let hangup = signal(SignalKind::hangup())?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let loaded = read().map_err(Failure::Configuration)?;
    let log = &loaded.settings.log;
    let traces = telemetry::start(&log.filter, log.format == "json", &loaded.settings.traces())?;
    let mut gateway = Gateway::start(&loaded, CARDS, Arc::new(SystemClock)).await?;
    let mut following = tokio::spawn(follow(gateway.configuration(), read, hangup));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = gateway.ended() => return Err(ended_by_itself()),
        _ = &mut following => return Err(ended_by_itself()),
    }
    following.abort();
    let at_once = tokio::select! {
        () = async { gateway.stop().await; traces.end().await } => return Ok(()),
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    Err(anyhow::anyhow!("a second signal ({at_once}): ended before everything under way had finished").into())
}

fn ended_by_itself() -> Failure {
    anyhow::anyhow!("a part of the gateway ended by itself, see the log").into()
}

/// Takes the configuration over again whenever it is asked to, or one of its files changed.
async fn follow(configuration: Arc<Configuration>, read: Box<Read>, mut hangup: Signal) {
    let mut seen = configuration.files().await;
    // What was said last of files that could not be taken over: it is not said again of the same.
    let mut said = String::new();
    loop {
        let every = configuration.reload_every();
        let by = tokio::select! {
            asked = hangup.recv() => if asked.is_some() { By::Signal } else { return },
            () = tokio::time::sleep(every), if !every.is_zero() => By::File,
            // Never looked at: until that is changed by a signal.
            () = tokio::time::sleep(Duration::from_secs(3600)), if every.is_zero() => continue,
        };
        if by == By::File {
            let (known, found) = (configuration.files().await, seen.now());
            // Looked at twice: half of a file that is just being written may be a sound configuration, too.
            let is_settled = found == seen;
            seen = found;
            if seen == known {
                said.clear();
                continue;
            }
            if !is_settled {
                continue;
            }
        } else {
            said.clear();
        }
        let taken = match read() {
            Ok(loaded) => configuration.replace(loaded, by).await,
            Err(mistakes) => Err(NotTaken::Mistakes(mistakes)),
        };
        match taken {
            Ok(changed) => {
                seen = configuration.files().await;
                said.clear();
                tracing::info!(?by, changed = changed.join(", "), "the configuration was read again");
            }
            Err(reason) => {
                let text = format!("{reason:?}");
                if said != text {
                    complain(&reason);
                    said = text;
                }
            }
        }
    }
}

/// In the words of `check-config`.
fn complain(reason: &NotTaken) {
    match reason {
        NotTaken::Mistakes(mistakes) => {
            for Mistake { key, source, vi, en } in mistakes {
                tracing::error!(key, source, vi, en, "a mistake in the new configuration");
            }
        }
        NotTaken::Failed(error) => {
            tracing::error!(error = format!("{error:#}"), "the new configuration cannot be used")
        }
    }
    tracing::error!("the configuration stays what it was: nothing was changed");
}
