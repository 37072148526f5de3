//! The log for those who may read it: records by what they are about, one record with its proof, and who asked about a
//! person. Each reading is a record of its own, durable before the answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use deserr::Deserr;
use lienthong_domain::catalogue::{AgencyCode, AgencyRegister};
use lienthong_domain::dossier::{DossierCode, IdentityNumber};
use lienthong_domain::invalid::{InvalidFields, Refusal};
use lienthong_domain::personal::Personal;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::event::EVENTS;
use super::log::{Checkpoint, ProofFile};
use super::search::{Found, Members, Page, Position, Question, search};
use super::signer::Signer;
use super::store::AuditStore;
use super::{Draft, Kind, Outcome, Recorder, read};
use crate::access::{Caller, Client};
use crate::http::openapi::Refusals;
use crate::http::problem::{Code, Problem};
use crate::http::{cursor, json as json_body, query};
use crate::storage::StoreError;
use crate::storage::keys::Keys;

/// Whose cursors these are.
const LIST: &str = "audit-records";
const MOST_ITEMS: usize = 200;

/// What the routes stand on.
pub struct Records {
    pub store: Arc<dyn AuditStore>,
    pub recorder: Arc<Recorder>,
    pub signer: Arc<Signer>,
    pub keys: Arc<Keys>,
    pub agencies: Arc<AgencyRegister>,
    pub clock: Arc<dyn Clock>,
}

pub fn routes(records: Arc<Records>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_records))
        .routes(routes!(get_record))
        .routes(routes!(post_person_view))
        .with_state(records)
}

/// Một bản ghi nhật ký. / A record of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RecordView {
    /// Nhật ký của nửa năm. / The log that it stands in.
    #[schema(max_length = 300, example = "gateway.h15.example/audit/2026h2")]
    log: String,
    /// Vị trí trong nhật ký. / Its place.
    #[schema(minimum = 0, example = 4711)]
    index: u64,
    /// Nội dung như đã băm và ký, xem docs/audit-log.md. / What was hashed and signed; docs/audit-log.md explains it.
    #[schema(value_type = Object)]
    record: Value,
}

/// Một trang bản ghi. / A page of records.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RecordPage {
    /// Mới trước. Có thể rỗng mà vẫn còn trang sau. / Newest first. May be empty though another page follows.
    #[schema(max_items = 200)]
    items: Vec<RecordView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    next_cursor: Option<String>,
    /// Các nhật ký đã hủy khóa bí danh: không tìm được theo hồ sơ hay người. / Logs whose key was destroyed: nobody can find a
    /// dossier or a person in them any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    without_key: Vec<LogName>,
}

/// Tên một nhật ký. / The name of a log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(max_length = 300, example = "gateway.h15.example/audit/2026h2")]
struct LogName(String);

/// Base64 của 32 byte. / Base64 of 32 bytes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(max_length = 44, example = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")]
struct HashText(String);

/// Một bản ghi và chứng cứ. / A record with its proof.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProvedRecord {
    #[serde(flatten)]
    record: RecordView,
    /// Vắng mặt khi bản ghi chưa được ký, thường dưới một giây. / Absent as long as it is not signed, usually under a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<ProofView>,
}

/// Chứng cứ rằng bản ghi có trong nhật ký đã ký (RFC 6962). / A proof that the record stands in the signed log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProofView {
    /// Số bản ghi của nhật ký khi ký. / Records of the log when it was signed.
    #[schema(minimum = 1, example = 5000)]
    tree_size: u64,
    /// Base64: đúng các byte đã băm. / Exactly the bytes that were hashed.
    #[schema(max_length = 2000)]
    leaf: String,
    /// Base64, từ lá lên. / From the leaf upwards.
    #[schema(max_items = 64)]
    path: Vec<HashText>,
    /// Ghi chú đã ký (C2SP tlog-checkpoint). / The signed note.
    #[schema(max_length = 100_000)]
    checkpoint: String,
    /// Tệp chứng cứ cho `lienthong audit verify-proof`. / The file for it.
    #[schema(max_length = 200_000)]
    tlog_proof: String,
}

/// Hỏi: ai đã hỏi về một người. / Asks who has asked about a person.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[schema(rename_all = "camelCase")]
struct PersonQuestion {
    /// Số định danh cá nhân hoặc CMND; chỉ gửi trong thân yêu cầu. / In the body only, never in an address.
    identity_number: Personal<IdentityNumber>,
    /// Từ lúc này. / From then on.
    #[deserr(default)]
    from: Option<Timestamp>,
    /// Trước lúc này. / Before then.
    #[deserr(default)]
    until: Option<Timestamp>,
    /// nextCursor của trang trước. / The previous page's nextCursor.
    #[deserr(default)]
    #[schema(max_length = 1000)]
    cursor: Option<String>,
}

