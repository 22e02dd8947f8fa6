//! The stream: bytes in pieces become whole records, the valid prefix grows or the first problem is kept.

use super::records::{BrokenLink, Undo};
use super::roll::Roll;
use super::{Head, Kind, Problem, Report};
use crate::forward::ForwardKey;
use crate::frame::{self, FrameError, Kind as FrameKind};
use crate::state::State;

/// Checks a log as its bytes come in, with memory for one record and `O(log n)` hashes.
///
/// Call [`Verifier::push`] with any pieces of a segment in order, [`Verifier::end_segment`] after each segment, and
/// [`Verifier::finish`] at the end.
#[derive(Clone, Debug)]
pub struct Verifier {
    pub(super) roll: Roll,
    /// What the previous entry has replaced on the stack, to take it back if its successor accuses it.
    pub(super) undo: Undo,
    pub(super) heads: Vec<Head>,
    pub(super) next_head: usize,
    /// Largest trusted head that agreed.
    pub(super) vouched: u64,
    pub(super) pruned: u64,
    pub(super) seals: u64,
    /// Size under the last good seal.
    pub(super) sealed: u64,
    pub(super) forward_key: Option<ForwardKey>,
    /// Start of a record whose end has not come yet.
    pub(super) carry: Vec<u8>,
    pub(super) segment: usize,
    /// Bytes of the current segment already consumed.
    pub(super) offset: u64,
    pub(super) expect_header: bool,
    pub(super) ended: bool,
    /// A link that does not hold, until the next entry tells which side is wrong.
    pub(super) broken_link: Option<BrokenLink>,
    pub(super) torn: Option<Problem>,
    pub(super) problem: Option<Problem>,
    /// After a problem: the entry whose later appearance would mean that records were moved.
    pub(super) wanted: Option<u64>,
    /// After a problem: the rest of this segment cannot be read.
    pub(super) lost: bool,
    pub(super) valid_segment: usize,
    pub(super) valid_bytes: u64,
    pub(super) total_bytes: u64,
    /// Bytes of all whole frames read so far, and of those in the valid prefix.
    pub(super) read_total: u64,
    pub(super) valid_total: u64,
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

    pub(super) fn problem_here(&self, kind: Kind, seq: u64, detail: String) -> Problem {
        Problem { seq, kind, segment: self.segment, offset: self.offset, detail }
    }

    pub(super) fn fail(&mut self, kind: Kind, seq: u64, detail: String) {
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
    pub(super) fn cut_before(&mut self) {
        if let Some(mut torn) = self.torn.take() {
            torn.kind = Kind::TruncatedSegment;
            self.problem.get_or_insert(torn);
        }
    }

    pub(super) fn check_heads(&mut self) {
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
