//! A supplement round (yêu cầu bổ sung hồ sơ): asked for once, answered or not.

use deserr::Deserr;
use utoipa::ToSchema;

use super::{Fee, OtherPaper};
use crate::invalid::InvalidFields;
use crate::list::List;
use crate::personal::Personal;
use crate::text::Text;
use crate::time::Timestamp;

/// One supplement round.
#[derive(Debug, Clone, PartialEq, Eq, Deserr, serde::Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Supplement {
    pub id: Text<1, 100>,
    /// Người yêu cầu bổ sung. / The officer who asked.
    pub requested_by: Personal<Text<1, 200>>,
    /// Nội dung bổ sung. / What is to be supplemented.
    pub content: Text<1, 2000>,
    /// Ngày yêu cầu bổ sung. / When it was asked for.
    pub requested_at: Timestamp,
    /// Người tiếp nhận bổ sung. / The officer who received it.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_by: Option<Personal<Text<1, 200>>>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_note: Option<Text<1, 2000>>,
    /// Ngày tiếp nhận bổ sung. / When it was received; absent while it is awaited.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "List::is_empty")]
    pub papers: List<OtherPaper, 100>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "List::is_empty")]
    pub fees: List<Fee, 50>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_due_at: Option<Timestamp>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_due_at: Option<Timestamp>,
}