/// Tìm bản ghi nhật ký
///
/// Mới trước. Chỉ những gì thuộc cơ quan của người gọi; việc vận hành và cấu hình chỉ cấp tỉnh, bộ thấy. Mỗi lần đọc được ghi
/// vào nhật ký. / Newest first; only what is of the caller's agencies, operations and configuration only for a whole province or
/// ministry. Each reading is recorded.
#[utoipa::path(
    get, path = "/v1/audit/records", operation_id = "listAuditRecords", tag = "audit",
    params(
        ("from" = Option<Timestamp>, Query, description = "Từ lúc này. / From then on."),
        ("until" = Option<Timestamp>, Query, description = "Trước lúc này. / Before then."),
        ("client" = Option<String>, Query, max_length = 64, description = "Hệ thống đã gọi. / Who called."),
        ("dossier" = Option<DossierCode>, Query, description = "Mã hồ sơ. / Dossier code."),
        ("kind" = Option<String>, Query, max_length = 40, description = "Loại sự kiện. / Kind of event."),
        ("operation" = Option<String>, Query, max_length = 60, description = "Thao tác. / Operation."),
        ("outcome" = Option<String>, Query, max_length = 40, description = "Kết quả: `outcome.decision`. / What was decided."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Số bản ghi một trang. / Items a page."),
        ("cursor" = Option<String>, Query, max_length = 1000, description = "nextCursor của trang trước. / The previous page's nextCursor."),
    ),
    responses((status = 200, description = "Một trang. / One page.", body = RecordPage), Refusals)
)]
async fn list_records(
    State(records): State<Arc<Records>>,
    Caller(client): Caller,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let kept = query::without_cursor(&parameters);
    let Asked { question, limit, cursor } = Asked::read(parameters)?;
    let after = cursor.as_deref().map(|cursor| records.read_cursor("#/query/cursor", cursor)).transpose()?;
    let mut draft = Draft::new(Kind::LogRead, "audit.records", shown()).by(&client.id);
    draft.subject = question.dossier.as_deref();
    records.record(&draft).await?;
    let page = records.search(&client, &question, after.as_ref(), limit).await?;
    let cursor = page.next_cursor.clone();
    Ok(query::with_next(Json(page), "/v1/audit/records", cursor.as_deref(), &kept))
}

/// Xem một bản ghi với chứng cứ
///
/// Chứng cứ kiểm được mà không cần cổng này, xem docs/audit-log.md. / The proof can be checked without this gateway.
#[utoipa::path(
    get, path = "/v1/audit/records/{id}", operation_id = "getAuditRecord", tag = "audit",
    params(("id" = String, Path, format = "uuid", max_length = 36, description = "Mã bản ghi. / The record's id.")),
    responses((status = 200, description = "Bản ghi. / The record.", body = ProvedRecord), Refusals)
)]
async fn get_record(
    State(records): State<Arc<Records>>,
    Caller(client): Caller,
    Path(id): Path<String>,
) -> Result<Json<ProvedRecord>, Problem> {
    let not_found = || Problem::new(Code::AuditRecordNotFound);
    let id: Uuid = id.parse().map_err(|_| not_found())?;
    let (shard, record) = read::find_by_zones(&*records.store, id).await?.ok_or_else(not_found)?;
    let is_visible = serde_json::from_slice(&record.bytes).is_ok_and(|members| records.may_see(&client, &members));
    if !is_visible {
        return Err(not_found());
    }
    // Before it leaves; what is not shown is not said to have been.
    let mut draft = Draft::new(Kind::LogRead, "audit.record", shown()).by(&client.id);
    draft.continues = Some(id);
    records.record(&draft).await?;
    let view = RecordView::of(&shard, record.index, &record.bytes)?;
    let proof = read::prove(&*records.store, &shard, record, |name| records.signer.verifiers(name)).await?;
    Ok(Json(ProvedRecord { record: view, proof: proof.map(ProofView::of).transpose()? }))
}

/// Ai đã hỏi về một người
///
/// Quyền của chủ thể dữ liệu: những bản ghi về hồ sơ của người này và những lần nội dung được xem, mới trước. Việc hỏi cũng được
/// ghi vào nhật ký. / What a person may know: records of the person's dossiers, and of each time their content was shown, newest
/// first. The question is recorded, too.
#[utoipa::path(
    post, path = "/v1/audit/person-views", operation_id = "postPersonView", tag = "audit",
    request_body(content = PersonQuestion, description = "Người được hỏi. / The person.", example = json!({ "identityNumber": "001099012345" })),
    responses((status = 200, description = "Một trang. / One page.", body = RecordPage), Refusals)
)]
async fn post_person_view(
    State(records): State<Arc<Records>>,
    Caller(client): Caller,
    body: json_body::JsonBody,
) -> Result<Json<RecordPage>, Problem> {
    let asked: PersonQuestion = json_body::read(body.value)?;
    let after = asked.cursor.as_deref().map(|cursor| records.read_cursor("/cursor", cursor)).transpose()?;
    let person = asked.identity_number.expose().as_str().to_owned();
    let mut draft = Draft::new(Kind::LogRead, "audit.person_view", shown()).by(&client.id);
    draft.person = Some(&person);
    records.record(&draft).await?;
    let (from, until) = (asked.from, asked.until);
    let question = Question { from, until, person: Some(Personal::new(person.clone())), ..Question::default() };
    Ok(Json(records.search(&client, &question, after.as_ref(), MOST_ITEMS).await?))
}

