//! One difference, until it is gone.

use lienthong_domain::agreement::{Class, Repair};
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

lienthong_domain::code_enum! {
    /// Where a case stands.
    pub enum CaseStatus: "Tình trạng. / Where a case stands." {
        Open = "open" => "Chờ quyết định",
        /// Sent again; the next check tells whether that was enough.
        Repaired = "repaired" => "Đã gửi lại, chờ đối soát",
        /// A person has said that it is none. It comes back if it becomes another difference.
        Dismissed = "dismissed" => "Đã bỏ qua",
        /// A later check has found both sides the same.
        Settled = "settled" => "Đã khớp",
    }
}

/// A difference of one class at one dossier. Nothing in it is personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub id: Uuid,
    /// The check that saw it last.
    pub run_id: Uuid,
    pub code: String,
    /// Normalised.
    pub agency_id: String,
    pub class: Class,
    pub expected: String,
    pub observed: String,
    pub repair: Repair,
    pub status: CaseStatus,
    pub found_at: Timestamp,
    pub seen_at: Timestamp,
    /// How often it was there again after it had been repaired.
    pub returns: i64,
    pub decided_at: Option<Timestamp>,
    /// Who, or the policy.
    pub decided_by: Option<String>,
    /// A person's words.
    pub words: Option<String>,
    /// What sends it again.
    pub operation_id: Option<Uuid>,
}

/// A difference that a check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub code: String,
    pub agency_id: String,
    pub class: Class,
    pub expected: String,
    pub observed: String,
    pub repair: Repair,
}
