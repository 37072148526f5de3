//! Every route, in one list.

use std::sync::Arc;

use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::health::{self, Health};
use super::layers::{self, HttpLimits};
use super::openapi::Document;
use super::problem::{Code, Problem};
use crate::access::{Clients, authenticate};
use crate::dossiers::{self, Dossiers};
use crate::outbox::http as operations;

/// What the routes stand on.
pub struct Topics {
    pub dossiers: Arc<Dossiers>,
    pub operations: Arc<operations::Operations>,
    pub health: Arc<Health>,
    pub clients: Arc<Clients>,
}

/// The routes that need a client, with their description.
fn api(topics: &Topics) -> OpenApiRouter {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(dossiers::http::routes(Arc::clone(&topics.dossiers)))
        .merge(operations::routes(Arc::clone(&topics.operations)))
}

/// The API document.
pub fn document(topics: &Topics) -> utoipa::openapi::OpenApi {
    api(topics).into_openapi()
}

/// Everything that is served.
pub fn all(topics: &Topics, limits: &HttpLimits) -> Router {
    let (api, document) = api(topics).split_for_parts();
    let json = document.to_json().unwrap_or_default();
    let authenticated = api
        .method_not_allowed_fallback(|| async { Problem::new(Code::MethodNotAllowed) })
        // Only around what is an API route: an unknown address is 404 whoever asks.
        .route_layer(middleware::from_fn_with_state(Arc::clone(&topics.clients), authenticate));
    let open = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready).with_state(Arc::clone(&topics.health)))
        .route("/v1/openapi.json", get(move || async move { openapi(json) }));
    layers::around(authenticated.merge(open).fallback(|| async { Problem::new(Code::RouteNotFound) }), limits)
}

fn openapi(json: String) -> impl IntoResponse {
    (
        [
            (axum::http::header::CONTENT_TYPE, "application/json"),
            (axum::http::header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (axum::http::header::CACHE_CONTROL, "max-age=300"),
        ],
        json,
    )
}
