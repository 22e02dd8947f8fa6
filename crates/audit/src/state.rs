//! What a writer must know to go on: `O(log n)` bytes, whatever the size of the log.

use crate::frame::{self, Kind};
use crate::hash::Hash;
use crate::tree::CompactRange;

/// Size, last leaf and compact range of a log: enough to append, to give the root and to check what follows.
///
/// Every segment begins with the state before its first entry, so segments can be verified independently of
/// each other, and a host may store a state beside the segments to open a log of any size without hashing.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct State {
    pub(crate) last_leaf: Hash,
    pub(crate) range: CompactRange,
}

/// Bytes that are not a stored [`State`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{len} bytes are not a stored log state: expected one whole segment header")]
pub struct InvalidState {
    /// Number of bytes given.
    pub len: usize,
}

const STATE_VERSION: u8 = 1;

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// The state of a log without entries.
    pub const fn new() -> Self {
        Self { last_leaf: Hash::ZERO, range: CompactRange::new() }
    }

    /// Number of entries, and so the place of the next one.
    pub const fn size(&self) -> u64 {
        self.range.size()
    }

    /// The root over all entries.
    pub fn root(&self) -> Hash {
        self.range.root()
    }

    /// Leaf hash of the last entry; [`Hash::ZERO`] if there is none.
    pub const fn last_leaf(&self) -> Hash {
        self.last_leaf
    }

    /// The roots of the complete subtrees.
    pub const fn range(&self) -> &CompactRange {
        &self.range
    }

    /// The state as bytes: the frame that begins a segment.
    ///
    /// ```
    /// use ecosystem_audit::{Draft, Log, State};
    /// let mut log = Log::new();
    /// log.append(&Draft::new(0, "alice", "vm.start", "vm/db-1"))?;
    /// let bytes = log.state().to_bytes();
    /// assert_eq!(State::from_bytes(&bytes).map(|s| s.root()), Ok(log.root()));
    /// # Ok::<(), ecosystem_audit::AppendError>(())
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_frame(&mut out);
        out
    }

    /// Reads what [`State::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidState> {
        let error = InvalidState { len: bytes.len() };
        match frame::read(bytes) {
            Ok(found) if found.kind == Kind::Header && found.len == bytes.len() => {
                Self::from_payload(found.payload()).ok_or(error)
            }
            _ => Err(error),
        }
    }

    /// Appends the segment header frame: version, size, last leaf, number of peaks, peaks.
    pub(crate) fn write_frame(&self, out: &mut Vec<u8>) {
        let written = frame::write::<core::convert::Infallible>(out, Kind::Header, |out| {
            out.push(STATE_VERSION);
            out.extend_from_slice(&self.size().to_be_bytes());
            out.extend_from_slice(self.last_leaf.as_bytes());
            out.push(u8::try_from(self.range.peaks().len()).expect("at most 64 peaks"));
            for peak in self.range.peaks() {
                out.extend_from_slice(peak.as_bytes());
            }
            Ok(())
        });
        written.expect("writing a state cannot fail");
    }

    /// Reads the payload of a segment header frame.
    pub(crate) fn from_payload(payload: &[u8]) -> Option<Self> {
        let (&[version], rest) = payload.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (last_leaf, rest) = rest.split_first_chunk()?;
        let (&[count], rest) = rest.split_first_chunk()?;
        let (peaks, []) = rest.as_chunks::<32>() else { return None };
        if version != STATE_VERSION || peaks.len() != usize::from(count) {
            return None;
        }
        let peaks = peaks.iter().copied().map(Hash::from_bytes).collect();
        let range = CompactRange::from_parts(u64::from_be_bytes(*size), peaks)?;
        let last_leaf = Hash::from_bytes(*last_leaf);
        ((range.size() == 0) == (last_leaf == Hash::ZERO)).then_some(Self { last_leaf, range })
    }
}
