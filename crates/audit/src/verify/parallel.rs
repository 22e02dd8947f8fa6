//! Verification on several threads: every segment from the state in its own header, then the seams between them.

use super::stream::Verifier;
use super::{Head, Report};
use crate::frame::{self, Kind as FrameKind};
use crate::state::State;

/// Verifies segments on all threads of the current rayon pool; the report equals that of
/// [`verify_segments_against`](super::verify_segments_against) to the last byte.
///
/// Every segment is checked from the state in its own header; then the end of each must be the beginning of the
/// next. Where that fails, the sequential verifier looks again from the last sound segment to name the problem.
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
