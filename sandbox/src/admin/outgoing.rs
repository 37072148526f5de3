//! The control pages of the portal as a sender: where it sends to, what it sends, what became of it.
//! They must never wait for a delivery: who wants to know asks again.

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Page, refused};
use crate::outgoing::{Outgoing, ProvinceSettings, SentMessage};
use crate::server::World;

const BODY_LIMIT_BYTES: usize = 10 * 1024 * 1024;

pub(super) fn routes() -> Router<World> {
    Router::new()
        .route("/_sandbox/province", put(put_province))
        .route("/_sandbox/outgoing", get(messages).post(send))
        .route("/_sandbox/outgoing/release", post(release))
        .route("/_sandbox/outgoing/{id}", get(message))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
}

/// `next` is the `after` of the following page; none when this one is the last for now.
#[derive(Serialize)]
struct MessagePage {
    messages: Vec<SentMessage>,
    next: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ids {
    ids: Vec<u64>,
}

/// An object is one message; a list is several that begin at the same moment.
async fn send(State(world): State<World>, messages: Result<Json<serde_json::Value>, JsonRejection>) -> Response {
    let messages = match messages {
        Ok(Json(messages)) => messages,
        Err(rejection) => return refused(&rejection.body_text()),
    };
    let read: Result<Vec<Outgoing>, _> = match messages {
        serde_json::Value::Array(messages) => messages.into_iter().map(serde_json::from_value).collect(),
        one => serde_json::from_value(one).map(|message| vec![message]),
    };
    let sent = read.map_err(|mistake| mistake.to_string()).and_then(|messages| world.office.send(messages));
    match sent {
        Ok(ids) => (StatusCode::ACCEPTED, Json(Ids { ids })).into_response(),
        Err(mistakes) => refused(&mistakes),
    }
}

async fn messages(State(world): State<World>, Query(page): Query<Page<u64>>) -> Json<MessagePage> {
    let messages = world.office.page(page.after.unwrap_or(0), page.limit());
    let next = messages.last().filter(|_| messages.len() == page.limit()).map(|message| message.id);
    Json(MessagePage { messages, next })
}

async fn message(State(world): State<World>, Path(id): Path<u64>) -> Response {
    match world.office.get(id) {
        Some(message) => Json(message).into_response(),
        None => no_message(),
    }
}

async fn release(State(world): State<World>, ids: Result<Json<Ids>, JsonRejection>) -> Response {
    match ids {
        Ok(Json(Ids { ids })) if world.office.release(&ids) => StatusCode::NO_CONTENT.into_response(),
        Ok(_) => no_message(),
        Err(rejection) => refused(&rejection.body_text()),
    }
}

fn no_message() -> Response {
    (StatusCode::NOT_FOUND, "no such message\n").into_response()
}

async fn put_province(
    State(world): State<World>,
    province: Result<Json<Option<ProvinceSettings>>, JsonRejection>,
) -> Response {
    let province = match province {
        Ok(Json(province)) => province,
        Err(rejection) => return refused(&rejection.body_text()),
    };
    let mistakes = province.as_ref().map(ProvinceSettings::mistakes).unwrap_or_default();
    if !mistakes.is_empty() {
        return refused(&mistakes.join("; "));
    }
    world.office.set_province(province);
    StatusCode::NO_CONTENT.into_response()
}
