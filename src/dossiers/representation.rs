//! What the API answers about dossiers. Each type is what is sent and what the API document says.

use lienthong_domain::dossier::{Dossier, DossierState, Step};
use lienthong_domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::sync::Accepted;

/// Hồ sơ đã được tiếp nhận. / The dossier was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AcceptedDossier {
    /// Mã hồ sơ. / Dossier code.
    #[schema(max_length = 52, example = "H15.50-261121-0001")]
    pub(super) code: String,
    /// Số lần trạng thái đầy đủ đã được tiếp nhận. / How many full states were accepted.
    #[schema(minimum = 1, example = 1)]
    pub(super) revision: i64,
    /// Nội dung giống lần trước: không gửi lại. / Same content as before: nothing is sent again.
    pub(super) unchanged: bool,
    /// Địa chỉ tác vụ gửi. / Address of the operation that sends it.
    #[schema(max_length = 100, example = "/v1/operations/019aa0c0-0000-7000-8000-000000000000")]
    pub(super) operation: String,
}

impl From<&Accepted> for AcceptedDossier {
    fn from(accepted: &Accepted) -> Self {
        Self {
            code: accepted.code.clone(),
            revision: accepted.revision,
            unchanged: accepted.is_unchanged,
            operation: operation_path(accepted.operation_id),
        }
    }
}

pub(super) fn operation_path(id: Uuid) -> String {
    format!("/v1/operations/{id}")
}

/// Các bước tiến độ đã được tiếp nhận. / The steps were accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AcceptedSteps {
    #[schema(max_length = 52, example = "H15.50-261121-0001")]
    pub(super) code: String,
    /// Số thứ tự của bước đầu tiên trong yêu cầu. / Number of the request's first step.
    #[schema(minimum = 1, example = 1)]
    pub(super) first_ordinal: i64,
    /// Số bước đã nhận. / How many were accepted.
    #[schema(minimum = 1, example = 1)]
    pub(super) count: usize,
    #[schema(max_length = 100, example = "/v1/operations/019aa0c0-0000-7000-8000-000000000000")]
    pub(super) operation: String,
}

/// Kết quả của một hồ sơ trong lô. / The result of one item.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchItem {
    /// Vị trí trong yêu cầu, từ 0. / Place in the request, from 0.
    #[schema(minimum = 0, example = 0)]
    pub(super) index: usize,
    /// Mã HTTP mà hồ sơ này sẽ nhận nếu gửi riêng. / The HTTP status it would have had alone.
    #[schema(minimum = 200, maximum = 599, example = 202)]
    pub(super) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dossier: Option<AcceptedDossier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::http::openapi::ProblemDocument>)]
    pub(super) problem: Option<Value>,
}

/// Kết quả của lô. / The results, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchResult {
    #[schema(minimum = 0, example = 1)]
    pub(super) accepted: usize,
    #[schema(minimum = 0, example = 0)]
    pub(super) refused: usize,
    #[schema(max_items = 10000)]
    pub(super) items: Vec<BatchItem>,
}

/// Một bước đã tiếp nhận. / An accepted step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StepView {
    #[schema(minimum = 1, example = 1)]
    pub(super) ordinal: i64,
    pub(super) accepted_at: Timestamp,
    /// `null` nếu đã bị xóa theo luật. / `null` if it was erased.
    #[schema(value_type = Option<Step>)]
    pub(super) step: Value,
}

/// Phía Cổng: điều đã được xác nhận, không phải điều mong đợi. / What the portal has acknowledged.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncView {
    /// `delivered` khi không còn gì chờ. / `delivered` when nothing waits.
    pub(super) status: crate::outbox::Status,
    /// Số mục còn chờ. / Items that still wait.
    #[schema(minimum = 0, example = 0)]
    pub(super) open_items: i64,
    /// Lần trạng thái đầy đủ mà Cổng đã xác nhận. / The revision the portal acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub(super) acknowledged_revision: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acknowledged_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<crate::outbox::Problem>,
    #[schema(max_length = 100, example = "/v1/operations/019aa0c0-0000-7000-8000-000000000000")]
    pub(super) operation: String,
}

/// Hồ sơ như đã tiếp nhận, và tình trạng gửi. / The dossier as accepted, and where its delivery stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DossierView {
    #[schema(max_length = 52, example = "H15.50-261121-0001")]
    pub(super) code: String,
    #[schema(minimum = 1, example = 1)]
    pub(super) revision: i64,
    pub(super) accepted_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// `null` nếu đã bị xóa theo luật. / `null` if it was erased.
    #[schema(value_type = Option<Dossier>)]
    pub(super) dossier: Value,
    #[schema(max_items = 500)]
    pub(super) steps: Vec<StepView>,
    pub(super) sync: SyncView,
}

/// Một hồ sơ trong danh sách; không có dữ liệu cá nhân. / One dossier of a list; no personal data.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DossierItem {
    #[schema(max_length = 52, example = "H15.50-261121-0001")]
    pub(super) code: String,
    #[schema(max_length = 35, example = "H15.50")]
    pub(super) agency_code: String,
    #[schema(max_length = 60, example = "1.013225")]
    pub(super) procedure_code: String,
    pub(super) state: DossierState,
    #[schema(minimum = 1, example = 1)]
    pub(super) revision: i64,
    #[schema(minimum = 0, example = 0)]
    pub(super) steps: i64,
    pub(super) accepted_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// Một trang danh sách. / One page.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DossierPage {
    #[schema(max_items = 1000)]
    pub(super) items: Vec<DossierItem>,
    /// Con trỏ trang sau; vắng mặt ở trang cuối. / The next page's cursor; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 400)]
    pub(super) next_cursor: Option<String>,
}

/// The body of a PUT: a [`Dossier`] whose code is in the path, and whose state may be given as `localStatus`.
pub(super) struct DossierBody;

impl PartialSchema for DossierBody {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        let mut schema = Dossier::schema();
        if let utoipa::openapi::RefOr::T(utoipa::openapi::schema::Schema::Object(object)) = &mut schema {
            object.required.retain(|name| name != "code" && name != "state");
            object.examples = vec![super::example::dossier()];
        }
        schema
    }
}

impl ToSchema for DossierBody {
    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
        Dossier::schemas(schemas);
    }
}

/// Nhiều hồ sơ trong một yêu cầu; mỗi hồ sơ phải có code. / Many dossiers; each needs its code.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes the body; it is read item by item so that one bad item refuses only itself")]
pub(super) struct DossierBatch {
    #[schema(max_items = 500, min_items = 1)]
    items: Vec<DossierBody>,
}

/// Một bước, hoặc một danh sách bước theo thứ tự. / One step, or a list of steps in order.
pub(super) struct StepsBody;

impl PartialSchema for StepsBody {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        let one = utoipa::openapi::Ref::from_schema_name("Step");
        let several = utoipa::openapi::ArrayBuilder::new().items(one.clone()).min_items(Some(1)).max_items(Some(100));
        let description = "Một bước, hoặc một danh sách bước theo thứ tự. / One step, or a list of steps in order.";
        utoipa::openapi::OneOfBuilder::new()
            .item(one)
            .item(several)
            .description(Some(description))
            .examples([super::example::step()])
            .into()
    }
}

impl ToSchema for StepsBody {
    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
        schemas.push(("Step".to_owned(), Step::schema()));
        Step::schemas(schemas);
    }
}
