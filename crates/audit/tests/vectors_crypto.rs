//! Key derivation and ciphers against published vectors; sealed values that are opened, swapped, changed, forgotten.
#![cfg(feature = "seal")]
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

use common::{hex, json, number, text};
use ecosystem_audit::kdf::hkdf_sha256;
use ecosystem_audit::seal::{
    Aead, Aes256Gcm, KeyMaster, KeyStore as _, MemoryKeyStore, SealError, SealedHeader, WrappedKey,
    XChaCha20Poly1305, commitment,
};
use ecosystem_audit::verify::{self, Head, Kind, Verifier};
use ecosystem_audit::{Draft, ForwardKey, Log, Value, proof};
use proptest::prelude::*;

#[test]
fn rfc5869_hkdf_sha256() {
    let Some(vectors) = text("crypto/rfc5869-hkdf-sha256.txt") else { return };
    let (mut secret, mut salt, mut info, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for line in vectors.lines() {
        let Some((name, value)) = line.split_once('=').map(|(n, v)| (n.trim(), v.trim())) else { continue };
        match name {
            "IKM" => secret = hex(value),
            "salt" => salt = hex(value),
            "info" => info = hex(value),
            "OKM" => {
                let expected = hex(value);
                let mut out = vec![0; expected.len()];
                let split = info.len() / 2;
                hkdf_sha256(&salt, &secret, &[&info[..split], &info[split..]], &mut out).unwrap();
                assert_eq!(out, expected);
                count += 1;
            }
            _ => {}
        }
    }
    assert!(hkdf_sha256(b"", b"", &[], &mut vec![0; 8161]).is_err());
    println!("HKDF-SHA256: {count} derivations");
    assert_eq!(count, 3);
}

#[test]
fn wycheproof_xchacha20_poly1305() {
    let Some(vectors) = json("crypto/wycheproof_xchacha20_poly1305_test.json.gz") else { return };
    let (mut good, mut bad) = (0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            let field = |name: &str| hex(case[name].as_str().unwrap());
            let valid = case["result"] == "valid";
            let key: [u8; 32] = field("key").try_into().unwrap();
            let key = XChaCha20Poly1305.with_key(&key);
            let (nonce, aad, message) = (field("iv"), field("aad"), field("msg"));
            let Ok(tag) = field("tag").try_into() else {
                // Nonces of another length: there is nothing to open, and nothing is sealed with them.
                assert!(!valid && key.seal(&nonce, &aad, &mut message.clone()).is_none(), "{case}");
                bad += 1;
                continue;
            };
            let mut buffer = field("ct");
            assert_eq!(key.open(&nonce, &aad, &mut buffer, &tag), valid, "{case}");
            if valid {
                assert_eq!(buffer, message);
                assert_eq!(key.seal(&nonce, &aad, &mut buffer), Some(tag));
                assert_eq!(buffer, field("ct"));
                good += 1;
            } else {
                bad += 1;
            }
        }
    }
    println!("wycheproof XChaCha20-Poly1305: {good} opened, {bad} refused");
    assert_eq!(good + bad, number(&vectors["numberOfTests"]));
}

