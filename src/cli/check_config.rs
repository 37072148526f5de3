//! `lienthong check-config`

use std::io::Write;

use anyhow::Context as _;

use super::Failure;
use crate::config::{Loaded, Mistake};

pub(super) async fn run(loaded: &Loaded) -> Result<(), Failure> {
    let width = loaded.values.iter().map(|value| value.key.len()).max().unwrap_or(0).min(60);
    let mut out = std::io::stdout().lock();
    for value in &loaded.values {
        // A reader that has seen enough (`| head`) ends the list, not the program.
        if writeln!(out, "{:width$} = {}  # {}", value.key, value.value, value.source).is_err() {
            return Ok(());
        }
    }
    // What the settings name must be usable, too.
    crate::wiring::tls(&loaded.settings)?;
    loaded.settings.timestamp_authorities().context("audit.timestamp_authorities")?;
    loaded.settings.agency_signature().context("audit.agency_signature")?;
    loaded.settings.reports.calendar().context("reports.holidays_file")?;
    // An issuer that is away is no mistake of the configuration: it is told, and no more.
    for (url, keys) in crate::wiring::issuers(&loaded.settings)?.try_all().await {
        match keys {
            Ok(keys) => {
                let _ = writeln!(out, "# {url}: {} khóa dùng được / usable keys; {:?}", keys.len(), keys.left_out);
            }
            Err(reason) => eprintln!("CẢNH BÁO / WARNING: {url}: chưa có khóa / no keys: {reason}"),
        }
    }
    Ok(())
}

/// All mistakes at once, each with its key and where the value came from.
pub(super) fn print_mistakes(mistakes: &[Mistake]) {
    eprintln!("Cấu hình có {} lỗi / The configuration has {} mistakes:", mistakes.len(), mistakes.len());
    for mistake in mistakes {
        eprintln!("\n  {}  ({})\n    {}\n    {}", mistake.key, mistake.source, mistake.vi, mistake.en);
    }
}
