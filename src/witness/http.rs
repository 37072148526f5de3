//! The two addresses of a witness.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::{Refused, Witness};
use crate::audit::log::{MOST_REQUEST_BYTES, write_cosignature};

const TEXT: &str = "text/plain; charset=utf-8";

pub fn routes(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(MOST_REQUEST_BYTES))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, request: Bytes) -> Response {
    // It writes to the disk, and waits for those before it.
    let done = tokio::task::spawn_blocking(move || witness.add_checkpoint(&request)).await;
    let refused = match done {
        Ok(Ok(cosignature)) => return text(StatusCode::OK, TEXT, write_cosignature(&cosignature)),
        Ok(Err(refused)) => refused,
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let status = match &refused {
        Refused::Malformed(_) | Refused::OldIsGreater => StatusCode::BAD_REQUEST,
        Refused::UnknownLog(_) => StatusCode::NOT_FOUND,
        Refused::Unsigned(_) => StatusCode::FORBIDDEN,
        Refused::Conflict(size) => return text(StatusCode::CONFLICT, "text/x.tlog.size", format!("{size}\n")),
        Refused::NotConsistent(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Refused::Store(error) => {
            tracing::error!(%error, "a head could not be cosigned");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    text(status, TEXT, format!("{refused}\n"))
}

async fn checkpoint(State(witness): State<Arc<Witness>>, Path(origin): Path<String>) -> Response {
    match witness.newest(&origin) {
        Ok(Some(note)) => text(StatusCode::OK, TEXT, note),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, "what was cosigned last cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<axum::body::Body>) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], body.into()).into_response()
}
