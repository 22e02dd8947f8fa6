//! Decoders of outside bytes never panic, whatever they are given: random bytes, and good bytes that were changed.
#![allow(clippy::unwrap_used, clippy::tests_outside_test_module, reason = "tests fail by panicking")]

use ecosystem_audit::note::Note;
use ecosystem_audit::proof::{self, EmptyTree};
use ecosystem_audit::tiles::{self, TileId};
use ecosystem_audit::witness::AddCheckpoint;
use ecosystem_audit::{Checkpoint, Draft, Hash, Log, State, TlogProof, did, prune_segment, segment, verify};
use proptest::prelude::*;

/// Gives the bytes to every decoder there is.
fn feed(bytes: &[u8]) {
    let _ = ecosystem_audit::decode(bytes);
    let _ = State::from_bytes(bytes);
    let _ = Note::parse(bytes).map(|note| note.to_string());
    let _ = AddCheckpoint::parse(bytes).map(|request| request.to_string());
    let _ = prune_segment(bytes);
    let _ = segment::records(bytes).count();
    for size in [1, 3, 256] {
        let id = TileId::entries(0, size).unwrap();
        let _ = tiles::parse_bundle(&id, bytes);
        let _ = tiles::parse_hash_tile(&id, bytes);
    }
    if let Ok(text) = core::str::from_utf8(bytes) {
        let _ = Checkpoint::parse(text).map(|checkpoint| checkpoint.to_text());
        let _ = TlogProof::parse(text).map(|proof| proof.to_string());
        let _ = TileId::parse(text).map(|id| id.to_string());
        let _ = did::to_ed25519(text);
        #[cfg(feature = "ed25519")]
        {
            let _ = ecosystem_audit::Ed25519Verifier::from_text(text);
            let _ = ecosystem_audit::Ed25519Signer::from_text(text);
        }
    }
    let (log, report) = Log::open([bytes]);
    assert_eq!((log.size(), log.root()), (report.size, report.root));
    assert!(log.verify().ok(), "the valid prefix is valid");
    let mut verifier = verify::Verifier::new();
    bytes.chunks(5).for_each(|piece| verifier.push(piece));
    assert_eq!(verifier.finish(), report);
    #[cfg(feature = "parallel")]
    assert_eq!(verify::verify_segments_parallel(&[bytes], &[]), report);
}

/// Good bytes of every kind.
fn samples() -> Vec<Vec<u8>> {
    let mut log = Log::new().with_entries_per_segment(3);
    for i in 0..8 {
        log.append(&Draft::new(i, "alice", "vm.start", "vm/é").with_field("n", 5)).unwrap();
    }
    let checkpoint = Checkpoint::new("example.com/log", log.head()).unwrap().to_text();
    let note = format!("{checkpoint}\n— example.com/log AAAAAAAA\n");
    let hashes = log.tree().view(8).unwrap().inclusion(3).unwrap();
    let entries = (0..3).map(|seq| log.canonical(seq).unwrap());
    vec![
        log.to_bytes(),
        log.canonical(2).unwrap().to_vec(),
        prune_segment(&log.to_bytes()).unwrap(),
        checkpoint.into_bytes(),
        format!("old 3\n{}\n\n{note}", Hash::ZERO.to_base64()).into_bytes(),
        TlogProof::new(3, hashes, note.clone()).to_string().into_bytes(),
        note.into_bytes(),
        tiles::bundle(entries).unwrap(),
        b"tile/0/x001/x234/067.p/3".to_vec(),
        did::from_ed25519(&[3; 32]).into_bytes(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        feed(&bytes);
    }

    #[test]
    fn changed_good_bytes(
        sample in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        double in any::<bool>(),
    ) {
        let samples = samples();
        let mut bytes = samples[sample.index(samples.len())].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let end = cut.index(bytes.len() + 1);
        feed(&bytes);
        feed(&bytes[..end]);
        if double {
            bytes.extend_from_within(..end);
            feed(&bytes);
        }
    }

    #[test]
    fn proofs_of_any_shape(
        numbers in any::<[u64; 3]>(),
        shift in any::<[u8; 3]>(),
        hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let [a, b, c] = [0, 1, 2].map(|i| numbers[i] >> (shift[i] % 64));
        let hashes: Vec<Hash> = hashes.into_iter().map(Hash::from_bytes).collect();
        let root = Hash::ZERO;
        prop_assert!(proof::verify_inclusion(a, b, &root, &hashes, &root).is_err() || b == 1);
        let _ = proof::verify_consistency((a, &root), (b, &root), &hashes, EmptyTree::Accept);
        let _ = proof::verify_subtree_inclusion(a, (b, c), &root, &hashes, &root);
        let _ = proof::verify_subtree_consistency((a, b), c, &hashes, &root, &root);
    }
}
