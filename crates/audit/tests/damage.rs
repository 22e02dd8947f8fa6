//! Every kind of damage to a stored log is found, named and located, and the prefix before it recovered.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "tests fail by panicking and print their counts"
)]

use ecosystem_audit::verify::{self, Head, Kind, Report};
use ecosystem_audit::{Category, Draft, Log, Severity, Value, Writer};

fn draft(i: u64) -> Draft {
    Draft::new(
        1_700_000_000_000 + i * 1_000,
        format!("user-{}", i % 7),
        "vm.restart",
        format!("vm/{}", i % 13),
    )
    .with_category(Category::RECOVERY)
    .with_severity(Severity::ALL[(i % 8) as usize])
    .with_reason("host stopped answering")
    .with_correlation_id(format!("op-{}", i / 3))
    .with_before(Value::json("{\"state\":\"running\"}").unwrap())
    .with_field("attempt", i64::try_from(i).unwrap())
}

fn log(entries: u64, per_segment: u32) -> Log {
    let mut log = Log::new().with_entries_per_segment(per_segment);
    for i in 0..entries {
        log.append(&draft(i)).unwrap();
    }
    log
}

/// Offsets of the frames of a segment.
fn frames(segment: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < segment.len() {
        let len = 12 + usize::from(u16::from_be_bytes([segment[at + 2], segment[at + 3]]));
        frames.push(at..at + len);
        at += len;
    }
    frames
}

/// Rewrites the checksum of a frame after its payload was changed, as an attacker would.
fn fix_crc(segment: &mut [u8], frame: &std::ops::Range<usize>) {
    let crc = crc32fast::hash(&segment[frame.start..frame.end - 4]);
    segment[frame.end - 4..frame.end].copy_from_slice(&crc.to_be_bytes());
}

fn check(segments: &[Vec<u8>], expected: Option<(Kind, u64)>) -> Report {
    let segments: Vec<&[u8]> = segments.iter().map(|s| &s[..]).collect();
    let report = verify::verify_segments(segments.iter().copied());
    assert_eq!(report.kind().zip(report.first_bad()), expected, "{report:?}");
    #[cfg(feature = "parallel")]
    assert_eq!(verify::verify_segments_parallel(&segments, &[]), report);
    // Byte by byte gives the same report as segment by segment.
    let mut verifier = verify::Verifier::new();
    for segment in &segments {
        for piece in segment.chunks(7) {
            verifier.push(piece);
        }
        verifier.end_segment();
    }
    assert_eq!(verifier.finish(), report);
    // The valid prefix verifies, and can be opened.
    if let Some((_, first_bad)) = expected {
        assert_eq!(report.size, first_bad);
    }
    let (opened, _) = Log::open(segments.iter().copied());
    assert_eq!((opened.size(), opened.root()), (report.size, report.root));
    assert!(opened.verify().ok());
    report
}

fn stored(log: &Log) -> Vec<Vec<u8>> {
    log.segments().map(<[u8]>::to_vec).collect()
}

#[test]
fn an_untouched_log_verifies_whole_in_pieces_and_in_parallel() {
    for entries in [0, 1, 2, 3, 15, 16, 17, 64, 100] {
        let log = log(entries, 16);
        let report = check(&stored(&log), None);
        assert_eq!((report.size, report.root, report.remaining_bytes), (entries, log.root(), 0));
        assert!(verify::verify(&log.to_bytes()).ok());
        assert_eq!(log.verify(), log.verify());
    }
}

