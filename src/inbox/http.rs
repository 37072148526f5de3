//! The way in for local systems: what waits for them, and what they decide. No rule lives here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use lienthong_domain::invalid::Refusal;
use lienthong_domain::scalar::Scalar;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::list::{Filter, OpenFile};
use super::representation::{Acknowledgement, FileContent, ItemPage, ItemView, ItemWithContent, Rejection};
use super::{Inbox, InboxStatus};
use crate::access::Caller;
use crate::http::json::{self, JsonBody};
use crate::http::layers::HeldPlace;
use crate::http::openapi::Refusals;
use crate::http::problem::{Code, Problem};
use crate::http::query;

/// All routes of this topic for local systems.
pub fn routes(inbox: Arc<Inbox>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_inbox_items))
        .routes(routes!(get_inbox_item))
        .routes(routes!(get_inbox_file))
        .routes(routes!(acknowledge_inbox_item))
        .routes(routes!(reject_inbox_item))
        .with_state(inbox)
}

/// Những gì Cổng gửi đến và đang chờ
///
/// Cũ trước. Mỗi thông điệp hiện ra cho đến khi được nhận hoặc từ chối; của một hồ sơ chỉ hiện thông điệp kế tiếp. Con trỏ đi qua những
/// gì đang chờ: để biết điều mới, hỏi lại từ đầu. / What the portal has sent and waits, oldest first. A message is shown until it is
/// acknowledged or rejected; of a dossier only the next one. Cursors go through what waits: ask from the beginning for what is new.
#[utoipa::path(
    get, path = "/v1/inbox-items", operation_id = "listInboxItems", tag = "inbox",
    params(
        ("status" = Option<InboxStatus>, Query, description = "`waiting` (mặc định) hoặc `conflict`. / `waiting` (the default) or `conflict`."),
        ("wait" = Option<u64>, Query, minimum = 0, maximum = 60, description = "Nếu chưa có gì: chờ tối đa bấy nhiêu giây. / If there is nothing: wait up to so many seconds."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "Số thông điệp một trang. / Items a page."),
        ("cursor" = Option<String>, Query, max_length = 400, description = "nextCursor của trang trước. / The previous page's nextCursor."),
    ),
    responses((status = 200, description = "Một trang. / One page.", body = ItemPage), Refusals)
)]
async fn list_inbox_items(
    State(inbox): State<Arc<Inbox>>,
    Caller(client): Caller,
    place: Option<Extension<HeldPlace>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let kept = query::without_cursor(&parameters);
    let page = inbox
        .list(&client, read_filter(parameters, inbox.limits.page_items)?, place.map(|Extension(place)| place))
        .await?;
    let cursor = page.next_cursor.clone();
    Ok(query::with_next(Json(page), "/v1/inbox-items", cursor.as_deref(), &kept))
}

/// Một thông điệp và nội dung
///
/// Mỗi lần xem được ghi vào nhật ký. / One message with its content. Each reading is recorded.
#[utoipa::path(
    get, path = "/v1/inbox-items/{id}", operation_id = "getInboxItem", tag = "inbox",
    params(("id" = String, Path, format = "uuid", max_length = 36, description = "Mã thông điệp. / The message.")),
    responses((status = 200, description = "Thông điệp. / The message.", body = ItemWithContent), Refusals)
)]
async fn get_inbox_item(
    State(inbox): State<Arc<Inbox>>,
    Caller(client): Caller,
    Path(id): Path<String>,
) -> Result<Json<ItemWithContent>, Problem> {
    inbox.view(&client, read_id(&id)?).await.map(Json)
}

