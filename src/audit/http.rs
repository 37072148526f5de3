//! The log's checkpoints and hashes for everyone (C2SP tlog-tiles, below `/audit/<half-year>`): they tell nothing of what
//! was recorded, and whoever keeps a checkpoint can show later that the log was changed.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Recorder;
use super::log::Tile;
use super::names;
use super::store::{AuditStore, SignedHead};
use crate::http::problem::{Code, Problem};

/// What the routes stand on.
pub struct PublicLog {
    pub store: Arc<dyn AuditStore>,
    pub recorder: Arc<Recorder>,
}

const SECONDS: &str = "public, max-age=2";
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub fn routes(log: Arc<PublicLog>) -> Router {
    Router::new()
        .route("/audit/checkpoint", get(newest_checkpoint))
        .route("/audit/{shard}/checkpoint", get(checkpoint))
        .route("/audit/{shard}/tile/{level}/{*number}", get(tile))
        .with_state(log)
}

impl PublicLog {
    /// The shard of this name, as `2026h2` or `2026h2.2`, and what was signed last under it; nobody asks the database for
    /// anything else.
    async fn signed(&self, name: &str) -> Result<(String, SignedHead), Problem> {
        let not_found = || Problem::new(Code::RouteNotFound);
        let (half_year, number) = names::parse(name);
        if !names::is_half_year(half_year) {
            return Err(not_found());
        }
        let shard = self.recorder.shard(half_year);
        let signed = self.store.signed_as(&shard, number).await?.ok_or_else(not_found)?;
        Ok((shard, signed))
    }
}

/// Of the shard that is being written; at the beginning of a half-year, of the one before it.
async fn newest_checkpoint(State(log): State<Arc<PublicLog>>) -> Result<Response, Problem> {
    for half_year in log.recorder.present_and_previous() {
        if let Some(signed) = log.store.signed(&log.recorder.shard(&half_year)).await? {
            return Ok(text(signed.note));
        }
    }
    Err(Problem::new(Code::RouteNotFound))
}

async fn checkpoint(State(log): State<Arc<PublicLog>>, Path(shard): Path<String>) -> Result<Response, Problem> {
    Ok(text(log.signed(&shard).await?.1.note))
}

async fn tile(
    State(log): State<Arc<PublicLog>>,
    Path((shard, level, number)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let not_found = || Problem::new(Code::RouteNotFound);
    // Bundles of entries tell what was recorded: those are for auditors.
    let asked = Tile::parse(&level, &number).filter(|_| level != "entries").ok_or_else(not_found)?;
    let (shard, signed) = log.signed(&shard).await?;
    let served = Tile::of_tree(asked.level, asked.number, signed.size).filter(|tile| tile.width >= asked.width);
    served.ok_or_else(not_found)?;
    let hashes = log.store.tile(&shard, asked).await?;
    if hashes.len() != asked.width {
        return Err(not_found());
    }
    Ok(served_as(hashes.concat(), "application/octet-stream", FOR_EVER))
}

fn text(note: Vec<u8>) -> Response {
    served_as(note, "text/plain; charset=utf-8", SECONDS)
}

fn served_as(body: Vec<u8>, kind: &'static str, kept: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, body).into_response()
}
