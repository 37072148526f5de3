//! What the API answers about the copy of the catalogue. Each type is what is sent and what the API document says.

use lienthong_domain::catalogue::{Level, ProcedureDetail};
use lienthong_domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::copy::HeldList;
use super::entry::{Change, EntryStanding, List, NamedCode, Version};
use super::run::{Failed, Report, Run, Stopped};

/// Một thủ tục trong danh sách. / A procedure in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProcedureItem {
    #[schema(max_length = 60, example = "1.013225")]
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100_000)]
    name: Option<String>,
    standing: EntryStanding,
    /// Số phiên bản. / Number of the version.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    /// Khi cổng thấy phiên bản này. / When the gateway found this version.
    since: Timestamp,
    #[schema(max_items = 1000)]
    fields: Vec<CatalogueField>,
    /// Cấp thực hiện. / Levels.
    #[schema(max_items = 1000, value_type = Vec<Level>)]
    levels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100_000, example = "000.00.00.G17")]
    issuer_code: Option<String>,
}

/// Một lĩnh vực. / A field of procedures.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CatalogueField {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100_000, example = "G17-XD05")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100_000)]
    name: Option<String>,
}

impl From<&Version> for ProcedureItem {
    fn from(version: &Version) -> Self {
        let field = |field: &NamedCode| CatalogueField { code: field.code.clone(), name: field.name.clone() };
        Self {
            code: version.code.clone(),
            name: version.name.clone(),
            standing: version.standing,
            version: version.number,
            since: version.since,
            fields: version.summary.fields.iter().map(field).collect(),
            levels: version.summary.levels.clone(),
            issuer_code: version.summary.issuer_code.clone(),
        }
    }
}

/// Một trang thủ tục. / A page of procedures.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProcedurePage {
    /// Khi tìm: khớp nhất trước; nếu không: theo mã. / The best match first if something was searched for, else by code.
    #[schema(max_items = 500)]
    pub(super) items: Vec<ProcedureItem>,
    /// Có bao nhiêu trong tất cả các trang. / How many there are on all pages.
    #[schema(minimum = 0, example = 6413)]
    pub(super) total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 400)]
    pub(super) next_cursor: Option<String>,
}

/// Một phiên bản của thủ tục, đầy đủ nội dung. / A version of a procedure, with its content.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProcedureVersion {
    #[schema(max_length = 60, example = "1.013225")]
    code: String,
    standing: EntryStanding,
    change: Change,
    #[schema(minimum = 1, example = 1)]
    version: i64,
    since: Timestamp,
    /// SHA-256 của nội dung, dạng thập lục phân. / SHA-256 of the content, hexadecimal.
    #[schema(min_length = 64, max_length = 64)]
    sha256: String,
    #[schema(value_type = ProcedureDetail)]
    content: Value,
}

impl ProcedureVersion {
    pub(super) fn of(version: &Version, content: Value) -> Self {
        Self {
            code: version.code.clone(),
            standing: version.standing,
            change: version.change,
            version: version.number,
            since: version.since,
            sha256: crate::storage::hex::write(&version.digest),
            content,
        }
    }
}

/// Một dòng của danh mục dùng chung. / A line of a dictionary.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DictionaryItem {
    #[schema(max_length = 100_000, example = "G17-XD05")]
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100_000)]
    name: Option<String>,
    standing: EntryStanding,
    #[schema(minimum = 1, example = 1)]
    version: i64,
    since: Timestamp,
    /// Ngành, của lĩnh vực. / Sector, of a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100_000)]
    sector: Option<String>,
    /// Cấp, của cơ quan. / Level, of an agency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Level>)]
    level: Option<String>,
}

impl From<&Version> for DictionaryItem {
    fn from(version: &Version) -> Self {
        Self {
            code: version.code.clone(),
            name: version.name.clone(),
            standing: version.standing,
            version: version.number,
            since: version.since,
            sector: version.summary.sector.clone(),
            level: version.summary.levels.first().cloned(),
        }
    }
}

/// Một trang của danh mục dùng chung. / A page of a dictionary.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DictionaryPage {
    #[schema(max_items = 500)]
    pub(super) items: Vec<DictionaryItem>,
    #[schema(minimum = 0, example = 120)]
    pub(super) total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 400)]
    pub(super) next_cursor: Option<String>,
}

/// Một thay đổi của danh mục. / A change of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeItem {
    #[schema(minimum = 1, example = 1)]
    version: i64,
    /// `procedures` hoặc tên danh mục dùng chung. / `procedures`, or the name of a dictionary.
    #[schema(max_length = 40, example = "procedures")]
    list: &'static str,
    #[schema(max_length = 100_000, example = "1.013225")]
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100_000)]
    name: Option<String>,
    change: Change,
    standing: EntryStanding,
    since: Timestamp,
}

