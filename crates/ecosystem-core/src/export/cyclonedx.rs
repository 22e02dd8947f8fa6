//! `CycloneDX` 1.6 in JSON (ECMA-424): the map as a bill of materials for scanners of vulnerabilities and licences.

use crate::component::{Component, Kind};
use crate::ecosystem::Ecosystem;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Components, external services and who needs whom. Without serial number and time stamp, which are the caller's to add.
pub fn map(ecosystem: &Ecosystem) -> String {
    let property =
        |name: &str, value: String| json!({ "name": format!("vm-ecosystem:{name}"), "value": value });
    let part = |c: &Component| {
        let mut value = json!({
            "bom-ref": c.id.as_str(),
            "name": if c.image.is_empty() { c.id.as_str() } else { &*c.image },
            "properties": [
                property("component", c.id.to_string()),
                property("kind", c.kind.to_string()),
                property("replicas", c.replicas.to_string()),
            ],
        });
        if !c.version.is_unknown() {
            value["version"] = json!(c.version.as_str());
        }
        value
    };
    let mut components = Vec::new();
    let mut services = Vec::new();
    for component in ecosystem.components() {
        let mut value = part(component);
        if component.kind == Kind::External {
            services.push(value);
            continue;
        }
        let built = if component.image.is_empty() { "application" } else { "container" };
        value["type"] = json!(built);
        if !component.owner.is_empty() {
            value["supplier"] = json!({ "name": &*component.owner });
        }
        if let Some(purl) = purl(component) {
            value["purl"] = json!(purl);
        }
        components.push(value);
    }
    let dependencies: Vec<Value> = ecosystem
        .components()
        .enumerate()
        .map(|(ix, c)| {
            let needs: BTreeSet<&str> = ecosystem.dependencies_of(ix).map(|d| d.to.as_str()).collect();
            json!({ "ref": c.id.as_str(), "dependsOn": needs })
        })
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": { "type": "application", "bom-ref": "vm-ecosystem:map", "name": ecosystem.name() },
        },
        "components": components,
        "services": services,
        "dependencies": dependencies,
    });
    format!("{document:#}\n")
}

/// Package URL of an image with a digest; a tag does not name a build, so it gives none.
fn purl(component: &Component) -> Option<String> {
    let digest = component.version.as_str();
    if component.image.is_empty() || !component.version.is_digest() {
        return None;
    }
    let (path, name) = component.image.rsplit_once('/').unwrap_or(("", &component.image));
    let repository = if path.is_empty() { String::new() } else { format!("?repository_url={path}/{name}") };
    Some(format!("pkg:oci/{name}@{}{repository}", digest.replace(':', "%3A")))
}
