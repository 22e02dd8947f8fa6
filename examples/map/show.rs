//! What a reader sees: tables, and the line of figures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use vm_ecosystem::model::analysis::{
    EdgeSelection, SinglePointSettings, cycles, single_points_of_failure, start_order,
};
use vm_ecosystem::model::manifest::Parsed;
use vm_ecosystem::model::{DependencyKind, Ecosystem};

pub(crate) fn components(map: &Ecosystem, text: &mut String) {
    let width = map.components().map(|c| c.id.as_str().chars().count()).max().unwrap_or(0).max(9);
    let _ = writeln!(text, "{}: {} components", map.name(), map.len());
    let _ = writeln!(
        text,
        "{:width$}  {:9} {:>3}  {:>7} {:>8}  {:18} needs",
        "component", "kind", "run", "cpu", "memory", "version"
    );
    for (index, component) in map.components().enumerate() {
        let needs: BTreeSet<&str> = map.dependencies_of(index).map(|d| d.to.as_str()).collect();
        let needs: Vec<&str> = needs.into_iter().collect();
        let amount = |n: u64, shown: String| if n == 0 { "-".to_owned() } else { shown };
        let request = &component.requirements.request;
        let _ = writeln!(
            text,
            "{:width$}  {:9} {:>3}  {:>7} {:>8}  {:18} {}",
            component.id,
            component.kind,
            component.replicas,
            amount(request.cpu.get(), request.cpu.to_string()),
            amount(request.memory.get(), request.memory.to_string()),
            component.version.to_string().chars().take(18).collect::<String>(),
            if needs.is_empty() { "-".to_owned() } else { needs.join(" ") }
        );
    }
}

pub(crate) fn structure(map: &Ecosystem, text: &mut String) {
    let order = start_order(map);
    let _ = writeln!(text, "\nstart order");
    for (number, level) in order.levels.iter().enumerate() {
        let names: Vec<&str> = level.iter().map(vm_ecosystem::prelude::ComponentId::as_str).collect();
        let _ = writeln!(text, "{:>3}  {}", number + 1, names.join(" "));
    }
    let circles = cycles(map, EdgeSelection::ALL);
    let _ = writeln!(text, "\ncycles: {}", circles.len());
    for circle in circles.iter().take(10) {
        let _ = writeln!(text, "  {circle}");
    }
    let weak = single_points_of_failure(map, &SinglePointSettings::default());
    let _ = writeln!(text, "\nsingle points of failure: {}", weak.components.len());
    for point in weak.components.iter().take(20) {
        let _ = writeln!(text, "  {}", point.component);
    }
    if !map.rules().is_empty() {
        let _ = writeln!(text, "\nplacement rules");
        for rule in map.rules() {
            let _ = writeln!(text, "  {rule}");
        }
    }
    text.push('\n');
}

pub(crate) fn edges(map: &Ecosystem, text: &mut String) {
    for edge in map.dependencies() {
        let port = edge.port.map_or(String::new(), |port| format!(":{port}"));
        let mut evidence: Vec<String> = edge
            .evidence
            .iter()
            .map(|e| format!("{} {} at {}", plain(&e.kind), plain(&e.confidence), e.place))
            .collect();
        evidence.truncate(3);
        let _ = writeln!(
            text,
            "edge {} {} -> {}{port} confidence {} evidence {}",
            edge.kind,
            edge.from,
            edge.to,
            plain(&edge.confidence()),
            evidence.join("; ")
        );
    }
    text.push('\n');
}

fn plain(value: &impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for c in format!("{value:?}").chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// Distinct pairs by kind.
pub(crate) fn summary(parsed: &Parsed) -> String {
    let mut pairs: BTreeMap<DependencyKind, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for edge in parsed.ecosystem.dependencies() {
        pairs.entry(edge.kind).or_default().insert((edge.from.as_str(), edge.to.as_str()));
    }
    let count = |kind| pairs.get(&kind).map_or(0, BTreeSet::len);
    serde_json::json!({
        "components": parsed.ecosystem.len(),
        "edges": {
            "start": count(DependencyKind::StartOrder),
            "call": count(DependencyKind::Call),
            "data": count(DependencyKind::Data),
            "volume": count(DependencyKind::Volume),
        },
        "findings": parsed.findings.len(),
    })
    .to_string()
}
