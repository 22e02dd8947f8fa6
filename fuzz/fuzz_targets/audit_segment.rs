//! Whatever the store holds: one report, however the bytes are cut, and a valid prefix that verifies.
#![no_main]

use ecosystem_audit::verify::{Verifier, verify, verify_segments_parallel};
use ecosystem_audit::{CompactRange, ForwardKey, Hash, Log, leaf_hash, prune_segment, segment};
use vm_ecosystem_fuzz::{FORWARD_KEY, log, seeds};

fn all() -> Vec<Vec<u8>> {
    let mut log = log();
    let whole = log.to_bytes();
    let parts: Vec<Vec<u8>> = log.segments().map(<[u8]>::to_vec).collect();
    log.prune_before(3).expect("the log is good");
    parts.into_iter().chain([whole, log.to_bytes()]).collect()
}

libfuzzer_sys::fuzz_target!(init: seeds(all), |bytes: &[u8]| {
    check(bytes);
    check(&Repair::default().run(bytes, false));
    check(&Repair::default().run(bytes, true));
});

fn check(bytes: &[u8]) {
    let report = verify(bytes);
    let mut verifier = Verifier::new();
    bytes.chunks(3).for_each(|piece| verifier.push(piece));
    assert_eq!(verifier.finish(), report);
    if bytes.len().is_multiple_of(8) {
        // Slow for so few bytes.
        assert_eq!(verify_segments_parallel(&[bytes], &[]), report);
    }
    let (log, _) = Log::open([bytes]);
    assert_eq!((log.size(), log.root()), (report.size, report.root));
    assert!(log.verify().ok());
    if let Ok(pruned) = prune_segment(bytes)
        && report.ok()
    {
        let of_pruned = verify(&pruned);
        assert!(of_pruned.ok());
        assert_eq!((of_pruned.size, of_pruned.root), (report.size, report.root));
    }
    let _ = segment::records(bytes).count();
    let mut verifier = Verifier::new().with_forward_key(ForwardKey::new(&FORWARD_KEY));
    verifier.push(bytes);
    let _ = verifier.finish();
}

/// Writes the same records again with right lengths and checksums, and if wanted with right places, chain and headers, so
/// that what lies behind those is reached as well.
#[derive(Default)]
struct Repair {
    out: Vec<u8>,
    range: CompactRange,
    last: Option<Hash>,
}

impl Repair {
    fn run(mut self, bytes: &[u8], chain: bool) -> Vec<u8> {
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + 8) {
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let Some(payload) = bytes.get(at + 8..at + 8 + length) else { break };
            let payload = if chain { self.chained(header[1], payload.to_vec()) } else { payload.to_vec() };
            self.frame(header[1], &payload);
            at += length + 12;
        }
        self.out
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) {
        let start = self.out.len();
        let length = u16::try_from(payload.len()).expect("no longer than it was");
        self.out.extend_from_slice(&[0xEC, kind]);
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(&(!length).to_be_bytes());
        self.out.extend_from_slice(&[1, 0]);
        self.out.extend_from_slice(payload);
        let checksum = crc32fast::hash(&self.out[start..]);
        self.out.extend_from_slice(&checksum.to_be_bytes());
    }

    fn chained(&mut self, kind: u8, mut payload: Vec<u8>) -> Vec<u8> {
        let last = self.last.unwrap_or(Hash::ZERO);
        let place = self.range.size().to_be_bytes();
        match kind {
            1 => {
                payload = vec![1];
                payload.extend_from_slice(&place);
                payload.extend_from_slice(last.as_bytes());
                payload.push(u8::try_from(self.range.peaks().len()).expect("at most 64"));
                self.range.peaks().iter().for_each(|peak| payload.extend_from_slice(peak.as_bytes()));
            }
            2 if payload.len() >= 52 => {
                payload[4..12].copy_from_slice(&place);
                payload[20..52].copy_from_slice(last.as_bytes());
                self.add(leaf_hash(&payload));
            }
            3 if payload.len() >= 40 => {
                payload.truncate(8 + (payload.len() - 8) / 32 * 32);
                payload[..8].copy_from_slice(&place);
                let leaves: Vec<[u8; 32]> = payload[8..].as_chunks().0.to_vec();
                leaves.into_iter().for_each(|leaf| self.add(Hash::from_bytes(leaf)));
            }
            5 => payload = [&place[..], last.as_bytes()].concat(),
            _ => {}
        }
        payload
    }

    fn add(&mut self, leaf: Hash) {
        self.range.push(leaf);
        self.last = Some(leaf);
    }
}
