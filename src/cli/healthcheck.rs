//! `lienthong healthcheck`: for containers and supervisors; no other program is needed.

use std::time::Duration;

use super::Failure;
use crate::config::Loaded;

pub(super) async fn run(loaded: &Loaded) -> Result<(), Failure> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).no_proxy().build()?;
    let response = client.get(format!("http://{}/readyz", loaded.settings.server.listen)).send().await?;
    let (status, text) = (response.status(), response.text().await?);
    println!("{text}");
    if status.is_success() { Ok(()) } else { Err(anyhow::anyhow!("not ready: {status}").into()) }
}
