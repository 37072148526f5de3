//! `lienthong serve`

use std::sync::Arc;

use lienthong_domain::time::SystemClock;
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::adapters::CARDS;
use crate::config::Loaded;
use crate::telemetry;
use crate::wiring::Gateway;

pub(super) async fn run(loaded: &Loaded) -> Result<(), Failure> {
    let log = &loaded.settings.log;
    let traces = telemetry::start(&log.filter, log.format == "json", &loaded.settings.traces())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut gateway = Gateway::start(loaded, CARDS, Arc::new(SystemClock)).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = gateway.ended() => return Err(anyhow::anyhow!("a part of the gateway ended by itself, see the log").into()),
    }
    gateway.stop().await;
    traces.end().await;
    Ok(())
}
