//! etcd's JSON gateway (v3): keys and values of instances, range answers, watch events.

use super::DirectoryError;
use super::shared::{form, parse, replica};
use crate::id::ComponentId;
use crate::registry::{Instance, RegistryEvent};
use serde_json::{Value, json};

/// Key of an instance below a prefix: `prefix/web/web#0`.
fn key(prefix: &str, instance: &Instance) -> String {
    format!("{prefix}/{}/{}", instance.replica.component(), instance.replica)
}

/// Body of `POST /v3/kv/put`: the instance under its key, gone when the lease of that number runs out.
///
/// # Example
/// ```
/// use ecosystem_core::directory::etcd;
/// use ecosystem_core::{Instance, ReplicaId};
///
/// let web = Instance::new(ReplicaId::new("web".parse()?, 0), "h1".parse()?, "10.0.0.7", 80);
/// assert!(etcd::put("svc", &web, 7).starts_with("{\"key\":\"c3ZjL3dlYi93ZWIjMA==\","));
/// # Ok::<(), ecosystem_core::InvalidId>(())
/// ```
pub fn put(prefix: &str, instance: &Instance, lease: i64) -> String {
    // an instance has text keys and no floats, so it always serializes
    let value = serde_json::to_string(instance).unwrap_or_default();
    json!({
        "key": encode(key(prefix, instance).as_bytes()),
        "value": encode(value.as_bytes()),
        "lease": lease.to_string(),
    })
    .to_string()
}

/// Body of `POST /v3/kv/deleterange` for one instance.
pub fn delete(prefix: &str, instance: &Instance) -> String {
    json!({ "key": encode(key(prefix, instance).as_bytes()) }).to_string()
}

/// Body of `POST /v3/kv/range` for all instances of a component, or of all components.
pub fn range(prefix: &str, component: Option<&ComponentId>) -> String {
    let (from, to) = span(prefix, component);
    json!({ "key": from, "range_end": to }).to_string()
}

/// Body of `POST /v3/watch` for the same keys, from the revision after `cursor`.
pub fn watch(prefix: &str, component: Option<&ComponentId>, cursor: u64) -> String {
    let (from, to) = span(prefix, component);
    let revision = cursor.saturating_add(1).to_string();
    json!({ "create_request": { "key": from, "range_end": to, "start_revision": revision } }).to_string()
}

/// All keys that begin with `prefix/component/`: up to the same text with its last byte raised by one.
fn span(prefix: &str, component: Option<&ComponentId>) -> (String, String) {
    let start = component.map_or_else(|| format!("{prefix}/"), |id| format!("{prefix}/{id}/"));
    let mut end = start.clone().into_bytes();
    end.pop();
    end.push(b'/' + 1);
    (encode(start.as_bytes()), encode(&end))
}

/// Instances in the answer to [`range`], in order of key, and the revision to watch from. Other keys are left out.
pub fn instances(answer: &str) -> Result<(u64, Vec<Instance>), DirectoryError> {
    let answer = parse(answer)?;
    let cursor = revision(0, &answer["header"])?;
    let pairs = answer["kvs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut all = Vec::new();
    for (number, pair) in pairs.iter().enumerate() {
        all.extend(instance(number, pair)?);
    }
    Ok((cursor, all))
}

/// Changes in one message of the answer to [`watch`]. A deleted key and a lease that ran out look the same.
pub fn events(message: &str) -> Result<Vec<RegistryEvent>, DirectoryError> {
    let message = parse(message)?;
    let list = message["result"]["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut events = Vec::new();
    for (number, event) in list.iter().enumerate() {
        let pair = &event["kv"];
        let Some(index) = number_of(&pair["mod_revision"]) else {
            return form(number, "mod_revision", &pair["mod_revision"], "a number");
        };
        if event["type"].as_str() == Some("DELETE") {
            let key = decoded(number, "key", pair)?;
            let replica = key.rsplit('/').next().and_then(replica);
            events.extend(replica.map(|replica| RegistryEvent { index, replica, instance: None }));
        } else if let Some(instance) = instance(number, pair)? {
            events.push(RegistryEvent { index, replica: instance.replica.clone(), instance: Some(instance) });
        }
    }
    Ok(events)
}

fn revision(entry: usize, header: &Value) -> Result<u64, DirectoryError> {
    match number_of(&header["revision"]) {
        Some(revision) => Ok(revision),
        None => form(entry, "header.revision", &header["revision"], "a number"),
    }
}

/// 64-bit numbers are text in this JSON (as in all of protobuf's).
fn number_of(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// `None` for a key that is not an instance's.
fn instance(entry: usize, pair: &Value) -> Result<Option<Instance>, DirectoryError> {
    if decoded(entry, "key", pair)?.rsplit('/').next().and_then(replica).is_none() {
        return Ok(None);
    }
    let value = decoded(entry, "value", pair)?;
    match serde_json::from_str(&value) {
        Ok(instance) => Ok(Some(instance)),
        Err(_) => form(entry, "value", &Value::String(value), "an instance"),
    }
}

fn decoded(entry: usize, field: &'static str, pair: &Value) -> Result<String, DirectoryError> {
    let bytes = pair[field].as_str().and_then(decode);
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => Ok(text),
        None => form(entry, field, &pair[field], "text in base64"),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648, section 4).
fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, &b| word << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let six = (word >> (18 - 6 * place) & 63) as usize;
            out.push(if place <= chunk.len() { char::from(ALPHABET[six]) } else { '=' });
        }
    }
    out
}

/// `None` for anything but canonical base64 with padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let chunks = text.as_bytes().chunks_exact(4);
    if !chunks.remainder().is_empty() {
        return None;
    }
    let last = chunks.len().saturating_sub(1);
    for (number, chunk) in chunks.enumerate() {
        let padding = chunk.iter().rev().take_while(|&&b| b == b'=').count();
        if padding > 2 || (padding > 0 && number != last) {
            return None;
        }
        let mut word = 0_u32;
        for &b in &chunk[..4 - padding] {
            word = word << 6 | u32::try_from(ALPHABET.iter().position(|&a| a == b)?).ok()?;
        }
        word <<= 6 * padding;
        out.extend_from_slice(&word.to_be_bytes()[1..4 - padding]);
    }
    (encode(&out) == text).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_has_the_vectors_of_its_standard() {
        // RFC 4648, section 10
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(encode(plain.as_bytes()), coded);
            assert_eq!(decode(coded).as_deref(), Some(plain.as_bytes()));
        }
        for wrong in ["Zg=", "Zh==", "Z===", "Zg==Zg==", "Zm 9"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn base64_reads_back_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60), text in "[A-Za-z0-9+/= é]{0,20}") {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
            let _ = decode(&text);
        }
    }
}
