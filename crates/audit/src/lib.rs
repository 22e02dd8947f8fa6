//! A tamper-evident audit log: SHA-256 chain and Merkle tree, proofs, queries, exports.
//!
//! # Model
//! An [`Entry`] says who did what to which subject, when, why and how it ended. It has exactly one byte string, the
//! canonical form, which carries the hash of the entry before (a chain) and is a leaf of an RFC 6962 Merkle tree (a log of
//! which any part can be proved). The host stores *segments*, append-only bytes that the crate hands out, and gives them
//! back to be verified, opened or queried. The crate itself does no input and output and has no clock, no randomness and
//! no keys: whatever is random or secret is handed in.
//!
//! | question | answer |
//! | --- | --- |
//! | Is the store as it was written? | [`verify`]: first bad entry, kind of damage, valid prefix |
//! | Is this entry in the log? Has the log only grown? | [`prove`] makes proofs, [`proof`] checks them |
//! | Who vouches for the log? | [`Checkpoint`]s as signed [`note`]s, cosigned by a [`Witness`] that refuses forks |
//! | Can others serve and check it? | [`tiles`], [`TlogProof`] files |
//! | Can it forget? | [`seal`] (destroy a key), [`prune_segment`] (keep only hashes); all proofs stay valid |
//! | Can an intruder rewrite the past? | not what was sealed with a [`ForwardKey`] that has evolved since |
//! | What happened? | [`query`], [`change`], [`export`], [`Summary`] |
//! | Who may? | [`access`] |
//!
//! What the log cannot show by itself: that its end was cut off, that the store went back to an old state, or that its
//! tail was rewritten. These show against a trusted head from elsewhere, see [`verify`].
//!
//! # Example
//! ```
//! use ecosystem_audit::{Category, Draft, Log, proof};
//! let mut log = Log::new();
//! for i in 0..100 {
//!     let draft = Draft::new(i, "alice", "vm.restart", format!("vm/{i}")).with_category(Category::RECOVERY);
//!     log.append(&draft)?;
//! }
//! let head = log.head();
//! let hashes = log.tree().view(head.size).expect("the current size").inclusion(42)?;
//! let entry = log.entry(42).expect("it was appended");
//! assert_eq!(proof::verify_inclusion(42, head.size, &entry.leaf_hash(), &hashes, &head.root), Ok(()));
//! assert!(log.verify().ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! `parallel` (default) verifies segments on rayon threads with the same result; `serde` derives serde on entries and
//! values; `ed25519` adds Ed25519 keys for notes and cosignatures; `seal` the ciphers AES-256-GCM and XChaCha20-Poly1305.
//!
//! # Guarantees
//! Same drafts, same bytes, on every host and any number of threads. Decoders of outside bytes never panic and need
//! memory in proportion to their input. The writer and the streaming verifier hold `O(log n)` hashes.

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
pub mod kdf;
mod log;
pub mod note;
pub mod proof;
pub mod prove;
mod prune;
pub mod seal;
pub mod segment;
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
pub use forward::{ForwardKey, Seal};
pub use hash::{Hash, leaf_hash, node_hash, sha256};
pub use log::Log;
pub use note::Note;
pub use prune::{PruneError, prune_segment};
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
pub mod manage;
pub mod query;
mod sha1;
mod summary;

pub use json::Json;
pub use summary::{MAX_NAMES, Summary};