/// Flips every byte of the stored form of 1,000 entries in turn; segments are verified from the state in front of
/// them, so the test looks only at what a flip can touch.
#[test]
fn every_flipped_byte_of_a_thousand_entries_is_found_and_located() {
    let log = log(1_000, 8);
    let segments = stored(&log);
    let mut flips = 0_usize;
    let mut state = ecosystem_audit::State::new();
    for (number, segment) in segments.iter().enumerate() {
        let frames = frames(segment);
        let mut damaged = segment.clone();
        for (f, frame) in frames.iter().enumerate() {
            for i in frame.clone() {
                for flip in [0x01, 0x80, 0xff] {
                    damaged[i] ^= flip;
                    let mut verifier = verify::Verifier::resume(&state);
                    verifier.push(&damaged);
                    let report = verifier.finish();
                    // Frame 0 is the header: whatever follows is not vouched for. Others are entries, and the last is
                    // the end of the segment.
                    let entry = state.size() + (f as u64).saturating_sub(1);
                    let problem =
                        report.problem.unwrap_or_else(|| panic!("segment {number} byte {i} not found"));
                    assert_eq!(
                        (problem.kind, problem.seq, problem.offset),
                        (Kind::Damaged, entry, frame.start as u64),
                        "segment {number} byte {i}"
                    );
                    damaged[i] ^= flip;
                    flips += 1;
                }
            }
        }
        let mut verifier = verify::Verifier::resume(&state);
        verifier.push(segment);
        state = verifier.finish().state;
    }
    assert_eq!(state.root(), log.root());
    println!("{flips} flips found and located");
    assert!(flips > 400_000);
}

#[test]
fn a_torn_tail_keeps_every_whole_entry_at_every_cut() {
    let log = log(20, 16);
    let segments = stored(&log);
    let last = &segments[1];
    for cut in 0..last.len() {
        let whole = frames(last).iter().filter(|frame| frame.end <= cut).count() as u64;
        let at_border = cut == 0 || frames(last).iter().any(|frame| frame.end == cut);
        let size = 16 + whole.saturating_sub(1);
        let expected = (!at_border).then_some((Kind::TornTail, size));
        let report = check(&[segments[0].clone(), last[..cut].to_vec()], expected);
        assert_eq!(report.size, size);
    }
}

#[test]
fn a_segment_cut_in_the_middle_of_the_log_is_named_truncated() {
    let segments = stored(&log(40, 16));
    let frames = frames(&segments[0]);
    for (whole, frame) in frames.iter().enumerate().skip(1).take(16) {
        for cut in [frame.start, frame.start + 1, frame.end - 1] {
            let mut damaged = segments.clone();
            damaged[0].truncate(cut);
            check(&damaged, Some((Kind::TruncatedSegment, whole as u64 - 1)));
        }
    }
}

#[test]
fn a_missing_a_doubled_and_a_moved_segment_are_told_apart() {
    let segments = stored(&log(64, 16));
    let pick = |order: &[usize]| order.iter().map(|i| segments[*i].clone()).collect::<Vec<_>>();
    check(&pick(&[0, 2, 3]), Some((Kind::Missing, 16)));
    check(&pick(&[1, 2, 3]), Some((Kind::Missing, 0)));
    check(&pick(&[0, 2, 1, 3]), Some((Kind::Reordered, 16)));
    check(&pick(&[0, 1, 1, 2, 3]), Some((Kind::Duplicated, 32)));
}

#[test]
fn missing_doubled_and_moved_entries_are_told_apart() {
    let segment = &stored(&log(16, 16))[0];
    let frames = frames(segment);
    let pick = |order: &[usize]| {
        vec![order.iter().flat_map(|i| segment[frames[*i].clone()].to_vec()).collect::<Vec<u8>>()]
    };
    let all: Vec<usize> = (0..=16).collect();
    check(&pick(&all), None);
    for entry in 0..15_usize {
        let mut order = all.clone();
        order.remove(entry + 1);
        check(&pick(&order), Some((Kind::Missing, entry as u64)));
        let mut order = all.clone();
        order.swap(entry + 1, entry + 2);
        check(&pick(&order), Some((Kind::Reordered, entry as u64)));
        let mut order = all.clone();
        order.insert(entry + 1, entry + 1);
        check(&pick(&order), Some((Kind::Duplicated, entry as u64 + 1)));
    }
}

