//! Proof files and proofs of any shape: nothing that was not made from the tree is accepted, nothing panics.
#![no_main]

use ecosystem_audit::proof::{self, EmptyTree};
use ecosystem_audit::{Hash, TlogProof};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(file) = core::str::from_utf8(bytes).ok().and_then(|text| TlogProof::parse(text).ok()) {
        assert_eq!(TlogProof::parse(&file.to_string()), Ok(file));
    }
    let Some((numbers, rest)) = bytes.split_first_chunk::<24>() else { return };
    let [a, b, c] = [0, 8, 16].map(|i| u64::from_be_bytes(*numbers[i..].first_chunk().expect("24 bytes")));
    let hashes: Vec<Hash> = rest.as_chunks().0.iter().copied().map(Hash::from_bytes).collect();
    let root = Hash::ZERO;
    assert!(proof::verify_inclusion(a, b, &root, &hashes, &root).is_err() || b == 1);
    let _ = proof::verify_consistency((a, &root), (b, &root), &hashes, EmptyTree::Accept);
    let _ = proof::verify_subtree_inclusion(a, (b, c), &root, &hashes, &root);
    let _ = proof::verify_subtree_consistency((a, b), c, &hashes, &root, &root);
});
