//! The states of an outbox item and which may follow which: one table.

lienthong_domain::code_enum! {
    /// Where an item stands.
    pub enum Status: "Tình trạng gửi. / Where the delivery stands." {
        /// Durable; not yet tried.
        Accepted = "accepted" => "Đã tiếp nhận",
        /// A lease is held and a request may be on its way.
        Sending = "sending" => "Đang gửi",
        /// The last attempt had no effect; another is due.
        Retry = "retry" => "Chờ gửi lại",
        /// The last attempt may or may not have taken effect.
        Unknown = "unknown" => "Chưa rõ kết quả",
        /// Refused; an operator decides. Parks its own lane.
        Dead = "dead" => "Bị từ chối, chờ người vận hành",
        Delivered = "delivered" => "Đã gửi",
        /// An operator let the lane go on without it.
        Skipped = "skipped" => "Đã bỏ qua",
        Cancelled = "cancelled" => "Đã hủy",
    }
}

use Status::{Accepted, Cancelled, Dead, Delivered, Retry, Sending, Skipped, Unknown};

/// Every transition. A refused full state is cancelled when a newer one takes its place. A crash or a lost lease while sending leads to `unknown`, never to `retry`.
pub const TRANSITIONS: &[(Status, &[Status])] = &[
    (Accepted, &[Sending, Cancelled]),
    (Sending, &[Delivered, Retry, Unknown, Dead]),
    (Retry, &[Sending, Cancelled, Dead]),
    (Unknown, &[Unknown, Delivered, Retry, Dead, Skipped, Cancelled]),
    (Dead, &[Retry, Skipped, Cancelled]),
    (Delivered, &[]),
    (Skipped, &[]),
    (Cancelled, &[]),
];

/// Whether the table has this transition.
pub fn may_follow(from: Status, to: Status) -> bool {
    TRANSITIONS.iter().any(|(state, next)| *state == from && next.contains(&to))
}

impl Status {
    /// Whether the item still holds its place in its lane.
    pub fn is_open(self) -> bool {
        TRANSITIONS.iter().any(|(state, next)| *state == self && !next.is_empty())
    }
}
