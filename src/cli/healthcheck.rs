//! `lienthong healthcheck`: for containers and supervisors; no other program is needed.

use std::time::Duration;

use super::Failure;
use crate::config::Loaded;

pub(super) async fn run(loaded: &Loaded) -> Result<(), Failure> {
    let server = &loaded.settings.server;
    // Its own address, whatever name its certificate is for: nothing is sent, and nothing is believed but that it answers.
    let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).no_proxy();
    let client = client.tls_danger_accept_invalid_certs(true).build()?;
    let scheme = if server.tls.is_on() { "https" } else { "http" };
    let response = client.get(format!("{scheme}://{}/readyz", server.listen)).send().await?;
    let (status, text) = (response.status(), response.text().await?);
    println!("{text}");
    if status.is_success() { Ok(()) } else { Err(anyhow::anyhow!("not ready: {status}").into()) }
}
