//! Merkle proofs and hashes against the vectors of other implementations; good ones pass, bad ones are refused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "tests fail by panicking and print their counts"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::tests_outside_test_module,
    reason = "vectors are read from files"
)]

use crate::common;

use std::fmt::Write as _;

use common::{base64, hash, hashes, hex, json, jsonl, number, text};
use ecosystem_audit::proof::{self, EmptyTree};
use ecosystem_audit::{CompactRange, Hash, Tree, leaf_hash, prove, sha256};
use serde_json::Value as Json;

fn tree(leaves: impl IntoIterator<Item = Hash>) -> Tree {
    let mut tree = Tree::new();
    leaves.into_iter().for_each(|leaf| tree.push(leaf));
    tree
}

/// Whether the case is accepted; a hash that is not 32 bytes long is refused when it is read. One vector that wants
/// to be accepted has such roots (a text instead of hashes): it cannot be expressed here, and is counted as refused.
fn check(path: &str, accepts: impl Fn(&Json) -> Option<bool>) -> Option<(usize, usize)> {
    let (mut good, mut bad) = (0, 0);
    for case in jsonl(path)? {
        let verdict = accepts(&case);
        let accepted = verdict.unwrap_or(false);
        let wanted =
            !case["wantErr"].as_bool().unwrap() && (verdict.is_some() || hash(&case["root1"]).is_some());
        assert_eq!(accepted, wanted, "{}: {}", case["source"], case["desc"]);
        if wanted { good += 1 } else { bad += 1 }
    }
    println!("{path}: {good} accepted, {bad} refused");
    Some((good, bad))
}

#[test]
fn rfc6962_inclusion_vectors() {
    let found = check("merkle/inclusion.jsonl", |case| {
        let (index, size) = (number(&case["leafIdx"]), number(&case["treeSize"]));
        let (leaf, root) = (hash(&case["leafHash"])?, hash(&case["root"])?);
        Some(proof::verify_inclusion(index, size, &leaf, &hashes(&case["proof"])?, &root).is_ok())
    });
    assert!(found.is_none_or(|(good, bad)| good + bad == 44));
}

#[test]
fn rfc6962_consistency_vectors() {
    let found = check("merkle/consistency.jsonl", |case| {
        let (from, to) = (number(&case["size1"]), number(&case["size2"]));
        let (root1, root2) = (hash(&case["root1"])?, hash(&case["root2"])?);
        let proof = hashes(&case["proof"])?;
        Some(proof::verify_consistency((from, &root1), (to, &root2), &proof, EmptyTree::Refuse).is_ok())
    });
    assert!(found.is_none_or(|(good, bad)| good + bad == 49));
}

#[test]
fn subtree_inclusion_vectors() {
    let found = check("merkle/subtreeinclusion.jsonl", |case| {
        let range = (number(&case["start"]), number(&case["end"]));
        let (leaf, root) = (hash(&case["leafHash"])?, hash(&case["root"])?);
        let proof = hashes(&case["proof"])?;
        Some(proof::verify_subtree_inclusion(number(&case["leafIdx"]), range, &leaf, &proof, &root).is_ok())
    });
    assert!(found.is_none_or(|(good, bad)| good + bad == 92));
}

#[test]
fn subtree_consistency_vectors() {
    let found = check("merkle/subtreeconsistency.jsonl", |case| {
        let range = (number(&case["start"]), number(&case["end"]));
        let (root1, root2) = (hash(&case["root1"])?, hash(&case["root2"])?);
        let proof = hashes(&case["proof"])?;
        Some(proof::verify_subtree_consistency(range, number(&case["size"]), &proof, &root1, &root2).is_ok())
    });
    assert!(found.is_none_or(|(good, bad)| good + bad == 59));
}

#[test]
fn rfc6962_reference_tree() {
    let Some(reference) = json("merkle/rfc6962_reference_tree.json") else { return };
    let strings = |value: &Json| -> Vec<String> {
        value.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
    };
    let tree = tree(strings(&reference["leaf_inputs_hex"]).iter().map(|leaf| leaf_hash(&hex(leaf))));
    let mut nodes = 0;
    for (level, expected) in (0..).zip(reference["node_hashes_hex_by_level"].as_array().unwrap()) {
        for (index, expected) in (0..).zip(strings(expected)) {
            assert_eq!(tree.node(level, index).unwrap().to_hex(), expected);
            nodes += 1;
        }
    }
    let roots = strings(&reference["root_hash_hex_by_size"]);
    for (size, expected) in (0..).zip(&roots) {
        assert_eq!(&tree.root_at(size).unwrap().to_hex(), expected);
    }
    println!("reference tree: {nodes} nodes, {} roots", roots.len());
    assert_eq!((nodes, roots.len()), (15, 9));
}

