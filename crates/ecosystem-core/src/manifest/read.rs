//! Typed values out of the tree; what does not fit becomes a finding and the default.

use super::quantity::{self, Prefix};
use super::report::Report;
use super::tree::At;
use crate::resources::Resources;
use crate::units::{BitsPerSecond, Bytes, Micros, Millicores};
use crate::window::MaintenanceWindow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reports keys that are not in the list.
pub(crate) fn known_keys(at: &At<'_>, known: &[&str], report: &mut Report) {
    for (key, key_pos, value) in at.entries() {
        if !known.contains(&key) && !key.starts_with("x-") {
            let place = report.place_of(key_pos, value.path());
            let remedy = report.did_you_mean(
                key,
                known.iter().copied(),
                &format!("expected one of: {}", known.join(", ")),
            );
            report.add_at("W1101", place, format!("unknown key `{}`", super::tree::shorten(key)), remedy);
        }
    }
}

pub(crate) fn wrong(at: &At<'_>, expected: &str, report: &mut Report) {
    report.add(
        "E1102",
        at,
        format!("found {}, expected {expected}", at.node.describe()),
        "correct the value",
    );
}

/// A map; anything else is a finding.
pub(crate) fn map<'a>(at: At<'a>, report: &mut Report) -> Option<At<'a>> {
    if at.is_map() {
        return Some(at);
    }
    wrong(&at, "a map", report);
    None
}

/// A text; anything else is a finding.
pub(crate) fn text<'a>(at: &At<'a>, report: &mut Report) -> Option<&'a str> {
    let found = at.text();
    if found.is_none() {
        wrong(at, "text", report);
    }
    found
}

/// The value of a key, read by `parse`; `expected` says what in the finding if it does not fit.
pub(crate) fn value<T>(
    at: &At<'_>,
    key: &str,
    expected: &str,
    report: &mut Report,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let value = at.get(key)?;
    let found = value.text().and_then(parse);
    if found.is_none() {
        let (message, remedy) = (
            format!("`{key}` is {}, expected {expected}", value.node.describe()),
            format!("write {expected}"),
        );
        report.add("E1104", &value, message, remedy);
    }
    found
}

pub(crate) const CPU: &str = "cores such as `0.5` or `500m`";
pub(crate) const SIZE: &str = "a size such as `512Mi` or `4GB`";
pub(crate) const TIME: &str = "a time with its unit such as `10ms`";
pub(crate) const SPEED: &str = "a throughput such as `1Gbit`";
pub(crate) const WHOLE: &str = "a whole number";

pub(crate) fn u32_of(at: &At<'_>, key: &str, report: &mut Report) -> Option<u32> {
    value(at, key, WHOLE, report, |t| quantity::count(t).and_then(|n| u32::try_from(n).ok()))
}

pub(crate) fn duration_of(at: &At<'_>, key: &str, report: &mut Report) -> Option<Micros> {
    value(at, key, TIME, report, quantity::duration)
}

pub(crate) fn bandwidth_of(at: &At<'_>, key: &str, report: &mut Report) -> Option<BitsPerSecond> {
    value(at, key, SPEED, report, quantity::bandwidth)
}

/// One maintenance window or a list of them.
pub(crate) fn windows_of(at: &At<'_>, key: &str, report: &mut Report) -> Vec<MaintenanceWindow> {
    let mut windows = Vec::new();
    for (text, item) in texts_of(at, key, report) {
        match text.parse::<MaintenanceWindow>() {
            Ok(window) => windows.push(window),
            Err(error) => {
                report.add(
                    "E1104",
                    &item,
                    error.to_string(),
                    "write days and times such as `sun 02:00-04:00`",
                );
            }
        }
    }
    windows
}

pub(crate) fn text_of<'a>(at: &At<'a>, key: &str, report: &mut Report) -> Option<&'a str> {
    at.get(key).and_then(|value| text(&value, report))
}

pub(crate) fn bool_of(at: &At<'_>, key: &str, report: &mut Report) -> Option<bool> {
    value(at, key, "`true` or `false`", report, |t| match t {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    })
}

/// One of some words.
pub(crate) fn word<T: Copy>(
    at: &At<'_>,
    key: &str,
    words: &[(&'static str, T)],
    report: &mut Report,
) -> Option<T> {
    let value = at.get(key)?;
    let found = text(&value, report)?;
    if let Some((_, it)) = words.iter().find(|(word, _)| *word == found) {
        return Some(*it);
    }
    let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let remedy =
        report.did_you_mean(found, all.iter().copied(), &format!("expected one of: {}", all.join(", ")));
    report.add(
        "E1103",
        &value,
        format!("`{key}` is `{}`, which is not known", super::tree::shorten(found)),
        remedy,
    );
    None
}

/// A list of texts; a single text is a list of one.
pub(crate) fn texts<'a>(at: &At<'a>, report: &mut Report) -> Vec<(&'a str, At<'a>)> {
    if at.is_list() {
        at.items().filter_map(|item| text(&item, report).map(|t| (t, item))).collect()
    } else {
        text(at, report).map(|t| (t, at.clone())).into_iter().collect()
    }
}

pub(crate) fn texts_of<'a>(at: &At<'a>, key: &str, report: &mut Report) -> Vec<(&'a str, At<'a>)> {
    at.get(key).map_or_else(Vec::new, |value| texts(&value, report))
}

/// A map from text to text.
pub(crate) fn labels_of(at: &At<'_>, key: &str, report: &mut Report) -> BTreeMap<Arc<str>, Arc<str>> {
    let Some(value) = at.get(key).and_then(|value| map(value, report)) else { return BTreeMap::new() };
    let mut labels = BTreeMap::new();
    for (key, _, value) in value.entries() {
        if value.node.is_null() {
            labels.insert(Arc::from(key), Arc::from(""));
        } else if let Some(text) = text(&value, report) {
            labels.insert(Arc::from(key), Arc::from(text));
        }
    }
    labels
}

/// A resource vector: `cpu`, `memory`, `disk`, `network`, and whole numbers of anything else.
pub(crate) fn resources(at: &At<'_>, report: &mut Report) -> Resources {
    let mut vector = Resources::default();
    if !at.is_map() {
        wrong(at, "a map of resources such as `{cpu: 500m, memory: 512Mi}`", report);
        return vector;
    }
    vector.cpu = value(at, "cpu", CPU, report, quantity::cpu).unwrap_or(Millicores::ZERO);
    let mut size = |key: &str| {
        value(at, key, SIZE, report, |t| quantity::bytes(t, Prefix::Decimal)).unwrap_or(Bytes::ZERO)
    };
    vector.memory = size("memory");
    vector.disk = size("disk");
    vector.network = bandwidth_of(at, "network", report).unwrap_or(BitsPerSecond::ZERO);
    for (key, _, _) in at.entries() {
        if !matches!(key, "cpu" | "memory" | "disk" | "network")
            && let Some(amount) = value(at, key, WHOLE, report, quantity::count)
        {
            vector.extended.insert(Arc::from(key), amount);
        }
    }
    vector
}
