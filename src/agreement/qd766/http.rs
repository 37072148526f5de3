//! The way in to the report: as JSON, CSV or a workbook.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use lienthong_domain::catalogue::AgencyCode;
use lienthong_domain::indicators::SyncBasis;
use lienthong_domain::invalid::Refusal;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Clock;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::compile::{Compile, Compiled, NoPeriod, Wanted};
use super::desk::{Desk, Reply};
use super::representation::{Qd766Report, ReportFile, ReportUnderWay};
use super::table::{csv_of, sheets_of, xlsx_of};
use crate::access::Caller;
use crate::audit::store::AuditStore;
use crate::audit::{Draft, Kind, Outcome, Recorder};
use crate::http::openapi::Refusals;
use crate::http::problem::{Code, Problem};
use crate::http::query;
use crate::storage::StoreError;

/// What this route stands on.
pub struct Reports {
    pub desk: Desk,
    pub compile: Arc<Compile>,
    /// How long whoever asks waits before being told to ask again.
    pub patience: Duration,
    pub audit: Arc<dyn AuditStore>,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<dyn Clock>,
}

pub fn routes(reports: Arc<Reports>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_qd766)).with_state(reports)
}

lienthong_domain::code_enum! {
    /// How it is answered.
    pub enum ReportFormat: "Định dạng. / Format." {
        Json = "json" => "JSON",
        Csv = "csv" => "CSV",
        Xlsx = "xlsx" => "Bảng tính",
    }
}

lienthong_domain::code_enum! {
    /// Which table a CSV has.
    pub enum ReportTable: "Bảng của CSV. / Table of a CSV." {
        Indicators = "indicators" => "Các chỉ số",
        Dossiers = "dossiers" => "Hồ sơ mất điểm",
        Standings = "standings" => "Hồ sơ Cổng giữ khác",
    }
}

const AGAIN: Duration = Duration::from_secs(5);
const BUSY: Duration = Duration::from_secs(60);

/// Chỉ số phục vụ theo Quyết định 766/QĐ-TTg
///
/// Tính từ những gì Cổng quốc gia giữ: mỗi chỉ số với tử số, mẫu số, nguồn công thức và các hồ sơ mất điểm. Báo cáo lớn được tính dần:
/// khi nhận 202, hãy hỏi lại cùng địa chỉ. / From what the nation holds: each indicator with numerator, denominator, the formula's
/// source, and the dossiers that cost points. A large report takes its time: after a 202, ask the same address again.
#[utoipa::path(
    get, path = "/v1/reports/qd766", operation_id = "getQd766Report", tag = "agreement",
    params(
        ("from" = Option<String>, Query, max_length = 10, description = "Ngày đầu, yyyy-mm-dd, giờ Việt Nam; mặc định: tháng trước. / First day, Việt Nam; last month if not given."),
        ("to" = Option<String>, Query, max_length = 10, description = "Ngày cuối, tính cả ngày đó, không sau hôm nay. / Last day, included, not after today."),
        ("agency" = Option<AgencyCode>, Query, description = "Cơ quan, cùng các đơn vị dưới nó. / An agency with all that stand under it."),
        ("receivedByStatistics" = Option<u32>, Query, minimum = 0, maximum = 4294967295_u32, description = "Số hồ sơ tiếp nhận theo hệ thống thống kê, cho 1.4. / Received per the statistics system, for 1.4."),
        ("receivedLastYear" = Option<u32>, Query, minimum = 0, maximum = 4294967295_u32, description = "Số hồ sơ tiếp nhận cả năm trước, cho 1.4 của một tháng hay quý. / Received in the whole year before, for 1.4 of a month or quarter."),
        ("format" = Option<ReportFormat>, Query, description = "Mặc định là json. / json is the default."),
        ("table" = Option<ReportTable>, Query, description = "Chỉ với csv; mặc định là indicators. / With csv alone; indicators is the default."),
    ),
    responses(
        (
            status = 200, description = "Báo cáo. / The report.",
            content(
                (Qd766Report = "application/json"),
                (ReportFile = "text/csv"),
                (ReportFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            ),
        ),
        (status = 202, description = "Đang tính. / It is being counted.", body = ReportUnderWay, headers(("Retry-After" = u32, description = "Giây. / Seconds."))),
        Refusals,
    )
)]
async fn get_qd766(
    State(reports): State<Arc<Reports>>,
    Caller(client): Caller,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let today = reports.clock.now().date_in_vietnam();
    let (mut from, mut to, mut agency, mut basis) = (None, None, None, SyncBasis::default());
    let (mut format, mut table) = (ReportFormat::Json, None);
    query::read(parameters, |name, value| match name {
        "from" => Some(day(&value).map(|day| from = Some(day))),
        "to" => Some(day(&value).map(|day| to = Some(day))),
        "agency" => Some(AgencyCode::parse(&value).map(|code| agency = Some(code))),
        "receivedByStatistics" => Some(number(&value).map(|number| basis.by_statistics = Some(number))),
        "receivedLastYear" => Some(number(&value).map(|number| basis.last_year = Some(number))),
        "format" => Some(ReportFormat::parse(&value).map(|wanted| format = wanted)),
        "table" => Some(ReportTable::parse(&value).map(|wanted| table = Some(wanted))),
        _ => None,
    })?;
    if table.is_some() && format != ReportFormat::Csv {
        let (vi, en) = ("Chỉ dùng với format=csv.", "Only with format=csv.");
        return Err(Problem::field("#/query/table", Refusal::new("not_applicable", vi, en)));
    }
    let wanted = wanted(from, to, agency, today)?;
    let subject = wanted.agency.as_ref().map(AgencyCode::normalised);
    let compiled = match reports.desk.ask(&reports.compile, wanted, reports.patience).await? {
        Reply::Done(compiled) => compiled,
        Reply::Crowded => return Err(Problem::new(Code::Overloaded).retry_after(BUSY)),
        Reply::UnderWay { done, total } => {
            let again = [(header::RETRY_AFTER, AGAIN.as_secs().to_string())];
            return Ok((StatusCode::ACCEPTED, again, Json(ReportUnderWay { done, total })).into_response());
        }
    };
    let outcome = Outcome { status: Some(200), ..Outcome::decided("shown") };
    let mut draft = Draft::new(Kind::BodyRead, "report.qd766", outcome).by(&client.id);
    draft.agency = subject.as_deref();
    reports.audit.append(reports.recorder.seal(&draft)?).await?;
    let write = move || write(&compiled, &basis, format, table.unwrap_or(ReportTable::Indicators));
    Ok(tokio::task::spawn_blocking(write).await.map_err(StoreError::failed)??)
}

