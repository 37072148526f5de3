//! What a portal sends by itself, to addresses that the gateway serves for it.

use serde_json::Value;

use crate::inbox::{Incoming, SetAside};
use crate::invalid::InvalidFields;

/// An address at which the portal calls, with `POST` and a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundPath {
    /// Absolute, without a query.
    pub path: String,
    /// What is served there, in the adapter's words.
    pub endpoint: &'static str,
    /// A text of so many bytes must stay in the message, since the adapter reads it itself.
    pub longest_text: usize,
}

/// Why a message is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRead {
    /// It does not carry the key that was agreed upon.
    WrongKey,
    /// Fields that are missing or wrong, by their JSON pointers in the message.
    Invalid(InvalidFields),
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is durable.
    Now,
    /// The same one is durable since it came before.
    Before,
    /// Not taken, for a reason that the other side may read. No personal data.
    Refused(String),
}

/// The reader of a portal's messages. It opens nothing and calls nobody.
pub trait PortalInbound: Send + Sync {
    /// All addresses; none if this portal sends nothing.
    fn paths(&self) -> Vec<InboundPath>;

    /// Reads a message from which long texts were set aside.
    fn read(&self, endpoint: &str, message: &Value, aside: &SetAside) -> Result<Incoming, NotRead>;

    /// The body of the answer, in exactly the words that the portal expects; its status is 200.
    fn answer(&self, message: Option<&Incoming>, taken: &Taken) -> Vec<u8>;
}
