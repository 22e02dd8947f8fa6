//! Reading stored segments: entries and leaf hashes without keeping the segment.

use crate::canonical;
use crate::entry::EntryRef;
use crate::frame::{self, Kind};
use crate::hash::Hash;
use crate::state::State;

/// What a record of a segment holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "entries are what segments are full of, and nothing is allocated for them"
)]
pub enum Record<'a> {
    /// The state before what follows.
    Begin(State),
    /// An entry and its leaf hash.
    Entry(EntryRef<'a>, Hash),
    /// Leaf hashes of pruned entries, and the place of the first of them.
    Pruned(u64, Vec<Hash>),
    /// A seal.
    Seal(crate::forward::Seal),
    /// The end of a segment.
    End,
}

/// A segment that cannot be read on; [`crate::verify`] says what is wrong with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the segment cannot be read from byte {at} on: verify it")]
pub struct SegmentError {
    /// Where the record begins that cannot be read.
    pub at: usize,
}

/// The records of a segment, or of several one after the other, up to the first that cannot be read.
///
/// Checksums and the canonical form are checked, the chain and the tree are not: that is what [`crate::verify`] does.
///
/// ```
/// use ecosystem_audit::segment::{self, Record};
/// use ecosystem_audit::{Draft, Log, Tree};
/// let mut log = Log::new();
/// for i in 0..3 {
///     log.append(&Draft::new(i, "alice", "vm.start", format!("vm/{i}")))?;
/// }
/// let mut tree = Tree::new();
/// for record in segment::records(&log.to_bytes()) {
///     if let Record::Entry(entry, leaf) = record? {
///         assert_eq!(entry.actor, "alice");
///         tree.push(leaf);
///     }
/// }
/// assert_eq!(tree.root(), log.root());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn records(bytes: &[u8]) -> impl Iterator<Item = Result<Record<'_>, SegmentError>> {
    let mut at = 0;
    let mut failed = false;
    core::iter::from_fn(move || {
        if failed || at >= bytes.len() {
            return None;
        }
        let Some((record, len)) = record(&bytes[at..]) else {
            failed = true;
            return Some(Err(SegmentError { at }));
        };
        at += len;
        Some(Ok(record))
    })
}

fn record(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let frame = frame::read(bytes).ok()?;
    let record = match frame.kind {
        Kind::Header => Record::Begin(State::from_payload(frame.payload())?),
        Kind::Entry => Record::Entry(canonical::decode(frame.payload()).ok()?, frame.leaf_hash()),
        Kind::Pruned => {
            let (first, rest) = frame.payload().split_first_chunk()?;
            let (leaves, []) = rest.as_chunks::<32>() else { return None };
            let leaves = leaves.iter().copied().map(Hash::from_bytes).collect();
            Record::Pruned(u64::from_be_bytes(*first), leaves)
        }
        Kind::Seal => Record::Seal(crate::forward::Seal::from_payload(frame.payload())?),
        Kind::End => Record::End,
    };
    Some((record, frame.len))
}
