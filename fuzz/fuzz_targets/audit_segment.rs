//! Whatever the store holds: one report, however the bytes are cut, and a valid prefix that verifies.
#![no_main]

use ecosystem_audit::{Log, prune_segment, segment, verify};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let report = verify::verify(bytes);
    let mut verifier = verify::Verifier::new();
    bytes.chunks(3).for_each(|piece| verifier.push(piece));
    assert_eq!(verifier.finish(), report);
    let (log, _) = Log::open([bytes]);
    assert_eq!((log.size(), log.root()), (report.size, report.root));
    assert!(log.verify().ok());
    let _ = prune_segment(bytes);
    let _ = segment::records(bytes).count();
});
