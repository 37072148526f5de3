//! Problem details (RFC 9457): the one shape of every 4xx and 5xx. The codes are one table; `docs/errors.md` has a row
//! for each. A problem is made without knowing the reader's language and written in it by [`localise`].

use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use lienthong_domain::invalid::{InvalidField, InvalidFields, Message, Refusal};

use super::observe::RequestId;
use crate::storage::StoreError;

/// Declares the codes: name, dotted code, status, title in both languages.
macro_rules! codes {
    ($($name:ident = $code:literal, $status:ident, $vi:literal, $en:literal;)+) => {
        /// What a problem is about. Stable: clients decide by it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($name),+ }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code),+ }
            }

            pub const fn status(self) -> StatusCode {
                match self { $(Code::$name => StatusCode::$status),+ }
            }

            /// Vietnamese, English.
            pub const fn title(self) -> (&'static str, &'static str) {
                match self { $(Code::$name => ($vi, $en)),+ }
            }
        }
    };
}

codes! {
    RequestMalformed = "request.malformed", BAD_REQUEST, "Không đọc được thân yêu cầu", "The request body cannot be read";
    RequestInvalid = "request.invalid", BAD_REQUEST, "Yêu cầu có trường không hợp lệ", "The request has invalid fields";
    IdempotencyKeyMissing = "request.idempotency_key_missing", BAD_REQUEST, "Thiếu Idempotency-Key", "Idempotency-Key is missing";
    RequestTooLarge = "request.too_large", PAYLOAD_TOO_LARGE, "Yêu cầu quá lớn", "The request is too large";
    RequestMediaType = "request.media_type", UNSUPPORTED_MEDIA_TYPE, "Cần application/json", "application/json is needed";
    RequestTimeout = "request.timeout", REQUEST_TIMEOUT, "Yêu cầu đến quá chậm", "The request came too slowly";
    PreconditionFailed = "request.precondition_failed", PRECONDITION_FAILED, "Bản ghi đã thay đổi", "The resource has changed";
    IdempotencyKeyReused = "idempotency.key_reused", UNPROCESSABLE_ENTITY, "Idempotency-Key đã dùng cho nội dung khác", "The Idempotency-Key was used with other content";
    IdempotencyInFlight = "idempotency.in_flight", CONFLICT, "Yêu cầu cùng Idempotency-Key đang được xử lý", "A request with this Idempotency-Key is being processed";
    IdempotencyReplyNotKept = "idempotency.reply_not_kept", CONFLICT, "Câu trả lời của Idempotency-Key này không còn", "The answer to this Idempotency-Key is no longer kept";
    Unauthenticated = "access.unauthenticated", UNAUTHORIZED, "Chưa xác thực", "Not authenticated";
    TokenInvalid = "access.token_invalid", UNAUTHORIZED, "Mã truy cập không được chấp nhận", "The access token is not accepted";
    TokenExpired = "access.token_expired", UNAUTHORIZED, "Mã truy cập đã hết hạn", "The access token has expired";
    TokenRevoked = "access.token_revoked", UNAUTHORIZED, "Mã truy cập đã bị thu hồi", "The access token was revoked";
    SubjectUnknown = "access.subject_unknown", UNAUTHORIZED, "Mã truy cập không thuộc hệ thống nào", "The access token belongs to no client";
    IssuerUnavailable = "access.issuer_unavailable", SERVICE_UNAVAILABLE, "Máy chủ cấp mã truy cập không trả lời", "The issuer of the access token does not answer";
    CertificateUnknown = "access.certificate_unknown", UNAUTHORIZED, "Chứng thư không thuộc hệ thống nào", "The certificate belongs to no client";
    ScopeMissing = "access.scope_missing", FORBIDDEN, "Thiếu quyền", "A scope is missing";
    ProcedureNotAllowed = "access.procedure_not_allowed", FORBIDDEN, "Không được phép gửi thủ tục này", "This procedure is not allowed";
    AgencyNotAllowed = "access.agency_not_allowed", FORBIDDEN, "Không được phép ghi cho cơ quan này", "Writing for this agency is not allowed";
    RouteNotFound = "route.not_found", NOT_FOUND, "Không có địa chỉ này", "There is no such address";
    MethodNotAllowed = "route.method_not_allowed", METHOD_NOT_ALLOWED, "Phương thức không được dùng ở địa chỉ này", "This method is not used at this address";
    DossierNotFound = "dossier.not_found", NOT_FOUND, "Không có hồ sơ này", "There is no such dossier";
    TransitionNeedsReason = "dossier.transition_needs_reason", CONFLICT, "Chuyển trạng thái khác thường, cần lý do", "An unusual transition needs a reason";
    TransitionNotAllowed = "dossier.transition_not_allowed", CONFLICT, "Không thể chuyển trạng thái như vậy", "This transition is not allowed";
    StepBeforeDossier = "dossier.step_before_dossier", CONFLICT, "Chưa có hồ sơ để ghi tiến độ", "A step for a dossier that was never sent";
    DossierContended = "dossier.contended", CONFLICT, "Hồ sơ đang được thay đổi đồng thời", "The dossier is being changed by others";
    InboxItemNotFound = "inbox.item_not_found", NOT_FOUND, "Không có thông điệp này, hoặc chưa đến lượt", "There is no such message, or it is not its turn";
    FileNotFound = "inbox.file_not_found", NOT_FOUND, "Thông điệp không có tệp này", "The message has no such file";
    FileNotFetched = "inbox.file_not_fetched", CONFLICT, "Tệp chưa tải được về từ Cổng", "The file was not fetched from the portal yet";
    InboxDecided = "inbox.decided", CONFLICT, "Thông điệp đã được quyết định khác", "The message was decided otherwise";
    SenderUnknown = "access.sender_unknown", FORBIDDEN, "Nơi gửi không có trong cấu hình", "The sender is not in the configuration";
    OperationNotFound = "operation.not_found", NOT_FOUND, "Không có tác vụ này", "There is no such operation";
    AuditRecordNotFound = "audit.record_not_found", NOT_FOUND, "Nhật ký không có bản ghi này", "The audit log has no such record";
    QuotaExceeded = "access.quota_exceeded", TOO_MANY_REQUESTS, "Vượt hạn mức yêu cầu", "A quota is exceeded";
    CatalogueNotCopied = "catalogue.not_copied", SERVICE_UNAVAILABLE, "Chưa sao danh mục này", "This list was not copied yet";
    DictionaryNotFound = "catalogue.dictionary_not_found", NOT_FOUND, "Bản sao không có danh mục này", "The copy has no such dictionary";
    ProcedureNotFound = "procedure.not_found", NOT_FOUND, "Danh mục không có thủ tục này", "The catalogue has no such procedure";
    UpstreamUnavailable = "upstream.unavailable", SERVICE_UNAVAILABLE, "Hệ thống quốc gia không trả lời", "The national system does not answer";
    Overloaded = "service.overloaded", SERVICE_UNAVAILABLE, "Hệ thống đang quá tải", "The service is overloaded";
    StorageUnavailable = "storage.unavailable", SERVICE_UNAVAILABLE, "Cơ sở dữ liệu tạm thời không trả lời", "The database does not answer at the moment";
    DiskFull = "storage.disk_full", INSUFFICIENT_STORAGE, "Sắp hết dung lượng lưu trữ", "Storage is nearly full";
    Internal = "service.internal", INTERNAL_SERVER_ERROR, "Lỗi nội bộ", "Internal error";
}

