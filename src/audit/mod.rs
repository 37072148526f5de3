//! The audit log: what was exchanged, when, by whom. Records are written in the same transaction as what they record,
//! under the Merkle tree of RFC 6962. No personal data, no bare hash of an identifier.

pub mod anchors;
pub mod cms;
pub mod continuation;
pub mod event;
pub mod export;
pub mod http;
pub mod log;
pub mod memory;
pub mod names;
pub mod publish;
pub mod read;
mod record;
mod recorder;
pub mod records;
pub mod retention;
pub mod search;
pub mod signer;
pub mod store;
pub mod thin;
pub mod verify;
pub mod zone;

pub use log::{Frontier, Hash, empty_root, leaf_hash, node_hash};
pub use record::{
    BodyCommitment, Draft, Kind, LegalGround, MOST_BYTES, NewAnchor, NewClosing, NewComparison, NewConfiguration,
    NewEpoch, NewGeneration, NewVersions, Outcome,
};
pub use recorder::{Recorder, SealedRecord};