#[test]
fn all_subtree_hashes_and_inclusion_proofs_up_to_130_accumulate_to_the_published_hash() {
    let Some(expected) = json("merkle/accumulated.json") else { return };
    let tree = tree((0..131_u8).map(|i| leaf_hash(&[i])));
    let (mut roots, mut proofs, mut plain) = (String::new(), String::new(), String::new());
    let mut count = 0;
    for end in 0..=130 {
        for start in (0..=end).filter(|start| proof::is_subtree(*start, end)) {
            let root = prove::subtree_root(&tree, start, end).unwrap();
            writeln!(roots, "[{start}, {end}) {}", root.to_hex()).unwrap();
            for index in start..end {
                let hashes = prove::inclusion(&tree, index, (start, end)).unwrap();
                let leaf = tree.leaf(index).unwrap();
                let verdict = proof::verify_subtree_inclusion(index, (start, end), &leaf, &hashes, &root);
                assert_eq!(verdict, Ok(()));
                let mut line = format!("{index} [{start}, {end})");
                for hash in hashes {
                    write!(line, " {}", hash.to_hex()).unwrap();
                }
                line.push('\n');
                proofs.push_str(&line);
                if start == 0 {
                    plain.push_str(&line);
                }
                count += 1;
            }
        }
    }
    let published = |key: &str, field: &str| expected[key][field].as_str().unwrap().to_owned();
    assert_eq!(sha256(roots.as_bytes()).to_hex(), published("subtree_hash", "sha256_of_all_lines"));
    assert_eq!(sha256(proofs.as_bytes()).to_hex(), published("inclusion", "sha256_of_all_lines"));
    assert!(
        published("inclusion", "start_zero_only_plain_rfc6962")
            .starts_with(&sha256(plain.as_bytes()).to_hex())
    );
    println!("accumulated: {} subtrees, {count} proofs", roots.lines().count());
}

#[test]
fn a_real_certificate_transparency_proof() {
    let Some(case) = json("merkle/ct_argon2020_inclusion.json") else { return };
    let leaf = leaf_hash(&base64(&case["leaf_data_base64"]));
    let (index, size) = (number(&case["index"]), number(&case["tree_size"]));
    let (mut hashes, root) = (hashes(&case["proof"]).unwrap(), hash(&case["root"]).unwrap());
    assert_eq!(proof::verify_inclusion(index, size, &leaf, &hashes, &root), Ok(()));
    for i in 0..hashes.len() {
        hashes.swap(i, (i + 1) % 30);
        assert!(proof::verify_inclusion(index, size, &leaf, &hashes, &root).is_err());
        hashes.swap(i, (i + 1) % 30);
    }
    println!(
        "certificate transparency: 1 proof of {} hashes, {} damaged ones refused",
        hashes.len(),
        hashes.len()
    );
}

#[test]
fn proofs_generated_by_golang_x_mod() {
    let Some(cases) = jsonl("merkle/xmod_generated.jsonl") else { return };
    let tree = tree((0..1024).map(|i| leaf_hash(format!("leaf {i}").as_bytes())));
    let mut counts = [0; 2];
    for case in &cases {
        let expected = hashes(&case["proof"]).unwrap();
        if case["op"] == "inclusion" {
            let (index, size) = (number(&case["index"]), number(&case["tree_size"]));
            let view = tree.view(size).unwrap();
            assert_eq!(Some(view.root()), hash(&case["root"]));
            assert_eq!(view.inclusion(index).unwrap(), expected);
            assert_eq!(prove::inclusion(&tree, index, (0, size)).unwrap(), expected);
            let leaf = leaf_hash(case["leaf_data"].as_str().unwrap().as_bytes());
            assert_eq!(proof::verify_inclusion(index, size, &leaf, &expected, &view.root()), Ok(()));
            counts[0] += 1;
        } else {
            let (from, to) = (number(&case["size1"]), number(&case["size2"]));
            let (root1, root2) = (hash(&case["root1"]).unwrap(), hash(&case["root2"]).unwrap());
            assert_eq!((tree.root_at(from), tree.root_at(to)), (Some(root1), Some(root2)));
            assert_eq!(tree.view(to).unwrap().consistency(from).unwrap(), expected);
            let verdict =
                proof::verify_consistency((from, &root1), (to, &root2), &expected, EmptyTree::Refuse);
            assert_eq!(verdict, Ok(()));
            counts[1] += 1;
        }
    }
    println!("x/mod: {} inclusion, {} consistency proofs made and accepted", counts[0], counts[1]);
    assert_eq!(counts[0] + counts[1], 115);
}

