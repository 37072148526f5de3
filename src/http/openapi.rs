//! The API document (OpenAPI 3.1), made from the code: what is served is what is described.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

use super::problem::Code;
use crate::access::Scope;
use crate::access::oauth::http::TOKEN_PATH;

/// The version of the API, sent in every answer as `API-Version`.
pub const API_VERSION: &str = "1.0.0";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Liên Thông",
        version = "1.0.0",
        description = "Một API cho hệ thống một cửa của tỉnh để làm việc với các hệ thống quốc gia. / One API by which a \
                       province's one-stop systems work with the national systems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "Cổng này. / This gateway.")),
    tags(
        (name = "dossiers", description = "Hồ sơ và tiến độ. / Dossiers and their steps."),
        (name = "catalogue", description = "Danh mục quốc gia. / The national catalogue."),
        (name = "inbox", description = "Những gì Cổng gửi đến. / What the portal sends."),
        (name = "agreement", description = "Đối soát tỉnh và Cổng. / Whether province and nation agree."),
        (name = "operations", description = "Việc gửi ra ngoài tỉnh. / What leaves the province."),
        (name = "audit", description = "Nhật ký kiểm toán. / The audit log."),
        (name = "access", description = "Mã truy cập. / Access tokens."),
        (name = "service", description = "Tình trạng dịch vụ. / State of the service."),
    ),
    modifiers(&Security),
    // Beside what stands in bodies: types of parameters alone.
    components(schemas(ProblemDocument, lienthong_domain::catalogue::Dictionary, lienthong_domain::catalogue::search::Query,
        lienthong_domain::catalogue::AgencyCode, crate::agreement::qd766::http::ReportFormat, crate::agreement::qd766::http::ReportTable)),
)]
pub struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scopes = Scopes::from_iter(Scope::ALL.iter().map(|scope| (scope.as_str(), scope.vietnamese())));
        let flow = Flow::ClientCredentials(ClientCredentials::new(TOKEN_PATH, scopes));
        let description = "Mã truy cập lấy từ /oauth/token, hoặc từ máy chủ cấp mã của tỉnh. / An access token from /oauth/token, or of \
                           the province's own issuer.";
        let components = document.components.get_or_insert_default();
        let token = SecurityScheme::OAuth2(OAuth2::with_description([flow], description));
        components.add_security_scheme("accessToken", token);
        let certificate = SecurityScheme::MutualTls {
            description: Some("Chứng thư TLS của hệ thống địa phương. / The local system's TLS certificate.".into()),
            deprecated: None,
            extensions: None,
        };
        components.add_security_scheme("clientCertificate", certificate);
    }
}

/// Lỗi theo RFC 9457. / A problem (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemDocument {
    #[serde(rename = "type")]
    #[schema(max_length = 200, example = "urn:lienthong:problem:request.invalid")]
    pub kind: String,
    /// Tiêu đề. / Title.
    #[schema(max_length = 200, example = "Yêu cầu có trường không hợp lệ")]
    pub title: String,
    #[schema(minimum = 400, maximum = 599, example = 400)]
    pub status: u16,
    /// Lần này sai ở đâu, và làm gì tiếp. / What is wrong this time, and what to do.
    #[schema(max_length = 2000, example = "1 trường không hợp lệ, xem errors.")]
    pub detail: String,
    /// Mã ổn định, xem docs/errors.md. / Stable code.
    #[schema(max_length = 100, example = "request.invalid")]
    pub code: String,
    /// Mọi trường sai, cùng một lúc. / Every wrong field, all at once.
    #[schema(max_items = 500)]
    pub errors: Option<Vec<ProblemField>>,
    /// Số trường sai không liệt kê. / Wrong fields that are not listed.
    #[schema(minimum = 0)]
    pub errors_omitted: Option<u64>,
    /// Hạn mức đã vượt, theo tên trong RateLimit-Policy. / The quota that was exceeded, by its name there.
    #[serde(rename = "violated-policies")]
    #[schema(max_items = 10, example = json!(["client"]))]
    pub violated_policies: Option<Vec<PolicyName>>,
    #[schema(max_length = 100, example = "019aa0c0-0000-7000-8000-000000000000")]
    pub trace_id: Option<String>,
}

/// Tên một hạn mức. / A quota's name.
#[derive(Serialize, ToSchema)]
#[schema(max_length = 64, example = "client")]
pub struct PolicyName(pub String);

/// Một trường sai. / One wrong field.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemField {
    /// JSON Pointer (RFC 6901), hoặc #/query/…, #/path/…, #/headers/…
    #[schema(max_length = 500, example = "/owner/name")]
    pub pointer: String,
    #[schema(max_length = 100, example = "required")]
    pub code: String,
    #[schema(max_length = 1000, example = "Thiếu trường bắt buộc này.")]
    pub message: String,
}

/// Every refusal that any route may give, one entry a status.
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut by_status: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
        for code in Code::ALL {
            by_status.entry(code.status().as_u16()).or_default().push(code.as_str());
        }
        let response = |(status, codes): (u16, Vec<&'static str>)| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDocument"))).build();
            let mut response =
                ResponseBuilder::new().description(codes.join(", ")).content("application/problem+json", content);
            let header = match status {
                401 => Some(("WWW-Authenticate", "Bearer (RFC 6750).")),
                409 | 429 | 503 | 507 => Some(("Retry-After", "Giây. / Seconds.")),
                _ => None,
            };
            if let Some((name, description)) = header {
                response = response.header(name, HeaderBuilder::new().description(Some(description)).build());
            }
            (status.to_string(), RefOr::T(response.build()))
        };
        by_status.into_iter().map(response).collect()
    }
}
