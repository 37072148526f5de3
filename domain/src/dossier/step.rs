//! A processing step (tiến độ xử lý): who did what to the dossier, and when. Steps are appended, never changed.

use deserr::Deserr;
use utoipa::ToSchema;

use super::DossierState;
use crate::invalid::{InvalidFields, Refusal};
use crate::personal::Personal;
use crate::text::Text;
use crate::time::Timestamp;

/// One processing step.
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields, validate = no_placeholder -> InvalidFields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Người xử lý; tối đa 50 ký tự vì Cổng từ chối dài hơn. / The officer; the portal refuses longer names.
    pub handled_by: Personal<Text<1, 50>>,
    /// Chức danh. / Title of post.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Text<1, 200>>,
    /// Thời điểm xử lý. / When it was done.
    pub handled_at: Timestamp,
    /// Phòng ban xử lý. / Department.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<Text<1, 500>>,
    /// Nội dung xử lý; bắt buộc. / What was done; the portal fails the call without it.
    pub content: Text<1, 2000>,
    /// Trạng thái sau bước này. / State after this step.
    pub state: DossierState,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Ngày kết thúc theo quy định. / When the step was due.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Lý do, khi thứ tự trạng thái khác thường; không gửi lên Cổng. / Reason for an unusual order of states; not sent on.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transition_reason: Option<Text<1, 500>>,
}

/// A post is not a person: some systems write "Chuyên viên" where a name is asked for.
fn no_placeholder(step: Step, location: deserr::ValuePointerRef<'_>) -> Result<Step, InvalidFields> {
    let name = step.handled_by.expose().as_str().trim().to_lowercase();
    if !matches!(name.as_str(), "chuyên viên" | "cán bộ" | "không có" | "n/a" | "-" | "." | "null") {
        return Ok(step);
    }
    Err(InvalidFields::one(
        format!("{}/handledBy", crate::invalid::json_pointer(location)),
        Refusal::new(
            "placeholder",
            "Đây là chức danh hoặc giá trị giả định, không phải tên người xử lý.",
            "This is a post or a placeholder, not the name of the officer.",
        ),
    ))
}
