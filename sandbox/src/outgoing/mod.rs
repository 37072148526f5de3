//! The portal as a sender: what citizens do there reaches the province's address (reference §8), with all that can go wrong.
//! It must never take a message as delivered because it was sent: only the province's own answer says so.

mod api;

mod answer;
mod encoding;
mod letter;
mod message;
mod office;
mod post;
mod province;
mod record;
mod tables;

pub use answer::{Answer as ProvinceAnswer, AnswerKind};
pub use message::{Cut, Hold, Outgoing, OutgoingKind, SendingFaults};
pub(crate) use office::Office;
pub use province::{Prefix, ProvinceSettings};
pub use record::{Attempt, SendingState, SentMessage};