fn wanted(from: Option<Date>, to: Option<Date>, agency: Option<AgencyCode>, today: Date) -> Result<Wanted, Problem> {
    let (first, last) = match (from, to) {
        (Some(first), Some(last)) => (first, last),
        (None, None) => Wanted::month_before(today),
        (Some(_), None) => return Err(Problem::field("#/query/to", with_the_other())),
        (None, Some(_)) => return Err(Problem::field("#/query/from", with_the_other())),
    };
    Wanted::of(first, last, agency, today).map_err(|why| {
        let (vi, en) = match why {
            NoPeriod::WrongWayRound => ("Trước ngày đầu.", "Before the first day."),
            NoPeriod::NotBegun => {
                ("Sau hôm nay: kỳ chưa hết thì gửi hôm nay.", "After today: of a period under way, send today.")
            }
        };
        Problem::field("#/query/to", Refusal::new("range", vi, en))
    })
}

fn with_the_other() -> Refusal {
    Refusal::new("required", "Gửi cả from và to, hoặc không gửi cả hai.", "Send both from and to, or neither.")
}

fn day(text: &str) -> Result<Date, Refusal> {
    let refusal = || Refusal::new("date", "Cần yyyy-mm-dd.", "Must be yyyy-mm-dd.");
    let day: Date = text.parse().map_err(|_| refusal())?;
    // It reads other forms too.
    if day.to_string() == text && day.year() > 0 { Ok(day) } else { Err(refusal()) }
}

fn number(text: &str) -> Result<u32, Refusal> {
    text.parse().map_err(|_| Refusal::new("number", "Cần số nguyên không âm.", "Must be a whole number, not negative."))
}

fn write(
    compiled: &Compiled,
    basis: &SyncBasis,
    format: ReportFormat,
    table: ReportTable,
) -> Result<Response, StoreError> {
    let sheets = || sheets_of(compiled, basis);
    let (media_type, extension, body) = match format {
        ReportFormat::Json => return Ok(Json(Qd766Report::of(compiled, basis)).into_response()),
        ReportFormat::Csv => {
            let [figures, dossiers, standings] = sheets();
            let sheet = match table {
                ReportTable::Indicators => figures,
                ReportTable::Dossiers => dossiers,
                ReportTable::Standings => standings,
            };
            ("text/csv; charset=utf-8", "csv", csv_of(&sheet).map_err(StoreError::failed)?)
        }
        ReportFormat::Xlsx => {
            let book = xlsx_of(&sheets()).map_err(StoreError::failed)?;
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", book)
        }
    };
    let name = format!("attachment; filename=\"qd766_{}_{}.{extension}\"", compiled.wanted.first, compiled.wanted.last);
    let name = HeaderValue::from_str(&name).map_err(StoreError::failed)?;
    let type_of = HeaderValue::from_static(media_type);
    Ok(([(header::CONTENT_TYPE, type_of), (header::CONTENT_DISPOSITION, name)], body).into_response())
}
