//! The layers around every route, in one function, each with the reason for its place.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use lienthong_adapter_kit::time_budget;
use metrics::counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::catch_panic::CatchPanicLayer;

use super::json::{BodyLimit, read_all};
use super::observe::observe;
use super::openapi::API_VERSION;
use super::problem::{Code, Problem, localise};
use super::rules::{Priority, RuleBook, rule_of};
use crate::inbox::Senders;
use crate::telemetry::metrics::SHED;

/// Of what needs no token: a form for the token endpoint.
const MOST_OPEN_BODY_BYTES: usize = 16 * 1024;

/// How long a message of the portal waits for its place.
const MESSAGE_WAIT: Duration = Duration::from_secs(10);

/// Limits of the way in, from the configuration.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    pub body: BodyLimit,
    pub request_timeout: Duration,
    pub places: Arc<Places>,
    pub inbound: Arc<Inbound>,
}

/// What other systems send by themselves: where, who may, how many messages at a time, and how long one may take.
#[derive(Debug)]
pub struct Inbound {
    pub paths: HashSet<String>,
    pub senders: Senders,
    /// Of a message that is read: it holds its part of the memory.
    pub places: Arc<Semaphore>,
    pub timeout: Duration,
}

impl Inbound {
    fn serves(&self, request: &Request) -> bool {
        let path = request.extensions().get::<MatchedPath>();
        path.is_some_and(|path| self.paths.contains(path.as_str()))
    }
}

/// Puts the layers around the routes. The last one added is the first that a request meets.
pub fn around(routes: Router, limits: &HttpLimits, book: Arc<RuleBook>) -> Router {
    let (request_timeout, inbound) = (limits.request_timeout, Arc::clone(&limits.inbound));
    let time_of = move |request: &Request| if inbound.serves(request) { inbound.timeout } else { request_timeout };
    let shedding = Shedding {
        places: Arc::clone(&limits.places),
        book: Arc::clone(&book),
        body: limits.body,
        inbound: Arc::clone(&limits.inbound),
    };
    routes
        // Innermost: a body is bounded wherever it is read.
        .layer(Extension(limits.body))
        // A handler may not take longer than a caller waits; what it made durable stays durable. What it waits for itself ends a
        // little earlier, with an answer that says what it was.
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let time = time_of(&request);
            async move {
                let answer = time_budget::within(time - time / 10, next.run(request));
                let too_late = |_| StatusCode::SERVICE_UNAVAILABLE.into_response();
                tokio::time::timeout(time, answer).await.unwrap_or_else(too_late)
            }
        }))
        // Above the time limit, so that a refused request costs nothing but its refusal.
        .layer(middleware::from_fn(refuse_without_place))
        // A panic is a problem like any other, and the process lives on.
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            tracing::error!("a handler panicked");
            Problem::new(Code::Internal).into_response()
        }))
        // Outside everything that can refuse: every refusal is written in one shape and in the reader's language.
        .layer(middleware::from_fn(localise))
        // Outside the problems, so that they carry these headers too.
        .layer(middleware::from_fn(standard_headers))
        // Outside whatever need not wait with it: a request that waits for its place holds little.
        .layer(middleware::from_fn_with_state(shedding, wait_for_place))
        // Outermost: everything below has an id and a trace, and is counted.
        .layer(middleware::from_fn_with_state(book, observe))
}

/// Places for requests at a time. The less a request matters, the sooner there is none for it.
///
/// A request waits a moment for its place before it is refused: a refusal at once would be asked again at once, and
/// refusing would be all that is done. Whoever waits costs little, and there are no more of them than connections.
///
/// Whoever needs no token has no place before its body is there: a few hundred strangers that send slowly would hold all of
/// them. A client with a token has one meanwhile, so that there are no more large bodies in memory than places.
#[derive(Debug)]
pub struct Places {
    wait: Duration,
    all: Arc<Semaphore>,
    /// For whatever is not [`Priority::Last`]: nine of ten.
    usual: Arc<Semaphore>,
    /// For [`Priority::Bulk`]: half.
    bulk: Arc<Semaphore>,
}

/// A request's place, as the request finds it: it is given back early by one that only waits.
#[derive(Clone, Debug)]
pub struct HeldPlace(Arc<Mutex<Vec<OwnedSemaphorePermit>>>);

