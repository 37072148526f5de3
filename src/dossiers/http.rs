//! The way in for dossiers: requests are read, the use case is asked, the answer is written. No rule lives here.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lienthong_domain::dossier::DossierState;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Dossiers;
use super::accept_steps::Repeat;
use super::list::Filter;
use super::representation::{
    AcceptedDossier, AcceptedSteps, BatchResult, DossierBatch, DossierBody, DossierPage, DossierView, StepsBody,
    operation_path,
};
use super::sync::read_code;
use crate::access::Caller;
use crate::access::idempotency::{Admission, Key, KeyedReply, answer};
use crate::http::json::JsonBody;
use crate::http::openapi::Refusals;
use crate::http::problem::{Code, Language, Problem};
use crate::http::query;
use crate::storage::StoreError;

/// All routes of this topic.
pub fn routes(dossiers: Arc<Dossiers>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(put_dossier, get_dossier))
        .routes(routes!(list_dossiers))
        .routes(routes!(post_steps))
        .routes(routes!(post_batch))
        .with_state(dossiers)
}

/// Gửi trạng thái đầy đủ của một hồ sơ
///
/// Thay toàn bộ những gì đã gửi trước đó; gửi lại cùng nội dung không có tác dụng gì thêm. Hồ sơ được ghi bền vững rồi
/// mới trả lời; việc gửi lên Cổng Dịch vụ công quốc gia theo dõi ở địa chỉ tác vụ. / Sends the full state of a dossier:
/// idempotent; durable before the answer; the delivery to the national portal is followed at the operation's address.
#[utoipa::path(
    put, path = "/v1/dossiers/{code}", operation_id = "putDossier", tag = "dossiers",
    params(
        ("code" = lienthong_domain::dossier::DossierCode, Path, description = "Mã hồ sơ. / Dossier code."),
        ("If-Match" = Option<String>, Header, max_length = 40, description = "Chỉ ghi nếu bản hiện tại đúng là bản này. / Only if the current revision is this one."),
    ),
    request_body(content = DossierBody, description = "Trạng thái đầy đủ. / The full state.", example = json!(super::example::dossier())),
    responses(
        (status = 202, description = "Đã ghi bền vững, sẽ được gửi. / Durable; will be sent.", body = AcceptedDossier,
         headers(("Location" = String, description = "Địa chỉ tác vụ. / The operation."), ("ETag" = String, description = "Số lần. / The revision."))),
        (status = 200, description = "Không có gì thay đổi. / Nothing changed.", body = AcceptedDossier),
        Refusals,
    )
)]
async fn put_dossier(
    State(dossiers): State<Arc<Dossiers>>,
    Caller(client): Caller,
    Path(code): Path<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let code = read_code(&code)?;
    let expected = expected_revision(&headers)?;
    let accepted = dossiers.sync(&client, &code, body.value, expected).await?;
    let status = if accepted.is_unchanged { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = (status, Json(AcceptedDossier::from(&accepted))).into_response();
    set(&mut response, header::LOCATION, &operation_path(accepted.operation_id));
    set(&mut response, header::ETAG, &format!("\"{}\"", accepted.revision));
    Ok(response)
}

/// Xem một hồ sơ
///
/// Hồ sơ như đã tiếp nhận, các bước, và điều Cổng đã xác nhận. Mỗi lần xem được ghi vào nhật ký. / The dossier as
/// accepted, its steps, and what the portal acknowledged. Each reading is recorded.
#[utoipa::path(
    get, path = "/v1/dossiers/{code}", operation_id = "getDossier", tag = "dossiers",
    params(("code" = lienthong_domain::dossier::DossierCode, Path, description = "Mã hồ sơ. / Dossier code.")),
    responses(
        (status = 200, description = "Hồ sơ. / The dossier.", body = DossierView,
         headers(("ETag" = String, description = "Số lần. / The revision."))),
        Refusals,
    )
)]
async fn get_dossier(
    State(dossiers): State<Arc<Dossiers>>,
    Caller(client): Caller,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    let (revision, view) = dossiers.view(&client, &read_code(&code)?).await?;
    let mut response = Json(view).into_response();
    set(&mut response, header::ETAG, &format!("\"{revision}\""));
    Ok(response)
}

/// Danh sách hồ sơ
///
/// Theo thứ tự thay đổi, cũ trước; theo từng trang. / In the order of change, oldest first, a page at a time.
#[utoipa::path(
    get, path = "/v1/dossiers", operation_id = "listDossiers", tag = "dossiers",
    params(
        ("state" = Option<DossierState>, Query, description = "Chỉ trạng thái này. / Only this state."),
        ("updatedSince" = Option<Timestamp>, Query, description = "Chỉ thay đổi từ lúc này. / Only changes since."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "Số hồ sơ một trang. / Items a page."),
        ("cursor" = Option<String>, Query, max_length = 400, description = "nextCursor của trang trước. / The previous page's nextCursor."),
    ),
    responses((status = 200, description = "Một trang. / One page.", body = DossierPage), Refusals)
)]
async fn list_dossiers(
    State(dossiers): State<Arc<Dossiers>>,
    Caller(client): Caller,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let kept = query::without_cursor(&parameters);
    let page = dossiers.list(&client, read_filter(parameters, dossiers.limits.page_items)?).await?;
    let cursor = page.next_cursor.clone();
    Ok(query::with_next(Json(page), "/v1/dossiers", cursor.as_deref(), &kept))
}

