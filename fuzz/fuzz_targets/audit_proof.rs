//! Proof files and proofs of any shape: nothing that was not made from the tree is accepted, nothing panics.
#![no_main]

use std::sync::LazyLock;

use ecosystem_audit::proof::{self, EmptyTree};
use ecosystem_audit::{Checkpoint, Hash, TlogProof, Tree, leaf_hash};
use vm_ecosystem_fuzz::{log, seeds};

const LEAVES: u8 = 100;

static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let mut tree = Tree::new();
    (0..LEAVES).for_each(|i| tree.push(leaf_hash(&[i])));
    tree
});

fn all() -> Vec<Vec<u8>> {
    let log = log();
    let checkpoint = Checkpoint::new("example.com/log", log.head()).expect("the origin is fine").to_text();
    let view = log.tree().view(log.size()).expect("its own size");
    let mut file =
        TlogProof::new(2, view.inclusion(2).expect("it exists"), format!("{checkpoint}\n— a AAAAAAAA\n"));
    let plain = file.to_string();
    file.extra = Some(vec![1, 2, 3]);
    let numbers: Vec<u8> = [7_u64, 70, 100].iter().flat_map(|n| n.to_be_bytes()).chain([0; 96]).collect();
    vec![plain.into_bytes(), file.to_string().into_bytes(), numbers]
}

libfuzzer_sys::fuzz_target!(init: seeds(all), |bytes: &[u8]| {
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
    damaged(a, b, rest);
});

/// A good proof is accepted; with the input laid over it, unless that changes nothing, refused.
fn damaged(a: u64, b: u64, changes: &[u8]) {
    let size = 1 + b % u64::from(LEAVES);
    let index = a % size;
    let view = TREE.view(size).expect("the tree is larger");
    let (root, leaf) = (view.root(), TREE.leaf(index).expect("the tree is larger"));
    let good = view.inclusion(index).expect("it exists");
    assert_eq!(proof::verify_inclusion(index, size, &leaf, &good, &root), Ok(()));
    let bad = overlaid(&good, changes);
    assert_eq!(proof::verify_inclusion(index, size, &leaf, &bad, &root).is_ok(), bad == good);
    let old = TREE.root_at(index + 1).expect("the tree is larger");
    let good = view.consistency(index + 1).expect("it was once that small");
    let check = |hashes: &[Hash]| {
        proof::verify_consistency((index + 1, &old), (size, &root), hashes, EmptyTree::Refuse)
    };
    assert_eq!(check(&good), Ok(()));
    let bad = overlaid(&good, changes);
    assert_eq!(check(&bad).is_ok(), bad == good);
}

fn overlaid(hashes: &[Hash], changes: &[u8]) -> Vec<Hash> {
    let mut changes = changes.iter();
    let mut out: Vec<Hash> = hashes
        .iter()
        .map(|hash| Hash::from_bytes(hash.as_bytes().map(|byte| byte ^ changes.next().unwrap_or(&0))))
        .collect();
    out.extend(changes.as_slice().as_chunks().0.iter().copied().map(Hash::from_bytes));
    out
}
