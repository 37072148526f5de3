//! What the gateway tells about itself: logs (structured, to standard error, and scrubbed on their way out of what could be
//! a person's number), traces, metrics.

pub mod metrics;
mod scrub;
mod traces;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

pub use scrub::Scrubbed;
pub use traces::{TraceSettings, Traces};

/// Starts logs and traces for the process. Called once; a second call changes nothing.
pub fn start(filter: &str, is_json: bool, traces: &TraceSettings) -> anyhow::Result<Traces> {
    let filter = EnvFilter::try_new(filter)?;
    let lines = fmt::layer().with_writer(ScrubbedStderr).with_ansi(false);
    let lines = if is_json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    let (traces, spans) = Traces::start(traces)?;
    let started = tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).try_init();
    drop(started);
    Ok(traces)
}

struct ScrubbedStderr;

impl<'a> MakeWriter<'a> for ScrubbedStderr {
    type Writer = Scrubbed<std::io::Stderr>;
    fn make_writer(&'a self) -> Self::Writer {
        Scrubbed::new(std::io::stderr())
    }
}
