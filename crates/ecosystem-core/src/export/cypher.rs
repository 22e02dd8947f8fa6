//! Cypher statements that load a map into a graph database (Neo4j, Memgraph; openCypher 9).

use crate::dependency::DependencyKind;
use crate::ecosystem::Ecosystem;
use std::fmt::Write as _;

/// One `MERGE` for each component and each edge, so that loading twice changes nothing.
///
/// Nodes have the label `Component` and the key (`map`, `id`); relationships are `START_AFTER`, `CALLS`, `USES_DATA_OF`
/// and `SHARES_VOLUME_WITH`.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Ecosystem, Kind, export::cypher};
///
/// let map = Ecosystem::builder("m").component(Component::new("db".parse()?, Kind::Database)).build()?;
/// assert!(cypher::map(&map).starts_with("MERGE (c:Component {map: 'm', id: 'db'}) SET c.kind = 'database'"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn map(ecosystem: &Ecosystem) -> String {
    let name = quote(ecosystem.name());
    let mut out = String::new();
    for c in ecosystem.components() {
        let _ = write!(
            out,
            "MERGE (c:Component {{map: {name}, id: {}}}) SET c.kind = {}, c.replicas = {}, c.cpu_millicores = {}, \
             c.memory_bytes = {}",
            quote(c.id.as_str()),
            quote(c.kind.as_str()),
            c.replicas,
            c.requirements.request.cpu.get(),
            c.requirements.request.memory.get(),
        );
        for (key, value) in [("image", &*c.image), ("version", c.version.as_str()), ("owner", &*c.owner)] {
            if !value.is_empty() {
                let _ = write!(out, ", c.{key} = {}", quote(value));
            }
        }
        out.push_str(";\n");
    }
    for d in ecosystem.dependencies() {
        let relation = match d.kind {
            DependencyKind::StartOrder => "START_AFTER",
            DependencyKind::Call => "CALLS",
            DependencyKind::Data => "USES_DATA_OF",
            DependencyKind::Volume => "SHARES_VOLUME_WITH",
        };
        let _ = write!(
            out,
            "MATCH (a:Component {{map: {name}, id: {}}}), (b:Component {{map: {name}, id: {}}}) \
             MERGE (a)-[r:{relation}]->(b) SET r.strength = {}, r.mode = {}, r.confidence = {}",
            quote(d.from.as_str()),
            quote(d.to.as_str()),
            quote(&format!("{:?}", d.strength).to_lowercase()),
            quote(&format!("{:?}", d.mode).to_lowercase()),
            quote(&format!("{:?}", d.confidence()).to_lowercase()),
        );
        if !d.protocol.is_empty() {
            let _ = write!(out, ", r.protocol = {}", quote(&d.protocol));
        }
        let numbers = [
            ("port", d.port.map(u64::from)),
            ("calls_per_1000_s", Some(d.calls_per_1000_s).filter(|&n| n > 0)),
            ("bytes_per_s", Some(d.bytes_per_s).filter(|&n| n > 0)),
            ("latency_budget_us", d.latency_budget.map(crate::Micros::get)),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                let _ = write!(out, ", r.{key} = {number}");
            }
        }
        out.push_str(";\n");
    }
    out
}

/// A string literal in single quotes.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}
