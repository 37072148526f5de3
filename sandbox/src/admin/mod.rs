//! The control pages under `/_sandbox/`, for tests in other processes and for people with curl.
//! They must never be mistaken for the portal: no portal path begins like this.

mod outgoing;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::dossiers::HeldDossier;
use crate::faults::FaultPlan;
use crate::ledger::LedgerEntry;
use crate::locks::{read, write};
use crate::portal::born::PortalBorn;
use crate::portal::catalogue::{Catalogue, CatalogueProcedure};
use crate::server::World;

const PAGE: usize = 1_000;
const LARGEST_PAGE: usize = 100_000;
/// A whole catalogue.
const CATALOGUE_BYTES: usize = 256 * 1024 * 1024;

const INDEX: &str = "\
Cổng Dịch vụ công quốc gia, mô phỏng / National Public Service Portal, simulated

GET  /_sandbox/ledger?after=0&limit=1000    effects after a sequence number
GET  /_sandbox/counters                     calls, refusals, injected faults
GET  /_sandbox/dossiers?after=&limit=1000   dossiers after a code
GET  /_sandbox/dossiers/{code}              one dossier: fields as received, steps
GET  /_sandbox/faults                       the fault plan
PUT  /_sandbox/faults                       replace the fault plan
GET  /_sandbox/catalogue                    the procedures of the catalogue
PUT  /_sandbox/catalogue                    replace them
GET  /_sandbox/portal-born?after=&limit=1000  dossiers made on the portal, after a code
GET  /_sandbox/portal-born/{code}           one of them: what was given, what was reported
PUT  /_sandbox/province                     where the portal's messages go; null for nowhere
POST /_sandbox/outgoing                     send a message, or several together
GET  /_sandbox/outgoing?after=0&limit=1000  messages, their attempts, the last answer
GET  /_sandbox/outgoing/{id}                one message
POST /_sandbox/outgoing/release             let held messages go, all at once
POST /_sandbox/reset                        forget everything but settings and faults
";

pub(crate) fn routes() -> Router<World> {
    Router::new()
        .route("/_sandbox", get(async || INDEX))
        .route("/_sandbox/", get(async || INDEX))
        .route("/_sandbox/ledger", get(ledger))
        .route("/_sandbox/counters", get(counters))
        .route("/_sandbox/dossiers", get(dossiers))
        .route("/_sandbox/dossiers/{code}", get(dossier))
        .route("/_sandbox/faults", get(faults).put(put_faults))
        .route("/_sandbox/portal-born", get(portal_born_page))
        .route("/_sandbox/portal-born/{code}", get(portal_born))
        .route("/_sandbox/catalogue", get(catalogue).put(put_catalogue).layer(DefaultBodyLimit::max(CATALOGUE_BYTES)))
        .route("/_sandbox/reset", post(reset))
        .merge(outgoing::routes())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page<T> {
    after: Option<T>,
    limit: Option<usize>,
}

impl<T> Page<T> {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(PAGE).min(LARGEST_PAGE)
    }
}

/// `next` is the `after` of the following page; none when this one is the last for now.
#[derive(Serialize)]
struct LedgerPage {
    entries: Vec<LedgerEntry>,
    next: Option<u64>,
}

#[derive(Serialize)]
struct DossierPage {
    dossiers: Vec<HeldDossier>,
    next: Option<String>,
}

async fn ledger(State(world): State<World>, Query(page): Query<Page<u64>>) -> Json<LedgerPage> {
    let entries = world.portal.dossiers.ledger().page(page.after.unwrap_or(0), page.limit());
    let next = entries.last().filter(|_| entries.len() == page.limit()).map(|entry| entry.seq);
    Json(LedgerPage { entries, next })
}

async fn counters(State(world): State<World>) -> Json<Counters> {
    Json(world.portal.tally.snapshot())
}

async fn dossiers(State(world): State<World>, Query(page): Query<Page<String>>) -> Json<DossierPage> {
    let dossiers = world.portal.dossiers.page(page.after.as_deref().unwrap_or_default(), page.limit());
    let next = dossiers.last().filter(|_| dossiers.len() == page.limit()).map(|held| held.code.clone());
    Json(DossierPage { dossiers, next })
}

async fn dossier(State(world): State<World>, Path(code): Path<String>) -> Response {
    match world.portal.dossiers.get(&code) {
        Some(held) => Json(held).into_response(),
        None => (StatusCode::NOT_FOUND, "no such dossier\n").into_response(),
    }
}

#[derive(Serialize)]
struct PortalBornPage {
    dossiers: Vec<PortalBorn>,
    next: Option<String>,
}

async fn portal_born_page(State(world): State<World>, Query(page): Query<Page<String>>) -> Json<PortalBornPage> {
    let dossiers = world.portal.born.page(page.after.as_deref().unwrap_or_default(), page.limit());
    let next = dossiers.last().filter(|_| dossiers.len() == page.limit()).map(|born| born.code.clone());
    Json(PortalBornPage { dossiers, next })
}

async fn portal_born(State(world): State<World>, Path(code): Path<String>) -> Response {
    match world.portal.born.get(&code) {
        Some(born) => Json(born).into_response(),
        None => (StatusCode::NOT_FOUND, "no such dossier\n").into_response(),
    }
}

async fn faults(State(world): State<World>) -> Json<FaultPlan> {
    Json(world.portal.plan().written.clone())
}

async fn put_faults(State(world): State<World>, plan: Result<Json<FaultPlan>, JsonRejection>) -> Response {
    let plan = match plan {
        Ok(Json(plan)) => plan,
        Err(rejection) => return refused(&rejection.body_text()),
    };
    if let Err(mistakes) = plan.check() {
        return refused(&mistakes);
    }
    world.portal.set_plan(plan);
    StatusCode::NO_CONTENT.into_response()
}

async fn catalogue(State(world): State<World>) -> Json<Vec<CatalogueProcedure>> {
    Json(read(&world.portal.catalogue).all())
}

async fn put_catalogue(
    State(world): State<World>,
    procedures: Result<Json<Vec<CatalogueProcedure>>, JsonRejection>,
) -> Response {
    match procedures {
        Ok(Json(procedures)) => {
            *write(&world.portal.catalogue) = Catalogue::new(procedures);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(rejection) => refused(&rejection.body_text()),
    }
}

async fn reset(State(world): State<World>) -> StatusCode {
    world.office.clear();
    world.portal.reset();
    StatusCode::NO_CONTENT
}

fn refused(mistakes: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{mistakes}\n")).into_response()
}
