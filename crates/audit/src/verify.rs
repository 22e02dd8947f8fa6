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

use core::fmt;

use crate::canonical::{self, DecodeError};
use crate::forward::ForwardKey;
use crate::frame::{self, Frame, FrameError, Kind as FrameKind};
use crate::hash::{Hash, node_hash};
use crate::state::State;
use crate::tree::CompactRange;

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

/// Verifies segments on all threads of the current rayon pool; the report equals that of
/// [`verify_segments_against`] to the last byte.
///
/// Every segment is checked from the state in its own header; then the end of each must be the beginning of the
/// next. Where that fails, the sequential verifier looks again from the last sound segment to name the problem.
#[cfg(feature = "parallel")]
pub fn verify_segments_parallel(segments: &[&[u8]], heads: &[Head]) -> Report {
    use rayon::prelude::*;
    let parts: Vec<Option<(State, Report)>> =
        segments.par_iter().map(|segment| verify_alone(segment, heads)).collect();
    let mut state = State::new();
    let mut sound = 0_usize;
    let (mut pruned, mut seals) = (0, 0);
    for part in &parts {
        match part {
            Some((begin, report)) if *begin == state => {
                state = report.state.clone();
                pruned += report.pruned;
                seals += report.seals;
                sound += 1;
            }
            _ => break,
        }
    }
    // The last sound segment is read again: its last entry may turn out to be the one that was altered. A head over
    // no entries belongs to no segment.
    let mut verifier = Verifier::new();
    let again = if heads.iter().any(|head| head.size == 0) { 0 } else { sound.saturating_sub(1) };
    if let (Some(Some((begin, _))), 1..) = (parts.get(again), again) {
        for (_, report) in parts[again..sound].iter().flatten() {
            pruned -= report.pruned;
            seals -= report.seals;
        }
        verifier = Verifier::resume(begin);
        verifier.vouched =
            heads.iter().map(|head| head.size).filter(|size| *size <= begin.size()).max().unwrap_or(0);
        verifier.segment = again;
        verifier.valid_segment = again;
        verifier.pruned = pruned;
        verifier.seals = seals;
    }
    let mut verifier = verifier.against(heads);
    for segment in &segments[again..] {
        verifier.push(segment);
        verifier.end_segment();
    }
    verifier.finish()
}

/// Verifies one segment from the state in its own header; `None` if anything is wrong with it.
#[cfg(feature = "parallel")]
fn verify_alone(segment: &[u8], heads: &[Head]) -> Option<(State, Report)> {
    let header = frame::read(segment).ok().filter(|f| f.kind == FrameKind::Header)?;
    let begin = State::from_payload(header.payload())?;
    let mut verifier = Verifier::resume(&begin);
    verifier.heads = heads.iter().copied().filter(|head| head.size > begin.size()).collect();
    verifier.heads.sort_by_key(|head| head.size);
    verifier.push(segment);
    verifier.end_segment();
    // A head beyond this segment is the business of a later one.
    verifier.heads.clear();
    verifier.next_head = 0;
    let report = verifier.finish();
    report.ok().then_some((begin, report))
}

/// Checks a log as its bytes come in, with memory for one record and `O(log n)` hashes.
///
/// Call [`Verifier::push`] with any pieces of a segment in order, [`Verifier::end_segment`] after each segment, and
/// [`Verifier::finish`] at the end.
#[derive(Clone, Debug)]
pub struct Verifier {
    roll: Roll,
    /// What the previous entry has replaced on the stack, to take it back if its successor accuses it.
    undo: Undo,
    heads: Vec<Head>,
    next_head: usize,
    /// Largest trusted head that agreed.
    vouched: u64,
    pruned: u64,
    seals: u64,
    /// Size under the last good seal.
    sealed: u64,
    forward_key: Option<ForwardKey>,
    /// Start of a record whose end has not come yet.
    carry: Vec<u8>,
    segment: usize,
    /// Bytes of the current segment already consumed.
    offset: u64,
    expect_header: bool,
    ended: bool,
    /// A link that does not hold, until the next entry tells which side is wrong.
    broken_link: Option<BrokenLink>,
    torn: Option<Problem>,
    problem: Option<Problem>,
    /// After a problem: the entry whose later appearance would mean that records were moved.
    wanted: Option<u64>,
    /// After a problem: the rest of this segment cannot be read.
    lost: bool,
    valid_segment: usize,
    valid_bytes: u64,
    total_bytes: u64,
    /// Bytes of all whole frames read so far, and of those in the valid prefix.
    read_total: u64,
    valid_total: u64,
}

