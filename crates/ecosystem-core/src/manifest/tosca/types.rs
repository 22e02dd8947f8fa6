//! Node types that a template defines, and the kinds of component that types stand for.

use super::super::tree::At;
use crate::component::Kind;
use std::collections::BTreeMap;

/// Node, capability and relationship types of all files.
pub(super) struct Types<'a> {
    /// Definition of each type by name; of two with one name the first.
    definitions: BTreeMap<&'a str, At<'a>>,
}

impl<'a> Types<'a> {
    pub(super) fn new(roots: &[At<'a>]) -> Self {
        let mut definitions = BTreeMap::new();
        for root in roots {
            for key in ["node_types", "capability_types", "relationship_types", "group_types"] {
                for (name, _, at) in root.get(key).iter().flat_map(At::entries) {
                    definitions.entry(name).or_insert(at);
                }
            }
        }
        Self { definitions }
    }

    pub(super) fn is_type(&self, name: &str) -> bool {
        self.definition(name).is_some()
    }

    /// A type by its name; the prefix of a namespace is left off if there is none of the whole name.
    fn definition(&self, name: &str) -> Option<&At<'a>> {
        let bare = || name.split_once(':').and_then(|(_, bare)| self.definitions.get(bare));
        self.definitions.get(name).or_else(bare)
    }

    fn parent(&self, name: &str) -> Option<&'a str> {
        self.definition(name).and_then(|at| at.text_of("derived_from"))
    }

    /// Definitions of a type and its ancestors, the nearest first.
    pub(super) fn lineage(&self, name: &'a str) -> Vec<At<'a>> {
        let mut lineage = Vec::new();
        let mut current = Some(name);
        // a type cannot have more ancestors than there are types, nor does anybody write more than a few
        while let Some(definition) =
            current.and_then(|name| self.definition(name)).filter(|_| lineage.len() < 32)
        {
            lineage.push(definition.clone());
            current = definition.text_of("derived_from");
        }
        lineage
    }

    /// The default of a node's property, or of a property of one of its capabilities, from the nearest type that says one.
    pub(super) fn default(&self, lineage: &[At<'a>], keys: &[&str]) -> Option<At<'a>> {
        let said = |definition: &At<'a>| ["value", "default"].iter().find_map(|key| definition.get(key));
        match keys {
            ["properties", key] => lineage.iter().find_map(|node| said(&node.dig(&["properties", key])?)),
            ["capabilities", name, "properties", key] => lineage.iter().find_map(|node| {
                let capability = node.dig(&["capabilities", name])?;
                let refined = capability.dig(&["properties", key]).and_then(|definition| said(&definition));
                refined.or_else(|| {
                    let named = capability.text().or_else(|| capability.text_of("type"))?;
                    self.lineage(named).iter().find_map(|own| said(&own.dig(&["properties", key])?))
                })
            }),
            _ => None,
        }
    }

    /// The kind that a type, or the nearest of its ancestors that is known, stands for.
    pub(super) fn kind(&self, name: &'a str) -> Kind {
        let mut current = name;
        // A type cannot have more ancestors than there are types; more means a circle.
        for _ in 0..=self.definitions.len() {
            if let Some(kind) = normative(current) {
                return kind;
            }
            match self.parent(current) {
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