/// Test cases of "The Galois/Counter Mode of Operation", 13 to 16 (AES-256, 96-bit nonces).
#[test]
fn published_aes_256_gcm_cases() {
    let (zero, short_zero) = ("0".repeat(64), "0".repeat(24));
    let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                 b16aedf5aa0de657ba637b391aafd255";
    let cipher = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
                  c5f61e6393ba7a0abcc9f662898015ad";
    let aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
    let short = |text: &str| text.chars().take(120).collect::<String>();
    let nonce = "cafebabefacedbaddecaf888";
    let cases = [
        (
            zero.as_str(),
            short_zero.as_str(),
            "",
            String::new(),
            String::new(),
            "530f8afbc74536b9a963b4f1c4cb738b",
        ),
        (
            &zero,
            short_zero.as_str(),
            "",
            "0".repeat(32),
            "cea7403d4d606b6e074ec5d3baf39d18".to_owned(),
            "d0d1c8a799996bf0265b98b5d48ab919",
        ),
        (key, nonce, "", plain.to_owned(), cipher.to_owned(), "b094dac5d93471bdec1a502270e3cc6c"),
        (key, nonce, aad, short(plain), short(cipher), "76fc6ece0f4e1768cddf8853bb2d551b"),
    ];
    for (key, nonce, aad, plain, cipher, tag) in &cases {
        let key = Aes256Gcm.with_key(&hex(key).try_into().unwrap());
        let mut buffer = hex(plain);
        let made = key.seal(&hex(nonce), &hex(aad), &mut buffer).unwrap();
        assert_eq!((buffer.clone(), made.to_vec()), (hex(cipher), hex(tag)));
        assert!(key.open(&hex(nonce), &hex(aad), &mut buffer, &made));
        assert_eq!(buffer, hex(plain));
        let mut wrong = made;
        wrong[0] ^= 1;
        assert!(!key.open(&hex(nonce), &hex(aad), &mut hex(cipher), &wrong));
        assert_eq!(key.seal(&[0; 11], b"", &mut buffer), None);
    }
    println!("AES-256-GCM: {} cases", cases.len());
}

/// Random bytes for tests: a counter stretched by a hash.
fn random() -> impl FnMut(&mut [u8]) {
    let mut counter = 0_u64;
    move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(32) {
            counter += 1;
            chunk.copy_from_slice(&ecosystem_audit::sha256(&counter.to_be_bytes()).as_bytes()[..chunk.len()]);
        }
    }
}

const BOTH: &[&dyn Aead] = &[&Aes256Gcm, &XChaCha20Poly1305];
const SWAPPED: &[&dyn Aead] = &[&XChaCha20Poly1305, &Aes256Gcm];

fn sealed_bytes(value: &Value) -> &[u8] {
    match value {
        Value::Sealed(bytes) => bytes,
        other => panic!("{other:?} is not sealed"),
    }
}

#[test]
fn rotation_keeps_old_values_readable_and_new_ones_use_the_new_key_and_cipher() {
    let (mut store, mut random) = (MemoryKeyStore::new(), random());
    let master = KeyMaster::new(&[1; 32], BOTH);
    let first = master.sealing_key(&mut store, "person/1", &mut random).unwrap();
    let old = first.seal("after", &Value::text("old"), &mut random).unwrap();
    let master = KeyMaster::new(&[1; 32], SWAPPED);
    assert_eq!(master.issue(&mut store, "person/1", &mut random).unwrap().epoch(), 1);
    let second = master.sealing_key(&mut store, "person/1", &mut random).unwrap();
    let new = second.seal("after", &Value::from(7_i64), &mut random).unwrap();
    let headers = [&old, &new].map(|value| SealedHeader::parse(sealed_bytes(value)).unwrap());
    assert_eq!((headers[0].epoch, headers[0].suite, headers[1].epoch, headers[1].suite), (0, 1, 1, 2));
    for (value, epoch, expected) in [(&old, 0, Value::text("old")), (&new, 1, Value::from(7_i64))] {
        let key = master.key(&store, "person/1", epoch).unwrap();
        let opened = key.open("after", sealed_bytes(value)).unwrap();
        assert_eq!(opened.value, expected);
        assert_eq!(commitment(&opened.salt, &opened.value), opened.commitment);
        assert_ne!(commitment(&opened.salt, &Value::text("else")), opened.commitment);
    }
    assert!(matches!(second.open("after", sealed_bytes(&old)), Err(SealError::UnknownSuite { suite: 1 })));
    let thief = KeyMaster::new(&[2; 32], BOTH);
    assert!(matches!(thief.key(&store, "person/1", 0), Err(SealError::WrongKey)));
}

