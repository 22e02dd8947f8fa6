//! A log in memory: segments, the whole tree and random access to entries.

use crate::canonical::{self, AppendError};
use crate::entry::{Draft, Entry, EntryRef};
use crate::forward::{ForwardKey, Seal};
use crate::frame::{self, HEADER_LEN, Kind};
use crate::hash::Hash;
use crate::prune::{self, PruneError};
use crate::state::State;
use crate::tree::Tree;
use crate::verify::{self, Head, Report};
use crate::writer::{self, Receipt};

/// Entries in a segment before the next begins: about a megabyte, so that verification spreads over threads and
/// damage in one place is looked at in one place.
const ENTRIES_PER_SEGMENT: u64 = 4_096;

/// A log that keeps its segments and the tree over them in memory.
///
/// For a log that is only written and stored elsewhere, [`crate::Writer`] needs `O(log n)` memory.
///
/// ```
/// use ecosystem_audit::{Category, Draft, Log, Severity};
/// let mut log = Log::new();
/// let receipt = log.append(
///     &Draft::new(1_767_225_600_000, "engine", "replica.move", "replica/db-1/0")
///         .with_category(Category::PLACEMENT)
///         .with_severity(Severity::Notice)
///         .with_reason("zone-a is full"),
/// )?;
/// assert_eq!((receipt.seq, log.size()), (0, 1));
/// assert_eq!(log.entry(0).map(|entry| entry.action), Some("replica.move"));
/// assert!(log.verify().ok());
///
/// let (again, report) = Log::open([&log.to_bytes()[..]]);
/// assert!(report.ok());
/// assert_eq!(again.root(), log.root());
/// # Ok::<(), ecosystem_audit::AppendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Log {
    segments: Vec<Segment>,
    tree: Tree,
    last_leaf: Hash,
    entries_per_segment: u64,
}

/// Some entries one after the other.
#[derive(Clone, Debug)]
struct Segment {
    first_seq: u64,
    bytes: Vec<u8>,
    /// Where the frames of the entries begin; empty once they are pruned.
    offsets: Vec<u32>,
    /// Number of entries, pruned ones included.
    count: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    /// A log without entries.
    pub const fn new() -> Self {
        Self {
            segments: Vec::new(),
            tree: Tree::new(),
            last_leaf: Hash::ZERO,
            entries_per_segment: ENTRIES_PER_SEGMENT,
        }
    }

    /// Sets how many entries go into a segment (at least one); 4,096 unless told otherwise.
    #[must_use]
    pub fn with_entries_per_segment(mut self, entries: u32) -> Self {
        self.entries_per_segment = u64::from(entries.clamp(1, 1 << 20));
        self
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// The root over all entries.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Size and root.
    pub fn head(&self) -> Head {
        Head { size: self.size(), root: self.root() }
    }

    /// The tree over the entries, for roots of earlier sizes and proofs.
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The state after the last entry, to resume a [`crate::Writer`] from.
    pub fn state(&self) -> State {
        State { last_leaf: self.last_leaf, range: self.tree.compact(self.size()) }
    }

    /// Appends an entry.
    pub fn append(&mut self, draft: &Draft) -> Result<Receipt, AppendError> {
        let seq = self.size();
        let room = self.make_room();
        let segment = &mut self.segments[room];
        let offset = segment.end();
        let receipt = writer::write_entry(draft, seq, &self.last_leaf, &mut segment.bytes)?;
        segment.offsets.push(offset);
        segment.count += 1;
        self.tree.push(receipt.leaf_hash);
        self.last_leaf = receipt.leaf_hash;
        Ok(receipt)
    }

    /// Appends an imported entry, which must have the next place and follow the last entry of this log; so a log
    /// that is exported and imported is the same log.
    pub fn append_entry(&mut self, entry: &Entry) -> Result<Receipt, AppendError> {
        writer::check_fits(entry, self.size(), self.last_leaf)?;
        self.append(entry.draft())
    }

    /// Seals everything so far with an evolving key; see [`ForwardKey`].
    pub fn seal(&mut self, key: &mut ForwardKey) -> Seal {
        let room = self.make_room();
        let seal = key.seal(self.head());
        seal.write_frame(&mut self.segments[room].bytes);
        seal
    }

    /// Drops the content of all segments that hold only entries before `seq`, but for the last segment; their leaf
    /// hashes stay, so every proof can still be made and the log still verifies. Returns the number of entries dropped
    /// now. That something was dropped, and why, should be an entry of the log itself.
    pub fn prune_before(&mut self, seq: u64) -> Result<u64, PruneError> {
        let mut dropped = 0;
        let last = self.segments.len().saturating_sub(1);
        for segment in &mut self.segments[..last] {
            if segment.first_seq + segment.count > seq {
                break;
            }
            segment.bytes = prune::prune_segment(&segment.bytes)?;
            dropped += segment.offsets.len() as u64;
            segment.offsets = Vec::new();
        }
        Ok(dropped)
    }

    /// Makes sure that the last segment can take an entry, and gives its index.
    fn make_room(&mut self) -> usize {
        let limit = 1 << 31;
        if self.segments.last().is_some_and(|last| {
            last.count < self.entries_per_segment && last.bytes.len() < limit && !last.is_pruned()
        }) {
            return self.segments.len() - 1;
        }
        let state = self.state();
        let mut bytes = Vec::new();
        if let Some(last) = self.segments.last_mut() {
            writer::write_end(&state, &mut last.bytes);
            // The next segment will be about as long.
            bytes.reserve(last.bytes.len() + last.bytes.len() / 16);
        }
        state.write_frame(&mut bytes);
        let offsets =
            Vec::with_capacity(usize::try_from(self.entries_per_segment).unwrap_or_default().min(4096));
        self.segments.push(Segment { first_seq: state.size(), bytes, offsets, count: 0 });
        self.segments.len() - 1
    }

    /// The entry at a place; `None` if there is none or its content was pruned.
    pub fn entry(&self, seq: u64) -> Option<EntryRef<'_>> {
        canonical::decode(self.canonical(seq)?).ok()
    }

