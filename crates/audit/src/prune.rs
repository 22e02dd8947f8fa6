//! Retention: old entries are reduced to their leaf hashes, so that every proof still verifies.

use crate::frame::{self, Frame, FrameError, Kind};

/// Most leaf hashes in one frame of pruned entries.
const HASHES_PER_FRAME: usize = 2_047;

/// A segment that cannot be pruned because it is damaged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the segment is damaged at byte {at}: verify it before pruning")]
pub struct PruneError {
    /// Where the first unreadable frame begins.
    pub at: usize,
}

/// A segment in which every entry is replaced by its leaf hash (32 bytes each). Header, seals and end stay as they are,
/// entries pruned before, too. The result verifies to the same root; what the entries said is gone.
pub fn prune_segment(segment: &[u8]) -> Result<Vec<u8>, PruneError> {
    let mut out = Vec::new();
    let mut leaves = Vec::new();
    let mut first_seq = 0_u64;
    let mut at = 0;
    while at < segment.len() {
        let damaged = |_: FrameError| PruneError { at };
        let frame = frame::read(&segment[at..]).map_err(damaged)?;
        if frame.kind == Kind::Entry {
            if leaves.is_empty() {
                first_seq = seq_of(&frame).ok_or(PruneError { at })?;
            }
            leaves.push(frame.leaf_hash());
        } else {
            flush(&mut out, first_seq, &mut leaves);
            out.extend_from_slice(&segment[at..at + frame.len]);
        }
        at += frame.len;
    }
    flush(&mut out, first_seq, &mut leaves);
    Ok(out)
}

/// The place of an entry, from its canonical bytes.
fn seq_of(frame: &Frame<'_>) -> Option<u64> {
    crate::canonical::decode(frame.payload()).ok().map(|entry| entry.seq)
}

fn flush(out: &mut Vec<u8>, first_seq: u64, leaves: &mut Vec<crate::Hash>) {
    for (number, chunk) in (0_u64..).zip(leaves.chunks(HASHES_PER_FRAME)) {
        let written = frame::write::<core::convert::Infallible>(out, Kind::Pruned, |out| {
            out.extend_from_slice(&(first_seq + number * HASHES_PER_FRAME as u64).to_be_bytes());
            for leaf in chunk {
                out.extend_from_slice(leaf.as_bytes());
            }
            Ok(())
        });
        written.expect("writing hashes cannot fail");
    }
    leaves.clear();
}
