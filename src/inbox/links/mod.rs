//! Files of messages that the portal names by an address: fetched from there by the leader, encrypted like those that came with a
//! message, and told apart where they cannot be had.

mod fetch;
pub mod store;

use lienthong_domain::time::Timestamp;
use uuid::Uuid;

pub use fetch::{Fetch, FetchLimits};

lienthong_domain::code_enum! {
    /// Where a linked file stands.
    pub enum LinkStatus: "Tệp theo địa chỉ đang ở đâu. / Where a linked file stands." {
        Waiting = "waiting" => "Chờ tải về từ Cổng",
        Kept = "kept" => "Đã tải về",
        Refused = "refused" => "Không tải về được, xem lý do",
    }
}

lienthong_domain::code_enum! {
    /// Why a linked file was not fetched, the last time.
    pub enum LinkReason: "Lý do chưa tải về. / Why it was not fetched." {
        HostNotAllowed = "host_not_allowed" => "Máy chủ không có trong inbox.links.hosts",
        AddressNotAllowed = "address_not_allowed" => "Máy chủ ở mạng nội bộ không được mở",
        Redirected = "redirected" => "Máy chủ chuyển hướng sang nơi khác",
        TooLarge = "too_large" => "Tệp lớn hơn inbox.file_bytes",
        TypeNotTaken = "type_not_taken" => "Loại tệp không được nhận",
        Empty = "empty" => "Tệp rỗng",
        NotServed = "not_served" => "Máy chủ trả lời lỗi",
        Unreachable = "unreachable" => "Không kết nối được, hoặc bị ngắt giữa chừng",
    }
}

impl LinkReason {
    pub const fn english(self) -> &'static str {
        match self {
            Self::HostNotAllowed => "The host is not in inbox.links.hosts",
            Self::AddressNotAllowed => "The host is in a network that was not opened",
            Self::Redirected => "The host sends elsewhere",
            Self::TooLarge => "The file is larger than inbox.file_bytes",
            Self::TypeNotTaken => "Files of this type are not taken",
            Self::Empty => "The file is empty",
            Self::NotServed => "The host answers with an error",
            Self::Unreachable => "It cannot be reached, or was broken off",
        }
    }

    /// Whether asking again may help. The others need another setting, or another file.
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::NotServed | Self::Unreachable)
    }
}

/// A linked file as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedFile {
    pub item: Uuid,
    /// Its place in the message, from 1.
    pub n: i64,
    pub body: Uuid,
    pub status: LinkStatus,
    pub attempts: i64,
    /// It is fetched from then on.
    pub next_at: Timestamp,
    /// For so long it has been tried.
    pub since_at: Timestamp,
    pub reason: Option<LinkReason>,
    pub kept: Option<KeptLink>,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLink {
    /// Among [`crate::storage::files::Files`].
    pub file: Uuid,
    pub media_type: String,
    pub bytes: i64,
    pub sha256: [u8; 32],
}
