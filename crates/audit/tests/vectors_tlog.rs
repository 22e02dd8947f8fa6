//! Notes, checkpoints, tiles, proof files and witnesses against the vectors of other implementations.
#![cfg(feature = "ed25519")]
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

use common::{base64, bytes, hex, json, jsonl, number, text};
use ecosystem_audit::note::{self, Note, NoteError, NoteSigner as _, NoteVerifier};
use ecosystem_audit::tiles::{self, TileId, TileKind, TileReader};
use ecosystem_audit::verify::Head;
use ecosystem_audit::{
    Checkpoint, Draft, Ed25519CosignatureVerifier, Ed25519Cosigner, Ed25519Signer, Ed25519Verifier, Log,
    TlogProof, Tree, Witness, did, leaf_hash, proof, prove,
};
use serde_json::Value as Json;

fn items(value: &Json) -> &[Json] {
    value.as_array().unwrap()
}

fn as_text(value: &Json) -> &str {
    value.as_str().unwrap()
}

#[test]
fn signed_note_vectors() {
    let Some(vectors) = json("tlog/signed_note_vectors.json") else { return };
    let sign = &vectors["sign"];
    let signer = Ed25519Signer::from_text(as_text(&sign["signer_key_public_test_key"])).unwrap();
    let note = Note::sign(as_text(&sign["text"]), &[&signer]).unwrap();
    assert_eq!(note.to_string(), as_text(&sign["expected_note"]));
    assert_eq!(Ed25519Signer::from_text(&signer.to_secret_text()).unwrap().key_id(), signer.key_id());
    let cases = items(&vectors["verify"]);
    for case in cases {
        let keys: Vec<Ed25519Verifier> = items(&case["keys"])
            .iter()
            .map(|key| Ed25519Verifier::from_text(as_text(key)).unwrap())
            .collect();
        let keys: Vec<&dyn NoteVerifier> = keys.iter().map(|key| key as &dyn NoteVerifier).collect();
        let opened = Note::parse(as_text(&case["note"]).as_bytes()).and_then(|note| note.open(&keys));
        let result = match &opened {
            Ok(_) => "ok",
            Err(NoteError::Malformed { .. }) => "malformed",
            Err(NoteError::AmbiguousKey { .. }) => "ambiguous key",
            Err(NoteError::InvalidSignature { .. }) => "invalid signature",
            Err(error) => panic!("{error}"),
        };
        assert_eq!(result, as_text(&case["result"]), "{}", case["desc"]);
        if let Ok(opened) = opened {
            let names =
                |list: &[note::NoteSignature]| list.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
            let expected =
                |list: &Json| items(list).iter().map(|s| as_text(s).to_owned()).collect::<Vec<_>>();
            assert_eq!(names(&opened.verified), expected(&case["verified"]));
            assert_eq!(names(&opened.unverified), expected(&case["unverified"]));
        }
    }
    let mut bad = 0;
    for key in items(&vectors["bad_verifier_keys"]) {
        assert!(Ed25519Verifier::from_text(as_text(key)).is_err(), "{key}");
        bad += 1;
    }
    let good = signer.verifier().to_text();
    for len in 0..good.len() {
        assert!(Ed25519Verifier::from_text(good.get(..len).unwrap()).is_err());
        let mut changed = good.clone().into_bytes();
        changed[len] += 1;
        assert!(Ed25519Verifier::from_text(&String::from_utf8(changed).unwrap()).is_err(), "byte {len}");
        bad += 2;
    }
    println!("signed notes: 1 signed, {} opened or refused, {bad} bad keys refused", cases.len());
    assert_eq!(cases.len(), 10);
}

