//! Outbox items: as they are enqueued, as the worker claims them, and as people see them.

use lienthong_domain::invalid::Message;
use lienthong_domain::port::Presence;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use super::Status;

/// An item to be enqueued. Its identity key is `route/lane/kind/ordinal`: fixed here, the same at every attempt.
#[derive(Debug, Clone)]
pub struct NewItem {
    pub id: Uuid,
    pub operation_id: Uuid,
    pub client_id: String,
    pub agency_id: String,
    /// Where it goes.
    pub route: &'static str,
    /// What it must stay in order with; the dossier code.
    pub lane: String,
    /// What it does there, for example `dossier.sync`.
    pub kind: &'static str,
    /// The revision of the full state, or the number of the step.
    pub ordinal: i64,
    pub body_id: Uuid,
    pub accepted_at: Timestamp,
    /// The trace in which it was accepted.
    pub traceparent: Option<String>,
}

/// Vì sao lần gần nhất không gửi được. / Why the last attempt did not deliver.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Loại lỗi. / Name of the port error's kind, or why the gateway itself stopped.
    #[schema(max_length = 64, example = "rejected")]
    pub kind: String,
    /// Mã của hệ thống nhận. / The other side's own code.
    #[schema(max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_code: Option<String>,
    /// Cho người vận hành; không có dữ liệu cá nhân. / For operators; never personal data.
    #[schema(max_length = 500)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Cho người dùng, hai thứ tiếng. / For people, in both languages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Message>,
}

/// An item as it stands in the store.
#[derive(Debug, Clone)]
pub struct Item {
    pub id: Uuid,
    pub operation_id: Uuid,
    pub client_id: String,
    pub agency_id: String,
    pub route: String,
    pub lane: String,
    /// Place in the lane; a lane is worked off in this order.
    pub position: i64,
    pub kind: String,
    pub ordinal: i64,
    pub body_id: Uuid,
    pub status: Status,
    pub attempts: i64,
    pub lost_leases: i64,
    pub fence: i64,
    pub due_at: Option<Timestamp>,
    /// When the first attempt began; an operator's retry begins anew.
    pub first_tried_at: Option<Timestamp>,
    pub problem: Option<Problem>,
    pub accepted_at: Timestamp,
    pub updated_at: Timestamp,
    /// The trace in which it was accepted.
    pub traceparent: Option<String>,
}

impl Item {
    /// What the receiver would recognise the call by.
    pub fn identity_key(&self) -> String {
        format!("{}/{}/{}/{}", self.route, self.lane, self.kind, self.ordinal)
    }

    /// Whether whoever claims it sends it; of an unknown outcome it is only asked what became of it.
    pub fn is_to_be_sent(&self) -> bool {
        self.status != Status::Unknown
    }

    /// As it stands once it is claimed.
    pub fn lease(&mut self, now: Timestamp, until: Timestamp) {
        if self.is_to_be_sent() {
            self.status = Status::Sending;
            self.attempts += 1;
        }
        self.fence += 1;
        self.due_at = Some(until);
        self.first_tried_at = self.first_tried_at.or(Some(now));
    }
}

/// A claimed item: a lease is held under its fence until `due_at`.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub item: Item,
    /// What the other side is known to hold of this lane.
    pub presence: Option<Presence>,
}

/// All items of one operation.
#[derive(Debug, Clone)]
pub struct OperationView {
    pub items: Vec<Item>,
}
