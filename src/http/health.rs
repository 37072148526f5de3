//! Whether the process lives, and whether it should be given requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::outbox::store::{Counts, OutboxStore};
use crate::storage::StoreError;
use crate::storage::disk::DiskWatch;

/// Then readiness is told without counts.
const MOST_TIME_TO_COUNT: Duration = Duration::from_secs(1);

/// Then the store does not answer.
const MOST_TIME_TO_ASK: Duration = Duration::from_millis(500);

/// What readiness is judged by.
pub struct Health {
    pub outbox: Arc<dyn OutboxStore>,
    /// Only where the database is a file here.
    pub disk: Option<Arc<DiskWatch>>,
    /// A stop was asked for: what is sent here is still served, and nothing more should be.
    pub is_leaving: Arc<AtomicBool>,
}

pub async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Ready while the store answers; a low disk is told and refuses new requests by itself.
pub async fn ready(State(health): State<Arc<Health>>) -> Response {
    let not_ready = || (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false }))).into_response();
    if health.is_leaving.load(Ordering::Relaxed) {
        return not_ready();
    }
    // Counting much takes long: that must not make a gateway look unable to serve.
    let counted = match tokio::time::timeout(MOST_TIME_TO_COUNT, health.outbox.counts()).await {
        Ok(counted) => counted,
        Err(_) => match tokio::time::timeout(MOST_TIME_TO_ASK, health.outbox.next_due()).await {
            Ok(answered) => answered.map(|_| Counts::default()),
            Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
        },
    };
    match counted {
        Ok(counts) => {
            let outbox: serde_json::Map<_, _> =
                counts.by_status.iter().map(|(status, count)| (status.as_str().to_owned(), json!(count))).collect();
            let disk_is_low = health.disk.as_ref().is_some_and(|disk| disk.is_low());
            Json(json!({ "ready": true, "diskIsLow": disk_is_low, "outbox": outbox })).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "not ready");
            not_ready()
        }
    }
}