#[test]
fn checkpoint_body_vectors() {
    let Some(vectors) = json("tlog/checkpoint_body_vectors.json") else { return };
    let cases = items(&vectors["cases"]);
    for case in cases {
        let parsed = Checkpoint::parse(as_text(&case["text"]));
        assert_eq!(parsed.is_ok(), case["ok"].as_bool().unwrap(), "{case}");
        if let Ok(checkpoint) = parsed {
            assert_eq!(checkpoint.to_text(), as_text(&case["text"]));
            assert_eq!(checkpoint.extensions.len(), case["extensions"].as_array().map_or(0, Vec::len));
        }
    }
    println!("checkpoint bodies: {}", cases.len());
    assert_eq!(cases.len(), 7);
}

#[test]
fn tlog_proof_syntax_vectors() {
    let Some(vectors) = json("tlog/tlog_proof_syntax.json") else { return };
    let cases = items(&vectors["cases"]);
    for case in cases {
        let parsed = TlogProof::parse(as_text(&case["text"]));
        assert_eq!(parsed.is_ok(), case["ok"].as_bool().unwrap(), "{case}");
        if let Ok(proof) = parsed {
            assert_eq!(proof.to_string(), as_text(&case["text"]));
            assert_eq!(proof.index, number(&case["index"]));
            assert_eq!(proof.hashes.len() as u64, number(&case["hashes"]));
        }
    }
    println!("tlog-proof texts: {}", cases.len());
    assert_eq!(cases.len(), 5);
}

#[test]
fn a_proof_file_verifies_offline_and_a_damaged_one_does_not() {
    let signer = Ed25519Signer::from_seed("example.com/fleet", &[3; 32]).unwrap();
    let mut log = Log::new();
    for i in 0..23 {
        log.append(&Draft::new(i, "alice", "vm.start", format!("vm/{i}"))).unwrap();
    }
    let checkpoint = Checkpoint::new("example.com/fleet", log.head()).unwrap().sign(&[&signer]).unwrap();
    let hashes = log.tree().view(23).unwrap().inclusion(5).unwrap();
    let mut file = TlogProof::new(5, hashes, checkpoint.to_string());
    file.extra = Some(b"note to self".to_vec());
    let text = file.to_string();
    let read = TlogProof::parse(&text).unwrap();
    assert_eq!(read, file);
    let leaf = log.tree().leaf(5).unwrap();
    let key = signer.verifier();
    assert_eq!(read.verify(&leaf, "example.com/fleet", &[&key]).unwrap().head, log.head());
    assert!(read.verify(&leaf, "example.com/other", &[&key]).is_err());
    assert!(read.verify(&log.tree().leaf(6).unwrap(), "example.com/fleet", &[&key]).is_err());
    let mut refused = 0;
    for i in 0..text.len() {
        let mut damaged = text.clone().into_bytes();
        damaged[i] ^= 2;
        let Ok(damaged) = String::from_utf8(damaged) else { continue };
        let verdict =
            TlogProof::parse(&damaged).ok().and_then(|p| p.verify(&leaf, "example.com/fleet", &[&key]).ok());
        // The extra bytes are not covered by the proof, as the format says.
        let extra = text.find("extra ").unwrap()..text.find("\nindex").unwrap();
        assert!(verdict.is_none() || extra.contains(&i), "byte {i}");
        refused += usize::from(verdict.is_none());
    }
    println!("proof file: 1 accepted, {refused} damaged ones refused");
}

