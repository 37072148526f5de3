//! What the gateway tells about itself: logs (structured, to standard error, and scrubbed on their way out of what could be
//! a person's number), traces, metrics.

pub mod metrics;
mod scrub;
mod traces;

use std::sync::OnceLock;

use anyhow::Context;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

pub use scrub::Scrubbed;
pub use traces::{TraceSettings, Traces};

/// Of the process, like its logging.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logs and traces for the process. Called once; a second call changes nothing.
pub fn start(filter: &str, is_json: bool, traces: &TraceSettings) -> anyhow::Result<Traces> {
    let (filter, handle) = reload::Layer::new(self::filter(filter).context("log.filter")?);
    let lines = fmt::layer().with_writer(ScrubbedStderr).with_ansi(false);
    let lines = if is_json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    let (traces, spans) = Traces::start(traces)?;
    if tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).try_init().is_ok() {
        let _ = FILTER.set(handle);
    }
    Ok(traces)
}

/// What is logged, as `log.filter` says it.
pub fn filter(text: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::try_new(text)
}

/// Another filter from now on, where logging was started.
pub fn apply(filter: EnvFilter) {
    if let Some(handle) = FILTER.get() {
        let _ = handle.reload(filter);
    }
}

struct ScrubbedStderr;

impl<'a> MakeWriter<'a> for ScrubbedStderr {
    type Writer = Scrubbed<std::io::Stderr>;
    fn make_writer(&'a self) -> Self::Writer {
        Scrubbed::new(std::io::stderr())
    }
}