/// Beside a refusal that was written: its code, for the log.
#[derive(Debug, Clone, Copy)]
pub struct ProblemCode(pub &'static str);

/// A refusal on its way out.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: Code,
    pub detail: Option<Message>,
    pub errors: InvalidFields,
    pub retry_after: Option<Duration>,
    /// The quota that was exceeded, by its name in the headers.
    pub violated: Option<&'static str>,
}

impl Problem {
    pub fn new(code: Code) -> Self {
        Self { code, detail: None, errors: InvalidFields::default(), retry_after: None, violated: None }
    }

    pub fn detail(mut self, vi: impl Into<String>, en: impl Into<String>) -> Self {
        self.detail = Some(Message::new(vi, en));
        self
    }

    pub fn violated(mut self, policy: &'static str) -> Self {
        self.violated = Some(policy);
        self
    }

    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// One wrong field.
    pub fn field(pointer: impl Into<String>, refusal: Refusal) -> Self {
        InvalidFields::one(pointer, refusal).into()
    }

    /// The problem as JSON, in one language; also used for the items of a batch.
    pub fn to_json(&self, language: Language, request_id: Option<&str>) -> serde_json::Value {
        let (vi, en) = self.code.title();
        let title = language.pick(vi, en);
        let kind = match self.code {
            Code::Overloaded => "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity".to_owned(),
            Code::QuotaExceeded => "https://iana.org/assignments/http-problem-types#quota-exceeded".to_owned(),
            code => format!("urn:lienthong:problem:{}", code.as_str()),
        };
        let detail = match &self.detail {
            Some(message) => language.of(message).to_owned(),
            None if !self.errors.is_empty() => {
                let count = self.errors.fields().len() + self.errors.omitted();
                language.pick(
                    format!("{count} trường không hợp lệ, xem errors."),
                    format!("{count} invalid fields, see errors."),
                )
            }
            None => title.to_owned(),
        };
        let mut problem = serde_json::json!({
            "type": kind,
            "title": title,
            "status": self.code.status().as_u16(),
            "detail": detail,
            "code": self.code.as_str(),
        });
        if !self.errors.is_empty() {
            let item = |field: &InvalidField| {
                serde_json::json!({
                    "pointer": field.pointer, "code": field.code, "message": language.of(&field.message),
                })
            };
            problem["errors"] = self.errors.fields().iter().map(item).collect();
            if self.errors.omitted() > 0 {
                problem["errorsOmitted"] = self.errors.omitted().into();
            }
        }
        if let Some(policy) = self.violated {
            problem["violated-policies"] = serde_json::json!([policy]);
        }
        if let Some(id) = request_id {
            problem["traceId"] = id.into();
        }
        problem
    }
}