#[test]
fn the_tessera_log_is_reproduced_byte_for_byte() {
    let Some(keys) = json("tlog/tessera-log/keys.json") else { return };
    let origin = as_text(&keys["origin"]);
    let signer = Ed25519Signer::from_text(as_text(&keys["signer_key_public_test_key"])).unwrap();
    let verifier = Ed25519Verifier::from_text(as_text(&keys["verifier_key"])).unwrap();
    assert_eq!(signer.verifier(), verifier);
    let leaves = ["one", "two", "three", "four", "five", "six", "seven", "eit"];
    let mut tree = Tree::new();
    let mut files = 0;
    for size in 0..=8_u64 {
        let count = usize::try_from(size).unwrap();
        if let Some(leaf) = count.checked_sub(1) {
            tree.push(leaf_hash(leaves[leaf].as_bytes()));
        }
        let head = Head { size, root: tree.root() };
        let note = Checkpoint::new(origin, head).unwrap().sign(&[&signer]).unwrap();
        let stored = text(&format!("tlog/tessera-log/checkpoint.{size}")).unwrap();
        assert_eq!(note.to_string(), stored);
        assert_eq!(Checkpoint::open(stored.as_bytes(), origin, &[&verifier]).unwrap().0.head, head);
        files += 1;
        let new = tiles::new_tiles(size.saturating_sub(1), size);
        assert_eq!(new.len(), if size == 0 { 0 } else { 2 });
        for id in new {
            let stored = bytes(&format!("tlog/tessera-log/{id}")).unwrap();
            let made = match id.kind() {
                TileKind::Hashes { .. } => tiles::hash_tile(&tree, &id).unwrap(),
                TileKind::Entries => {
                    let entries = leaves[..count].iter().map(|leaf| leaf.as_bytes());
                    assert_eq!(tiles::parse_bundle(&id, &stored).unwrap().len(), count);
                    tiles::bundle(entries).unwrap()
                }
            };
            assert_eq!(made, stored, "{id}");
            files += 1;
        }
        // And back: proofs from nothing but the files.
        let reader =
            TileReader::new(size, |id: &TileId| Ok(bytes(&format!("tlog/tessera-log/{id}")).unwrap()));
        assert_eq!(prove::subtree_root(&reader, 0, size).unwrap(), head.root);
        for index in 0..size {
            let hashes = prove::inclusion(&reader, index, (0, size)).unwrap();
            let leaf = tree.leaf(index).unwrap();
            assert_eq!(proof::verify_inclusion(index, size, &leaf, &hashes, &head.root), Ok(()));
        }
    }
    println!("tessera log: {files} files equal byte for byte");
    assert_eq!(files, 9 + 16);
}

#[test]
fn a_log_goes_out_as_tiles_and_comes_back_the_same() {
    let mut log = Log::new();
    let mut store = std::collections::BTreeMap::new();
    let mut published = 0;
    for size in [1, 255, 256, 257, 700, 70_000] {
        while log.size() < size {
            log.append(&Draft::new(log.size(), "alice", "vm.start", "vm/1")).unwrap();
        }
        for id in tiles::new_tiles(published, size) {
            let first = id.index() * tiles::TILE_WIDTH;
            let made = match id.kind() {
                TileKind::Hashes { .. } => tiles::hash_tile(log.tree(), &id).unwrap(),
                TileKind::Entries => tiles::bundle(
                    (first..first + u64::from(id.width())).map(|seq| log.canonical(seq).unwrap()),
                )
                .unwrap(),
            };
            assert_eq!(TileId::parse(&id.to_string()), Ok(id));
            assert_eq!(store.insert(id.to_string(), made), None, "tiles never change");
        }
        published = size;
    }
    assert_eq!(store.keys().filter(|path| path.starts_with("tile/2/")).count(), 1);
    let reader = TileReader::new(70_000, |id: &TileId| {
        store.get(&id.to_string()).map(|bytes| &bytes[..]).ok_or_else(|| panic!("{id} was not published"))
    });
    assert_eq!(reader.tree().unwrap().root(), log.root());
    assert_eq!(prove::subtree_root(&reader, 0, 70_000).unwrap(), log.root());
    for (from, index) in [(1, 0), (300, 299), (65_536, 65_537), (69_999, 69_999)] {
        let view = log.tree().view(70_000).unwrap();
        assert_eq!(prove::inclusion(&reader, index, (0, 70_000)).unwrap(), view.inclusion(index).unwrap());
        assert_eq!(prove::consistency(&reader, (0, from), 70_000).unwrap(), view.consistency(from).unwrap());
    }
    let mut again = Log::new();
    for index in 0..70_000_u64.div_ceil(256) {
        let id = TileId::entries(index, 70_000).unwrap();
        for entry in tiles::parse_bundle(&id, &store[&id.to_string()]).unwrap() {
            again.append_entry(&ecosystem_audit::decode(entry).unwrap().to_entry()).unwrap();
        }
    }
    assert_eq!(again.to_bytes(), log.to_bytes());
}

