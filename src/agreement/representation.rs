//! What the API answers about checks and cases. Codes, times and numbers only.

use std::collections::BTreeMap;

use lienthong_domain::agreement::{Aspect, Class, Repair};
use lienthong_domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::case::{Case, CaseStatus};
use super::run::{Origin, Phase, Run};

/// Một chênh lệch giữa tỉnh và Cổng. / One difference between province and nation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaseItem {
    #[schema(value_type = String, format = "uuid", max_length = 36)]
    id: Uuid,
    /// Mã hồ sơ. / Dossier code.
    #[schema(max_length = 100, example = "H15.50-261121-0001")]
    code: String,
    #[schema(max_length = 60, example = "H15.50")]
    agency_code: String,
    class: Class,
    /// Phía tỉnh: mã, thời điểm hoặc số; không có dữ liệu cá nhân. / Here: a code, a time or a number; never personal data.
    #[schema(max_length = 200, example = "finished")]
    expected: String,
    /// Phía Cổng. / There.
    #[schema(max_length = 200, example = "processing")]
    observed: String,
    repair: Repair,
    status: CaseStatus,
    found_at: Timestamp,
    /// Lần đối soát gần nhất còn thấy. / When a check saw it last.
    seen_at: Timestamp,
    /// Số lần lại thấy sau khi đã gửi lại. / How often it was there again after it had been sent again.
    #[schema(minimum = 0)]
    returns: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<Timestamp>,
    /// Lý do bỏ qua. / Why it was dismissed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// Tác vụ gửi lại. / What sends it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100, example = "/v1/operations/0199c5a4-0000-7000-8000-000000000000")]
    operation: Option<String>,
}

/// Một trang chênh lệch. / One page of differences.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CasePage {
    #[schema(max_items = 500)]
    pub(super) items: Vec<CaseItem>,
    /// Con trỏ trang sau; vắng mặt ở trang cuối. / The next page's cursor; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 400)]
    pub(super) next_cursor: Option<String>,
}

/// Một lần đối soát. / One check.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunItem {
    #[schema(value_type = String, format = "uuid", max_length = 36)]
    id: Uuid,
    origin: Origin,
    /// Hồ sơ thay đổi từ lúc này … / Dossiers that changed from then on …
    from: Timestamp,
    /// … đến trước lúc này. / … and before then.
    until: Timestamp,
    #[schema(minimum = 1, maximum = 100)]
    sample_percent: u8,
    asked_at: Timestamp,
    /// Vắng mặt khi chưa xong. / Absent while it is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    phase: Phase,
    /// Vì sao dừng sớm, hoặc không tự gửi lại. / Why it ended early, or repaired nothing by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, example = "portal_away")]
    stopped: Option<String>,
    /// Phải đối soát. / To be checked.
    total: u64,
    /// Đã đối soát. / Checked.
    done: u64,
    left_out: u64,
    /// Đang trên đường gửi. / On their way.
    in_delivery: u64,
    /// Cổng đã trả lời. / What the portal has answered for.
    looked_up: u64,
    equal: u64,
    /// Cổng không trả lời. / What it has not.
    unanswered: u64,
    listed_nowhere: u64,
    /// Điều Cổng không cho biết, không bao giờ được coi là khớp. / What the portal does not tell; never taken for equal.
    #[schema(max_items = 3)]
    not_observable: Vec<AspectCount>,
    /// Điều Cổng cho biết mà không đọc được. / What it tells in a way that cannot be read.
    #[schema(max_items = 3)]
    unreadable: Vec<AspectCount>,
    /// Chênh lệch theo loại. / Differences by class.
    #[schema(max_items = 7)]
    different: Vec<ClassCount>,
    repaired: u64,
}

/// Số hồ sơ theo điều được so sánh. / Dossiers by what is compared.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AspectCount {
    aspect: Aspect,
    dossiers: u64,
}

/// Số chênh lệch của một loại. / Differences of a class.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClassCount {
    class: Class,
    dossiers: u64,
}

/// Những lần đối soát gần đây. / The latest checks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunList {
    #[schema(max_items = 50)]
    pub(super) items: Vec<RunItem>,
}

impl From<Case> for CaseItem {
    fn from(case: Case) -> Self {
        Self {
            id: case.id,
            code: case.code,
            agency_code: case.agency_id,
            class: case.class,
            expected: case.expected,
            observed: case.observed,
            repair: case.repair,
            status: case.status,
            found_at: case.found_at,
            seen_at: case.seen_at,
            returns: case.returns,
            decided_at: case.decided_at,
            reason: case.words,
            operation: case.operation_id.map(|id| format!("/v1/operations/{id}")),
        }
    }
}

impl RunItem {
    pub(super) fn of(run: Run, ended_at: Option<Timestamp>) -> Self {
        let counts = run.counts;
        let aspects = |numbers: &BTreeMap<Aspect, u64>| {
            numbers.iter().map(|(aspect, dossiers)| AspectCount { aspect: *aspect, dossiers: *dossiers }).collect()
        };
        Self {
            id: run.id,
            origin: run.origin,
            from: run.from,
            until: run.until,
            sample_percent: run.sample_percent,
            asked_at: run.asked_at,
            ended_at,
            phase: run.phase,
            stopped: run.stopped,
            total: counts.total,
            done: counts.done,
            left_out: counts.left_out,
            in_delivery: counts.in_delivery,
            looked_up: counts.looked_up,
            equal: counts.equal,
            unanswered: counts.unanswered,
            listed_nowhere: counts.listed_nowhere,
            not_observable: aspects(&counts.not_observable),
            unreadable: aspects(&counts.unreadable),
            different: counts
                .different
                .iter()
                .map(|(class, dossiers)| ClassCount { class: *class, dossiers: *dossiers })
                .collect(),
            repaired: counts.repaired,
        }
    }
}