#[test]
fn an_entry_rewritten_with_a_fresh_checksum_is_accused_by_its_successor() {
    let segments = stored(&log(40, 16));
    for number in 0..3 {
        let frames = frames(&segments[number]);
        let entries = if number == 2 { 8 } else { 16 };
        for (f, frame) in frames.iter().enumerate().skip(1).take(entries) {
            let seq = number as u64 * 16 + f as u64 - 1;
            // Byte 12 of the entry is its time, byte 20 the hash of its predecessor.
            for byte in [12, 19, 20, 51] {
                let mut damaged = segments.clone();
                damaged[number][frame.start + 8 + byte] ^= 4;
                fix_crc(&mut damaged[number], frame);
                let touches_link = byte >= 20;
                let last = seq == 39;
                let expected = match (touches_link, last) {
                    // Nobody vouches for the last entry: only a trusted head can accuse it.
                    (false, true) => None,
                    // Two entries contradict each other and no third decides: neither is vouched for.
                    (true, true) => Some((Kind::Altered, 38)),
                    _ => Some((Kind::Altered, seq)),
                };
                // The first entry has no predecessor to contradict.
                check(&damaged, expected);
            }
        }
    }
}

#[test]
fn an_inserted_forgery_is_accused_by_the_entry_it_displaces() {
    let log = log(10, 16);
    let segment = &stored(&log)[0];
    let frames = frames(segment);
    let mut writer =
        Writer::resume(log.tree().compact_range(0).map(|_| ecosystem_audit::State::new()).unwrap());
    let mut forged = Vec::new();
    for i in 0..5 {
        forged.clear();
        let draft = if i < 4 { draft(i) } else { draft(i).with_reason("forged") };
        writer.append(&draft, &mut forged).unwrap();
    }
    let mut damaged = segment[..frames[5].start].to_vec();
    damaged.extend_from_slice(&forged);
    damaged.extend_from_slice(&segment[frames[5].start..]);
    check(&[damaged], Some((Kind::Altered, 4)));
}

#[test]
fn rollback_truncation_and_a_rewritten_tail_show_against_a_trusted_head() {
    let log = log(40, 16);
    let head = log.head();
    let early = Head { size: 20, root: log.tree().root_at(20).unwrap() };
    let against = |segments: &[Vec<u8>], heads: &[Head]| {
        let segments: Vec<&[u8]> = segments.iter().map(|s| &s[..]).collect();
        let report = verify::verify_segments_against(segments.iter().copied(), heads);
        #[cfg(feature = "parallel")]
        assert_eq!(verify::verify_segments_parallel(&segments, heads), report);
        report.kind().zip(report.first_bad())
    };
    let segments = stored(&log);
    assert_eq!(against(&segments, &[head, early]), None);
    assert_eq!(against(&segments[..2], &[early, head]), Some((Kind::RolledBack, 32)));
    assert_eq!(against(&[], &[early]), Some((Kind::RolledBack, 0)));
    // A tail rewritten from entry 30 on, with fresh hashes everywhere.
    let mut other = Log::new().with_entries_per_segment(16);
    for i in 0..40 {
        other.append(&if i < 30 { draft(i) } else { draft(i).with_reason("nothing happened") }).unwrap();
    }
    assert_eq!(against(&stored(&other), &[]), None);
    assert_eq!(against(&stored(&other), &[head]), Some((Kind::Forked, 0)));
    assert_eq!(against(&stored(&other), &[head, early]), Some((Kind::Forked, 20)));
    // Nothing is consistent with a wrong root over no entries.
    let wrong = Head { size: 0, root: ecosystem_audit::Hash::ZERO };
    assert_eq!(against(&segments, &[wrong]), Some((Kind::Forked, 0)));
}

#[test]
fn a_writer_resumes_after_a_crash_from_the_valid_prefix() {
    let mut writer = Writer::new();
    let mut segment = Vec::new();
    writer.begin_segment(&mut segment);
    for i in 0..10 {
        writer.append(&draft(i), &mut segment).unwrap();
    }
    let root = writer.root();
    writer.append(&draft(10), &mut segment).unwrap();
    segment.truncate(segment.len() - 5);
    let report = verify::verify(&segment);
    assert_eq!((report.kind(), report.size, report.root), (Some(Kind::TornTail), 10, root));
    segment.truncate(usize::try_from(report.valid_bytes).unwrap());
    let mut writer = Writer::resume(report.state);
    writer.append(&draft(10), &mut segment).unwrap();
    let mut second = Vec::new();
    writer.begin_segment(&mut second);
    writer.append(&draft(11), &mut second).unwrap();
    let report = check(&[segment, second], None);
    assert_eq!((report.size, report.root), (12, writer.root()));
    assert_eq!(report.root, log(12, 16).root());
}