#[test]
fn a_sealed_value_opens_only_for_its_subject_and_field_and_only_unchanged() {
    let (mut store, mut random) = (MemoryKeyStore::new(), random());
    for ciphers in [BOTH, SWAPPED] {
        let master = KeyMaster::new(&[1; 32], ciphers);
        let key = master.issue(&mut store, "person/1", &mut random).unwrap();
        let other = master.issue(&mut store, "person/2", &mut random).unwrap();
        let value = key.seal("after", &Value::text("secret"), &mut random).unwrap();
        let bytes = sealed_bytes(&value);
        assert!(key.open("after", bytes).is_ok());
        assert!(key.open("before", bytes).is_err() && other.open("after", bytes).is_err());
        for i in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[i] ^= 1;
            assert!(key.open("after", &changed).is_err(), "byte {i}");
            assert!(key.open("after", &bytes[..i]).is_err(), "cut at {i}");
        }
        let again = key.seal("after", &Value::text("secret"), &mut random).unwrap();
        assert_ne!(again, value, "salt and nonce differ each time");
    }
}

#[test]
fn wrapped_keys_survive_storage_and_nothing_else_reads_as_one() {
    let (mut store, mut random) = (MemoryKeyStore::new(), random());
    KeyMaster::new(&[1; 32], BOTH).issue(&mut store, "person/é", &mut random).unwrap();
    let wrapped = store.get("person/é", 0).unwrap().unwrap();
    let bytes = wrapped.to_bytes();
    assert_eq!(WrappedKey::from_bytes(&bytes), Some(wrapped));
    assert_eq!(WrappedKey::from_bytes(&bytes[..80]), None);
    assert_eq!(WrappedKey::from_bytes(&[]), None);
}

#[test]
fn forgetting_a_subject_leaves_every_hash_proof_and_checkpoint_as_it_was() {
    let (mut store, mut random) = (MemoryKeyStore::new(), random());
    let master = KeyMaster::new(&[1; 32], BOTH);
    let mut log = Log::new().with_entries_per_segment(16);
    for i in 0..100_u64 {
        let subject = format!("person/{}", i % 5);
        let key = master.sealing_key(&mut store, &subject, &mut random).unwrap();
        let secret = key.seal("after", &Value::text(format!("secret {i}")), &mut random).unwrap();
        log.append(&Draft::new(i, "clerk", "record.change", subject).with_after(secret)).unwrap();
    }
    let head = log.head();
    let proofs: Vec<_> = (0..100).map(|i| log.tree().view(100).unwrap().inclusion(i).unwrap()).collect();
    assert_eq!(store.erase("person/3").unwrap(), 1);
    for (i, hashes) in (0..).zip(&proofs) {
        let entry = log.entry(i).unwrap().to_entry();
        assert_eq!(
            proof::verify_inclusion(i, 100, &log.entry(i).unwrap().leaf_hash(), hashes, &head.root),
            Ok(())
        );
        let opened = master
            .key(&store, entry.subject(), 0)
            .and_then(|key| key.open("after", sealed_bytes(entry.after().unwrap())));
        match opened {
            Ok(opened) => assert_eq!(opened.value, Value::text(format!("secret {i}"))),
            Err(error) => {
                assert_eq!(entry.subject(), "person/3");
                assert_eq!(error, SealError::Erased { subject: "person/3".to_owned(), epoch: 0 });
            }
        }
    }
    assert!(verify::verify_segments_against(log.segments(), &[head]).ok());
}

