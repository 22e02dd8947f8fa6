//! The writer: turns drafts into bytes for the host's store and keeps only `O(log n)` state.

use crate::canonical::{self, AppendError};
use crate::entry::{Draft, Entry};
use crate::forward::{ForwardKey, Seal};
use crate::frame::{self, Kind};
use crate::hash::Hash;
use crate::state::State;
use crate::verify::Head;

/// What the log answers to an append: where the entry lies and what it hashes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Receipt {
    /// Place of the entry, from 0.
    pub seq: u64,
    /// Its leaf hash.
    pub leaf_hash: Hash,
}

/// Appends entries to segments that the host stores.
///
/// A segment is a header frame (the [`State`] before its first entry) followed by entry frames. The host calls
/// [`Writer::begin_segment`] for each new file, appends whatever bytes come out, and syncs before it acknowledges.
/// When it has crashed, [`crate::verify::verify_segments`] tells how many bytes of the last segment are valid; the
/// host cuts it there and goes on with [`Writer::resume`].
///
/// ```
/// use ecosystem_audit::{Draft, Writer, verify};
/// let mut writer = Writer::new();
/// let mut segment = Vec::new();
/// writer.begin_segment(&mut segment);
/// writer.append(&Draft::new(1_000, "alice", "vm.start", "vm/db-1"), &mut segment)?;
/// writer.append(&Draft::new(2_000, "alice", "vm.stop", "vm/db-1"), &mut segment)?;
/// let report = verify::verify(&segment);
/// assert!(report.ok());
/// assert_eq!((report.size, report.root), (2, writer.root()));
/// # Ok::<(), ecosystem_audit::AppendError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Writer {
    state: State,
}

impl Writer {
    /// A writer for a log without entries.
    pub const fn new() -> Self {
        Self { state: State::new() }
    }

    /// A writer that goes on where a log has ended.
    pub const fn resume(state: State) -> Self {
        Self { state }
    }

    /// The state after the last entry.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Number of entries.
    pub const fn size(&self) -> u64 {
        self.state.size()
    }

    /// The root over all entries.
    pub fn root(&self) -> Hash {
        self.state.root()
    }

    /// Appends the header frame that begins a segment.
    pub fn begin_segment(&self, out: &mut Vec<u8>) {
        self.state.write_frame(out);
    }

    /// Appends the frame that ends a segment, so that a cut segment can be told from a short one.
    pub fn end_segment(&self, out: &mut Vec<u8>) {
        write_end(&self.state, out);
    }

    /// Seals everything so far: appends a seal frame, and the key evolves. The host must store the evolved key in place
    /// of the old one.
    pub fn seal(&self, key: &mut ForwardKey, out: &mut Vec<u8>) -> Seal {
        let seal = key.seal(Head { size: self.size(), root: self.root() });
        seal.write_frame(out);
        seal
    }

    /// Appends the frame of a new entry to `out`. On error neither `out` nor the writer has changed.
    pub fn append(&mut self, draft: &Draft, out: &mut Vec<u8>) -> Result<Receipt, AppendError> {
        let receipt = write_entry(draft, self.state.size(), &self.state.last_leaf, out)?;
        self.state.range.push(receipt.leaf_hash);
        self.state.last_leaf = receipt.leaf_hash;
        Ok(receipt)
    }

    /// Appends an imported entry, which must have the next place and follow the last entry of this log.
    pub fn append_entry(&mut self, entry: &Entry, out: &mut Vec<u8>) -> Result<Receipt, AppendError> {
        check_fits(entry, self.state.size(), self.state.last_leaf)?;
        self.append(entry.draft(), out)
    }
}

/// Appends the frame of an entry and gives its leaf hash.
pub(crate) fn write_entry(
    draft: &Draft,
    seq: u64,
    prev_hash: &Hash,
    out: &mut Vec<u8>,
) -> Result<Receipt, AppendError> {
    let payload = frame::write(out, Kind::Entry, |out| canonical::encode(draft, seq, prev_hash, out))?;
    // The byte before the payload is the RFC 6962 leaf prefix.
    let leaf_hash = crate::hash::sha256(&out[payload.start - 1..payload.end]);
    Ok(Receipt { seq, leaf_hash })
}

/// Appends the frame that ends a segment: next place and last leaf.
pub(crate) fn write_end(state: &State, out: &mut Vec<u8>) {
    let written = frame::write::<core::convert::Infallible>(out, Kind::End, |out| {
        out.extend_from_slice(&state.size().to_be_bytes());
        out.extend_from_slice(state.last_leaf.as_bytes());
        Ok(())
    });
    written.expect("writing an end frame cannot fail");
}

/// Whether an imported entry has the next place and follows the last entry.
pub(crate) fn check_fits(entry: &Entry, size: u64, last_leaf: Hash) -> Result<(), AppendError> {
    if entry.seq() != size {
        return Err(AppendError::WrongSeq { seq: entry.seq(), expected: size });
    }
    if entry.prev_hash() != last_leaf {
        return Err(AppendError::WrongPrevHash {
            seq: entry.seq(),
            found: entry.prev_hash(),
            expected: last_leaf,
        });
    }
    Ok(())
}
