//! `GraphML` import: nodes become components, edges dependencies; attributes by the names that the export writes, and
//! those of common tools.

use super::draft::Draft;
use super::report::Report;
use super::tree::{At, shorten};
use crate::component::{Component, Criticality, Kind, Version};
use crate::dependency::{CallMode, Dependency, DependencyKind, Strength};
use crate::finding::{Confidence, EvidenceKind};
use crate::id::ComponentId;
use crate::units::{Bytes, Micros, Millicores};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads a `graphml` element.
pub(crate) fn read(root: &At<'_>, draft: &mut Draft, report: &mut Report) {
    let element = root.text_of("#element").unwrap_or_default();
    if local(element) != "graphml" {
        let message = format!("the root element is `{}`, expected `graphml`", shorten(element));
        report.add("E1010", root, message, "hand in GraphML");
        return;
    }
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    for at in children(root, "key") {
        if let Some(id) = at.text_of("@id") {
            keys.insert(id, at.text_of("@attr.name").unwrap_or(id));
        }
    }
    for graph in children(root, "graph") {
        if let Some(name) = graph.text_of("@id")
            && draft.name.is_empty()
        {
            name.clone_into(&mut draft.name);
        }
        let mut ids = BTreeMap::new();
        nodes(&graph, &keys, &mut ids, draft, report);
        for at in children(&graph, "edge") {
            edge(&at, &keys, &ids, draft, report);
        }
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn children<'a>(at: &At<'a>, name: &'static str) -> impl Iterator<Item = At<'a>> + use<'a> {
    at.get("#children")
        .into_iter()
        .flat_map(|list| list.items())
        .filter(move |child| child.text_of("#element").is_some_and(|e| local(e) == name))
}

/// Attributes of a node or edge by name.
fn data<'a>(at: &At<'a>, keys: &BTreeMap<&'a str, &'a str>) -> BTreeMap<&'a str, (&'a str, At<'a>)> {
    children(at, "data")
        .filter_map(|d| {
            let key = d.text_of("@key")?;
            Some((*keys.get(key).unwrap_or(&key), (d.text_of("#text").unwrap_or_default(), d)))
        })
        .collect()
}

/// Nodes of a graph and of the graphs inside them. A label that is a valid name wins over an id such as `n0`.
fn nodes<'a>(
    graph: &At<'a>,
    keys: &BTreeMap<&'a str, &'a str>,
    ids: &mut BTreeMap<&'a str, ComponentId>,
    draft: &mut Draft,
    report: &mut Report,
) {
    for at in children(graph, "node") {
        let Some(xml_id) = at.text_of("@id") else {
            report.add("E1106", &at, "`id` is missing in the node".to_owned(), "give each node an id");
            continue;
        };
        let attributes = data(&at, keys);
        let labelled = ["label", "name"].iter().find_map(|k| attributes.get(k)).map(|(text, _)| *text);
        let generated = xml_id.strip_prefix('n').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        let name = labelled.filter(|l| generated && ComponentId::new(l).is_ok()).unwrap_or(xml_id);
        for inner in children(&at, "graph") {
            nodes(&inner, keys, ids, draft, report);
        }
        let Some(id) = Draft::id(name, &at, report) else { continue };
        let mut component = Component::new(id.clone(), Kind::Container);
        for (key, (text, place)) in attributes {
            if let Err(expected) = set(&mut component, key, text) {
                let message = format!("`{}` is `{}`, expected {expected}", shorten(key), shorten(text));
                report.add("E1104", &place, message, format!("write {expected}"));
            }
        }
        ids.insert(xml_id, id);
        draft.add(component, report.place(&at), report);
    }
}

fn set(component: &mut Component, key: &str, text: &str) -> Result<(), &'static str> {
    let whole = || text.parse::<u64>().map_err(|_| "a whole number");
    match key {
        "kind" | "type" => match Kind::ALL.iter().find(|kind| kind.as_str() == text) {
            Some(kind) => component.kind = *kind,
            None if key == "kind" => return Err("a kind of component"),
            None => {
                component.labels.insert(Arc::from(key), Arc::from(text));
            }
        },
        "image" => component.image = Arc::from(text),
        "version" => component.version = Version::new(text),
        "owner" => component.owner = Arc::from(text),
        "replicas" => component.replicas = u32::try_from(whole()?).map_err(|_| "a whole number")?,
        "cpu_millicores" => component.requirements.request.cpu = Millicores(whole()?),
        "memory_bytes" => component.requirements.request.memory = Bytes(whole()?),
        "criticality" => {
            component.criticality = match text {
                "low" => Criticality::Low,
                "medium" => Criticality::Medium,
                "high" => Criticality::High,
                "critical" => Criticality::Critical,
                _ => return Err("low, medium, high or critical"),
            }
        }
        _ => {
            component.labels.insert(Arc::from(key), Arc::from(text));
        }
    }
    Ok(())
}

fn edge<'a>(
    at: &At<'a>,
    keys: &BTreeMap<&'a str, &'a str>,
    ids: &BTreeMap<&'a str, ComponentId>,
    draft: &mut Draft,
    report: &mut Report,
) {
    let mut end = |key: &str| {
        let name = at.text_of(key).unwrap_or_default();
        let found = ids.get(name).cloned();
        if found.is_none() {
            let message = format!("an edge names the node `{}`, which is not there", shorten(name));
            report.add("E1110", at, message, "define the node or correct the name");
        }
        found
    };
    let (Some(from), Some(to)) = (end("@source"), end("@target")) else { return };
    let attributes = data(at, keys);
    let text = |key: &str| attributes.get(key).map(|(text, _)| *text);
    let number = |key: &str| text(key).and_then(|t| t.parse::<u64>().ok());
    let kind = text("kind")
        .and_then(|t| DependencyKind::ALL.into_iter().find(|kind| kind.as_str() == t))
        .unwrap_or(DependencyKind::Call);
    let mut edge = Dependency::new(from, to, kind);
    if text("strength") == Some("soft") {
        edge.strength = Strength::Soft;
    }
    edge.mode = match text("mode") {
        Some("queued") => CallMode::Queued,
        Some("batch") => CallMode::Batch,
        _ => CallMode::Synchronous,
    };
    edge.protocol = Arc::from(text("protocol").unwrap_or_default().to_ascii_lowercase());
    edge.port = number("port").and_then(|n| u16::try_from(n).ok()).filter(|&p| p > 0);
    edge.calls_per_1000_s = number("calls_per_1000_s").unwrap_or(0);
    edge.bytes_per_s = number("bytes_per_s").unwrap_or(0);
    edge.latency_budget = number("latency_budget_us").map(Micros);
    let confidence = match text("confidence") {
        Some("low") => Confidence::Low,
        Some("medium") => Confidence::Medium,
        _ => Confidence::High,
    };
    edge.evidence = vec![report.evidence(EvidenceKind::Declared, confidence, at)];
    draft.connect(edge, report.place(at));
}
