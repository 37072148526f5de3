//! `lienthong openapi`

use std::sync::Arc;

use lienthong_adapter_kit::card::Card;
use lienthong_domain::time::SystemClock;

use super::Failure;
use crate::adapters::CARDS;
use crate::{config, wiring};

pub(super) async fn run() -> Result<(), Failure> {
    println!("{}", document().await?);
    Ok(())
}

/// The document as it is committed: pretty, one newline at its end.
pub(crate) async fn document() -> Result<String, anyhow::Error> {
    let folder = std::env::temp_dir().join(format!("lienthong-openapi-{}", uuid::Uuid::now_v7()));
    let environment = [("SQLITE__DATA_FOLDER", "data"), ("KEYS_FOLDER", "keys")]
        .map(|(name, sub)| (format!("LIENTHONG__STORAGE__{name}"), folder.join(sub).display().to_string()));
    // The adapters are not built: the document does not hang on settings that only an operator can give.
    let cards: Vec<Card> = CARDS.iter().map(|card| Card { check: |_| Ok(()), ..*card }).collect();
    let loaded = config::load(None, environment, &cards)
        .map_err(|mistakes| anyhow::anyhow!("the built-in defaults have mistakes: {mistakes:?}"))?;
    let document = wiring::api_document(&loaded.settings, Arc::new(SystemClock)).await;
    let _ = std::fs::remove_dir_all(&folder);
    Ok(document?.to_pretty_json()?)
}
