//! JSON-LD 1.1: the map as linked data.

use crate::dependency::DependencyKind;
use crate::ecosystem::Ecosystem;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// The map as JSON-LD. Components are `schema:SoftwareApplication`, edges are properties of their start; `base` is the
/// IRI that names are resolved against, e.g. `https://example.org/maps/shop/`.
pub fn map(ecosystem: &Ecosystem, base: &str) -> String {
    let mut nodes = vec![json!({
        "@id": "",
        "@type": "Ecosystem",
        "name": ecosystem.name(),
        "hasPart": ecosystem.components().map(|c| reference(c.id.as_str())).collect::<Vec<_>>(),
    })];
    for (ix, c) in ecosystem.components().enumerate() {
        let mut node = Map::new();
        node.insert("@id".to_owned(), Value::String(iri(c.id.as_str())));
        node.insert("@type".to_owned(), json!(["SoftwareApplication", "Component"]));
        node.insert("name".to_owned(), json!(c.id.as_str()));
        node.insert("kind".to_owned(), json!(c.kind.as_str()));
        node.insert("replicas".to_owned(), json!(c.replicas));
        if !c.version.is_unknown() {
            node.insert("softwareVersion".to_owned(), json!(c.version.as_str()));
        }
        if !c.image.is_empty() {
            node.insert("image".to_owned(), json!(&*c.image));
        }
        for kind in DependencyKind::ALL {
            let targets: Vec<Value> = ecosystem
                .dependencies_of(ix)
                .filter(|d| d.kind == kind)
                .map(|d| reference(d.to.as_str()))
                .collect();
            if !targets.is_empty() {
                let term = match kind {
                    DependencyKind::StartOrder => "startsAfter",
                    DependencyKind::Call => "calls",
                    DependencyKind::Data => "usesDataOf",
                    DependencyKind::Volume => "sharesVolumeWith",
                };
                node.insert(term.to_owned(), Value::Array(targets));
            }
        }
        nodes.push(Value::Object(node));
    }
    let document = json!({
        "@context": {
            "@version": 1.1,
            "@base": base,
            "@vocab": "urn:vm-ecosystem:vocabulary:",
            "name": "https://schema.org/name",
            "hasPart": "https://schema.org/hasPart",
            "softwareVersion": "https://schema.org/softwareVersion",
            "SoftwareApplication": "https://schema.org/SoftwareApplication",
        },
        "@graph": nodes,
    });
    format!("{document:#}\n")
}

fn reference(name: &str) -> Value {
    json!({ "@id": iri(name) })
}

/// A name as a relative IRI: everything but unreserved characters (RFC 3987) in percent encoding.
fn iri(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_alphanumeric() || matches!(c, '-' | '.' | '_') {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