impl HeldPlace {
    pub fn give_back(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Places {
    /// So many at a time; a request waits so long for its place.
    pub fn new(all: usize, wait: Duration) -> Self {
        let part = |part: usize| Arc::new(Semaphore::new(part.max(1)));
        Self { wait, all: part(all), usual: part(all - all / 10), bulk: part(all / 2) }
    }

    /// Held while the request is worked on.
    async fn take(&self, priority: Priority) -> Option<Vec<OwnedSemaphorePermit>> {
        let of = match priority {
            Priority::Bulk => &[&self.bulk, &self.usual, &self.all][..],
            Priority::Usual => &[&self.usual, &self.all],
            Priority::Last => &[&self.all],
        };
        // Always in this order: nobody holds what another waits for while it waits for what that one holds.
        let take = async {
            let mut taken = Vec::with_capacity(of.len());
            for places in of {
                taken.push(Arc::clone(places).acquire_owned().await.ok()?);
            }
            Some(taken)
        };
        tokio::time::timeout(self.wait, take).await.ok().flatten()
    }
}

/// What decides about places.
#[derive(Clone)]
struct Shedding {
    places: Arc<Places>,
    book: Arc<RuleBook>,
    body: BodyLimit,
    inbound: Arc<Inbound>,
}

/// Found on the way to a place; told further inside, where refusals are written in one shape.
#[derive(Clone)]
struct Refused {
    problem: Problem,
    /// Nothing more is read from the connection.
    is_last: bool,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, is_last: false }
    }
}

async fn wait_for_place(State(shedding): State<Shedding>, mut request: Request, next: Next) -> Response {
    let held = match shedding.place_for(&mut request).await {
        Ok(place) => {
            let held = HeldPlace(Arc::new(Mutex::new(place)));
            request.extensions_mut().insert(held.clone());
            Some(held)
        }
        Err(refused) => {
            request.extensions_mut().insert(refused);
            None
        }
    };
    let response = next.run(request).await;
    // Whoever still has it has answered.
    held.iter().for_each(HeldPlace::give_back);
    response
}

async fn refuse_without_place(mut request: Request, next: Next) -> Response {
    let Some(Refused { problem, is_last }) = request.extensions_mut().remove() else { return next.run(request).await };
    let mut response = problem.into_response();
    if is_last {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl Shedding {
    /// What is wrong with a request in any case comes first: that it neither waits nor is told that there is no place.
    async fn place_for(&self, request: &mut Request) -> Result<Vec<OwnedSemaphorePermit>, Refused> {
        // Before anything is done for a request of which it is not certain to whom it was sent.
        if !names_one_host(request) {
            let problem = Problem::new(Code::RequestMalformed)
                .detail("Cần đúng một tiêu đề Host.", "Exactly one Host header is needed.");
            return Err(Refused { problem, is_last: true });
        }
        let mut of_message = None;
        let priority = match rule_of(&self.book, request) {
            Some(rule) => rule.priority,
            // Its body may be large, and is read where it is taken apart; who may send it is known by its connection.
            None if self.inbound.serves(request) => {
                if !self.inbound.senders.include(request.extensions().get()) {
                    return Err(Refused { problem: Problem::new(Code::SenderUnknown), is_last: true });
                }
                // First: those that wait for such a place hold none of all the others, and may wait longer. Nobody knows how soon
                // the portal sends again what it was refused for want of a place.
                let place = Arc::clone(&self.inbound.places).acquire_owned();
                let place = tokio::time::timeout(MESSAGE_WAIT, place).await.ok().and_then(Result::ok);
                of_message = Some(place.ok_or_else(|| overloaded(Priority::Last))?);
                Priority::Last
            }
            None => {
                let limit = BodyLimit { bytes: MOST_OPEN_BODY_BYTES, ..self.body };
                *request.body_mut() = read_all(std::mem::take(request.body_mut()), limit).await?.into();
                // What strangers fetch of the audit log can be fetched later; the rest tells how the gateway is, or lets clients in.
                if request.uri().path().starts_with("/audit/") { Priority::Bulk } else { Priority::Last }
            }
        };
        let mut place = self.places.take(priority).await.ok_or_else(|| overloaded(priority))?;
        place.extend(of_message);
        Ok(place)
    }
}

fn overloaded(priority: Priority) -> Refused {
    counter!(SHED.name, "priority" => priority.name()).increment(1);
    Problem::new(Code::Overloaded).retry_after(Duration::from_secs(1)).into()
}

/// A request names its host exactly once (RFC 9112, section 3.2): with none or two, whoever stands in front may have taken
/// it for another's.
fn names_one_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let only = hosts.next().filter(|host| hosts.next().is_none() && !host.is_empty());
    match (only.and_then(|host| host.to_str().ok()), request.uri().authority()) {
        (Some(host), Some(authority)) => host.eq_ignore_ascii_case(authority.as_str()),
        (Some(_), None) => true,
        (None, _) => false,
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