/// The parameters of a list.
struct Asked {
    question: Question,
    limit: usize,
    cursor: Option<String>,
}

impl Asked {
    fn read(parameters: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut asked = Self { question: Question::default(), limit: 100, cursor: None };
        let Self { question, limit, cursor } = &mut asked;
        query::read(parameters, |name, value| {
            Some(match name {
                "from" => Timestamp::parse(&value).map(|from| question.from = Some(from)),
                "until" => Timestamp::parse(&value).map(|until| question.until = Some(until)),
                "dossier" => DossierCode::parse(&value).map(|code| question.dossier = Some(code.as_str().to_owned())),
                "client" => known(true, value).map(|client| question.client = Some(client)),
                "kind" => known(EVENTS.iter().any(|event| event.kind.name() == value), value)
                    .map(|kind| question.kind = Some(kind)),
                "operation" => known(EVENTS.iter().any(|event| event.op == value), value)
                    .map(|operation| question.operation = Some(operation)),
                "outcome" => known(EVENTS.iter().any(|event| event.decisions.contains(&value.as_str())), value)
                    .map(|decision| question.decision = Some(decision)),
                "limit" => query::limit(&value, MOST_ITEMS).map(|most| *limit = most),
                "cursor" => {
                    *cursor = Some(value);
                    Ok(())
                }
                _ => return None,
            })
        })?;
        Ok(asked)
    }
}

/// What is no event of the log would be searched for in vain.
fn known(is_known: bool, value: String) -> Result<String, Refusal> {
    match is_known && value.len() <= 64 {
        true => Ok(value),
        false => Err(Refusal::new(
            "unknown_event",
            "Nhật ký không có sự kiện này, xem docs/audit-log.md.",
            "The log has no such event, see docs/audit-log.md.",
        )),
    }
}

fn shown() -> Outcome {
    Outcome { status: Some(200), ..Outcome::decided("shown") }
}

impl Records {
    async fn record(&self, draft: &Draft<'_>) -> Result<(), StoreError> {
        self.store.append(self.recorder.seal(draft)?).await
    }

    async fn search(
        &self,
        client: &Client,
        question: &Question,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<RecordPage, Problem> {
        let may_see = |members: &Members<'_>| self.may_see(client, members);
        let Page { found, next, without_key } =
            search(&*self.store, &self.recorder, question, after, limit, may_see).await?;
        let view = |found: Found| RecordView::of(&found.shard, found.record.index, &found.record.bytes);
        let items = found.into_iter().map(view).collect::<Result<_, _>>()?;
        let next_cursor =
            next.map(|Position { shard, below }| cursor::seal(&self.keys, LIST, &format!("{below}|{shard}")));
        let without_key = without_key.into_iter().map(LogName).collect();
        Ok(RecordPage { items, next_cursor: next_cursor.transpose()?, without_key })
    }

    /// What is of an agency is for those who cover it; what is of none, such as the configuration, for a whole province or
    /// ministry.
    fn may_see(&self, client: &Client, members: &Members<'_>) -> bool {
        match members.agency {
            None => client.agencies.iter().any(|agency| agency.normalised() == agency.level_one()),
            Some(agency) => AgencyCode::parse(agency)
                .is_ok_and(|agency| client.covers(&agency, &self.agencies, self.clock.now().date_in_vietnam())),
        }
    }

    fn read_cursor(&self, place: &'static str, cursor: &str) -> Result<Position, Problem> {
        let read = |text: String| {
            let (below, shard) = text.split_once('|')?;
            Some(Position { shard: shard.to_owned(), below: below.parse().ok()? })
        };
        let found = cursor::open(&self.keys, LIST, cursor)?.and_then(read);
        found.ok_or_else(|| Problem::field(place, cursor::refusal()))
    }
}

impl RecordView {
    fn of(shard: &str, index: u64, bytes: &[u8]) -> Result<Self, StoreError> {
        let record = serde_json::from_slice(bytes).map_err(StoreError::failed)?;
        Ok(Self { log: shard.to_owned(), index, record })
    }
}

impl ProofView {
    fn of(proof: ProofFile) -> Result<Self, StoreError> {
        let checkpoint = Checkpoint::parse(proof.checkpoint.text()).map_err(StoreError::failed)?;
        Ok(Self {
            tree_size: checkpoint.size,
            tlog_proof: proof.to_string(),
            leaf: STANDARD.encode(proof.extra.unwrap_or_default()),
            path: proof.path.iter().map(|hash| HashText(STANDARD.encode(hash))).collect(),
            checkpoint: proof.checkpoint.to_string(),
        })
    }
}
