//! Maps that this library wrote itself (`export::json`): read back with everything in them, part by part, so that a part
//! that does not fit is named with its line.

use super::draft::Draft;
use super::report::Report;
use super::tree::{At, Node, Value};
use crate::component::Component;
use crate::dependency::Dependency;
use crate::rules::Rule;
use serde_json::{Map, Number};

/// What a document of this kind says in `format`.
pub(crate) const FORMAT: &str = "vm-ecosystem/map";

/// Reads one map.
pub(crate) fn read(root: &At<'_>, draft: &mut Draft, report: &mut Report) {
    if root.text_of("version") != Some("1") {
        let at = root.get("version").unwrap_or_else(|| root.clone());
        let message = format!("version of the map is {}, expected 1", at.node.describe());
        report.add("E1107", &at, message, "write the map anew with this version of the library");
        return;
    }
    if let Some(name) = root.text_of("name")
        && draft.name.is_empty()
    {
        name.clone_into(&mut draft.name);
    }
    parts(root, "components", report, |component: Component, at, report| {
        let place = report.place(at);
        draft.add(component, place, report);
    });
    parts(root, "dependencies", report, |edge: Dependency, at, report| {
        draft.finished.push((edge, report.place(at)));
    });
    parts(root, "rules", report, |rule: Rule, at, report| draft.rules.push((rule, report.place(at))));
}

/// Every item of a list as a value of ours.
fn parts<T: serde::de::DeserializeOwned>(
    root: &At<'_>,
    key: &str,
    report: &mut Report,
    mut take: impl FnMut(T, &At<'_>, &mut Report),
) {
    let Some(list) = root.get(key) else { return };
    if !list.is_list() {
        super::read::wrong(&list, "a list", report);
        return;
    }
    for at in list.items() {
        match serde_json::from_value(json(at.node)) {
            Ok(part) => take(part, &at, report),
            Err(error) => {
                report.add("E1120", &at, error.to_string(), "write the map anew, or correct this part");
            }
        }
    }
}

/// The node as a JSON value; its depth and size are bounded by the budgets of the tree.
pub(crate) fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        _ if node.is_null() => serde_json::Value::Null,
        Value::Scalar(scalar) if !scalar.plain => scalar.text.as_ref().into(),
        Value::Scalar(scalar) => match &*scalar.text {
            "true" => true.into(),
            "false" => false.into(),
            text => text
                .parse::<u64>()
                .map(Number::from)
                .or_else(|_| text.parse::<i64>().map(Number::from))
                .map_or_else(|_| text.into(), Into::into),
        },
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => {
            let pairs = entries.iter().map(|entry| (entry.key.to_string(), json(&entry.node)));
            pairs.collect::<Map<_, _>>().into()
        }
    }
}
