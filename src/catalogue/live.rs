//! `GET /v1/procedures/{code}`, answered by the portal or from what it said lately: the headers of HTTP caching (RFC 9111, RFC 5861,
//! RFC 9211) tell how old an answer is.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use lienthong_domain::catalogue::ProcedureCode;
use lienthong_domain::port::{Aged, PortError, ProcedureEntry};
use lienthong_domain::scalar::Scalar;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Catalogue;
use super::http::{header_of, tagged};
use crate::access::{Identity, Scope};
use crate::http::openapi::Refusals;
use crate::http::problem::{Code, Problem};

pub(super) fn routes(catalogue: Arc<Catalogue>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_procedure)).with_state(catalogue)
}

/// Một thủ tục hành chính. / A procedure.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProcedureView {
    #[schema(max_length = 60, example = "1.013225")]
    code: String,
    /// Tên; vắng mặt nếu danh mục không nêu. / Absent if the catalogue does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    name: Option<String>,
    /// Các lĩnh vực. / Its fields.
    #[schema(max_items = 1000)]
    fields: Vec<FieldView>,
}

/// Một lĩnh vực. / A field of procedures.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FieldView {
    #[schema(max_length = 100, example = "G09-XD02")]
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    name: Option<String>,
}

/// Xem một thủ tục trong danh mục quốc gia
///
/// Trả lời từ bộ nhớ của cổng; `Age` cho biết tuổi, và khi Cổng quốc gia không trả lời thì câu trả lời cũ vẫn được dùng cho
/// đến giới hạn. / From the gateway's memory; `Age` tells how old it is, and while the portal does not answer an old answer is
/// given, up to a limit.
#[utoipa::path(
    get, path = "/v1/procedures/{code}", operation_id = "getProcedure", tag = "catalogue",
    params(
        ("code" = ProcedureCode, Path, description = "Mã thủ tục. / Procedure code."),
        ("If-None-Match" = Option<String>, Header, max_length = 200, description = "ETag đã có. / The ETag at hand."),
        ("Cache-Control" = Option<String>, Header, max_length = 200, description = "`no-cache`: hỏi lại Cổng; cần quyền operator. / Asks the portal again; needs the scope operator."),
    ),
    responses(
        (status = 200, description = "Thủ tục. / The procedure.", body = ProcedureView, headers(
            ("ETag" = String, description = "Đổi khi nội dung đổi. / Changes with the content."),
            ("Age" = u32, description = "Giây. / Seconds."),
            ("Cache-Control" = String, description = "RFC 9111, RFC 5861."),
            ("Cache-Status" = String, description = "RFC 9211."))),
        (status = 304, description = "Không đổi. / Not changed."),
        Refusals,
    )
)]
async fn get_procedure(
    State(catalogue): State<Arc<Catalogue>>,
    identity: Option<Extension<Identity>>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let code = ProcedureCode::parse(&code).map_err(|refusal| Problem::field("#/path/code", refusal))?;
    let procedures = catalogue.procedures.as_ref().ok_or_else(|| Problem::new(Code::UpstreamUnavailable))?;
    let is_again =
        header_of(&headers, "Cache-Control")?.split(',').any(|word| word.trim().eq_ignore_ascii_case("no-cache"));
    let is_operator = identity.is_some_and(|Extension(identity)| identity.scopes.contains(&Scope::Operator));
    if is_operator && is_again {
        procedures.forget(&code).await;
    }
    let found = procedures.procedure(&code).await.map_err(|error| away(&error))?;
    let status = cache_status(&found);
    let mut response = match &found.value {
        None => Problem::new(Code::ProcedureNotFound).into_response(),
        Some(entry) => tagged(&headers, &ProcedureView::of(&code, entry))?,
    };
    let (fresh, kept) = (found.fresh_for.as_secs(), found.kept_for.as_secs());
    set(
        &mut response,
        header::CACHE_CONTROL,
        &format!("private, max-age={fresh}, stale-while-revalidate={kept}, stale-if-error={kept}"),
    );
    set(&mut response, header::AGE, &found.age.as_secs().to_string());
    set(&mut response, header::HeaderName::from_static("cache-status"), &status);
    Ok(response)
}

impl ProcedureView {
    fn of(code: &ProcedureCode, entry: &ProcedureEntry) -> Self {
        let field = |field: &lienthong_domain::port::ProcedureField| FieldView {
            code: field.code.clone(),
            name: field.name.clone(),
        };
        Self {
            code: code.original().to_owned(),
            name: entry.name.clone(),
            fields: entry.fields.iter().map(field).collect(),
        }
    }
}

/// `ttl` is negative of what is stale.
fn cache_status<T>(found: &Aged<T>) -> String {
    match (found.is_new, found.fresh_for) {
        (true, _) => "lienthong; fwd=miss; stored".to_owned(),
        (false, Duration::ZERO) => format!("lienthong; hit; ttl=-{}", found.age.as_secs().max(1)),
        (false, fresh) => format!("lienthong; hit; ttl={}", fresh.as_secs()),
    }
}

fn away(error: &PortError) -> Problem {
    tracing::warn!(%error, "the catalogue does not answer, and nothing is kept");
    Problem::new(Code::UpstreamUnavailable).retry_after(Duration::from_secs(10))
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
