//! Stored states, wrapped keys and sealed values: one byte form each, and nothing opens that was not sealed.
#![no_main]

use std::sync::LazyLock;

use ecosystem_audit::seal::{
    Aes256Gcm, KeyMaster, MemoryKeyStore, SealedHeader, SubjectKey, WrappedKey, XChaCha20Poly1305,
};
use ecosystem_audit::{State, Value, Writer};
use vm_ecosystem_fuzz::{log, seeds};

const SUBJECT: &str = "person/7";

fn key(suite: u8) -> (SubjectKey, MemoryKeyStore) {
    let mut store = MemoryKeyStore::new();
    let mut random = |bytes: &mut [u8]| bytes.fill(9);
    let ciphers: &[&dyn ecosystem_audit::seal::Aead] =
        if suite == 1 { &[&Aes256Gcm] } else { &[&XChaCha20Poly1305] };
    let key = KeyMaster::new(&[1; 32], ciphers).issue(&mut store, SUBJECT, &mut random).expect("a key");
    (key, store)
}

fn sealed(suite: u8) -> Vec<u8> {
    let mut random = |bytes: &mut [u8]| bytes.fill(5);
    match key(suite).0.seal("after", &Value::text("mail@example.com"), &mut random) {
        Ok(Value::Sealed(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

static SEALED: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| [sealed(1), sealed(2)]);

fn all() -> Vec<Vec<u8>> {
    use ecosystem_audit::seal::KeyStore as _;
    let wrapped = key(1).1.get(SUBJECT, 0).expect("a map").expect("it was issued").to_bytes();
    vec![log().state().to_bytes(), State::new().to_bytes(), wrapped, sealed(1), sealed(2)]
}

libfuzzer_sys::fuzz_target!(init: seeds(all), |bytes: &[u8]| {
    for bytes in [bytes, &repaired(bytes)] {
        if let Ok(state) = State::from_bytes(bytes) {
            assert_eq!(state.to_bytes(), bytes);
            let writer = Writer::resume(state.clone());
            assert_eq!((writer.size(), writer.root()), (state.size(), state.root()));
        }
    }
    if let Some(key) = WrappedKey::from_bytes(bytes) {
        assert_eq!(key.to_bytes(), bytes);
    }
    if let Some(header) = SealedHeader::parse(bytes)
        && let 1 | 2 = header.suite
    {
        let opened = key(header.suite).0.open("after", bytes);
        assert!(opened.is_err() || SEALED.iter().any(|sealed| sealed == bytes), "a forged value");
    }
});

/// The same with the right frame around it.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let payload = bytes.get(8..bytes.len().saturating_sub(4)).unwrap_or_default();
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let payload = &payload[..usize::from(length)];
    let mut out = vec![0xEC, 1];
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&(!length).to_be_bytes());
    out.extend_from_slice(&[1, 0]);
    out.extend_from_slice(payload);
    let checksum = crc32fast::hash(&out);
    out.extend_from_slice(&checksum.to_be_bytes());
    out
}
