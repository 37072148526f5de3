//! `GET /_files/{id}`: a file as it is, or in one of the ways in which a careful reader must not be caught.
//! It must never send a reader further than to the address that the test itself has set.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use futures::stream::{self, StreamExt};
use tokio::sync::watch;

use super::{FileAtHand, FileHabit};
use crate::server::World;
use crate::wire::{broken_off, drips};

const BLOCK: usize = 64 * 1024;
/// The beginning of a program of Windows.
const PROGRAM: &[u8] = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00";

pub(crate) fn routes() -> Router<World> {
    Router::new().route("/_files/{id}", get(serve))
}

async fn serve(State(world): State<World>, Path(id): Path<String>) -> Response<Body> {
    let Some(file) = world.office.files.get(&id) else { return status(StatusCode::NOT_FOUND) };
    file.fetches.fetch_add(1, Relaxed);
    let bytes = file.bytes.clone();
    match &file.habit {
        FileHabit::Honest => response(&file, bytes.into(), None),
        FileHabit::WrongType => response(&file, Bytes::from_static(PROGRAM).into(), None),
        FileHabit::Endless => response(&file, more_than(bytes, None, world.stopping), None),
        FileHabit::Oversize { bytes: size } => {
            response(&file, more_than(bytes, Some(*size), world.stopping), Some(*size))
        }
        FileHabit::SlowDrip { over_ms } => {
            let length = bytes.len() as u64;
            response(&file, drips(bytes, Duration::from_millis(*over_ms), world.stopping), Some(length))
        }
        FileHabit::Redirect { to } => redirect(to),
        FileHabit::NotFound => status(StatusCode::NOT_FOUND),
        FileHabit::WrongLength { bytes: claimed } => response(&file, of_length(bytes, *claimed), Some(*claimed)),
    }
}

fn response(file: &FileAtHand, body: Body, length: Option<u64>) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&file.content_type) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn redirect(to: &str) -> Response<Body> {
    let mut response = status(StatusCode::FOUND);
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// The bytes and then blocks of blanks up to this many bytes; without a number, until the reader hangs up.
/// The end of the sandbox ends it in any case.
fn more_than(bytes: Bytes, size: Option<u64>, mut stopping: watch::Receiver<bool>) -> Body {
    let first = bytes.slice(..bytes.len().min(size.map_or(usize::MAX, |size| size as usize)));
    let blanks = Bytes::from(vec![b' '; BLOCK]);
    let left = size.map(|size| size - first.len() as u64);
    let blocks = stream::unfold(left, move |left| {
        let block = match left {
            Some(left) => blanks.slice(..BLOCK.min(left as usize)),
            None => blanks.clone(),
        };
        let left = left.map(|left| left - block.len() as u64);
        async move { (!block.is_empty()).then_some((block, left)) }
    });
    let blocks = blocks.take_until(async move { stopping.wait_for(|is_stopping| *is_stopping).await.is_ok() });
    Body::from_stream(stream::iter([first]).chain(blocks).map(Ok::<_, std::io::Error>))
}

/// What of the bytes fits the claimed length; when they are fewer, the connection ends after them.
fn of_length(bytes: Bytes, claimed: u64) -> Body {
    let shown = bytes.slice(..bytes.len().min(claimed as usize));
    if (shown.len() as u64) < claimed { broken_off(shown) } else { shown.into() }
}
