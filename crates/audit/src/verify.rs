//! The verifier: reads stored bytes, trusts nothing, and names the first entry that is not as it was written.
//!
//! It shares hashing, the canonical form and the frame layout with the writer, and nothing else: it keeps its own
//! account of the Merkle tree, streams with bounded memory ([`Verifier`]), and with feature `parallel` checks
//! segments on several threads with the same result.
//!
//! # What can and cannot be seen
//! Every entry carries the hash of the one before, so any change of an entry that has a successor shows. The last
//! entry, a cut at an entry's end, a return to an old state of the store and a tail that was rewritten with fresh
//! hashes can be seen only against something the attacker cannot rewrite: a trusted [`Head`] (from a checkpoint
//! kept elsewhere or signed by a witness). Give the newest one you have to [`Verifier::against`].
//!
//! # Example
//! ```
//! use ecosystem_audit::{Draft, Log, verify};
//! let mut log = Log::new();
//! for i in 0..10 {
//!     log.append(&Draft::new(i, "alice", "vm.start", format!("vm/{i}")))?;
//! }
//! let mut bytes = log.to_bytes();
//! assert!(verify::verify(&bytes).ok());
//! let middle = bytes.len() / 2;
//! bytes[middle] ^= 1;
//! let report = verify::verify(&bytes);
//! assert_eq!(report.kind(), Some(verify::Kind::Damaged));
//! assert_eq!(report.first_bad(), Some(report.size)); // everything before it is sound
//! # Ok::<(), ecosystem_audit::AppendError>(())
//! ```

#[cfg(feature = "parallel")]
mod parallel;
mod records;
mod roll;
mod stream;

use core::fmt;

#[cfg(feature = "parallel")]
pub use parallel::verify_segments_parallel;
pub use stream::Verifier;

use crate::hash::Hash;
use crate::state::State;

/// Size and root of a log at some moment, from a source that the log's keeper cannot rewrite.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "a tree head is a size and a root")]
pub struct Head {
    /// Number of entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Kind {
    /// The last record of the last segment is incomplete, as after a crash in the middle of a write.
    TornTail,
    /// A segment that is not the last has lost its end.
    TruncatedSegment,
    /// A record does not match its checksum: bits have flipped.
    Damaged,
    /// A record is well formed but not what was written: it does not match the hash its successor carries, or it
    /// is not canonical.
    Altered,
    /// The entry comes later: records were moved.
    Reordered,
    /// An entry (or the header of a segment) is not there.
    Missing,
    /// An entry comes a second time.
    Duplicated,
    /// The log ends before the size of a trusted head.
    RolledBack,
    /// The log has another history than a trusted head says.
    Forked,
    /// A record of a version this code does not know.
    Unsupported,
}

impl Kind {
    /// The name in lower case with underscores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TornTail => "torn_tail",
            Self::TruncatedSegment => "truncated_segment",
            Self::Damaged => "damaged",
            Self::Altered => "altered",
            Self::Reordered => "reordered",
            Self::Missing => "missing",
            Self::Duplicated => "duplicated",
            Self::RolledBack => "rolled_back",
            Self::Forked => "forked",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The first thing that is wrong, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("entry {seq} is {kind}: {detail} (segment {segment}, byte {offset})")]
#[non_exhaustive]
pub struct Problem {
    /// The first entry that is not vouched for.
    pub seq: u64,
    /// What is wrong.
    pub kind: Kind,
    /// Number of the segment, from 0.
    pub segment: usize,
    /// Byte in the segment where the record in question begins.
    pub offset: u64,
    /// What was found and what was expected.
    pub detail: String,
}

/// What the verifier found.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Number of entries in the valid prefix, those pruned or dropped before the start included.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// How many of them are there only as hashes because their content was pruned.
    pub pruned: u64,
    /// Seals over the valid prefix that agree with it, and, if a key was given, that were made with it.
    pub seals: u64,
    /// Number of the segment in which the valid prefix ends.
    pub valid_segment: usize,
    /// Length of the valid prefix of that segment, in bytes.
    pub valid_bytes: u64,
    /// Bytes after the valid prefix, over all segments.
    pub remaining_bytes: u64,
    /// The first thing that is wrong.
    pub problem: Option<Problem>,
    /// The state at the end of the valid prefix, to resume from.
    pub state: State,
}

impl Report {
    /// Whether nothing is wrong.
    pub const fn ok(&self) -> bool {
        self.problem.is_none()
    }

    /// The first entry that is not vouched for.
    pub fn first_bad(&self) -> Option<u64> {
        self.problem.as_ref().map(|p| p.seq)
    }

    /// What is wrong.
    pub fn kind(&self) -> Option<Kind> {
        self.problem.as_ref().map(|p| p.kind)
    }
}

/// Verifies a log that lies in one piece.
pub fn verify(bytes: &[u8]) -> Report {
    verify_segments([bytes])
}

/// Verifies a log that lies in several segments, given in order.
pub fn verify_segments<'a>(segments: impl IntoIterator<Item = &'a [u8]>) -> Report {
    verify_segments_against(segments, &[])
}

/// Verifies a log against trusted heads.
///
/// ```
/// use ecosystem_audit::{Draft, Log, verify};
/// let mut log = Log::new();
/// log.append(&Draft::new(0, "alice", "vm.start", "vm/1"))?;
/// let old = log.to_bytes();
/// log.append(&Draft::new(1, "alice", "vm.stop", "vm/1"))?;
/// let head = log.head();
/// assert!(verify::verify(&old).ok()); // nothing in the old bytes says that they are old
/// let report = verify::verify_segments_against([&old[..]], &[head]);
/// assert_eq!((report.kind(), report.first_bad()), (Some(verify::Kind::RolledBack), Some(1)));
/// # Ok::<(), ecosystem_audit::AppendError>(())
/// ```
pub fn verify_segments_against<'a>(segments: impl IntoIterator<Item = &'a [u8]>, heads: &[Head]) -> Report {
    let mut verifier = Verifier::new().against(heads);
    for segment in segments {
        verifier.push(segment);
        verifier.end_segment();
    }
    verifier.finish()
}
