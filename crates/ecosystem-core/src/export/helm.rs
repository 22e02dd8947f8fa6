//! A Helm chart: the Kubernetes manifests with images, replicas and resources as values.

use super::kubernetes::{self, Settings};
use super::names::Names;
use super::yaml::{self, BLOCK, LITERAL, RAW};
use crate::component::Version;
use crate::ecosystem::Ecosystem;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Files of a chart by their path inside it: `Chart.yaml`, `values.yaml` and one template for each object.
///
/// `helm template` with the values as they are gives the same objects as [`kubernetes::manifests`].
pub fn chart(ecosystem: &Ecosystem, settings: &Settings<'_>) -> BTreeMap<String, String> {
    let names = Names::dns(ecosystem, 52);
    let chart_name = chart_name(ecosystem.name());
    let mut files = BTreeMap::new();
    let versions = ecosystem.components().map(|c| &c.version).filter(|v| !v.is_unknown());
    let app_version = versions.max_by(|a, b| a.semver_cmp(b).unwrap_or(core::cmp::Ordering::Equal));
    let about = json!({
        "apiVersion": "v2", "name": chart_name, "type": "application", "version": "0.1.0",
        "description": format!("{} with {} components", ecosystem.name(), ecosystem.len()),
        "appVersion": app_version.map_or("", Version::as_str),
    });
    files.insert("Chart.yaml".to_owned(), yaml::document(&about));

    let mut values: Map<String, Value> = Map::new();
    for mut object in kubernetes::objects(ecosystem, settings) {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        mark_literals(&mut object);
        if matches!(kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "Job") {
            values.insert(name.clone(), parametrize(&mut object, &name));
        }
        escape_templates(&mut object);
        let text = yaml::template(&object);
        let path = format!("templates/{name}-{}.yaml", kind.to_lowercase());
        files.insert(path, text);
    }
    debug_assert!(ecosystem.components().all(|c| !names.of(&c.id).is_empty()));
    files.insert("values.yaml".to_owned(), yaml::document(&json!({ "components": values })));
    files
}

/// Moves what an operator changes out of a workload into values.
fn parametrize(object: &mut Value, name: &str) -> Value {
    let mut values = Map::new();
    let path = |key: &str| format!("(index .Values.components {} {})", quote(name), quote(key));
    for key in ["replicas", "parallelism"] {
        if let Some(count) = object["spec"].get_mut(key) {
            values.insert("replicas".to_owned(), plain(count.take()));
            *count = Value::String(format!("{RAW}{{{{ {} }}}}", path("replicas")));
        }
    }
    let container = &mut object["spec"]["template"]["spec"]["containers"][0];
    if let Some(image) = container.get_mut("image") {
        values.insert("image".to_owned(), plain(image.take()));
        *image = Value::String(format!("{RAW}{{{{ {} | quote }}}}", path("image")));
    }
    if let Some(resources) = container.get_mut("resources") {
        values.insert("resources".to_owned(), plain(resources.take()));
        *resources = Value::String(format!("{BLOCK}{}", path("resources")));
    }
    Value::Object(values)
}

/// Text of the map that looks like a template must come out as it is.
fn escape_templates(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("{{") && !text.starts_with([RAW, BLOCK]) => {
            // a raw string, because the quotes of another one would be escaped by YAML
            *text = text.replace("{{", "{{ `{{` }}");
        }
        Value::Array(items) => items.iter_mut().for_each(escape_templates),
        Value::Object(map) => map.values_mut().for_each(escape_templates),
        _ => {}
    }
}

/// Text of the map that begins like one of our marks is no mark.
fn mark_literals(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with([RAW, BLOCK, LITERAL]) => text.insert(0, LITERAL),
        Value::Array(items) => items.iter_mut().for_each(mark_literals),
        Value::Object(map) => map.values_mut().for_each(mark_literals),
        _ => {}
    }
}

/// The value without those marks, for the file of values.
fn plain(mut value: Value) -> Value {
    match &mut value {
        Value::String(text) if text.starts_with(LITERAL) => {
            text.remove(0);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = plain(item.take())),
        Value::Object(map) => map.values_mut().for_each(|item| *item = plain(item.take())),
        _ => {}
    }
    value
}

fn quote(text: &str) -> String {
    let mut out = String::new();
    let _ = write!(out, "{}", Value::String(text.to_owned()));
    out
}

/// A chart name: lower case letters, digits and hyphens.
fn chart_name(name: &str) -> String {
    let mapped: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(53)
        .collect();
    let trimmed = mapped.trim_matches('-');
    if trimmed.is_empty() { "ecosystem".to_owned() } else { trimmed.to_owned() }
}
