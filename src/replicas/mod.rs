//! The replicas of one gateway: each is alive as long as it renews its lease in the store. One of them leads; what a
//! replica had under way when its lease ended belongs to the others, and it no longer acts.

mod bell;
mod leader;
mod member;
pub mod store;

pub use bell::Bell;
pub use leader::{Duty, Leader, Leadership};
pub use member::Member;