#[test]
fn pruned_segments_keep_the_root_and_all_proofs_and_lose_the_content() {
    let mut log = Log::new().with_entries_per_segment(16);
    for i in 0..70 {
        log.append(&Draft::new(i, "alice", "vm.start", format!("unforgettable-{i}"))).unwrap();
    }
    let (head, view) = (log.head(), log.tree().view(70).unwrap());
    let hashes = view.inclusion(3).unwrap();
    let leaf = log.tree().leaf(3).unwrap();
    assert_eq!(log.prune_before(40).unwrap(), 32);
    assert_eq!(log.prune_before(40).unwrap(), 0);
    let report = verify::verify_segments_against(log.segments(), &[head]);
    assert_eq!((report.kind(), report.size, report.root, report.pruned), (None, 70, head.root, 32));
    #[cfg(feature = "parallel")]
    assert_eq!(verify::verify_segments_parallel(&log.segments().collect::<Vec<_>>(), &[head]), report);
    assert!(log.entry(31).is_none() && log.entry(32).is_some());
    assert_eq!(log.entries().count(), 38);
    let stored = log.to_bytes();
    let contains = |needle: &str| stored.windows(needle.len()).any(|window| window == needle.as_bytes());
    assert!(!contains("unforgettable-31") && contains("unforgettable-32"));
    let (mut opened, report) = Log::open([&stored[..]]);
    assert!(report.ok());
    assert_eq!(opened.tree().view(70).unwrap().inclusion(3).unwrap(), hashes);
    assert_eq!(proof::verify_inclusion(3, 70, &leaf, &hashes, &head.root), Ok(()));
    opened.append(&Draft::new(70, "alice", "vm.stop", "vm/1")).unwrap();
    log.append(&Draft::new(70, "alice", "vm.stop", "vm/1")).unwrap();
    assert_eq!(opened.root(), log.root());
    assert!(opened.verify().ok());
    // A changed hash of a pruned entry shows at the border to the next segment.
    let mut damaged: Vec<Vec<u8>> = log.segments().map(<[u8]>::to_vec).collect();
    let at = damaged[1].len() - 60 - 40;
    damaged[1][at] ^= 1;
    let report = verify::verify_segments(damaged.iter().map(|s| &s[..]));
    assert_eq!((report.kind(), report.size), (Some(Kind::Damaged), 16));
}

#[test]
fn an_intruder_with_todays_key_cannot_rewrite_what_was_sealed_before() {
    let first_key = [7; 32];
    let build = |forged_from: u64, stolen: Option<&ForwardKey>| {
        let mut key = ForwardKey::new(&first_key);
        let mut log = Log::new();
        for i in 0..30 {
            let who = if i >= forged_from { "nobody" } else { "mallory" };
            log.append(&Draft::new(i, who, "data.delete", "db/1")).unwrap();
            if i % 10 == 9 {
                // The intruder has only the key of epoch 2, which he can evolve but not turn back.
                match stolen {
                    Some(stolen) if i >= forged_from && key.epoch() < 2 => {
                        let mut fake = stolen.clone();
                        log.seal(&mut fake);
                        key = ForwardKey::resume(key.epoch() + 1, key.secret());
                    }
                    _ => {
                        log.seal(&mut key);
                    }
                }
            }
        }
        (log, key)
    };
    let check = |log: &Log| {
        let mut verifier = Verifier::new().with_forward_key(ForwardKey::new(&first_key));
        verifier.push(&log.to_bytes());
        let report = verifier.finish();
        (report.kind().zip(report.first_bad()), report.seals)
    };
    let (honest, key) = build(u64::MAX, None);
    assert_eq!((check(&honest), key.epoch()), ((None, 3), 3));
    let mut stolen = ForwardKey::new(&first_key);
    for _ in 0..2 {
        stolen.seal(Head { size: 0, root: honest.root() });
    }
    assert_eq!(check(&build(12, Some(&stolen)).0), (Some((Kind::Forked, 10)), 1));
    assert_eq!(check(&build(5, Some(&stolen)).0), (Some((Kind::Forked, 0)), 0));
    // Without the key nobody notices: the forged log is consistent in itself.
    assert!(build(12, Some(&stolen)).0.verify().ok());
    // A seal over another root is noticed even without the key.
    let mut bytes = honest.to_bytes();
    let len = bytes.len();
    let crc = |bytes: &[u8]| crc32fast::hash(&bytes[len - 92..len - 4]).to_be_bytes();
    assert_eq!(bytes[len - 92..len - 90], [0xEC, 4]);
    bytes[len - 60] ^= 1;
    let fixed = crc(&bytes);
    bytes[len - 4..].copy_from_slice(&fixed);
    assert_eq!(verify::verify(&bytes).kind(), Some(Kind::Altered));
}

proptest! {
    #[test]
    fn random_bytes_never_open_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut store, mut random) = (MemoryKeyStore::new(), random());
        let key = KeyMaster::new(&[1; 32], BOTH).issue(&mut store, "s", &mut random).unwrap();
        prop_assert!(key.open("after", &bytes).is_err());
        let _ = SealedHeader::parse(&bytes);
        let _ = WrappedKey::from_bytes(&bytes);
    }
}
