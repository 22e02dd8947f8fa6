//! Open Application Model (`core.oam.dev`): Applications with components, traits, `dependsOn`, inputs and outputs.

use super::draft::Draft;
use super::mention::{Mention, infer_kind};
use super::quantity::{self, Prefix};
use super::read;
use super::report::Report;
use super::tree::{At, shorten};
use crate::component::{Component, Kind, Port, Version};
use crate::dependency::{Dependency, DependencyKind};
use crate::finding::{Confidence, EvidenceKind};
use crate::id::ComponentId;
use crate::infer::address::Context;
use crate::infer::image;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads one Application. Definitions of types and traits say nothing about components.
pub(crate) fn read(root: &At<'_>, draft: &mut Draft, report: &mut Report) {
    let kind = root.text_of("kind").unwrap_or_default();
    if kind != "Application" {
        let message = format!("objects of kind `{}` are not read", shorten(kind));
        report.add("I1331", root, message, "nothing needs to be done if they hold no workload");
        return;
    }
    if let Some(name) = root.dig(&["metadata", "name"]).and_then(|n| n.text())
        && draft.name.is_empty()
    {
        name.clone_into(&mut draft.name);
    }
    let Some(components) = root.dig(&["spec", "components"]) else {
        report.add(
            "E1106",
            root,
            "`spec.components` is missing".to_owned(),
            "list the components of the application",
        );
        return;
    };
    let mut names: BTreeMap<&str, ComponentId> = BTreeMap::new();
    let mut outputs: BTreeMap<&str, ComponentId> = BTreeMap::new();
    for at in components.items() {
        let Some(name) = at.text_of("name") else { continue };
        if let Ok(id) = ComponentId::new(name) {
            names.insert(name, id.clone());
            for output in at.get("outputs").iter().flat_map(At::items) {
                outputs.insert(output.text_of("name").unwrap_or_default(), id.clone());
            }
        }
    }
    let mut claims: BTreeMap<String, Vec<(ComponentId, At<'_>)>> = BTreeMap::new();
    for at in components.items() {
        let Some(name) = at.text_of("name") else {
            report.add("E1106", &at, "`name` is missing in the component".to_owned(), "name the component");
            continue;
        };
        let Some(id) = Draft::id(name, &at, report) else { continue };
        component(&id, &at, draft, report);
        edges(&id, &at, &names, &outputs, draft, report);
        for (claim, place) in volumes(&at) {
            claims.entry(claim).or_default().push((id.clone(), place));
        }
    }
    for sharers in claims.values() {
        super::kubernetes::share(sharers, draft, report);
    }
}

fn component(id: &ComponentId, at: &At<'_>, draft: &mut Draft, report: &mut Report) {
    let component_type = at.text_of("type").unwrap_or_default();
    let mut component = Component::new(id.clone(), Kind::Container);
    component.labels.insert(Arc::from("oam.type"), Arc::from(component_type));
    let properties = at.get("properties").unwrap_or_else(|| at.clone());
    let reference = read::text_of(&properties, "image", report).unwrap_or_default();
    let (name, tag, digest) = image::split(reference);
    component.image = Arc::from(name);
    component.version = Version::new(tag.or(digest).unwrap_or(""));
    let port = |t: &str| t.parse::<u16>().ok().filter(|&p| p > 0);
    if let Some(number) = read::value(&properties, "port", "1 to 65535", report, port) {
        component.ports.push(Port { number, protocol: Arc::from("tcp") });
    }
    for item in properties.get("ports").iter().flat_map(At::items) {
        if let Some(number) = read::value(&item, "port", "1 to 65535", report, port) {
            let protocol = item.text_of("protocol").unwrap_or("tcp").to_ascii_lowercase();
            component.ports.push(Port { number, protocol: Arc::from(protocol) });
        }
    }
    if matches!(component_type, "task" | "cron-task") {
        component.kind = Kind::Batch;
    } else {
        infer_kind(&mut component, reference, &properties, report);
    }
    let request = &mut component.requirements.request;
    request.cpu = read::value(&properties, "cpu", read::CPU, report, quantity::cpu).unwrap_or_default();
    let size = |t: &str| quantity::bytes(t, Prefix::Decimal);
    request.memory = read::value(&properties, "memory", read::SIZE, report, size).unwrap_or_default();
    for one in at.get("traits").iter().flat_map(At::items) {
        let Some(properties) = one.get("properties") else { continue };
        match one.text_of("type").unwrap_or_default() {
            "scaler" | "manualscaler" | "manual-scaler" => {
                component.replicas =
                    read::u32_of(&properties, "replicas", report).unwrap_or(component.replicas);
            }
            "cpuscaler" | "hpa" => {
                let min = read::u32_of(&properties, "min", report).unwrap_or(1);
                let max = read::u32_of(&properties, "max", report).unwrap_or(min).max(min);
                component.replica_range = Some((min, max));
                component.replicas = component.replicas.clamp(min, max);
            }
            "resource" => {
                let request = &mut component.requirements.request;
                request.cpu =
                    read::value(&properties, "cpu", read::CPU, report, quantity::cpu).unwrap_or(request.cpu);
                request.memory =
                    read::value(&properties, "memory", read::SIZE, report, size).unwrap_or(request.memory);
            }
            "labels" | "annotations" => {
                for (key, _, value) in properties.entries() {
                    component.labels.insert(Arc::from(key), Arc::from(value.text().unwrap_or("")));
                }
            }
            "gateway" | "ingress" => {
                let domain = properties.text_of("domain").unwrap_or("*");
                component.labels.insert(Arc::from("oam.gateway"), Arc::from(domain));
            }
            "sidecar" => {
                let sidecar = properties.text_of("image").unwrap_or_default();
                component.labels.insert(Arc::from("oam.sidecar"), Arc::from(sidecar));
            }
            _ => {}
        }
    }
    draft.add(component, report.place(at), report);
}

fn edges(
    id: &ComponentId,
    at: &At<'_>,
    names: &BTreeMap<&str, ComponentId>,
    outputs: &BTreeMap<&str, ComponentId>,
    draft: &mut Draft,
    report: &mut Report,
) {
    let mut push = |to: &ComponentId, kind, at: &At<'_>, report: &Report| {
        let mut edge = Dependency::new(id.clone(), to.clone(), kind);
        edge.evidence = vec![report.evidence(EvidenceKind::Declared, Confidence::High, at)];
        draft.connect(edge, report.place(at));
    };
    for (name, item) in read::texts_of(at, "dependsOn", report) {
        match names.get(name) {
            Some(to) => push(to, DependencyKind::StartOrder, &item, report),
            None => report.add(
                "W1409",
                &item,
                format!("`dependsOn` of `{id}` names `{}`, which is not a component", shorten(name)),
                "define it or correct the name; no edge is made",
            ),
        }
    }
    // What one component puts out and another takes in flows from the first to the second, which must wait for it.
    for item in at.get("inputs").iter().flat_map(At::items) {
        if let Some(to) = outputs.get(item.text_of("from").unwrap_or_default()) {
            push(to, DependencyKind::StartOrder, &item, report);
            push(to, DependencyKind::Data, &item, report);
        }
    }
    let lookup = |host: &str| names.get(host).map(std::slice::from_ref).unwrap_or_default();
    for item in at.dig(&["properties", "env"]).iter().flat_map(At::items) {
        if let (Some(key), Some(value)) = (item.text_of("name"), item.get("value"))
            && let Some(text) = value.text()
        {
            Mention { from: id, key, value: text, at: &value, evidence: EvidenceKind::Env, waits: false }
                .read(lookup, draft, report);
        }
    }
    let mut context = Context::default();
    for key in ["cmd", "args"] {
        for item in at.dig(&["properties", key]).iter().flat_map(At::items) {
            let value = item.text().unwrap_or_default();
            Mention { from: id, key: "", value, at: &item, evidence: EvidenceKind::Config, waits: false }
                .read_after(&mut context, lookup, draft, report);
        }
    }
}

/// Persistent claims that a component mounts, by property or trait.
fn volumes<'a>(at: &At<'a>) -> Vec<(String, At<'a>)> {
    let mut lists: Vec<At<'a>> = at.dig(&["properties", "volumes"]).into_iter().collect();
    for one in at.get("traits").iter().flat_map(At::items) {
        lists.extend(one.dig(&["properties", "volumes"]));
        lists.extend(one.dig(&["properties", "pvc"]));
    }
    let mut claims = Vec::new();
    for item in lists.iter().flat_map(At::items) {
        let name = item.text_of("claimName").or_else(|| {
            let is_claim = item.text_of("type").is_some_and(|t| t == "pvc" || t == "persistentVolumeClaim");
            if is_claim { item.text_of("name") } else { None }
        });
        if let Some(name) = name {
            claims.push((name.to_owned(), item));
        }
    }
    claims
}
