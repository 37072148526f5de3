//! Logs: structured, to standard error, and scrubbed on their way out of what could be a person's number.

mod scrub;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

pub use scrub::Scrubbed;

/// Starts logging for the process. Called once; a second call changes nothing.
pub fn start(filter: &str, is_json: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(ScrubbedStderr).with_ansi(false);
    let started = if is_json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
    drop(started);
    Ok(())
}

struct ScrubbedStderr;

impl<'a> MakeWriter<'a> for ScrubbedStderr {
    type Writer = Scrubbed<std::io::Stderr>;
    fn make_writer(&'a self) -> Self::Writer {
        Scrubbed::new(std::io::stderr())
    }
}
