//! What the API answers about the inbox. Each type is what is sent and what the API document says.

use deserr::Deserr;
use lienthong_domain::dossier::DossierCode;
use lienthong_domain::inbox::{Incoming, IncomingKind};
use lienthong_domain::invalid::InvalidFields;
use lienthong_domain::text::Text;
use lienthong_domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::InboxStatus;
use super::keep_files::FileEntry;
use super::links::{KeptLink, LinkReason, LinkStatus, LinkedFile};
use super::store::InboxItem;
use crate::storage::hex;

/// Một thông điệp của Cổng, không kèm nội dung. / A message of the portal, without its content.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemView {
    #[schema(value_type = String, format = "uuid", max_length = 36)]
    pub(super) id: Uuid,
    pub(super) kind: IncomingKind,
    pub(super) status: InboxStatus,
    /// Mã hồ sơ trên Cổng. / The dossier's code on the portal.
    #[schema(max_length = 100, example = "000.00.00.G22-261121-0001")]
    national_code: String,
    /// Mã hồ sơ của địa phương, khi đã nhận. / The dossier's code here, once it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 52, example = "H15.50-261121-0001")]
    local_code: Option<String>,
    /// Cơ quan có thẩm quyền. / The agency that is competent.
    #[schema(max_length = 35, example = "H15.50")]
    agency_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 50, example = "1.011733")]
    procedure_code: Option<String>,
    /// Số tệp. / How many files it has.
    #[schema(minimum = 0, example = 1)]
    files: i64,
    received_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<Timestamp>,
    /// Tác vụ báo cho Cổng. / The operation that tells the portal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100, example = "/v1/operations/019aa0c0-0000-7000-8000-000000000000")]
    operation: Option<String>,
}

impl From<InboxItem> for ItemView {
    fn from(item: InboxItem) -> Self {
        Self {
            id: item.id,
            kind: item.kind,
            status: item.status,
            national_code: item.national_code,
            local_code: item.local_code,
            agency_code: item.agency_id,
            procedure_code: item.procedure_code,
            files: item.files,
            received_at: item.received_at,
            decided_at: item.decided_at,
            operation: item.operation_id.map(|id| format!("/v1/operations/{id}")),
        }
    }
}

/// Một trang thông điệp. / A page of messages.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemPage {
    /// Cũ trước; mỗi hồ sơ chỉ một thông điệp chờ được nhận. / Oldest first; of each dossier only the message that is next.
    #[schema(max_items = 500)]
    pub(super) items: Vec<ItemView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 400)]
    pub(super) next_cursor: Option<String>,
}

/// Một thông điệp và nội dung. / A message with its content.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemWithContent {
    #[serde(flatten)]
    pub(super) item: ItemView,
    /// `null` nếu đã bị xóa theo luật. / `null` if it was erased.
    #[schema(value_type = Option<Incoming>)]
    pub(super) content: Value,
    /// Những gì đứng ngoài nội dung, đúng như Cổng gửi: tên dịch vụ và các trường khác. / What stood around the content, as the portal
    /// wrote it: the name of the service, and other members.
    #[schema(value_type = Option<Object>)]
    pub(super) envelope: Value,
    #[schema(max_items = 200)]
    pub(super) attachments: Vec<AttachmentView>,
}

/// Một tệp. / A file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttachmentView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    name: Option<String>,
    /// Nơi tải. / Where it is to be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100, example = "/v1/inbox-items/019aa0c0-0000-7000-8000-000000000000/files/1")]
    path: Option<String>,
    /// Loại, theo nội dung tệp. / Its type, by what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100, example = "application/pdf")]
    media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, example = 12345)]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    sha256: Option<String>,
    /// Địa chỉ trên Cổng, khi tệp không kèm theo. / Its address on the portal, where it did not come with the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    link: Option<String>,
    /// Việc tải tệp về từ địa chỉ đó, nếu cổng này tải. / How fetching it from there stands, if this gateway does.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetch: Option<FetchView>,
}

/// Việc tải một tệp. / How the fetching of a file stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FetchView {
    status: LinkStatus,
    /// Lý do của lần gần nhất. / Why it was not had, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<LinkReason>,
    #[schema(minimum = 0, example = 1)]
    attempts: i64,
    /// Lần tới, khi còn chờ. / The next time, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<Timestamp>,
}

impl From<&LinkedFile> for FetchView {
    fn from(linked: &LinkedFile) -> Self {
        Self {
            status: linked.status,
            reason: linked.reason,
            attempts: linked.attempts,
            next_at: (linked.status == LinkStatus::Waiting).then_some(linked.next_at),
        }
    }
}

impl AttachmentView {
    /// `n`: from 1.
    pub(super) fn of(item: Uuid, n: i64, file: FileEntry, linked: Option<LinkedFile>) -> Self {
        let fetch = linked.as_ref().map(FetchView::from);
        let of_link = |kept: KeptLink| (kept.media_type, kept.bytes.cast_unsigned(), hex::write(&kept.sha256));
        let kept = match file.kept {
            Some(kept) => Some((kept.media_type, kept.bytes, kept.sha256)),
            None => linked.and_then(|linked| linked.kept).map(of_link),
        };
        let path = kept.as_ref().map(|_| format!("/v1/inbox-items/{item}/files/{n}"));
        let (media_type, bytes, sha256) = match kept {
            Some((media_type, bytes, sha256)) => (Some(media_type), Some(bytes), Some(sha256)),
            None => (None, None, None),
        };
        Self { name: file.name, path, media_type, bytes, sha256, link: file.link, fetch }
    }
}

/// Đã nhận. / It was taken.
#[derive(Debug, Clone, Deserr, Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
pub(super) struct Acknowledgement {
    /// Mã hồ sơ của địa phương; bắt buộc với hồ sơ mới. / The dossier's code here; mandatory for a new dossier.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) local_code: Option<DossierCode>,
    /// Nội dung báo cho người nộp, trên Cổng. / For whoever submitted it, on the portal.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<Text<1, 2000>>,
}

/// Không nhận. / It was refused.
#[derive(Debug, Clone, Deserr, Serialize, ToSchema)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rejection {
    /// Mã hồ sơ của địa phương; bắt buộc với hồ sơ mới. / The dossier's code here; mandatory for a new dossier.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) local_code: Option<DossierCode>,
    /// Lý do, báo cho người nộp trên Cổng. / Why; whoever submitted it reads this on the portal.
    pub(super) reason: Text<1, 2000>,
}

/// Nội dung tệp, đúng từng byte. / The file, byte for byte.
#[derive(ToSchema)]
#[schema(format = Binary, max_length = 1_073_741_824)]
#[expect(dead_code, reason = "only the API document needs it: files are streamed")]
pub(super) struct FileContent(String);