#[test]
fn the_witness_conversation_of_another_implementation() {
    let Some(vectors) = json("tlog/witness_conversation_sigsum.json") else { return };
    let key: [u8; 32] = hex(as_text(&vectors["log_ed25519_public_key_hex"])).try_into().unwrap();
    let origin = as_text(&vectors["log_origin"]);
    let log_key = Ed25519Verifier::new(origin, &key).unwrap();
    let cosigner = Ed25519Cosigner::from_seed(as_text(&vectors["witness_name"]), &[9; 32]).unwrap();
    let mut witness = Witness::new(&cosigner).with_log(origin, vec![&log_key], None);
    let requests = items(&vectors["requests"]);
    for (i, request) in requests.iter().enumerate() {
        let before: Vec<_> = witness.heads().map(|(_, head)| head).collect();
        let body = as_text(&request["request_body"]);
        let answer = witness.add_checkpoint(body.as_bytes(), 1_700_000_000);
        assert_eq!(
            u64::from(answer.status()),
            number(&request["expected_status"]),
            "request {i}: {answer:?}"
        );
        for wanted in items(&request["asserts"]) {
            let wanted = as_text(wanted);
            if let Some(part) = wanted.strip_prefix("body contains ") {
                let part: String = serde_json::from_str(part).unwrap();
                assert!(answer.body().contains(&part), "request {i}: {} has no {part}", answer.body());
            } else if let Some(body) = wanted.strip_prefix("body == ") {
                assert_eq!(answer.body(), serde_json::from_str::<String>(body).unwrap());
            } else {
                panic!("unknown assertion {wanted}");
            }
        }
        if answer.status() == 200 {
            // The cosignature is good, over this checkpoint at this time.
            let note = body.split_once("\n\n").unwrap().1;
            let cosigned = format!("{note}{}", answer.body());
            let key = Ed25519CosignatureVerifier::from_text(&cosigner.verifier().to_text()).unwrap();
            let opened = Note::parse(cosigned.as_bytes()).unwrap().open(&[&log_key, &key]).unwrap();
            assert_eq!(opened.verified.len(), 2);
            let time = key.time(opened.text.as_bytes(), &opened.verified[1].signature);
            assert_eq!(time, Some(1_700_000_000));
        } else {
            assert_eq!(witness.heads().map(|(_, head)| head).collect::<Vec<_>>(), before);
        }
    }
    println!("witness: {} requests answered as expected", requests.len());
    assert_eq!(requests.len(), 9);
}

#[test]
fn a_witness_refuses_a_fork_at_every_size() {
    let signer = Ed25519Signer::from_seed("example.com/fleet", &[3; 32]).unwrap();
    let key = signer.verifier();
    let cosigner = Ed25519Cosigner::from_seed("example.com/witness", &[4; 32]).unwrap();
    let leaf =
        |i: u64, fork: bool| leaf_hash(format!("{i}{}", if fork && i >= 7 { "'" } else { "" }).as_bytes());
    let (mut honest, mut forked) = (Tree::new(), Tree::new());
    for i in 0..32 {
        honest.push(leaf(i, false));
        forked.push(leaf(i, true));
    }
    let request = |tree: &Tree, from: u64, to: u64| {
        let head = Head { size: to, root: tree.root_at(to).unwrap() };
        let note = Checkpoint::new("example.com/fleet", head).unwrap().sign(&[&signer]).unwrap();
        let proof = tree.view(to).unwrap().consistency(from).unwrap();
        ecosystem_audit::witness::AddCheckpoint::new(from, proof, note).to_string().into_bytes()
    };
    for size in 8..32 {
        let mut witness = Witness::new(&cosigner).with_log("example.com/fleet", vec![&key], None);
        assert_eq!(witness.add_checkpoint(&request(&honest, 0, size), 1).status(), 200);
        // The same again is fine, the fork of the same size or a larger one is not.
        assert_eq!(witness.add_checkpoint(&request(&honest, size, size), 2).status(), 200);
        assert_eq!(witness.add_checkpoint(&request(&forked, size, size), 3).status(), 409);
        assert_eq!(witness.add_checkpoint(&request(&forked, size, 32), 4).status(), 422);
        assert_eq!(witness.add_checkpoint(&request(&honest, size, 32), 5).status(), 200);
        assert_eq!(witness.add_checkpoint(&request(&honest, size, 32), 6).status(), 409);
    }
}