    /// The canonical bytes of the entry at a place; `None` if there is none or its content was pruned.
    pub fn canonical(&self, seq: u64) -> Option<&[u8]> {
        let after = self.segments.partition_point(|segment| segment.first_seq <= seq);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        segment.canonical(usize::try_from(seq - segment.first_seq).ok()?)
    }

    /// All entries whose content is there, in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = EntryRef<'_>> {
        self.segments.iter().flat_map(|segment| {
            (0..segment.offsets.len()).filter_map(|i| canonical::decode(segment.canonical(i)?).ok())
        })
    }

    /// The segments as bytes, in order, for the host's store.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.segments.iter().map(|segment| &segment.bytes[..])
    }

    /// All segments in one piece, which [`verify::verify`] and [`Log::open`] take as well.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.segments().collect::<Vec<_>>().concat()
    }

    /// Verifies the log from its stored bytes, with the independent verifier, against its own tree.
    pub fn verify(&self) -> Report {
        verify::verify_segments_against(self.segments(), &[self.head()])
    }

    /// Opens a log from stored segments: the valid prefix and the verifier's report, which names what is wrong.
    pub fn open<'a>(segments: impl IntoIterator<Item = &'a [u8]>) -> (Self, Report) {
        Self::open_against(segments, &[])
    }

    /// Opens a log and compares it with trusted heads.
    pub fn open_against<'a>(segments: impl IntoIterator<Item = &'a [u8]>, heads: &[Head]) -> (Self, Report) {
        let segments: Vec<&[u8]> = segments.into_iter().collect();
        let report = verify::verify_segments_against(segments.iter().copied(), heads);
        let mut log = Self::new();
        for (i, bytes) in segments.iter().enumerate().take(report.valid_segment + 1) {
            let valid = if i == report.valid_segment {
                usize::try_from(report.valid_bytes).unwrap_or(usize::MAX).min(bytes.len())
            } else {
                bytes.len()
            };
            log.take_segment(&bytes[..valid]);
        }
        (log, report)
    }

    /// Takes over frames that have been verified.
    fn take_segment(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Ok(frame) = frame::read(&bytes[at..]) {
            let whole = &bytes[at..at + frame.len];
            at += frame.len;
            if frame.kind == Kind::Header {
                let first_seq = self.size();
                self.segments.push(Segment {
                    first_seq,
                    bytes: whole.to_vec(),
                    offsets: Vec::new(),
                    count: 0,
                });
                continue;
            }
            let Some(segment) = self.segments.last_mut() else { return };
            let offset = segment.end();
            segment.bytes.extend_from_slice(whole);
            match frame.kind {
                Kind::Entry => {
                    segment.offsets.push(offset);
                    segment.count += 1;
                    self.last_leaf = frame.leaf_hash();
                    self.tree.push(self.last_leaf);
                }
                Kind::Pruned => {
                    for leaf in frame.payload().get(8..).unwrap_or_default().as_chunks::<32>().0 {
                        segment.count += 1;
                        self.last_leaf = Hash::from_bytes(*leaf);
                        self.tree.push(self.last_leaf);
                    }
                }
                Kind::Header | Kind::Seal | Kind::End => {}
            }
        }
    }
}

impl Segment {
    /// Where the next frame begins.
    fn end(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("no frame begins after the first 2^31 bytes of a segment")
    }

    fn is_pruned(&self) -> bool {
        self.offsets.len() as u64 != self.count
    }

    /// The canonical bytes of the i-th entry.
    fn canonical(&self, i: usize) -> Option<&[u8]> {
        let start = *self.offsets.get(i)? as usize;
        let len = u16::from_be_bytes([*self.bytes.get(start + 2)?, *self.bytes.get(start + 3)?]);
        self.bytes.get(start + HEADER_LEN..start + HEADER_LEN + usize::from(len))
    }
}
