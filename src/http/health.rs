//! Whether the process lives, and whether it should be given requests.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::outbox::store::OutboxStore;
use crate::storage::disk::DiskWatch;

/// What readiness is judged by.
pub struct Health {
    pub outbox: Arc<dyn OutboxStore>,
    pub disk: Arc<DiskWatch>,
}

pub async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Ready while the store answers; a low disk is told and refuses new requests by itself.
pub async fn ready(State(health): State<Arc<Health>>) -> Response {
    match health.outbox.counts().await {
        Ok(counts) => {
            let outbox: serde_json::Map<_, _> =
                counts.by_status.iter().map(|(status, count)| (status.as_str().to_owned(), json!(count))).collect();
            Json(json!({ "ready": true, "diskIsLow": health.disk.is_low(), "outbox": outbox })).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false }))).into_response()
        }
    }
}