#[test]
fn rekor_v2_checkpoints_are_signed_by_their_logs() {
    let (Some(keys), Some(cases)) = (json("tlog/rekor_v2_keys.json"), jsonl("merkle/rekor_inclusion.jsonl"))
    else {
        return;
    };
    let (mut verified, mut parsed) = (0, 0);
    for case in cases {
        let Some(note) = case["checkpoint"].as_str() else { continue };
        let unchecked = Note::parse(note.as_bytes()).unwrap();
        let checkpoint = Checkpoint::parse(&unchecked.text).unwrap();
        assert_eq!(checkpoint.head.size, number(&case["tree_size"]));
        assert_eq!(Some(checkpoint.head.root), common::hash(&case["root"]));
        parsed += 1;
        let Some(spki) = keys["keys"].get(&checkpoint.origin) else { continue };
        let key: [u8; 32] = base64(spki)[12..].try_into().unwrap();
        let key = Ed25519Verifier::new(checkpoint.origin.clone(), &key).unwrap();
        let (opened, _) = Checkpoint::open(note.as_bytes(), &checkpoint.origin, &[&key]).unwrap();
        assert_eq!(opened, checkpoint);
        let damaged =
            note.replacen(&checkpoint.head.size.to_string(), &(checkpoint.head.size + 1).to_string(), 1);
        assert!(Checkpoint::open(damaged.as_bytes(), &checkpoint.origin, &[&key]).is_err());
        verified += 1;
    }
    println!("rekor checkpoints: {parsed} parsed, {verified} Ed25519 signatures verified");
    assert!(verified >= 1);
}

#[test]
fn wycheproof_ed25519() {
    let Some(vectors) = json("crypto/wycheproof_ed25519_test.json.gz") else { return };
    let (mut good, mut bad) = (0, 0);
    for group in items(&vectors["testGroups"]) {
        let key: [u8; 32] = hex(as_text(&group["publicKey"]["pk"])).try_into().unwrap();
        let key = Ed25519Verifier::new("wycheproof", &key).unwrap();
        for case in items(&group["tests"]) {
            let accepted = key.verify(&hex(as_text(&case["msg"])), &hex(as_text(&case["sig"])));
            assert_eq!(accepted, case["result"] == "valid", "{case}");
            if accepted { good += 1 } else { bad += 1 }
        }
    }
    println!("wycheproof Ed25519: {good} accepted, {bad} refused");
    assert_eq!(good + bad, number(&vectors["numberOfTests"]));
}

#[test]
fn a_did_key_names_its_key_and_signs() {
    // The example key of the did:key specification (W3C CCG, section "Ed25519").
    let published = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
    let key = did::to_ed25519(published).unwrap();
    assert_eq!(did::from_ed25519(&key), published);
    let signer = Ed25519Signer::from_seed_as_did(&[5; 32]).unwrap();
    let note = Note::sign("hello\n", &[&signer]).unwrap();
    let verifier = Ed25519Verifier::from_did(signer.name()).unwrap();
    assert_eq!(verifier.did(), signer.name());
    assert!(Note::parse(note.to_string().as_bytes()).unwrap().open(&[&verifier]).is_ok());
    for bad in [
        "did:web:example.com",
        "did:key:z6Mk",
        &published.replace('h', "0"),
        &published.replace("z6Mk", "z6LS"),
    ] {
        assert!(did::to_ed25519(bad).is_err(), "{bad}");
    }
}
