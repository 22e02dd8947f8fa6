//! Terraform (and `OpenTofu`) configuration in JSON syntax: the Kubernetes objects as resources.

use super::kubernetes::{self, Settings};
use super::names::Names;
use crate::component::Component;
use crate::dependency::DependencyKind;
use crate::ecosystem::Ecosystem;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One `kubernetes_manifest` for each object of [`kubernetes::manifests`] (file name `*.tf.json`). Start-order edges
/// become `depends_on` between the workloads.
pub fn configuration(ecosystem: &Ecosystem, settings: &Settings<'_>) -> String {
    let namespace = if settings.namespace.is_empty() { "default" } else { settings.namespace };
    let settings = settings.in_namespace(namespace); // the provider wants one
    let (names, addresses) = (Names::dns(ecosystem, 52), Names::identifiers(ecosystem));
    let short: BTreeMap<&str, &str> =
        ecosystem.components().map(|c| (names.of(&c.id), addresses.of(&c.id))).collect();
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for edge in ecosystem.dependencies().filter(|d| d.kind == DependencyKind::StartOrder) {
        if let (Some(from), Some(to)) = (ecosystem.component(&edge.from), ecosystem.component(&edge.to))
            && from.is_placed()
            && to.is_placed()
        {
            let address = |it: &Component| {
                format!("{}_{}", addresses.of(&it.id), kubernetes::workload_kind(it).to_lowercase())
            };
            let target = format!("kubernetes_manifest.{}", address(to));
            needs.entry(address(from)).or_default().insert(target);
        }
    }
    let mut resources = Map::new();
    for object in kubernetes::objects(ecosystem, &settings) {
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let base = short.get(name).map_or_else(|| name.replace('-', "_"), |n| (*n).to_owned());
        let key = format!("{base}_{kind}");
        let mut resource = json!({ "manifest": escaped(object) });
        if let Some(targets) = needs.get(&key) {
            resource["depends_on"] = json!(targets);
        }
        resources.insert(key, resource);
    }
    let document = json!({
        "terraform": {
            "required_providers": { "kubernetes": { "source": "hashicorp/kubernetes", "version": ">= 2.30" } },
        },
        "resource": { "kubernetes_manifest": resources },
    });
    format!("{document:#}\n")
}

/// Text that Terraform would read as a template goes out doubled.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${", "$${").replace("%{", "%%{")),
        Value::Array(items) => Value::Array(items.into_iter().map(escaped).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, escaped(v))).collect()),
        other => other,
    }
}