/// Where the valid prefix ended before the last entry, and how to take that entry off the tree.
#[derive(Clone, Debug, Default)]
struct Undo {
    replaced: Vec<(u32, Hash)>,
    last_leaf: Option<Hash>,
    segment: usize,
    bytes: u64,
    total: u64,
}

#[derive(Clone, Debug)]
struct BrokenLink {
    seq: u64,
    leaf: Hash,
    segment: usize,
    offset: u64,
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Verifier {
    /// A verifier that expects the log from its first entry.
    pub fn new() -> Self {
        Self::resume(&State::new())
    }

    /// A verifier that trusts a state and expects the log from there.
    pub fn resume(state: &State) -> Self {
        Self {
            roll: Roll::from_state(state),
            undo: Undo::default(),
            heads: Vec::new(),
            next_head: 0,
            vouched: 0,
            pruned: 0,
            seals: 0,
            sealed: 0,
            forward_key: None,
            carry: Vec::new(),
            segment: 0,
            offset: 0,
            expect_header: true,
            ended: false,
            broken_link: None,
            torn: None,
            problem: None,
            wanted: None,
            lost: false,
            valid_segment: 0,
            valid_bytes: 0,
            total_bytes: 0,
            read_total: 0,
            valid_total: 0,
        }
    }

    /// Adds trusted heads the log must agree with. Heads before the start of verification are not looked at.
    #[must_use]
    pub fn against(mut self, heads: &[Head]) -> Self {
        self.heads.extend_from_slice(heads);
        self.heads.sort_by_key(|head| head.size);
        self.check_heads();
        self
    }

    /// Checks every seal with the first key that was shared; see [`ForwardKey`]. Seals of which the keys have evolved
    /// before the start of verification need the key of their epoch.
    #[must_use]
    pub fn with_forward_key(mut self, key: ForwardKey) -> Self {
        self.forward_key = Some(key);
        self
    }

    /// Takes the next bytes of the current segment.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total_bytes += bytes.len() as u64;
        let mut bytes = bytes;
        while !self.carry.is_empty() && !bytes.is_empty() && !self.lost {
            let missing = match frame::read(&self.carry) {
                Err(FrameError::Torn { missing }) => missing,
                _ => 0,
            };
            let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
            self.carry.extend_from_slice(taken);
            bytes = rest;
            let carry = core::mem::take(&mut self.carry);
            let used = self.consume(&carry);
            self.carry = carry;
            self.carry.drain(..used);
        }
        if self.lost {
            self.carry.clear();
            return;
        }
        let used = self.consume(bytes);
        if !self.lost {
            self.carry.extend_from_slice(&bytes[used..]);
        }
    }

    /// The current segment has ended; the next bytes belong to another.
    pub fn end_segment(&mut self) {
        if self.problem.is_none() && !self.carry.is_empty() {
            let detail = format!(
                "the segment ends in the middle of a record, after {} of its bytes",
                self.carry.len()
            );
            self.torn = Some(self.problem_here(Kind::TornTail, self.roll.size, detail));
        }
        self.carry.clear();
        self.segment += 1;
        self.offset = 0;
        self.expect_header = true;
        self.lost = false;
    }

    /// The verdict.
    pub fn finish(mut self) -> Report {
        if self.offset > 0 || !self.carry.is_empty() {
            self.end_segment();
        }
        if let Some(link) = self.broken_link.take() {
            self.accuse_previous(&link);
        }
        if self.problem.is_none() {
            self.problem = self.torn.take();
        }
        if self.problem.is_none()
            && let Some(head) = self.heads[self.next_head..].last().copied()
        {
            let detail =
                format!("the log ends at {} entries, a trusted head has {}", self.roll.size, head.size);
            self.problem = Some(self.problem_here(Kind::RolledBack, self.roll.size, detail));
        }
        let state = self.roll.to_state();
        Report {
            size: state.size(),
            root: state.root(),
            pruned: self.pruned,
            seals: self.seals,
            valid_segment: self.valid_segment,
            valid_bytes: self.valid_bytes,
            remaining_bytes: self.total_bytes - self.valid_total,
            problem: self.problem,
            state,
        }
    }

    fn problem_here(&self, kind: Kind, seq: u64, detail: String) -> Problem {
        Problem { seq, kind, segment: self.segment, offset: self.offset, detail }
    }

    fn fail(&mut self, kind: Kind, seq: u64, detail: String) {
        if self.problem.is_none() {
            self.problem = Some(self.problem_here(kind, seq, detail));
        }
    }

