//! `GET /v1/operations/{id}`: what became of something that leaves the province.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use lienthong_domain::catalogue::{AgencyCode, AgencyRegister};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::announce::resource;
use super::store::OutboxStore;
use super::{Item, Problem as ItemProblem, Status};
use crate::access::{Caller, Client};
use crate::http::openapi::Refusals;
use crate::http::problem::{Code, Problem};

/// What this route stands on.
pub struct Operations {
    pub outbox: Arc<dyn OutboxStore>,
    pub agencies: Arc<AgencyRegister>,
    pub clock: Arc<dyn Clock>,
}

pub fn routes(operations: Arc<Operations>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_operation)).with_state(operations)
}

/// Một tác vụ và các mục của nó. / An operation and its items.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Operation {
    #[schema(value_type = String, format = "uuid", max_length = 36)]
    id: Uuid,
    /// Tình trạng của mục đầu tiên chưa xong; `delivered` khi đã gửi hết. / That of its first unfinished item.
    status: Status,
    #[schema(max_items = 1000)]
    items: Vec<OperationItem>,
}

/// Một mục gửi đi. / One item.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OperationItem {
    #[schema(value_type = String, format = "uuid", max_length = 36)]
    id: Uuid,
    #[schema(max_length = 64, example = "dossier.sync")]
    kind: String,
    /// Địa chỉ hồ sơ. / The dossier.
    #[schema(max_length = 100, example = "/v1/dossiers/H15.50-261121-0001")]
    resource: String,
    /// Số lần trạng thái đầy đủ, hoặc số thứ tự bước. / Revision, or number of the step.
    #[schema(minimum = 1, example = 1)]
    ordinal: i64,
    status: Status,
    #[schema(minimum = 0, example = 1)]
    attempts: i64,
    accepted_at: Timestamp,
    updated_at: Timestamp,
    /// Lần tới có việc phải làm; vắng mặt nếu đã xong hoặc chờ người vận hành. / Absent if done or waiting for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    /// Vì sao lần gần nhất không gửi được. / Why the last attempt did not deliver.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ItemProblem>,
}

/// Theo dõi một tác vụ
///
/// Cho biết đã gửi, đang chờ gửi lại, chưa rõ kết quả hay bị từ chối, và vì sao. / Delivered, waiting, of unknown outcome,
/// or refused, and why.
#[utoipa::path(
    get, path = "/v1/operations/{id}", operation_id = "getOperation", tag = "operations",
    params(("id" = String, Path, format = "uuid", max_length = 36, description = "Mã tác vụ. / The operation's id.")),
    responses((status = 200, description = "Tác vụ. / The operation.", body = Operation), Refusals)
)]
async fn get_operation(
    State(operations): State<Arc<Operations>>,
    Caller(client): Caller,
    Path(id): Path<String>,
) -> Result<Json<Operation>, Problem> {
    let not_found = || Problem::new(Code::OperationNotFound);
    let id: Uuid = id.parse().map_err(|_| not_found())?;
    let view = operations.outbox.operation(id).await?.ok_or_else(not_found)?;
    if !view.items.iter().all(|item| operations.is_visible(&client, item)) {
        return Err(not_found());
    }
    let status = view.items.iter().map(|item| item.status).find(|status| status.is_open()).unwrap_or_else(|| {
        let all_delivered = view.items.iter().all(|item| item.status == Status::Delivered);
        let last = view.items.last().map_or(Status::Delivered, |item| item.status);
        if all_delivered { Status::Delivered } else { last }
    });
    Ok(Json(Operation { id, status, items: view.items.into_iter().map(OperationItem::from).collect() }))
}

impl Operations {
    fn is_visible(&self, client: &Client, item: &Item) -> bool {
        let today = self.clock.now().date_in_vietnam();
        AgencyCode::parse(&item.agency_id).is_ok_and(|agency| client.covers(&agency, &self.agencies, today))
    }
}

impl From<Item> for OperationItem {
    fn from(item: Item) -> Self {
        Self {
            id: item.id,
            resource: resource(&item),
            kind: item.kind,
            ordinal: item.ordinal,
            status: item.status,
            attempts: item.attempts,
            accepted_at: item.accepted_at,
            updated_at: item.updated_at,
            due_at: item.due_at,
            problem: item.problem,
        }
    }
}
