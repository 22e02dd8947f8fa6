//! Node types that a template defines, and the kinds of component that types stand for.

use super::super::tree::At;
use crate::component::Kind;
use std::collections::BTreeMap;

/// Node, capability and relationship types of one file.
pub(super) struct Types<'a> {
    /// Parent of each type by name.
    parents: BTreeMap<&'a str, &'a str>,
}

impl<'a> Types<'a> {
    pub(super) fn new(root: &At<'a>) -> Self {
        let mut parents = BTreeMap::new();
        for key in ["node_types", "capability_types", "relationship_types", "group_types"] {
            for (name, _, at) in root.get(key).iter().flat_map(At::entries) {
                parents.insert(name, at.text_of("derived_from").unwrap_or(""));
            }
        }
        Self { parents }
    }

    pub(super) fn is_type(&self, name: &str) -> bool {
        self.parents.contains_key(name)
    }

    /// The kind that a type, or the nearest of its ancestors that is known, stands for.
    pub(super) fn kind(&self, name: &str) -> Kind {
        let mut current = name;
        // A type cannot have more ancestors than there are types; more means a circle.
        for _ in 0..=self.parents.len() {
            if let Some(kind) = normative(current) {
                return kind;
            }
            match self.parents.get(current) {
                Some(parent) => current = parent,
                None => break,
            }
        }
        Kind::Container
    }
}

/// Kinds of the normative types; derived ones keep the parent's name inside theirs (`tosca.nodes.DBMS.MySQL`).
fn normative(name: &str) -> Option<Kind> {
    let name = name.strip_prefix("tosca.nodes.").or_else(|| name.strip_prefix("tosca:")).unwrap_or(name);
    name.split(['.', ':']).rev().find_map(|word| {
        Some(match word {
            "Compute" => Kind::Vm,
            "DBMS" | "Database" | "ObjectStorage" | "BlockStorage" | "Storage" => Kind::Database,
            "LoadBalancer" | "Gateway" => Kind::Gateway,
            "Container" | "Docker" | "MicroService" | "WebServer" | "WebApplication"
            | "SoftwareComponent" => Kind::Container,
            "Function" => Kind::Function,
            _ => return None,
        })
    })
}
