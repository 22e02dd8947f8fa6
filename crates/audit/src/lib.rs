//! A tamper-evident audit log: SHA-256 chain and Merkle tree, proofs, queries, exports.

mod canonical;
mod class;
mod entry;
mod forward;
mod frame;
mod hash;
mod log;
mod state;
mod tree;
mod value;
pub mod verify;
mod writer;

pub use canonical::{
    AppendError, CANONICAL_VERSION, DecodeError, FieldsRef, MAX_ENTRY_LEN, MAX_FIELDS, decode,
};
pub use class::{Category, InvalidCategory, Outcome, Severity, UnknownName};
pub use entry::{Draft, Entry, EntryRef};
pub use forward::Seal;
pub use hash::{Hash, leaf_hash, node_hash, sha256};
pub use log::Log;
pub use state::{InvalidState, State};
pub use tree::{CompactRange, Tree};
pub use value::{InvalidJson, Value, ValueRef};
pub use writer::{Receipt, Writer};

// Using the log.
pub mod access;
pub mod civil;