    /// Consumes whole frames from the start of `bytes` and says how many bytes they had.
    fn consume(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match frame::read(&bytes[at..]) {
                Ok(frame) => {
                    self.frame(&frame);
                    at += frame.len;
                    self.offset += frame.len as u64;
                    self.read_total += frame.len as u64;
                    if self.problem.is_none() && self.broken_link.is_none() {
                        self.extend_valid(frame.kind);
                    }
                }
                Err(FrameError::Torn { .. }) => return at,
                Err(error) => {
                    self.unreadable(error);
                    // Where the next record begins is not known: the rest of the segment is lost.
                    self.lost = true;
                    return bytes.len();
                }
            }
        }
        at
    }

    /// The frame just read belongs to the valid prefix.
    fn extend_valid(&mut self, kind: FrameKind) {
        if kind == FrameKind::Entry {
            self.undo.segment = self.valid_segment;
            self.undo.bytes = self.valid_bytes;
            self.undo.total = self.valid_total;
        }
        self.valid_segment = self.segment;
        self.valid_bytes = self.offset;
        self.valid_total = self.read_total;
    }

    fn unreadable(&mut self, error: FrameError) {
        if let Some(link) = self.broken_link.take() {
            self.accuse_previous(&link);
        }
        self.cut_before();
        let seq = self.roll.size;
        match error {
            FrameError::Unsupported { version, kind } => {
                let detail = format!("the record has frame version {version} and kind {kind}");
                self.fail(Kind::Unsupported, seq, detail);
            }
            FrameError::BadHeader => {
                self.fail(Kind::Damaged, seq, "what should begin a record is not a record header".to_owned());
            }
            _ => self.fail(Kind::Damaged, seq, "the record does not match its checksum".to_owned()),
        }
    }

    /// A segment has ended inside a record and yet something follows.
    fn cut_before(&mut self) {
        if let Some(mut torn) = self.torn.take() {
            torn.kind = Kind::TruncatedSegment;
            self.problem.get_or_insert(torn);
        }
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        self.cut_before();
        if self.problem.is_some() {
            self.look_for_wanted(frame);
            return;
        }
        if self.expect_header && frame.kind != FrameKind::Header {
            let detail = "the segment does not begin with a header".to_owned();
            self.fail(Kind::Missing, self.roll.size, detail);
            return;
        }
        self.expect_header = false;
        match frame.kind {
            FrameKind::Header => self.header(frame.payload()),
            FrameKind::Entry => self.entry(frame),
            FrameKind::Pruned => self.pruned(frame.payload()),
            FrameKind::Seal => self.seal(frame.payload()),
            FrameKind::End => self.end(frame.payload()),
        }
    }

    fn header(&mut self, payload: &[u8]) {
        let Some(state) = State::from_payload(payload) else {
            self.fail(Kind::Altered, self.roll.size, "the segment header is not canonical".to_owned());
            return;
        };
        self.judge_link_at_border(Some(state.last_leaf));
        if self.problem.is_some() {
            return;
        }
        let expected = self.roll.size;
        let found = state.size();
        if found > expected {
            let kind = if self.ended || self.segment == 0 { Kind::Missing } else { Kind::TruncatedSegment };
            self.fail(kind, expected, format!("the segment begins with entry {found}, expected {expected}"));
            self.wanted = Some(expected);
        } else if found < expected {
            let detail = format!("the segment begins with entry {found}, expected {expected}");
            self.fail(Kind::Duplicated, expected, detail);
        } else if state.last_leaf != self.roll.last_leaf && expected > 0 {
            let leaf = self.roll.last_leaf;
            let link = BrokenLink { seq: expected, leaf, segment: self.segment, offset: self.offset };
            self.accuse_previous(&link);
        } else if state.range != self.roll.to_state().range {
            let detail = "the segment header has other subtree roots than the entries before it".to_owned();
            self.fail(Kind::Altered, expected, detail);
        }
        self.ended = false;
    }

    fn entry(&mut self, frame: &Frame<'_>) {
        let expected = self.roll.size;
        let (seq, prev_hash) = match canonical::links(frame.payload()) {
            Ok(found) => found,
            Err(DecodeError::Version { version }) => {
                let detail = format!("the entry has canonical form version {version}");
                self.fail(Kind::Unsupported, expected, detail);
                return;
            }
            Err(error) => {
                self.fail(Kind::Altered, expected, error.to_string());
                return;
            }
        };
        let leaf = frame.leaf_hash();
        if let Some(link) = self.broken_link.take() {
            // The entry in the middle carries a wrong hash of its predecessor. If its successor vouches for it, the
            // predecessor is wrong; else it is wrong itself.
            if seq == expected && prev_hash != link.leaf {
                self.accuse(&link);
            } else {
                self.accuse_previous(&link);
            }
            return;
        }
        if seq != expected {
            let detail = format!("found entry {seq}, expected {expected}");
            if seq > expected {
                self.fail(Kind::Missing, expected, detail);
                self.wanted = Some(expected);
            } else if seq + 1 == expected && leaf != self.roll.last_leaf {
                let link = BrokenLink { seq: expected, leaf, segment: self.segment, offset: self.offset };
                self.accuse_previous(&link);
                if let Some(problem) = &mut self.problem {
                    "two different entries claim this place".clone_into(&mut problem.detail);
                }
            } else {
                self.fail(Kind::Duplicated, expected, detail);
            }
            return;
        }
        if prev_hash != self.roll.last_leaf {
            self.broken_link =
                Some(BrokenLink { seq: expected, leaf, segment: self.segment, offset: self.offset });
            self.roll.size += 1; // the successor is expected next; taken back when the link is judged
            return;
        }
        self.undo.last_leaf = Some(self.roll.last_leaf);
        self.roll.push(leaf, &mut self.undo.replaced);
        self.check_heads();
    }

    /// The entry after `link.seq - 1` says that this one is not what it was.
    fn accuse_previous(&mut self, link: &BrokenLink) {
        self.roll.size = link.seq;
        let Some(last_leaf) = self.undo.last_leaf.take() else {
            // There is no entry before that this verifier has read: the link itself is wrong.
            self.accuse(link);
            return;
        };
        self.roll.undo(&mut self.undo.replaced, last_leaf);
        self.valid_segment = self.undo.segment;
        self.valid_bytes = self.undo.bytes;
        self.valid_total = self.undo.total;
        self.fail(
            Kind::Altered,
            link.seq - 1,
            format!("entry {} carries another hash of it than its content has", link.seq),
        );
        if let Some(problem) = &mut self.problem {
            problem.segment = self.valid_segment;
            problem.offset = self.valid_bytes;
        }
    }

    /// The entry `link.seq` is not what it was: neither its predecessor nor its successor fits it.
    fn accuse(&mut self, link: &BrokenLink) {
        self.roll.size = link.seq;
        self.fail(
            Kind::Altered,
            link.seq,
            "it carries another hash of the entry before than that has".to_owned(),
        );
        if let Some(problem) = &mut self.problem {
            problem.segment = link.segment;
            problem.offset = link.offset;
        }
    }

    fn pruned(&mut self, payload: &[u8]) {
        let expected = self.roll.size;
        let parsed =
            payload.split_first_chunk().map(|(seq, rest)| (u64::from_be_bytes(*seq), rest.as_chunks::<32>()));
        let Some((seq, (leaves, []))) = parsed.filter(|(_, (leaves, _))| !leaves.is_empty()) else {
            self.fail(Kind::Altered, expected, "the record of pruned entries is not canonical".to_owned());
            return;
        };
        if seq != expected || self.broken_link.is_some() {
            if let Some(link) = self.broken_link.take() {
                self.accuse_previous(&link);
                return;
            }
            let kind = if seq > expected { Kind::Missing } else { Kind::Duplicated };
            self.fail(kind, expected, format!("found pruned entries from {seq}, expected {expected}"));
            return;
        }
        for leaf in leaves {
            self.undo.last_leaf = None;
            self.roll.push(Hash::from_bytes(*leaf), &mut self.undo.replaced);
            self.check_heads();
            if self.problem.is_some() {
                return;
            }
            self.pruned += 1;
        }
    }

    fn seal(&mut self, payload: &[u8]) {
        let Some(seal) = crate::forward::Seal::from_payload(payload) else {
            self.fail(Kind::Altered, self.roll.size, "the seal is not canonical".to_owned());
            return;
        };
        self.judge_link_at_border(None);
        if self.problem.is_none() && (seal.head.size != self.roll.size || seal.head.root != self.roll.root())
        {
            let detail = format!("a seal over {} entries does not match what precedes it", seal.head.size);
            self.fail(Kind::Altered, self.roll.size.min(seal.head.size), detail);
        }
        if self.problem.is_some() {
            return;
        }
        if self.forward_key.as_mut().is_some_and(|key| !key.check(&seal)) {
            let detail =
                format!("the seal over {} entries was not made with the key of its epoch", seal.head.size);
            self.fail(Kind::Forked, self.sealed, detail);
            return;
        }
        self.seals += 1;
        self.sealed = seal.head.size;
    }

    fn end(&mut self, payload: &[u8]) {
        self.judge_link_at_border(payload.get(8..).and_then(Hash::from_slice));
        if self.problem.is_some() {
            return;
        }
        let mut expected = [0; 40];
        expected[..8].copy_from_slice(&self.roll.size.to_be_bytes());
        expected[8..].copy_from_slice(self.roll.last_leaf.as_bytes());
        if payload == expected {
            self.ended = true;
        } else if payload.len() == 40 && payload[..8] == expected[..8] && self.roll.size > 0 {
            let leaf = self.roll.last_leaf;
            let link = BrokenLink { seq: self.roll.size, leaf, segment: self.segment, offset: self.offset };
            self.accuse_previous(&link);
        } else {
            let detail = "the end of the segment does not match what precedes it".to_owned();
            self.fail(Kind::Missing, self.roll.size, detail);
        }
    }

    /// At a border the last leaf named there, if any, vouches for the entry in the middle.
    fn judge_link_at_border(&mut self, last_leaf: Option<Hash>) {
        if let Some(link) = self.broken_link.take() {
            if last_leaf.is_some_and(|leaf| leaf != link.leaf) {
                self.accuse(&link);
            } else {
                self.accuse_previous(&link);
            }
        }
    }

    /// After a problem, records are read only to see whether the missing entry comes later.
    fn look_for_wanted(&mut self, frame: &Frame<'_>) {
        let Some(wanted) = self.wanted else { return };
        if frame.kind != FrameKind::Entry {
            return;
        }
        if canonical::decode(frame.payload()).is_ok_and(|entry| entry.seq == wanted) {
            if let Some(problem) = &mut self.problem {
                problem.kind = Kind::Reordered;
                problem.detail = format!("{}; it comes later", problem.detail);
            }
            self.wanted = None;
        }
    }

    fn check_heads(&mut self) {
        while let Some(head) = self.heads.get(self.next_head).copied() {
            if head.size > self.roll.size {
                return;
            }
            self.next_head += 1;
            if head.size < self.roll.size {
                continue;
            }
            let root = self.roll.root();
            if root == head.root {
                self.vouched = head.size;
            } else {
                let detail = format!(
                    "the root over {} entries is {root}, a trusted head says {}",
                    head.size, head.root
                );
                self.fail(Kind::Forked, self.vouched, detail);
                return;
            }
        }
    }
}

