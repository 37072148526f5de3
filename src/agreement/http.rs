//! The way in: what differs, and how the checks stand. Decisions are the operator's (`lienthong portal …`).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::Response;
use lienthong_domain::agreement::Class;
use lienthong_domain::catalogue::{AgencyCode, AgencyRegister};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Clock;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::case::CaseStatus;
use super::representation::{CaseItem, CasePage, RunItem, RunList};
use super::store::{AgreementStore, CaseQuery};
use crate::access::{Caller, Client};
use crate::http::openapi::Refusals;
use crate::http::problem::Problem;
use crate::http::{cursor, query};
use crate::storage::keys::Keys;

/// What these routes stand on.
pub struct Agreement {
    pub store: Arc<dyn AgreementStore>,
    pub agencies: Arc<AgencyRegister>,
    pub clock: Arc<dyn Clock>,
    /// For cursors.
    pub keys: Arc<Keys>,
    pub page_items: usize,
}

pub fn routes(agreement: Arc<Agreement>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list_cases)).routes(routes!(list_runs)).with_state(agreement)
}

/// Whose cursors these are.
const LIST: &str = "agreement/cases";
/// Checks that are shown.
const MOST_RUNS: usize = 50;
/// Pages read for one page at most: of a large store a client with a small share gets shorter pages, not slower ones.
const MOST_ROUNDS: usize = 8;

/// Những chênh lệch giữa tỉnh và Cổng
///
/// Hồ sơ thiếu trên Cổng, thiếu ở tỉnh, khác trạng thái, khác ngày hẹn trả, thiếu kết quả; cũ trước. / Dossiers that are missing
/// there or here, whose state or due date differs, or whose result is missing there; oldest first.
#[utoipa::path(
    get, path = "/v1/agreement/cases", operation_id = "listAgreementCases", tag = "agreement",
    params(
        ("status" = Option<CaseStatus>, Query, description = "Tình trạng; mặc định là open. / Status; open is the default."),
        ("class" = Option<Class>, Query, description = "Loại chênh lệch. / Class."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "Số mục một trang. / Items a page."),
        ("cursor" = Option<String>, Query, max_length = 400, description = "nextCursor của trang trước. / The previous page's nextCursor."),
    ),
    responses((status = 200, description = "Một trang. / One page.", body = CasePage), Refusals)
)]
async fn list_cases(
    State(agreement): State<Arc<Agreement>>,
    Caller(client): Caller,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let kept = query::without_cursor(&parameters);
    let (mut cursor, mut wanted) =
        (None, CaseQuery { status: Some(CaseStatus::Open), limit: agreement.page_items, ..CaseQuery::default() });
    query::read(parameters, |name, value| match name {
        "status" => Some(CaseStatus::parse(&value).map(|status| wanted.status = Some(status))),
        "class" => Some(Class::parse(&value).map(|class| wanted.class = Some(class))),
        "limit" => Some(query::limit(&value, agreement.page_items).map(|limit| wanted.limit = limit)),
        "cursor" => {
            cursor = Some(value);
            Some(Ok(()))
        }
        _ => None,
    })?;
    wanted.after = cursor.map(|cursor| agreement.read_cursor(&cursor)).transpose()?;
    let page = agreement.cases(&client, wanted).await?;
    let cursor = page.next_cursor.clone();
    Ok(query::with_next(Json(page), "/v1/agreement/cases", cursor.as_deref(), &kept))
}

/// Những lần đối soát gần đây
///
/// Đã xem bao nhiêu, Cổng không cho biết điều gì, và chênh lệch theo loại. / How much was looked at, what the portal does not tell, and
/// the differences by class.
#[utoipa::path(
    get, path = "/v1/agreement/runs", operation_id = "listAgreementRuns", tag = "agreement",
    responses((status = 200, description = "Mới trước. / Newest first.", body = RunList), Refusals)
)]
async fn list_runs(State(agreement): State<Arc<Agreement>>) -> Result<Json<RunList>, Problem> {
    let runs = agreement.store.runs(MOST_RUNS).await?;
    Ok(Json(RunList { items: runs.into_iter().map(|(run, ended_at)| RunItem::of(run, ended_at)).collect() }))
}

impl Agreement {
    async fn cases(&self, client: &Client, mut query: CaseQuery) -> Result<CasePage, Problem> {
        let (today, limit) = (self.clock.now().date_in_vietnam(), query.limit);
        let (mut items, mut has_more) = (Vec::new(), true);
        for _ in 0..MOST_ROUNDS {
            let cases = self.store.cases(query.clone()).await?;
            has_more = cases.len() == limit;
            for case in cases {
                if items.len() == limit {
                    has_more = true;
                    break;
                }
                query.after = Some(case.id);
                let agency = AgencyCode::parse(&case.agency_id);
                if agency.is_ok_and(|agency| client.covers(&agency, &self.agencies, today)) {
                    items.push(CaseItem::from(case));
                }
            }
            if !has_more || items.len() == limit {
                break;
            }
        }
        let after = query.after.filter(|_| has_more).map(|id| id.to_string());
        let next_cursor = after.map(|after| cursor::seal(&self.keys, LIST, &after)).transpose()?;
        Ok(CasePage { items, next_cursor })
    }

    fn read_cursor(&self, text: &str) -> Result<Uuid, Problem> {
        let place = cursor::open(&self.keys, LIST, text)?;
        let read = place.and_then(|place| place.parse().ok());
        read.ok_or_else(|| Problem::field("#/query/cursor", cursor::refusal()))
    }
}