impl From<Version> for ChangeItem {
    fn from(version: Version) -> Self {
        Self {
            version: version.number,
            list: version.list.as_str(),
            code: version.code,
            name: version.name,
            change: version.change,
            standing: version.standing,
            since: version.since,
        }
    }
}

/// Các thay đổi, theo thứ tự. / Changes, in order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangePage {
    #[schema(max_items = 500)]
    pub(super) items: Vec<ChangeItem>,
    /// Lần sau hỏi `after` bằng số này. / What to ask for with `after` the next time.
    #[schema(minimum = 0, example = 6413)]
    pub(super) last: i64,
    /// Còn nữa hay không. / Whether there are more.
    pub(super) has_more: bool,
}

/// Bản sao danh mục quốc gia. / The copy of the national catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CatalogueView {
    /// Số phiên bản mới nhất. / Number of the last version.
    #[schema(minimum = 0, example = 6413)]
    version: i64,
    /// Lần gần nhất hỏi hết mọi thứ. / When everything was asked for last.
    #[serde(skip_serializing_if = "Option::is_none")]
    copied_at: Option<Timestamp>,
    #[schema(max_items = 100)]
    lists: Vec<ListView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunView>,
}

/// Một danh sách của danh mục. / A list of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ListView {
    #[schema(max_length = 40, example = "procedures")]
    name: &'static str,
    #[schema(minimum = 0, example = 6413)]
    in_force: usize,
    #[schema(minimum = 0, example = 0)]
    not_public: usize,
    #[schema(minimum = 0, example = 0)]
    withdrawn: usize,
}

/// Lần sao gần nhất, hay đang diễn ra. / The last copying, or the one under way.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RunView {
    #[serde(skip_serializing_if = "Option::is_none")]
    began_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// Khi tiếp tục, hoặc bắt đầu lần sau. / When it goes on, or the next one begins.
    next_at: Timestamp,
    /// Còn phải hỏi. / Still to be asked for.
    #[schema(minimum = 0, example = 0)]
    remaining: usize,
    #[schema(minimum = 0, example = 6413)]
    listed: usize,
    #[schema(minimum = 0, example = 6413)]
    asked: usize,
    #[schema(minimum = 0, example = 0)]
    added: usize,
    #[schema(minimum = 0, example = 0)]
    changed: usize,
    #[schema(minimum = 0, example = 0)]
    withdrawn: usize,
    #[schema(minimum = 0, example = 0)]
    restored: usize,
    #[schema(minimum = 0, example = 0)]
    failures: usize,
    /// Những gì không sao được, tối đa 100. / What could not be copied; 100 of them at most.
    #[schema(max_items = 100)]
    failed: Vec<FailedView>,
    /// Vì sao dừng sớm: `no_list`, `shrunk`. / Why it ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20, example = "no_list")]
    stopped: Option<&'static str>,
}

/// Một mục không sao được. / Something that could not be copied.
#[derive(Debug, Serialize, ToSchema)]
struct FailedView {
    #[schema(max_length = 40, example = "procedures")]
    list: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100_000, example = "1.013225")]
    code: Option<String>,
    #[schema(max_length = 1000)]
    reason: String,
}

impl CatalogueView {
    pub(super) fn of<'a>(last: i64, lists: impl Iterator<Item = (List, &'a HeldList)>, run: Option<&Run>) -> Self {
        let mut lists: Vec<_> = lists.map(|(list, held)| ListView::of(list, held)).collect();
        lists.sort_unstable_by_key(|list| list.name);
        Self { version: last, copied_at: run.and_then(|run| run.completed_at), lists, run: run.map(RunView::of) }
    }
}

impl ListView {
    fn of(list: List, held: &HeldList) -> Self {
        let count = |standing| held.entries.iter().filter(|entry| entry.standing == standing).count();
        Self {
            name: list.as_str(),
            in_force: count(EntryStanding::InForce),
            not_public: count(EntryStanding::NotPublic),
            withdrawn: count(EntryStanding::Withdrawn),
        }
    }
}

impl RunView {
    fn of(run: &Run) -> Self {
        let Report { listed, asked, added, changed, withdrawn, restored, failures, .. } = run.report;
        let failed = |failed: &Failed| FailedView {
            list: failed.list.clone(),
            code: failed.code.clone(),
            reason: failed.reason.chars().take(1000).collect(),
        };
        let stopped = run.report.stopped.as_ref().map(|stopped| match stopped {
            Stopped::NoList { .. } => "no_list",
            Stopped::Shrunk { .. } => "shrunk",
        });
        Self {
            began_at: run.began_at,
            ended_at: run.ended_at,
            next_at: run.next_at,
            remaining: run.remaining.len(),
            listed,
            asked,
            added,
            changed,
            withdrawn,
            restored,
            failures,
            failed: run.report.failed.iter().map(failed).collect(),
            stopped,
        }
    }
}