/// The verifier's own account of the tree: a stack of complete subtrees with strictly falling levels.
#[derive(Clone, Debug)]
struct Roll {
    size: u64,
    last_leaf: Hash,
    stack: Vec<(u32, Hash)>,
}

impl Roll {
    fn from_state(state: &State) -> Self {
        let size = state.size();
        let levels = (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1);
        let stack = levels.zip(state.range.peaks().iter().copied()).collect();
        Self { size, last_leaf: state.last_leaf, stack }
    }

    fn to_state(&self) -> State {
        let size = self.stack.iter().map(|(level, _)| 1 << level).sum();
        let peaks = self.stack.iter().map(|(_, hash)| *hash).collect();
        let range = CompactRange::from_parts(size, peaks).expect("levels fall strictly");
        State { last_leaf: self.last_leaf, range }
    }

    /// Adds a leaf; what it merges with goes to `replaced`.
    fn push(&mut self, leaf: Hash, replaced: &mut Vec<(u32, Hash)>) {
        replaced.clear();
        let mut top = (0, leaf);
        while let Some((_, left)) = self.stack.pop_if(|(level, _)| *level == top.0) {
            replaced.push((top.0, left));
            top = (top.0 + 1, node_hash(&left, &top.1));
        }
        self.stack.push(top);
        self.size += 1;
        self.last_leaf = leaf;
    }

    /// Takes the last leaf back.
    fn undo(&mut self, replaced: &mut Vec<(u32, Hash)>, last_leaf: Hash) {
        self.stack.pop();
        self.stack.extend(replaced.drain(..).rev());
        self.size -= 1;
        self.last_leaf = last_leaf;
    }

    fn root(&self) -> Hash {
        let mut hashes = self.stack.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = hashes.next() else { return Hash::EMPTY_ROOT };
        hashes.fold(last, |right, left| node_hash(&left, &right))
    }
}
