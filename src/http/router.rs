//! Every route, in one list.

use std::sync::Arc;

use axum::body::Bytes;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use metrics_exporter_prometheus::PrometheusHandle;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as OpenApiDocument;
use utoipa_axum::router::OpenApiRouter;

use super::health::{self, Health};
use super::layers::{self, HttpLimits};
use super::openapi::Document;
use super::problem::{Code, Problem};
use super::rules::{self, RuleBook};
use crate::access::oauth::{self, TokenEndpoint};
use crate::access::quotas::{self, Quotas};
use crate::access::{Access, authenticate};
use crate::agreement;
use crate::audit;
use crate::catalogue::{self, Catalogue};
use crate::dossiers::{self, Dossiers};
use crate::inbox::{self, Inbox, Portal};
use crate::outbox::http as operations;

/// What the routes stand on.
pub struct Topics {
    pub dossiers: Arc<Dossiers>,
    pub catalogue: Arc<Catalogue>,
    pub inbox: Arc<Inbox>,
    /// What sends to the inbox, if it is on.
    pub sender: Option<Arc<Portal>>,
    pub agreement: Arc<agreement::http::Agreement>,
    pub reports: Arc<agreement::qd766::http::Reports>,
    pub operations: Arc<operations::Operations>,
    pub audit: Arc<audit::http::PublicLog>,
    pub records: Arc<audit::records::Records>,
    pub health: Arc<Health>,
    pub counts: PrometheusHandle,
    pub access: Arc<Access>,
    pub quotas: Arc<Quotas>,
    pub token_endpoint: Arc<TokenEndpoint>,
}

/// The routes that need a client, with their description.
fn api(topics: &Topics) -> OpenApiRouter {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(dossiers::http::routes(Arc::clone(&topics.dossiers)))
        .merge(catalogue::http::routes(Arc::clone(&topics.catalogue)))
        .merge(inbox::http::routes(Arc::clone(&topics.inbox)))
        .merge(agreement::http::routes(Arc::clone(&topics.agreement)))
        .merge(agreement::qd766::http::routes(Arc::clone(&topics.reports)))
        .merge(operations::routes(Arc::clone(&topics.operations)))
        .merge(audit::records::routes(Arc::clone(&topics.records)))
        .merge(super::metrics::routes(topics.counts.clone()))
}

/// The routes that give clients their tokens.
fn open_api(topics: &Topics) -> OpenApiRouter {
    oauth::http::routes(Arc::clone(&topics.token_endpoint))
}

/// The API document, and what each of its operations asks of its caller.
pub fn document(topics: &Topics) -> anyhow::Result<(OpenApiDocument, RuleBook)> {
    let mut document = api(topics).into_openapi();
    let book = rules::apply(&mut document).map_err(anyhow::Error::msg)?;
    let mut open = open_api(topics).into_openapi();
    rules::open(&mut open);
    document.merge(open);
    Ok((document, book))
}

/// Everything that is served.
pub fn all(topics: &Topics, limits: &HttpLimits) -> anyhow::Result<Router> {
    let (document, book) = document(topics)?;
    let book = Arc::new(book);
    let json = Bytes::from(document.to_json()?);
    let (api, _) = api(topics).split_for_parts();
    let (open_api, _) = open_api(topics).split_for_parts();
    let not_allowed = || async { Problem::new(Code::MethodNotAllowed) };
    let authenticated = api
        .method_not_allowed_fallback(not_allowed)
        // Only around what is an API route: an unknown address is 404 whoever asks.
        // Innermost: only what is allowed at all is charged.
        .route_layer(middleware::from_fn_with_state(Arc::clone(&topics.quotas), quotas::limit))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&book), rules::authorise))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&topics.access), authenticate));
    let open = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready).with_state(Arc::clone(&topics.health)))
        .route("/v1/openapi.json", get(move || async move { openapi(json) }))
        .merge(audit::http::routes(Arc::clone(&topics.audit)))
        .merge(open_api)
        .method_not_allowed_fallback(not_allowed);
    let open = match &topics.sender {
        Some(portal) => {
            open.merge(inbox::portal_routes(&topics.inbox, portal)?.method_not_allowed_fallback(not_allowed))
        }
        None => open,
    };
    let routes = authenticated.merge(open).fallback(|| async { Problem::new(Code::RouteNotFound) });
    Ok(layers::around(routes, limits, book))
}

fn openapi(json: Bytes) -> impl IntoResponse {
    (
        [
            (axum::http::header::CONTENT_TYPE, "application/json"),
            (axum::http::header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (axum::http::header::CACHE_CONTROL, "max-age=300"),
        ],
        json,
    )
}
