//! Mermaid flow charts, as Markdown renderers draw them.

use crate::component::Kind;
use crate::dependency::{DependencyKind, Strength};
use crate::ecosystem::Ecosystem;
use std::fmt::Write as _;

/// The map as a flow chart from left to right: shapes by kind, start order dotted, data thick, soft edges labelled.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Ecosystem, Kind, export::mermaid};
///
/// let map = Ecosystem::builder("m").component(Component::new("db".parse()?, Kind::Database)).build()?;
/// assert_eq!(mermaid::map(&map), "flowchart LR\n  n0[(\"db\")]\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn map(ecosystem: &Ecosystem) -> String {
    let mut out = String::from("flowchart LR\n");
    for (ix, component) in ecosystem.components().enumerate() {
        let (open, close) = match component.kind {
            Kind::Database => ("[(", ")]"),
            Kind::Queue => ("[[", "]]"),
            Kind::Cache => ("([", "])"),
            Kind::Gateway => ("{{", "}}"),
            Kind::Function => ("((", "))"),
            Kind::External => (">", "]"),
            Kind::Batch => ("[/", "/]"),
            Kind::Vm | Kind::Container => ("[", "]"),
        };
        let count =
            if component.replicas == 1 { String::new() } else { format!(" ×{}", component.replicas) };
        let _ = writeln!(out, "  n{ix}{open}\"{}{count}\"{close}", escape(component.id.as_str()));
    }
    for edge in ecosystem.dependencies() {
        let (Some(from), Some(to)) =
            (ecosystem.component_index(&edge.from), ecosystem.component_index(&edge.to))
        else {
            continue;
        };
        let arrow = match edge.kind {
            DependencyKind::StartOrder => "-.->",
            DependencyKind::Data => "==>",
            DependencyKind::Call => "-->",
            DependencyKind::Volume => "-.-",
        };
        let mut label = edge.protocol.to_string();
        if let Some(port) = edge.port {
            let _ = write!(label, ":{port}");
        }
        if edge.strength == Strength::Soft {
            label.push_str(if label.is_empty() { "soft" } else { " soft" });
        }
        let label = if label.is_empty() { String::new() } else { format!("|\"{}\"|", escape(&label)) };
        let _ = writeln!(out, "  n{from} {arrow}{label} n{to}");
    }
    out
}

/// Entity codes, as Mermaid wants them, for all that has a meaning in a quoted label.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '"' | '#' | '<' | '>' | '&' | '`' | '\n' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            c => out.push(c),
        }
        out
    })
}
