//! Whatever the store holds: one report, however the bytes are cut, and a valid prefix that verifies.
#![no_main]

use ecosystem_audit::{Log, prune_segment, segment, verify};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&repaired(bytes));
});

fn check(bytes: &[u8]) {
    let report = verify::verify(bytes);
    let mut verifier = verify::Verifier::new();
    bytes.chunks(3).for_each(|piece| verifier.push(piece));
    assert_eq!(verifier.finish(), report);
    let (log, _) = Log::open([bytes]);
    assert_eq!((log.size(), log.root()), (report.size, report.root));
    assert!(log.verify().ok());
    let _ = prune_segment(bytes);
    let _ = segment::records(bytes).count();
}

/// The same records with right lengths and checksums, so that what lies behind the checksum is reached as well.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 0;
    while let Some(header) = out.get_mut(at..at + 8) {
        let (length, kind) = (u16::from_be_bytes([header[2], header[3]]), header[1]);
        let inverse = (!length).to_be_bytes();
        header.copy_from_slice(&[0xEC, kind, header[2], header[3], inverse[0], inverse[1], 1, 0]);
        let end = at + 8 + usize::from(length);
        let Some(checksum) = out.get(at..end).map(crc32fast::hash) else { break };
        let Some(place) = out.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&checksum.to_be_bytes());
        at = end + 4;
    }
    out
}
