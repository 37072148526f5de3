//! What has happened, as local systems are told it: codes and ids, from which the rest is asked for with a token.

use std::sync::atomic::{AtomicU32, Ordering};

use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access::Scope;

lienthong_domain::code_enum! {
    /// What an endpoint may be told of. A closed list.
    pub enum EventKind: "Loại sự kiện. / Kind of an event." {
        InboxReady = "inbox_item.ready" => "Một thông điệp của Cổng chờ địa phương quyết định",
        InboxConflict = "inbox_item.conflict" => "Một thông điệp của Cổng trùng mã nhưng khác nội dung",
        OperationDelivered = "operation.delivered" => "Cổng đã nhận một mục",
        OperationStuck = "operation.stuck" => "Một mục chờ người quyết định, hoặc chờ bản đã sửa",
        OperationEnded = "operation.ended" => "Một mục kết thúc mà không được gửi",
    }
}

impl EventKind {
    /// What its client must be allowed to read.
    pub const fn scope(self) -> Scope {
        match self {
            Self::InboxReady | Self::InboxConflict => Scope::InboxRead,
            Self::OperationDelivered | Self::OperationStuck | Self::OperationEnded => Scope::DossiersRead,
        }
    }

    /// The CloudEvents `type`.
    fn type_name(self) -> String {
        format!("{TYPES}.{}", self.as_str())
    }
}

/// Which kinds anybody is told of, in the configuration in force: what happens often is noted for nobody else.
#[derive(Debug, Default)]
pub struct Listening(AtomicU32);

impl Listening {
    /// From now on to these.
    pub fn to(&self, kinds: impl IntoIterator<Item = EventKind>) {
        self.0.store(kinds.into_iter().fold(0, |bits, kind| bits | bit(kind)), Ordering::Relaxed);
    }

    pub fn is_for(&self, kind: EventKind) -> bool {
        self.0.load(Ordering::Relaxed) & bit(kind) != 0
    }
}

const fn bit(kind: EventKind) -> u32 {
    1 << kind as u32
}

/// Before every type.
const TYPES: &str = "lienthong";

/// Something that has happened, to be noted where it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The same at every call: by it a receiver knows a repetition.
    pub id: Uuid,
    pub kind: EventKind,
    /// Normalised; whose clients are told.
    pub agency_id: String,
    /// What it stays in order with: the dossier's code.
    pub lane: String,
    /// What it is about: the id in the API.
    pub subject: Uuid,
    /// A JSON object: codes and ids, nothing of a person.
    pub data: Value,
    /// Nobody is told before.
    pub at: Timestamp,
}

impl NewEvent {
    /// As it is sent (CloudEvents 1.0.2, JSON event format).
    pub(super) fn payload(&self) -> String {
        cloud_event(self.id, &self.kind.type_name(), Some(&self.subject.to_string()), self.at, &self.data)
    }
}

/// What a test call says.
pub(super) fn test_payload(id: Uuid, now: Timestamp) -> String {
    cloud_event(id, &format!("{TYPES}.test"), None, now, &json!({}))
}

fn cloud_event(id: Uuid, type_name: &str, subject: Option<&str>, at: Timestamp, data: &Value) -> String {
    let mut event = json!({
        "specversion": "1.0",
        "id": id,
        "source": "/v1",
        "type": type_name,
        "time": at.to_text(),
        "datacontenttype": "application/json",
        "data": data,
    });
    if let (Some(subject), Some(members)) = (subject, event.as_object_mut()) {
        members.insert("subject".into(), subject.into());
    }
    event.to_string()
}
