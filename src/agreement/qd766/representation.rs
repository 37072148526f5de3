//! What the API answers about the indicators. Codes, times and numbers only.

use std::collections::BTreeSet;

use lienthong_domain::dossier::DossierCode;
use lienthong_domain::indicators::{
    Indicator, IndicatorResult, Listed, NotObservable, Percent, Reason, SyncBasis, Value,
};
use lienthong_domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::compile::{Compiled, Standing};

/// Báo cáo chỉ số phục vụ. / The report on service indicators.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Qd766Report {
    #[schema(value_type = String, format = "date", max_length = 10, example = "2026-11-01")]
    from: String,
    #[schema(value_type = String, format = "date", max_length = 10, example = "2026-11-30")]
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 60, example = "H15.50")]
    agency_code: Option<String>,
    /// Lúc bắt đầu tính. / When the counting began.
    compiled_at: Timestamp,
    /// Phiên bản công thức. / Version of the formulas.
    #[schema(max_length = 500)]
    formula: String,
    /// Hồ sơ tiếp nhận trong kỳ, đã tính. / Received in the period: counted.
    counted: u64,
    /// Ngoài kỳ. / Received outside of it.
    outside_of_period: u64,
    /// Không có ngày tiếp nhận. / Without a time of receipt.
    not_received: u64,
    #[schema(max_items = 13)]
    indicators: Vec<IndicatorItem>,
    /// Hồ sơ mà Cổng giữ khác ở đây. / Dossiers of which the nation holds something else than stands here.
    #[schema(max_items = 5)]
    standings: Vec<StandingItem>,
}

lienthong_domain::code_enum! {
    /// Whether there is a figure.
    pub enum ValueKind: "Có số liệu hay không. / Whether there is a figure." {
        Share = "share" => "Có tỷ lệ",
        NotApplicable = "not_applicable" => "Không có hồ sơ thuộc diện tính",
        NotObservable = "not_observable" => "Không tính được",
    }
}

/// Một chỉ số. / One indicator.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IndicatorItem {
    indicator: Indicator,
    #[schema(max_length = 200)]
    name: &'static str,
    kind: ValueKind,
    /// Vì sao không tính được; không phải 0 cũng không phải đủ. / Why it cannot be computed: neither zero nor full.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<NotObservable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    numerator: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denominator: Option<u64>,
    /// Phần trăm, hai chữ số thập phân. / Percent, two decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 6, example = "86.67")]
    percent: Option<String>,
    /// Riêng 3.3: nhân với tỷ lệ đồng bộ. / 3.3 alone: times the sync rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 6)]
    times_sync_rate: Option<String>,
    /// Phần điểm đạt được, khi công thức nêu. / The part of all points that is earned, where the formula tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 6)]
    earned_percent: Option<String>,
    /// Điểm, khi công thức nêu tổng điểm riêng. / Points, where the formula tells all points of it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 6)]
    points: Option<String>,
    /// Hồ sơ bỏ ra vì thiếu thông tin. / Dossiers left out because something is not known.
    undecided: u64,
    /// Nguồn công thức. / Where the formula comes from.
    #[schema(max_length = 500)]
    source: String,
    /// Hồ sơ mất điểm, rồi hồ sơ chưa xác định: theo mã, mỗi loại nhiều nhất 10000. / Dossiers that cost points, then undecided ones: by
    /// code, at most 10,000 of each.
    #[schema(max_items = 20_000)]
    dossiers: Vec<CostItem>,
}

/// Một hồ sơ và lý do. / A dossier, and why.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CostItem {
    #[schema(max_length = 100, example = "H15.50-261121-0001")]
    code: String,
    reason: Reason,
    /// Sai: chỉ là chưa xác định. / False: it is only undecided.
    costs_points: bool,
}

/// Hồ sơ mà Cổng giữ khác. / Dossiers of which the nation holds something else.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StandingItem {
    standing: Standing,
    count: u64,
    /// Theo mã, nhiều nhất 10000. / By code, at most 10,000.
    #[schema(max_items = 10_000, max_length = 100)]
    dossiers: Vec<String>,
}

/// Báo cáo dạng tệp. / The report as a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(format = Binary, max_length = 100_000_000)]
#[allow(dead_code, reason = "describes what is written elsewhere")]
pub(super) struct ReportFile(String);

/// Đang tính; hãy hỏi lại. / It is being counted; ask again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReportUnderWay {
    /// Hồ sơ đã xem; 0 khi còn chờ báo cáo khác. / Dossiers looked at; 0 while another report is counted.
    pub(super) done: u64,
    pub(super) total: u64,
}

impl Qd766Report {
    pub(super) fn of(compiled: &Compiled, basis: &SyncBasis) -> Self {
        let report = compiled.tally.report(basis);
        let item = |result: &IndicatorResult| {
            let items = |listed: Listed<'_>| {
                let item = move |(code, reason): (&DossierCode, Reason)| CostItem {
                    code: code.as_str().to_owned(),
                    reason,
                    costs_points: listed.costs_points,
                };
                listed.iter().map(item).collect::<Vec<_>>()
            };
            let dossiers = compiled.tally.listed(result.indicator).flat_map(items);
            IndicatorItem::of(result, dossiers.collect())
        };
        let standing = |(standing, (count, codes)): (&Standing, &(u64, _))| StandingItem {
            standing: *standing,
            count: *count,
            dossiers: BTreeSet::iter(codes).cloned().collect(),
        };
        Self {
            from: compiled.wanted.first.to_string(),
            to: compiled.wanted.last.to_string(),
            agency_code: compiled.wanted.agency.as_ref().map(|agency| agency.normalised()),
            compiled_at: compiled.began_at,
            counted: report.counted,
            outside_of_period: report.outside_of_period,
            not_received: report.not_received,
            indicators: report.results().iter().map(item).collect(),
            standings: compiled.standings.iter().map(standing).collect(),
            formula: report.version,
        }
    }
}

impl IndicatorItem {
    fn of(result: &IndicatorResult, dossiers: Vec<CostItem>) -> Self {
        let text = |percent: Option<Percent>| percent.map(|percent| percent.to_string());
        let (kind, why, share) = match result.value {
            Value::Share { numerator, denominator, percent } => {
                (ValueKind::Share, None, Some((numerator, denominator, percent)))
            }
            Value::NotApplicable => (ValueKind::NotApplicable, None, None),
            Value::NotObservable(why) => (ValueKind::NotObservable, Some(why), None),
        };
        Self {
            indicator: result.indicator,
            name: result.indicator.vietnamese(),
            kind,
            why,
            numerator: share.map(|share| share.0),
            denominator: share.map(|share| share.1),
            percent: text(share.map(|share| share.2)),
            times_sync_rate: text(result.times_sync_rate),
            earned_percent: text(result.earned),
            points: result.points_in_hundredths.map(|points| format!("{}.{:02}", points / 100, points % 100)),
            undecided: result.undecided,
            source: result.source().vi,
            dossiers,
        }
    }
}
