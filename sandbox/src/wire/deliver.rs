//! Brings an answer back to the caller, or lets it be delayed, cut, halved or replaced on the way.
//! It must never change what the portal holds: whatever took effect did so before.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode, header};
use futures::stream::{self, StreamExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;
use uuid::Uuid;

use super::address::AdapterError;
use super::listener::Cutter;
use crate::faults::FaultKind;
use crate::portal::Answer;

const JSON: &str = "application/json;charset=UTF-8";
const DRIPS: u32 = 40;
/// Time for the first part to leave before the connection ends.
const HALF_REPLY_PAUSE: Duration = Duration::from_millis(20);

const BUSY: AdapterError = AdapterError {
    status: StatusCode::SERVICE_UNAVAILABLE,
    kind: "Server.ClientProxy.NetworkError",
    message: "The request was not forwarded: the provider cannot be reached",
};
const PROVIDER_FAILED: AdapterError = AdapterError {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    kind: "Server.ServerProxy.ServiceFailed",
    message: "The provider did not answer properly",
};

/// What a delivery needs besides the answer: the connection, the end of the sandbox, the patience of a silence.
pub(crate) struct Road {
    pub(crate) cutter: Cutter,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) hold: Duration,
}

pub(crate) async fn deliver(answer: Answer, road: Road) -> Response<Body> {
    let Answer { text, draw } = answer;
    if !draw.delay.is_zero() {
        wait(draw.delay, road.stopping.clone()).await;
    }
    match draw.kind {
        Some(FaultKind::EffectThenTimeout) => {
            // When the caller hangs up first, the server drops this future.
            wait(road.hold, road.stopping).await;
            cut(&road.cutter)
        }
        Some(FaultKind::ResetBefore | FaultKind::ResetAfter) => cut(&road.cutter),
        Some(FaultKind::HalfReply) => half_reply(text),
        Some(FaultKind::SlowDrip) => slow_drip(text, draw.drip, road.stopping),
        Some(FaultKind::ServerErrorBefore) => adapter_error(BUSY),
        Some(FaultKind::ServerErrorAfter) if draw.is_second_form => page(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
        Some(FaultKind::ServerErrorAfter) => adapter_error(PROVIDER_FAILED),
        Some(FaultKind::AdapterFault) if draw.is_second_form => page(StatusCode::OK, "Security Server"),
        Some(FaultKind::AdapterFault) => adapter_error(PROVIDER_FAILED),
        Some(
            FaultKind::Refuse
            | FaultKind::SessionExpired
            | FaultKind::DoubleEncoded
            | FaultKind::PhraseMissing
            | FaultKind::CodeAsNumber
            | FaultKind::CodeAs00
            | FaultKind::Duplicate
            | FaultKind::LoginWithoutSession,
        )
        | None => response(StatusCode::OK, JSON, text.into()),
    }
}

pub(crate) fn adapter_error(error: AdapterError) -> Response<Body> {
    let body = json!({ "type": error.kind, "message": error.message, "detail": Uuid::now_v7() });
    response(error.status, JSON, body.to_string().into())
}

fn page(status: StatusCode, title: &str) -> Response<Body> {
    let html = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>");
    response(status, "text/html", html.into())
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

/// The answer is never written: the first attempt closes the connection.
fn cut(cutter: &Cutter) -> Response<Body> {
    cutter.cut();
    Response::new(Body::empty())
}

fn half_reply(text: String) -> Response<Body> {
    let length = text.len();
    let mut first = Bytes::from(text);
    first.truncate(length / 2);
    with_length(length, broken_off(first))
}

/// The bytes, and then an end of connection where more are expected.
pub(crate) fn broken_off(bytes: Bytes) -> Body {
    let rest = stream::once(async {
        sleep(HALF_REPLY_PAUSE).await;
        Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))
    });
    Body::from_stream(stream::iter([Ok(bytes)]).chain(rest))
}

fn slow_drip(text: String, over: Duration, stopping: watch::Receiver<bool>) -> Response<Body> {
    with_length(text.len(), drips(text.into(), over, stopping))
}

/// The bytes a little at a time, the last after about this time.
pub(crate) fn drips(bytes: Bytes, over: Duration, stopping: watch::Receiver<bool>) -> Body {
    let size = bytes.len().div_ceil(DRIPS as usize).max(1);
    let pause = over / DRIPS;
    Body::from_stream(stream::unfold((bytes, stopping), move |(mut rest, stopping)| async move {
        if rest.is_empty() {
            return None;
        }
        wait(pause, stopping.clone()).await;
        let drip = rest.split_to(size.min(rest.len()));
        Some((Ok::<_, std::io::Error>(drip), (rest, stopping)))
    }))
}

fn with_length(length: usize, body: Body) -> Response<Body> {
    let mut response = response(StatusCode::OK, JSON, body);
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}

/// Waits for the time or the end of the sandbox, whichever is first.
async fn wait(time: Duration, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = sleep(time) => {}
        _ = stopping.wait_for(|is_stopping| *is_stopping) => {}
    }
}
