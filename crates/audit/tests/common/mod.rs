//! Test vectors of other implementations, found by `VM_ECOSYSTEM_DATA`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests read files, fail loudly, and a skip must be seen"
)]

use std::io::Read as _;
use std::path::PathBuf;

use ecosystem_audit::Hash;
use serde_json::Value as Json;

/// The bytes of a file under `audit/`, unpacked if it is compressed; `None`, with a visible line, if there is no
/// data. In continuous integration missing data is a failure.
pub(crate) fn bytes(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("VM_ECOSYSTEM_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let file = root.join("audit").join(path);
    let Ok(bytes) = std::fs::read(&file) else {
        assert!(std::env::var_os("CI").is_none(), "no data at {}", file.display());
        println!("skipped: no data at {}", file.display());
        return None;
    };
    if std::path::Path::new(path).extension().is_some_and(|e| e == "gz") {
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
        return Some(unpacked);
    }
    Some(bytes)
}

pub(crate) fn text(path: &str) -> Option<String> {
    Some(String::from_utf8(bytes(path)?).unwrap())
}

pub(crate) fn json(path: &str) -> Option<Json> {
    Some(serde_json::from_slice(&bytes(path)?).unwrap())
}

pub(crate) fn jsonl(path: &str) -> Option<Vec<Json>> {
    Some(text(path)?.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// A hash in base64; `None` if it is not 32 bytes long.
pub(crate) fn hash(value: &Json) -> Option<Hash> {
    Hash::from_base64(value.as_str()?)
}

/// Hashes in base64; `None` if one of them is not 32 bytes long. Absent and null mean none.
pub(crate) fn hashes(value: &Json) -> Option<Vec<Hash>> {
    value.as_array().map_or_else(|| Some(Vec::new()), |items| items.iter().map(hash).collect())
}

pub(crate) fn base64(value: &Json) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    base16ct::mixed::decode_vec(text).unwrap()
}

pub(crate) fn number(value: &Json) -> u64 {
    value.as_u64().unwrap()
}
