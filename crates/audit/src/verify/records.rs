//! The records: whether each follows from what came before, and if not, which side of the seam is wrong.

use super::Kind;
use super::stream::Verifier;
use crate::canonical::{self, DecodeError};
use crate::frame::{Frame, Kind as FrameKind};
use crate::hash::Hash;
use crate::state::State;

/// Where the valid prefix ended before the last entry, and how to take that entry off the tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Undo {
    pub(super) replaced: Vec<(u32, Hash)>,
    pub(super) last_leaf: Option<Hash>,
    pub(super) segment: usize,
    pub(super) bytes: u64,
    pub(super) total: u64,
}

/// An entry that carries another hash of its predecessor than that has.
#[derive(Clone, Debug)]
pub(super) struct BrokenLink {
    pub(super) seq: u64,
    pub(super) leaf: Hash,
    pub(super) segment: usize,
    pub(super) offset: u64,
}

impl Verifier {
    /// Takes the next whole record.
    pub(super) fn frame(&mut self, frame: &Frame<'_>) {
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
    pub(super) fn accuse_previous(&mut self, link: &BrokenLink) {
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
}
