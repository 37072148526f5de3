//! The formats of a transparency log, without I/O: the Merkle tree of RFC 6962, proofs over it, and the C2SP formats in
//! which others read it (signed note, checkpoint, tlog-tiles, tlog-proof). Nothing here knows what a record says.

mod checkpoint;
mod note;
mod proof;
mod proof_file;
mod tile;
mod tree;
mod witness;

pub use checkpoint::Checkpoint;
pub use note::{KeyKind, MOST_NOTE_BYTES, Malformed, Note, SignatureLine, SignerKey, Unsigned, VerifierKey};
pub use proof::{Unproved, consistency_nodes, inclusion_nodes, verify_consistency, verify_inclusion};
pub use proof_file::{NotProved, ProofFile, Proved};
pub use tile::{Edge, TILE_HASHES, Tile, Tiles, entries, entry_bundle, fold};
pub use tree::{Frontier, Hash, empty_root, leaf_hash, node_hash};
pub use witness::{AddCheckpoint, MOST_REQUEST_BYTES, read_cosignatures, write_cosignature};
