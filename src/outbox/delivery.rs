//! What a topic gives the outbox so that its items can be sent: attempts and look-ups, in the topic's own terms.

use async_trait::async_trait;
use lienthong_domain::port::{AfterAmbiguity, PortError, Presence};

use super::Claimed;

/// What an attempt taught about the lane, whatever its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Learned {
    pub presence: Option<Presence>,
    /// The revision that the other side acknowledged.
    pub acknowledged_revision: Option<i64>,
}

/// The end of one attempt.
#[derive(Debug)]
pub struct Attempt {
    /// What was done, for the audit log: `dossier.insert`, …
    pub operation: &'static str,
    pub result: Result<(), PortError>,
    pub learned: Learned,
}

/// A topic's way to deliver its items on one route.
#[async_trait]
pub trait Delivery: Send + Sync {
    /// Sends the item once. `body` is what was accepted, byte for byte.
    async fn attempt(&self, claimed: &Claimed, body: &[u8]) -> Attempt;

    /// What may be done about this item after an unknown outcome.
    fn after_ambiguity(&self, claimed: &Claimed) -> AfterAmbiguity;

    /// Asks whether the other side has what the lane is about. A read.
    async fn look_up(&self, claimed: &Claimed) -> Result<Presence, PortError>;
}
