//! Overrides: how a later file or an extending service changes what it builds on (Compose Specification, "Merge").

use super::super::tree::{Entry, Node, Value};
use std::sync::Arc;

/// Maps whose list form `- KEY=value` means the same as the map form.
const KEYED_LISTS: &[&str] =
    &["environment", "labels", "annotations", "args", "sysctls", "extra_hosts", "depends_on", "networks"];
/// Lists that are replaced, not joined.
const REPLACED: &[&str] = &["command", "entrypoint", "test"];

/// `base` changed by `over`.
pub(super) fn merge(base: &Node, over: &Node) -> Node {
    merge_key("", base, over)
}

fn merge_key(key: &str, base: &Node, over: &Node) -> Node {
    if KEYED_LISTS.contains(&key)
        && let (Some(base), Some(over)) = (keyed(key, base), keyed(key, over))
    {
        return merge_maps(base.entries(), &over, &base);
    }
    match (&base.value, &over.value) {
        (Value::Map(entries), Value::Map(_)) => merge_maps(entries, over, base),
        (Value::List(items), Value::List(more)) if !REPLACED.contains(&key) => {
            let mut all: Vec<Node> = items.to_vec();
            all.extend(more.iter().filter(|one| !all_has(items, one)).cloned());
            Node::list(base.pos, all)
        }
        _ if over.is_null() => base.clone(),
        _ => over.clone(),
    }
}

fn all_has(items: &[Node], one: &Node) -> bool {
    one.text().is_some() && items.iter().any(|item| item.text() == one.text())
}

fn merge_maps(entries: &[Entry], over: &Node, base: &Node) -> Node {
    let mut merged: indexmap::IndexMap<Arc<str>, Entry> =
        entries.iter().map(|e| (Arc::clone(&e.key), e.clone())).collect();
    for entry in over.entries() {
        match merged.get_mut(&entry.key) {
            Some(known) => known.node = merge_key(&entry.key, &known.node, &entry.node),
            None => {
                merged.insert(Arc::clone(&entry.key), entry.clone());
            }
        }
    }
    Node::map(base.pos, merged.into_values().collect())
}

/// The map form of a list such as `- KEY=value`; `None` for nodes that are neither.
fn keyed(key: &str, node: &Node) -> Option<Node> {
    match &node.value {
        Value::Map(_) => Some(node.clone()),
        Value::List(items) => {
            let entries = items.iter().filter_map(|item| {
                let text = item.text()?;
                let separator = if key == "extra_hosts" { [':', '='] } else { ['=', '='] };
                let (name, value) = match text.split_once(separator) {
                    Some((name, value)) => (name, Node::scalar(item.pos, value, false)),
                    None => (text, Node::null(item.pos)),
                };
                Some(Entry { key: Arc::from(name), key_pos: item.pos, node: value })
            });
            Some(Node::map(node.pos, entries.collect()))
        }
        Value::Scalar(_) => None,
    }
}