/// Một tệp của thông điệp
///
/// Mỗi lần tải được ghi vào nhật ký. / One of its files. Each reading is recorded.
#[utoipa::path(
    get, path = "/v1/inbox-items/{id}/files/{number}", operation_id = "getInboxFile", tag = "inbox",
    params(
        ("id" = String, Path, format = "uuid", max_length = 36, description = "Mã thông điệp. / The message."),
        ("number" = u32, Path, minimum = 1, maximum = 200, description = "Số thứ tự tệp. / Number of the file."),
    ),
    responses(
        (status = 200, description = "Tệp. / The file.", content_type = "application/octet-stream", body = FileContent),
        Refusals,
    )
)]
async fn get_inbox_file(
    State(inbox): State<Arc<Inbox>>,
    Caller(client): Caller,
    Path((id, number)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let not_found = || Problem::new(Code::FileNotFound);
    let number = number.parse().map_err(|_| not_found())?;
    let OpenFile { reading, media_type, bytes } = inbox.file(&client, read_id(&id)?, number).await?;
    // Chunk by chunk; one that was changed breaks the connection off, and nothing of it is sent.
    let chunks = futures::stream::try_unfold(reading, |mut reading| async move {
        Ok::<_, crate::storage::StoreError>(reading.next().await?.map(|chunk| (chunk, reading)))
    });
    let mut response = Body::from_stream(chunks).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, bytes.into());
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    if let Ok(media_type) = HeaderValue::from_str(&media_type) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    Ok(response)
}

/// Nhận một thông điệp
///
/// Thông điệp không hiện nữa, thông điệp kế tiếp của hồ sơ hiện ra, và Cổng được báo. Nhận lại lần nữa không có tác dụng gì thêm. /
/// Takes a message: it is shown no more, the next one of its dossier is, and the portal is told. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/v1/inbox-items/{id}/acknowledgement", operation_id = "acknowledgeInboxItem", tag = "inbox",
    params(("id" = String, Path, format = "uuid", max_length = 36, description = "Mã thông điệp. / The message.")),
    request_body(content = Acknowledgement, description = "Mã hồ sơ của địa phương. / The dossier's code here.", example = json!({"localCode": "H15.50-261121-0001"})),
    responses((status = 200, description = "Đã nhận. / Taken.", body = ItemView), Refusals)
)]
async fn acknowledge_inbox_item(
    State(inbox): State<Arc<Inbox>>,
    Caller(client): Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> Result<Json<ItemView>, Problem> {
    let said: Acknowledgement = json::read(body.value)?;
    inbox.acknowledge(&client, read_id(&id)?, said).await.map(Json)
}

/// Từ chối một thông điệp
///
/// Cổng được báo lý do. / Refuses a message; the portal is told why.
#[utoipa::path(
    post, path = "/v1/inbox-items/{id}/rejection", operation_id = "rejectInboxItem", tag = "inbox",
    params(("id" = String, Path, format = "uuid", max_length = 36, description = "Mã thông điệp. / The message.")),
    request_body(content = Rejection, description = "Lý do. / Why.", example = json!({"localCode": "H15.50-261121-0001", "reason": "Hồ sơ không thuộc thẩm quyền giải quyết."})),
    responses((status = 200, description = "Đã từ chối. / Refused.", body = ItemView), Refusals)
)]
async fn reject_inbox_item(
    State(inbox): State<Arc<Inbox>>,
    Caller(client): Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> Result<Json<ItemView>, Problem> {
    let said: Rejection = json::read(body.value)?;
    inbox.reject(&client, read_id(&id)?, said).await.map(Json)
}

fn read_id(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::new(Code::InboxItemNotFound))
}

fn read_filter(parameters: Vec<(String, String)>, most: usize) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    query::read(parameters, |name, value| {
        Some(match name {
            "status" => read_status(&value).map(|status| filter.status = Some(status)),
            "wait" => read_wait(&value).map(|wait| filter.wait = Some(wait)),
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

/// What is decided is not listed: it is found by its id.
fn read_status(text: &str) -> Result<InboxStatus, Refusal> {
    let status = InboxStatus::parse(text)?;
    match status {
        InboxStatus::Waiting | InboxStatus::Conflict => Ok(status),
        InboxStatus::Acknowledged | InboxStatus::Rejected => {
            Err(Refusal::new("value", "Cần waiting hoặc conflict.", "waiting or conflict is needed."))
        }
    }
}

fn read_wait(text: &str) -> Result<u64, Refusal> {
    let wait = text.parse().ok().filter(|wait| *wait <= 60);
    wait.ok_or_else(|| Refusal::new("value", "Từ 0 đến 60 giây.", "0 to 60 seconds."))
}
