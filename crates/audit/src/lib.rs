//! A tamper-evident audit log: SHA-256 chain and Merkle tree, proofs, queries, exports.

mod canonical;
pub mod checkpoint;
mod class;
pub mod did;
#[cfg(feature = "ed25519")]
mod ed25519;
mod entry;
mod forward;
mod frame;
mod hash;
mod log;
pub mod note;
pub mod proof;
pub mod prove;
mod state;
pub mod tiles;
pub mod tlog_proof;
mod tree;
mod value;
pub mod verify;
pub mod witness;
mod writer;

pub use canonical::{
    AppendError, CANONICAL_VERSION, DecodeError, FieldsRef, MAX_ENTRY_LEN, MAX_FIELDS, decode,
};
pub use checkpoint::Checkpoint;
pub use class::{Category, InvalidCategory, Outcome, Severity, UnknownName};
#[cfg(feature = "ed25519")]
pub use ed25519::{Ed25519CosignatureVerifier, Ed25519Cosigner, Ed25519Signer, Ed25519Verifier};
pub use entry::{Draft, Entry, EntryRef};
pub use forward::Seal;
pub use hash::{Hash, leaf_hash, node_hash, sha256};
pub use log::Log;
pub use note::Note;
pub use state::{InvalidState, State};
pub use tlog_proof::TlogProof;
pub use tree::{CompactRange, Tree};
pub use value::{InvalidJson, Value, ValueRef};
pub use witness::Witness;
pub use writer::{Receipt, Writer};

// Using the log.
pub mod access;
pub mod change;
pub mod civil;
pub mod compliance;
pub mod export;
mod json;
pub mod query;
mod sha1;
mod summary;

pub use json::Json;
pub use summary::{MAX_NAMES, Summary};