/// Gửi tiến độ xử lý
///
/// Một bước hoặc một danh sách bước theo thứ tự; hồ sơ phải được gửi trước. / One step or a list in order; the dossier
/// must have been sent before.
#[utoipa::path(
    post, path = "/v1/dossiers/{code}/steps", operation_id = "postDossierSteps", tag = "dossiers",
    params(
        ("code" = lienthong_domain::dossier::DossierCode, Path, description = "Mã hồ sơ. / Dossier code."),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255, pattern = r#"^[!#-~]+$"#, description = "Khóa riêng cho mỗi yêu cầu. / One key a request."),
    ),
    request_body(content = StepsBody, description = "Các bước. / The steps.", example = json!(super::example::step())),
    responses(
        (status = 202, description = "Đã ghi bền vững, sẽ được gửi. / Durable; will be sent.", body = AcceptedSteps,
         headers(("Location" = String, description = "Địa chỉ tác vụ. / The operation."))),
        Refusals,
    )
)]
async fn post_steps(
    State(dossiers): State<Arc<Dossiers>>,
    Caller(client): Caller,
    Path(code): Path<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let key = Key::of_request(&headers)?;
    let code = read_code(&code)?;
    let fingerprint = dossiers.keys.digest(&[b"POST steps", code.as_str().as_bytes(), &body.bytes]);
    let _first = match dossiers.replies.admit(&client.id, &key, fingerprint).await? {
        Admission::Replay(first) => return Ok(first),
        Admission::First(guard) => guard,
    };
    let repeat = Repeat { key: key.clone(), fingerprint };
    match dossiers.accept_steps(&client, &code, body.value, repeat).await {
        Ok(reply) => Ok(answer(StatusCode::ACCEPTED.as_u16(), reply)),
        Err(problem) if problem.code == Code::DossierContended => {
            dossiers.replies.replay(&client.id, &key, fingerprint).await?.ok_or(problem)
        }
        Err(problem) => Err(problem),
    }
}

/// Gửi nhiều hồ sơ
///
/// Tối đa 500 hồ sơ; mỗi hồ sơ được nhận hoặc bị từ chối riêng. / Up to 500 dossiers, each accepted or refused alone.
#[utoipa::path(
    post, path = "/v1/dossier-batches", operation_id = "postDossierBatch", tag = "dossiers",
    params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 255, pattern = r#"^[!#-~]+$"#, description = "Khóa riêng cho mỗi yêu cầu. / One key a request.")),
    request_body(content = DossierBatch, description = "Các hồ sơ. / The dossiers.", example = json!(super::example::batch())),
    responses((status = 202, description = "Kết quả từng hồ sơ. / The result of each.", body = BatchResult), Refusals)
)]
async fn post_batch(
    State(dossiers): State<Arc<Dossiers>>,
    Caller(client): Caller,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let key = Key::of_request(&headers)?;
    let fingerprint = dossiers.keys.digest(&[b"POST batch", &body.bytes]);
    let _first = match dossiers.replies.admit(&client.id, &key, fingerprint).await? {
        Admission::Replay(first) => return Ok(first),
        Admission::First(guard) => guard,
    };
    let result = dossiers.sync_batch(&client, body.value, Language::of_request(&headers)).await?;
    let reply = serde_json::to_vec(&result).map_err(StoreError::failed)?;
    // Each item is a full state and may be sent again: if this answer is lost, a repeat of the request answers the same.
    let kept = KeyedReply {
        client_id: client.id.clone(),
        key: key.clone(),
        fingerprint,
        status: StatusCode::ACCEPTED.as_u16(),
        reply: reply.clone(),
        stored_at: dossiers.clock.now(),
    };
    match dossiers.replies.keep(kept).await {
        Ok(()) => Ok(answer(StatusCode::ACCEPTED.as_u16(), reply)),
        Err(error @ StoreError::Conflict) => {
            dossiers.replies.replay(&client.id, &key, fingerprint).await?.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The answer of accepted steps, as it is stored for repeats.
pub(super) fn steps_reply(code: &str, steps_before: i64, count: usize, operation_id: Uuid) -> Vec<u8> {
    let accepted = AcceptedSteps {
        code: code.to_owned(),
        first_ordinal: steps_before + 1,
        count,
        operation: operation_path(operation_id),
    };
    serde_json::to_vec(&accepted).unwrap_or_default()
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn expected_revision(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|number| number.parse().ok()) {
        Some(revision) => Ok(Some(revision)),
        // A tag that we never gave matches nothing.
        None => Err(Problem::new(Code::PreconditionFailed)),
    }
}

fn read_filter(parameters: Vec<(String, String)>, most: usize) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    query::read(parameters, |name, value| {
        Some(match name {
            "state" => DossierState::parse(&value).map(|state| filter.state = Some(state)),
            "updatedSince" => Timestamp::parse(&value).map(|since| filter.updated_since = Some(since)),
            "limit" => query::limit(&value, most).map(|limit| filter.limit = Some(limit)),
            "cursor" => {
                filter.cursor = Some(value);
                Ok(())
            }
            _ => return None,
        })
    })?;
    Ok(filter)
}
