//! What other formats have no word for travels beside it, so that a file reads back to the same map.

use crate::component::Component;
use crate::dependency::Dependency;
use crate::finding::Evidence;
use serde_json::{Map, Value, json};

/// Key of the annotation or extension with the attributes of a component.
pub(super) const COMPONENT: &str = "vm-ecosystem/component";
/// Key of the annotation or extension with its edges.
pub(super) const NEEDS: &str = "vm-ecosystem/needs";

/// A component without its evidence and what is empty.
pub(super) fn component(component: &Component) -> Value {
    let plain = Component { evidence: Vec::new(), ..component.clone() };
    dense(serde_json::to_value(plain).unwrap_or_default()).unwrap_or_else(|| json!({}))
}

/// Edges of a component, with the names that the file has for their targets.
pub(super) fn needs<'a>(
    edges: impl Iterator<Item = &'a Dependency>,
    name: impl Fn(&Dependency) -> String,
) -> Option<Value> {
    let list = edges.map(|edge| {
        let mut one = edge.clone();
        if Evidence::is_plain(&one.evidence) {
            one.evidence.clear();
        }
        let mut value = dense(serde_json::to_value(one).unwrap_or_default()).unwrap_or_else(|| json!({}));
        if let Value::Object(map) = &mut value {
            map.remove("from");
            map.insert("to".to_owned(), json!(name(edge)));
        }
        value
    });
    let list: Vec<Value> = list.collect();
    (!list.is_empty()).then_some(Value::Array(list))
}

/// Amounts of which none is the same as nothing said.
const AMOUNTS: [&str; 7] =
    ["cpu", "memory", "disk", "network", "dirty_bytes_per_second", "bytes_per_s", "calls_per_1000_s"];
/// Words that are read where nothing is said.
const DEFAULTS: [(&str, &str); 4] =
    [("criticality", "medium"), ("strength", "hard"), ("mode", "synchronous"), ("condition", "started")];

fn says_nothing(key: &str, value: &Value) -> bool {
    (AMOUNTS.contains(&key) && value.as_u64() == Some(0))
        || DEFAULTS.iter().any(|(k, word)| *k == key && value.as_str() == Some(word))
}

/// The value without nulls, empty texts, lists and maps, and without what is read where nothing is said.
fn dense(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::Array(items) if items.is_empty() => None,
        Value::Object(map) => {
            let kept: Map<String, Value> = map
                .into_iter()
                .filter(|(key, value)| !says_nothing(key, value))
                .filter_map(|(key, value)| Some((key, dense(value)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        other => Some(other),
    }
}
