//! Graphviz DOT: `dot -Tsvg map.dot`.

use crate::component::Kind;
use crate::dependency::{DependencyKind, Strength};
use crate::ecosystem::Ecosystem;
use std::fmt::Write as _;

/// The map as a directed graph in the DOT language: one node for each component, shaped by kind, one edge for each
/// dependency, styled by kind (start order dashed, data bold, volume dotted; soft ones grey).
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Ecosystem, Kind, export::dot};
///
/// let map = Ecosystem::builder("m").component(Component::new("db".parse()?, Kind::Database)).build()?;
/// assert!(dot::map(&map).contains("\"db\" [label=\"db\", shape=cylinder]"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn map(ecosystem: &Ecosystem) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "digraph {} {{", quote(ecosystem.name()));
    out.push_str(
        "  rankdir=LR;\n  node [fontname=\"Helvetica\", shape=box];\n  edge [fontname=\"Helvetica\"];\n",
    );
    for component in ecosystem.components() {
        let mut label = component.id.to_string();
        if component.replicas != 1 {
            let _ = write!(label, " ×{}", component.replicas);
        }
        let shape = shape(component.kind);
        let _ = writeln!(out, "  {} [label={}, shape={shape}];", quote(component.id.as_str()), quote(&label));
    }
    for edge in ecosystem.dependencies() {
        let style = match edge.kind {
            DependencyKind::StartOrder => "dashed",
            DependencyKind::Call => "solid",
            DependencyKind::Data => "bold",
            DependencyKind::Volume => "dotted",
        };
        let colour = if edge.strength == Strength::Hard { "black" } else { "gray" };
        let mut label = edge.protocol.to_string();
        if let Some(port) = edge.port {
            let _ = write!(label, ":{port}");
        }
        let _ = write!(out, "  {} -> {} ", quote(edge.from.as_str()), quote(edge.to.as_str()));
        let _ = write!(out, "[style={style}, color={colour}, class={}", quote(edge.kind.as_str()));
        if !label.is_empty() {
            let _ = write!(out, ", label={}", quote(&label));
        }
        out.push_str("];\n");
    }
    out.push_str("}\n");
    out
}

const fn shape(kind: Kind) -> &'static str {
    match kind {
        Kind::Vm => "box3d",
        Kind::Container => "box",
        Kind::Database => "cylinder",
        Kind::Queue => "cds",
        Kind::Cache => "component",
        Kind::Gateway => "house",
        Kind::Function => "ellipse",
        Kind::External => "note",
        Kind::Batch => "folder",
    }
}

/// A quoted DOT id: only `"` and `\` have a meaning there.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
