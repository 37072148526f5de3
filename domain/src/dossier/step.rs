//! A processing step (tiến độ xử lý): who did what to the dossier, and when. Steps are appended, never changed.

use deserr::Deserr;
use utoipa::ToSchema;

use super::{DossierState, OfficerName};
use crate::invalid::InvalidFields;
use crate::personal::Personal;
use crate::text::Text;
use crate::time::Timestamp;

/// One processing step.
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Người xử lý; tối đa 50 ký tự vì Cổng từ chối dài hơn. / The officer; the portal refuses longer names.
    pub handled_by: Personal<OfficerName>,
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