impl From<InvalidFields> for Problem {
    fn from(errors: InvalidFields) -> Self {
        Self { errors, ..Self::new(Code::RequestInvalid) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::new(Code::Overloaded).retry_after(Duration::from_secs(1)),
            StoreError::DiskFull => Self::new(Code::DiskFull).retry_after(Duration::from_secs(60)),
            StoreError::Conflict => Self::new(Code::DossierContended).retry_after(Duration::from_secs(1)),
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "a request was given back");
                Self::new(Code::StorageUnavailable).retry_after(Duration::from_secs(2)).detail(
                    "Chưa biết yêu cầu đã được ghi hay chưa. Hãy gửi lại đúng yêu cầu này (cùng Idempotency-Key): không bị ghi hai lần.",
                    "Whether the request was stored is not known. Send the same request again (with the same Idempotency-Key): nothing is stored twice.",
                )
            }
            StoreError::NotApplicable | StoreError::Failed(_) => {
                tracing::error!(%error, "the store failed");
                Self::new(Code::Internal)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(
                header::RETRY_AFTER,
                HeaderValue::from(after.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)),
            );
        }
        let challenge = match self.code {
            Code::Unauthenticated | Code::CertificateUnknown => Some("Bearer"),
            Code::TokenInvalid | Code::TokenExpired | Code::TokenRevoked | Code::SubjectUnknown => {
                Some("Bearer error=\"invalid_token\"")
            }
            _ => None,
        };
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The reader's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Vietnamese,
    English,
}

impl Language {
    /// Vietnamese unless `Accept-Language` prefers English.
    pub fn of_request(headers: &HeaderMap) -> Self {
        let Some(wanted) = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()) else {
            return Self::Vietnamese;
        };
        let weight = |language: &str| {
            let of = |part: &str| {
                let (range, parameters) = part.split_once(';').unwrap_or((part, ""));
                let matches = range.trim().split('-').next().is_some_and(|name| name.eq_ignore_ascii_case(language));
                let weight = parameters.trim().strip_prefix("q=").map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
                matches.then_some(weight)
            };
            wanted.split(',').take(32).filter_map(of).fold(0.0, f32::max)
        };
        if weight("en") > weight("vi") { Self::English } else { Self::Vietnamese }
    }

    fn pick<T>(self, vi: T, en: T) -> T {
        match self {
            Self::Vietnamese => vi,
            Self::English => en,
        }
    }

    fn of(self, message: &Message) -> &str {
        self.pick(&message.vi, &message.en)
    }

    const fn tag(self) -> &'static str {
        match self {
            Self::Vietnamese => "vi",
            Self::English => "en",
        }
    }
}

/// Marks a refusal whose body has the shape of another standard: it is left as it is.
#[derive(Debug, Clone, Copy)]
pub struct AsItIs;

impl IntoResponseParts for AsItIs {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        parts.extensions_mut().insert(self);
        Ok(parts)
    }
}

/// Layer: writes the body of every problem in the reader's language. Refusals that other layers make (no such route,
/// body too large, a panic) become problems here, so that no 4xx or 5xx leaves in another shape.
pub async fn localise(request: Request, next: Next) -> Response {
    let language = Language::of_request(request.headers());
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let response = next.run(request).await;
    let is_refusal = response.status().is_client_error() || response.status().is_server_error();
    if !is_refusal || response.extensions().get::<AsItIs>().is_some() {
        return response;
    }
    let problem = match response.extensions().get::<Problem>() {
        Some(problem) => problem.clone(),
        None => Problem::new(match response.status() {
            StatusCode::NOT_FOUND => Code::RouteNotFound,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Code::RequestTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::RequestMediaType,
            StatusCode::REQUEST_TIMEOUT => Code::RequestTimeout,
            StatusCode::SERVICE_UNAVAILABLE => Code::Overloaded,
            status if status.is_client_error() => Code::RequestMalformed,
            _ => Code::Internal,
        }),
    };
    let mut written = (problem.code.status(), Json(problem.to_json(language, request_id.as_deref()))).into_response();
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            written.headers_mut().insert(name, value.clone());
        }
    }
    written.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    written.extensions_mut().insert(ProblemCode(problem.code.as_str()));
    written.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    written
}
