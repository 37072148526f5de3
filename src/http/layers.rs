//! The layers around every route, in one function, each with the reason for its place.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use tracing::Instrument;

use super::json::BodyLimit;
use super::openapi::API_VERSION;
use super::problem::{Code, Problem, localise};

/// Limits of the way in, from the configuration.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    pub body_bytes: usize,
    pub request_timeout: Duration,
    pub header_read_timeout: Duration,
    pub concurrent_requests: usize,
}

/// The request's id: given by the caller if it is a sound one, else ours. In the answer, the log and every problem.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Puts the layers around the routes. The last one added is the first that a request meets.
pub fn around(routes: Router, limits: &HttpLimits) -> Router {
    let places = Arc::new(tokio::sync::Semaphore::new(limits.concurrent_requests));
    routes
        // Innermost: a body is bounded wherever it is read.
        .layer(Extension(BodyLimit(limits.body_bytes)))
        // A handler may not take longer than a caller waits; what it made durable stays durable.
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limits.request_timeout))
        // Above the time limit, so that a refused request costs nothing but its refusal.
        .layer(middleware::from_fn(move |request, next| shed(Arc::clone(&places), request, next)))
        // A panic is a problem like any other, and the process lives on.
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            tracing::error!("a handler panicked");
            Problem::new(Code::Internal).into_response()
        }))
        // Outside everything that can refuse: every refusal is written in one shape and in the reader's language.
        .layer(middleware::from_fn(localise))
        // Outside the problems, so that they carry these headers too.
        .layer(middleware::from_fn(standard_headers))
        // Outermost: everything below has an id, and one line of access log.
        .layer(middleware::from_fn(with_request_id))
}

async fn shed(places: Arc<tokio::sync::Semaphore>, request: Request, next: Next) -> Response {
    match places.try_acquire_owned() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::new(Code::Overloaded).retry_after(Duration::from_secs(1)).into_response(),
    }
}

async fn standard_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        if !headers.contains_key(name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    set("api-version", API_VERSION);
    set("cache-control", "no-store");
    set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("referrer-policy", "no-referrer");
    if !headers.contains_key(header::VARY) {
        headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
    }
    response
}

async fn with_request_id(mut request: Request, next: Next) -> Response {
    const NAME: &str = "x-request-id";
    let given = request.headers().get(NAME).and_then(|value| value.to_str().ok()).filter(|id| is_sound_id(id));
    let id = given.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    // The route, not the path: a path holds a dossier code, and one that leads nowhere whatever its sender wrote.
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let started = std::time::Instant::now();
    let span = tracing::info_span!("request", id = %id);
    let mut response = next.run(request).instrument(span).await;
    tracing::debug!(
        request_id = %id, %method, route, status = response.status().as_u16(),
        micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX), "request"
    );
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(NAME, value);
    }
    response
}

/// Letters, digits, `-` and `_` only, and never something that could be a person's number.
fn is_sound_id(id: &str) -> bool {
    (8..=64).contains(&id.len())
        && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
        && !id.bytes().all(|c| c.is_ascii_digit())
}
