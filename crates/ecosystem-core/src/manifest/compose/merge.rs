//! Overrides: how a later file or an extending service changes what it builds on (Compose Specification, "Merge").

use super::super::tree::{Entry, Mark, Node, Value};
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

/// The document without what `!reset` takes away; the marks have done their work once all files are merged.
pub(super) fn settled(node: &Node) -> Node {
    if !has_marks(node) {
        return node.clone();
    }
    match &node.value {
        Value::Map(entries) => {
            let kept = entries.iter().filter(|e| e.node.mark != Mark::Reset);
            Node::map(node.pos, kept.map(|e| Entry { node: settled(&e.node), ..e.clone() }).collect())
        }
        Value::List(items) => {
            let kept = items.iter().filter(|item| item.mark != Mark::Reset);
            Node::list(node.pos, kept.map(settled).collect())
        }
        Value::Scalar(_) => node.clone().marked(Mark::None),
    }
}

fn has_marks(node: &Node) -> bool {
    node.mark != Mark::None
        || node.entries().iter().any(|e| has_marks(&e.node))
        || node.items().iter().any(has_marks)
}

fn merge_key(key: &str, base: &Node, over: &Node) -> Node {
    if over.mark != Mark::None {
        return over.clone();
    }
    if KEYED_LISTS.contains(&key)
        && let (Some(base), Some(over)) = (keyed(key, base), keyed(key, over))
    {
        return merge_maps(base.entries(), &over, &base);
    }
    match (&base.value, &over.value) {
        (Value::Map(entries), Value::Map(_)) => merge_maps(entries, over, base),
        (Value::List(items), Value::List(more)) if !REPLACED.contains(&key) => {
            let mut all: Vec<Node> = items.to_vec();
            for one in more.iter() {
                let same = |item: &Node| match (mount_target(key, item), mount_target(key, one)) {
                    (Some(a), Some(b)) => a == b,
                    _ => one.text().is_some() && item.text() == one.text(),
                };
                match all.iter().position(same) {
                    Some(at) => all[at] = one.clone(),
                    None => all.push(one.clone()),
                }
            }
            Node::list(base.pos, all)
        }
        _ if over.is_null() => base.clone(),
        _ => over.clone(),
    }
}

/// Where a volume, configuration or secret is mounted: there is one mount for each place.
fn mount_target<'n>(key: &str, item: &'n Node) -> Option<&'n str> {
    if !matches!(key, "volumes" | "configs" | "secrets") {
        return None;
    }
    match item.text() {
        Some(short) if key == "volumes" => {
            let mut parts = short.split(':');
            let first = parts.next()?;
            Some(parts.next().unwrap_or(first))
        }
        Some(short) => Some(short),
        None => ["target", "source"].iter().find_map(|part| item.get(part).and_then(Node::text)),
    }
}

fn merge_maps(entries: &[Entry], over: &Node, base: &Node) -> Node {
    let mut merged: indexmap::IndexMap<Arc<str>, Entry> =
        entries.iter().map(|e| (Arc::clone(&e.key), e.clone())).collect();
    for entry in over.entries() {
        if entry.node.mark == Mark::Reset && merged.shift_remove(&entry.key).is_some() {
            continue;
        }
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