#[test]
fn rekor_entries_are_in_their_log() {
    let Some(cases) = jsonl("merkle/rekor_inclusion.jsonl") else { return };
    for case in &cases {
        let leaf = leaf_hash(&base64(&case["leaf_data_base64"]));
        let (index, size) = (number(&case["index"]), number(&case["tree_size"]));
        let (hashes, root) = (hashes(&case["proof"]).unwrap(), hash(&case["root"]).unwrap());
        let accepted = proof::verify_inclusion(index, size, &leaf, &hashes, &root).is_ok();
        assert_eq!(accepted, case["valid"].as_bool().unwrap());
        assert!(proof::verify_inclusion(index, size, &root, &hashes, &root).is_err());
    }
    println!("rekor: {} proofs accepted", cases.len());
    assert_eq!(cases.len(), 13);
}

#[test]
fn proofs_of_all_sizes_up_to_80_are_accepted_and_fit_nothing_else() {
    let tree = tree((0..80_u8).map(|i| leaf_hash(&[i])));
    let mut range = CompactRange::new();
    for size in 0..=80 {
        let view = tree.view(size).unwrap();
        assert_eq!(view.root(), tree.root_at(size).unwrap());
        assert_eq!(view.root(), range.root());
        for index in 0..size {
            let hashes = view.inclusion(index).unwrap();
            let leaf = tree.leaf(index).unwrap();
            assert_eq!(proof::verify_inclusion(index, size, &leaf, &hashes, &view.root()), Ok(()));
            assert!(
                proof::verify_inclusion((index + 1) % size, size, &leaf, &hashes, &view.root()).is_err()
                    || size == 1
            );
            let longer = [&hashes[..], &[leaf]].concat();
            assert!(proof::verify_inclusion(index, size, &leaf, &longer, &view.root()).is_err());
        }
        for from in 0..=size {
            let hashes = view.consistency(from).unwrap();
            let (old, new) = ((from, &tree.root_at(from).unwrap()), (size, &view.root()));
            assert_eq!(proof::verify_consistency(old, new, &hashes, EmptyTree::Accept), Ok(()));
            let strict = proof::verify_consistency(old, new, &hashes, EmptyTree::Refuse);
            assert_eq!(strict.is_ok(), from > 0 || size == 0);
            let forged = leaf_hash(b"forged");
            let other = proof::verify_consistency((from, &forged), new, &hashes, EmptyTree::Accept);
            assert!(other.is_err());
        }
        for (start, end) in (0..=size).flat_map(|end| (0..end).map(move |start| (start, end))) {
            if !proof::is_subtree(start, end) {
                assert!(view.subtree_consistency(start, end).is_err());
                continue;
            }
            let root = view.subtree_root(start, end).unwrap();
            let hashes = view.subtree_consistency(start, end).unwrap();
            let verdict = proof::verify_subtree_consistency((start, end), size, &hashes, &root, &view.root());
            assert_eq!(verdict, Ok(()), "[{start}, {end}) of {size}");
        }
        assert!(view.inclusion(size).is_err() && view.consistency(size + 1).is_err());
        if size < 80 {
            range.push(tree.leaf(size).unwrap());
        }
    }
}

#[test]
fn nist_sha256_short_messages_and_monte_carlo() {
    let field = |line: &str, name: &str| line.strip_prefix(name).map(|value| value.trim().to_owned());
    let Some(short) = text("sha256/SHA256ShortMsg.rsp") else { return };
    let (mut len, mut message, mut count) = (0, Vec::new(), 0);
    for line in short.lines() {
        if let Some(value) = field(line, "Len =") {
            len = value.parse::<usize>().unwrap() / 8;
        } else if let Some(value) = field(line, "Msg =") {
            message = hex(&value)[..len].to_vec();
        } else if let Some(value) = field(line, "MD =") {
            assert_eq!(sha256(&message).to_hex(), value);
            count += 1;
        }
    }
    let monte = text("sha256/SHA256Monte.rsp").unwrap();
    let mut seed = Vec::new();
    let mut rounds = 0;
    for line in monte.lines() {
        if let Some(value) = field(line, "Seed =") {
            seed = hex(&value);
        } else if let Some(value) = field(line, "MD =") {
            let mut last = [seed.clone(), seed.clone(), seed.clone()];
            for _ in 0..1000 {
                let next = sha256(&last.concat()).as_bytes().to_vec();
                last = [last[1].clone(), last[2].clone(), next];
            }
            seed.clone_from(&last[2]);
            assert_eq!(seed, hex(&value));
            rounds += 1;
        }
    }
    println!("NIST: {count} short messages, {rounds} Monte Carlo rounds");
    assert_eq!((count, rounds), (65, 100));
}
