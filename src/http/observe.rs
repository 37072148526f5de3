//! What is kept of every request: its id, the trace that it belongs to, a line of access log, its counts. Never what it
//! carried: not its path, which holds a dossier code, nor its query.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use lienthong_adapter_kit::metrics::InProgress;
use lienthong_adapter_kit::trace;
use metrics::{counter, gauge, histogram};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::problem::ProblemCode;
use super::rules::{RuleBook, rule_of};
use crate::access::Client;
use crate::telemetry::metrics::{CLIENT_SECONDS, REQUEST_SECONDS, REQUESTS, REQUESTS_IN_PROGRESS};

/// The request's id: given by the caller if it is a sound one, else ours. In the answer, the log and every problem.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Where whoever recognises the caller of a request says so: for its log line and its counts, however it ends.
#[derive(Debug, Clone, Default)]
pub struct Recognised(Arc<OnceLock<Arc<Client>>>);

impl Recognised {
    pub fn is(&self, client: &Arc<Client>) {
        let _ = self.0.set(Arc::clone(client));
    }
}

const REQUEST_ID: &str = "x-request-id";

/// Layer: around everything else.
pub async fn observe(State(book): State<Arc<RuleBook>>, mut request: Request, next: Next) -> Response {
    let id = text(&request, REQUEST_ID).filter(|id| is_sound_id(id));
    let id = id.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned);
    let method = request.method().clone();
    // The route, not the path.
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let operation = rule_of(&book, &request).map_or_else(|| route.clone(), |rule| rule.operation.to_owned());
    let span = tracing::info_span!("request", id, trace_id = Empty, otel.kind = "server", otel.name = operation);
    if let Some(traceparent) = text(&request, "traceparent") {
        trace::join(&span, traceparent);
    }
    span.record("trace_id", trace::id_of(&span));
    let recognised = Recognised::default();
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(recognised.clone());
    let in_progress = InProgress::of(gauge!(REQUESTS_IN_PROGRESS.name));
    let mut seen = Seen { method, operation, recognised, id, span, started: Instant::now(), ended: (HUNG_UP, None) };
    let mut response = next.run(request).instrument(seen.span.clone()).await;
    drop(in_progress);
    seen.ended = (response.status().as_u16(), response.extensions().get::<ProblemCode>().map(|code| code.0));
    if let Ok(value) = HeaderValue::from_str(&seen.id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn text<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// In place of a status: the caller did not wait for the answer.
const HUNG_UP: u16 = 499;

/// A request, told of when it has ended, however that was.
struct Seen {
    method: Method,
    operation: String,
    recognised: Recognised,
    id: String,
    span: Span,
    started: Instant,
    /// Status, and the problem's code.
    ended: (u16, Option<&'static str>),
}

impl Drop for Seen {
    fn drop(&mut self) {
        let (status, code) = self.ended;
        let (took, operation) = (self.started.elapsed(), self.operation.as_str());
        let client = self.recognised.0.get().map_or("", |client| client.id.as_str());
        // A method of the caller's own making may be of any length.
        let is_known = [Method::GET, Method::PUT, Method::POST, Method::HEAD].contains(&self.method);
        let method = if is_known { self.method.as_str() } else { "other" };
        let (request_id, micros) = (&*self.id, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.span.in_scope(|| match status {
            500.. => {
                tracing::warn!(target: "access", request_id, method, operation, client, status, code, micros, "request")
            }
            _ if operation.starts_with("/livez") || operation.starts_with("/readyz") => {
                tracing::debug!(target: "access", request_id, method, operation, status, micros, "request");
            }
            _ => {
                tracing::info!(target: "access", request_id, method, operation, client, status, code, micros, "request")
            }
        });
        let labels =
            [("client", client.to_owned()), ("operation", operation.to_owned()), ("status", status.to_string())];
        counter!(REQUESTS.name, &labels).increment(1);
        histogram!(REQUEST_SECONDS.name, "operation" => operation.to_owned()).record(took);
        if !client.is_empty() {
            histogram!(CLIENT_SECONDS.name, "client" => client.to_owned()).record(took);
        }
    }
}

/// Letters, digits, `-` and `_` only, and never something that could be a person's number.
fn is_sound_id(id: &str) -> bool {
    (8..=64).contains(&id.len())
        && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
        && !id.bytes().all(|c| c.is_ascii_digit())
}
