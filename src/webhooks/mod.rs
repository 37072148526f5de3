//! What local systems are told by a call: noted in the transaction in which it happened, called by the leader in order within its
//! dossier, as often as it takes, signed so that the receiver knows from whom it is (Standard Webhooks).

mod call;
mod endpoint;
mod event;
mod signature;
pub mod store;
mod tell;

use lienthong_domain::time::Timestamp;
use uuid::Uuid;

pub use call::{Answer, test_call};
pub use endpoint::{Endpoint, EndpointTerms};
pub use event::{EventKind, Listening, NewEvent};
pub use signature::{Malformed, SigningKey};
pub use tell::{Rules, Webhooks};

lienthong_domain::code_enum! {
    /// Where a notice of one event to one endpoint stands.
    pub enum NoticeStatus: "Thông báo đang ở đâu. / Where a notice stands." {
        Waiting = "waiting" => "Chờ gọi",
        Delivered = "delivered" => "Đã nhận",
        Dead = "dead" => "Đã bỏ, xem lý do",
    }
}

lienthong_domain::code_enum! {
    /// Why an endpoint did not take a notice, the last time.
    pub enum NoticeReason: "Lý do chưa nhận. / Why it was not taken." {
        AddressNotAllowed = "address_not_allowed" => "Máy chủ ở mạng nội bộ không được mở trong webhooks.networks",
        Unreachable = "unreachable" => "Không kết nối được, hoặc không trả lời kịp",
        Refused = "refused" => "Hệ thống trả lời mã khác 2xx",
        Gone = "gone" => "Hệ thống trả lời 410: không gọi nữa cho đến khi người vận hành mở lại",
        ClientRevoked = "client_revoked" => "Hệ thống của nó không còn được dùng cổng",
        TooManyWaiting = "too_many_waiting" => "Đã có quá nhiều thông báo chờ",
    }
}

impl NoticeReason {
    pub const fn english(self) -> &'static str {
        match self {
            Self::AddressNotAllowed => "The host is in a network that webhooks.networks does not open",
            Self::Unreachable => "It cannot be reached, or does not answer in time",
            Self::Refused => "It answers otherwise than 2xx",
            Self::Gone => "It answers 410: it is not called any more until an operator enables it",
            Self::ClientRevoked => "Its client may not use the gateway any more",
            Self::TooManyWaiting => "Too many notices wait already",
        }
    }
}

/// One event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub endpoint: String,
    pub event: Uuid,
    pub client_id: String,
    pub agency_id: String,
    /// What it stays in order with; the dossier.
    pub lane: String,
    pub kind: EventKind,
    /// A CloudEvent, byte for byte the same at each call.
    pub payload: String,
    pub status: NoticeStatus,
    pub attempts: i64,
    /// It is called from then on; `None`: another of its lane comes first, or it has ended.
    pub next_at: Option<Timestamp>,
    pub since_at: Timestamp,
    pub reason: Option<NoticeReason>,
    /// The endpoint's last answer.
    pub http_status: Option<i64>,
    pub updated_at: Timestamp,
}
