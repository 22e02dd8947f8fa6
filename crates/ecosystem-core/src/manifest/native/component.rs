//! Components and their dependencies.

use super::super::draft::Draft;
use super::super::quantity::{self, Prefix};
use super::super::read;
use super::super::report::Report;
use super::super::tree::{At, Pos};
use crate::component::{Component, Criticality, Kind, Port, Version};
use crate::dependency::{CallMode, Dependency, DependencyKind, StartCondition, Strength};
use crate::finding::{Confidence, Evidence, EvidenceKind, Place};
use crate::id::ComponentId;
use crate::infer::image;
use crate::units::Bytes;
use std::sync::Arc;

pub(crate) const KEYS: &[&str] = &[
    "kind",
    "image",
    "version",
    "replicas",
    "per_host",
    "resources",
    "slo",
    "criticality",
    "residency",
    "licences",
    "labels",
    "owner",
    "ports",
    "max_unavailable",
    "maintenance",
    "dirty_rate",
    "depends_on",
    "description",
    "evidence",
];

pub(crate) const EDGE_KEYS: &[&str] = &[
    "on",
    "kind",
    "strength",
    "mode",
    "condition",
    "protocol",
    "port",
    "calls_per_second",
    "bytes_per_second",
    "traffic",
    "payload",
    "latency_budget",
    "fan_out",
    "evidence",
];

/// Keys of a piece of evidence.
pub(crate) const EVIDENCE_KEYS: &[&str] = &["kind", "confidence", "file", "line", "column", "path"];

pub(crate) const CRITICALITIES: [(&str, Criticality); 4] = [
    ("low", Criticality::Low),
    ("medium", Criticality::Medium),
    ("high", Criticality::High),
    ("critical", Criticality::Critical),
];

/// Keys of `resources` in its long form.
pub(crate) const RESOURCE_KEYS: &[&str] = &["request", "limit", "minimum", "burst"];
/// Keys of `slo`.
pub(crate) const SLO_KEYS: &[&str] = &["latency_p99", "availability"];

pub(super) fn read_all(components: &At<'_>, owner: &str, draft: &mut Draft, report: &mut Report) {
    if !components.is_map() {
        read::wrong(components, "a map from name to component", report);
        return;
    }
    for (name, key_pos, at) in components.entries() {
        let Some(id) = Draft::id(name, &at, report) else { continue };
        let empty = at.node.is_null();
        if !empty && !at.is_map() {
            read::wrong(&at, "a map with the component's properties", report);
            continue;
        }
        read_one(&id, key_pos, &at, owner, draft, report);
    }
}

fn read_one(
    id: &ComponentId,
    key_pos: Pos,
    at: &At<'_>,
    owner: &str,
    draft: &mut Draft,
    report: &mut Report,
) {
    read::known_keys(at, KEYS, report);
    let mut component = Component::new(id.clone(), Kind::default());
    if let Some(reference) = read::text_of(at, "image", report) {
        let (name, tag, digest) = image::split(reference);
        component.image = Arc::from(name);
        component.version = Version::new(tag.or(digest).unwrap_or(""));
        if let (Some(_), Some(digest)) = (tag, digest) {
            component.labels.insert(Arc::from("image.digest"), Arc::from(digest));
        }
    }
    if let Some(version) = read::text_of(at, "version", report) {
        component.version = Version::new(version);
    }
    component.ports = ports(at, report);
    let place = report.place_of(key_pos, at.path());
    read_kind(&mut component, at, report);
    component.evidence.extend(evidence(at, report));
    read_replicas(&mut component, at, report);
    component.per_host = read::bool_of(at, "per_host", report).unwrap_or_default();
    read_resources(&mut component, at, report);
    if let Some(slo) = at.get("slo").and_then(|slo| read::map(slo, report)) {
        read::known_keys(&slo, SLO_KEYS, report);
        component.slo.latency_p99 = read::duration_of(&slo, "latency_p99", report);
        component.slo.availability_ppm = read::value(
            &slo,
            "availability",
            "an availability such as `99.9%`",
            report,
            quantity::availability_ppm,
        );
    }
    component.criticality = read::word(at, "criticality", &CRITICALITIES, report).unwrap_or_default();
    component.residency =
        read::texts_of(at, "residency", report).iter().map(|(t, _)| Arc::from(*t)).collect();
    if let Some(licences) = at.get("licences").and_then(|l| read::map(l, report)) {
        for (name, _, _) in licences.entries() {
            if let Some(count) = read::u32_of(&licences, name, report) {
                component.licences.insert(Arc::from(name), count);
            }
        }
    }
    component.labels.extend(read::labels_of(at, "labels", report));
    component.owner = Arc::from(read::text_of(at, "owner", report).unwrap_or(owner));
    component.max_unavailable = read::u32_of(at, "max_unavailable", report);
    component.maintenance = read::windows_of(at, "maintenance", report);
    component.dirty_bytes_per_second =
        read::value(at, "dirty_rate", "a rate such as `20MB/s`", report, quantity::byte_rate).unwrap_or(0);
    if let Some(edges) = at.get("depends_on") {
        dependencies(id, &edges, draft, report);
    }
    draft.add(component, place, report);
}

fn read_kind(component: &mut Component, at: &At<'_>, report: &mut Report) {
    let words: Vec<(&'static str, Kind)> = Kind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    if at.get("kind").is_some() {
        component.kind = read::word(at, "kind", &words, report).unwrap_or_default();
    } else if let Some((kind, confidence, _)) = image::kind(&component.image, &component.ports) {
        component.kind = kind;
        let basis = at.get("image").or_else(|| at.get("ports")).unwrap_or_else(|| at.clone());
        component.evidence.push(report.evidence(EvidenceKind::Image, confidence, &basis));
    }
}

fn read_replicas(component: &mut Component, at: &At<'_>, report: &mut Report) {
    let Some(replicas) = at.get("replicas") else { return };
    if !replicas.is_map() {
        component.replicas = read::u32_of(at, "replicas", report).unwrap_or(1);
        return;
    }
    read::known_keys(&replicas, &["min", "max", "count"], report);
    let min = read::u32_of(&replicas, "min", report);
    let max = read::u32_of(&replicas, "max", report);
    let count = read::u32_of(&replicas, "count", report);
    component.replicas = count.or(min).unwrap_or(1);
    if min.is_some() || max.is_some() {
        let low = min.unwrap_or_else(|| component.replicas.min(1));
        component.replica_range = Some((low, max.unwrap_or_else(|| component.replicas.max(low))));
    }
}

fn read_resources(component: &mut Component, at: &At<'_>, report: &mut Report) {
    let Some(all) = at.get("resources").and_then(|r| read::map(r, report)) else { return };
    if !all.entries().any(|(key, _, _)| RESOURCE_KEYS.contains(&key)) {
        component.requirements.request = read::resources(&all, report);
        return;
    }
    read::known_keys(&all, RESOURCE_KEYS, report);
    let mut part = |key: &str| all.get(key).map(|r| read::resources(&r, report)).unwrap_or_default();
    component.requirements.request = part("request");
    component.requirements.limit = part("limit");
    component.requirements.minimum = part("minimum");
    component.requirements.burst = part("burst");
}

/// `8080`, `"5432/tcp"`, `{port: 80, protocol: http}`.
fn ports(at: &At<'_>, report: &mut Report) -> Vec<Port> {
    let Some(list) = at.get("ports") else { return Vec::new() };
    let items: Vec<At<'_>> = if list.is_list() { list.items().collect() } else { vec![list] };
    let mut ports = Vec::new();
    for item in items {
        let (number, protocol) = if item.is_map() {
            read::known_keys(&item, &["port", "protocol"], report);
            (item.text_of("port"), item.text_of("protocol").unwrap_or("tcp"))
        } else {
            let text = item.text().unwrap_or_default();
            text.split_once('/').map_or((Some(text), "tcp"), |(number, protocol)| (Some(number), protocol))
        };
        match number.and_then(|n| n.parse::<u16>().ok()).filter(|&n| n > 0) {
            Some(number) => ports.push(Port { number, protocol: Arc::from(protocol.to_ascii_lowercase()) }),
            None => report.add(
                "E1104",
                &item,
                format!("port is {}, expected 1 to 65535", item.node.describe()),
                "write a number such as `8080`, or `5432/tcp`",
            ),
        }
    }
    ports
}

fn dependencies(from: &ComponentId, edges: &At<'_>, draft: &mut Draft, report: &mut Report) {
    if edges.is_map() {
        // `depends_on: {db: {…}}` reads like a list of `{on: db, …}`.
        for (name, _, at) in edges.entries() {
            dependency(from, name, &at, draft, report);
        }
        return;
    }
    let items: Vec<At<'_>> = if edges.is_list() { edges.items().collect() } else { vec![edges.clone()] };
    for at in items {
        if at.is_map() {
            match at.get("on").and_then(|on| read::text(&on, report)) {
                Some(name) => dependency(from, name, &at, draft, report),
                None => report.add(
                    "E1106",
                    &at,
                    "`on` is missing in the dependency".to_owned(),
                    "name the component that is needed: `on: name`",
                ),
            }
        } else if let Some(name) = read::text(&at, report) {
            dependency(from, name, &at, draft, report);
        }
    }
}

fn dependency(from: &ComponentId, name: &str, at: &At<'_>, draft: &mut Draft, report: &mut Report) {
    let Some(to) = Draft::id(name, at, report) else { return };
    read::known_keys(at, EDGE_KEYS, report);
    let place = report.place(at);
    let mut edge = Dependency::new(from.clone(), to, DependencyKind::Call);
    let stated = evidence(at, report);
    let is_carried = !stated.is_empty();
    edge.evidence =
        if is_carried { stated } else { vec![report.evidence(EvidenceKind::Declared, Confidence::High, at)] };
    let strengths = [("hard", Strength::Hard), ("soft", Strength::Soft)];
    edge.strength = read::word(at, "strength", &strengths, report).unwrap_or_default();
    let modes =
        [("synchronous", CallMode::Synchronous), ("queued", CallMode::Queued), ("batch", CallMode::Batch)];
    edge.mode = read::word(at, "mode", &modes, report).unwrap_or_default();
    let conditions = StartCondition::ALL.map(|condition| (condition.as_str(), condition));
    edge.condition = read::word(at, "condition", &conditions, report).unwrap_or_default();
    edge.protocol = Arc::from(read::text_of(at, "protocol", report).unwrap_or_default().to_ascii_lowercase());
    edge.port =
        read::value(at, "port", "1 to 65535", report, |t| t.parse::<u16>().ok().filter(|&port| port > 0));
    edge.calls_per_1000_s =
        read::value(at, "calls_per_second", "a rate such as `12.5`", report, quantity::rate_per_1000_s)
            .unwrap_or(0);
    let mut rate = |key| read::value(at, key, "a rate such as `5MB/s`", report, quantity::byte_rate);
    edge.bytes_per_s = rate("traffic").or_else(|| rate("bytes_per_second")).unwrap_or(0);
    edge.payload_bytes =
        read::value(at, "payload", read::SIZE, report, |t| quantity::bytes(t, Prefix::Decimal))
            .map_or(0, Bytes::get);
    edge.latency_budget = read::duration_of(at, "latency_budget", report);
    edge.fan_out_permille =
        read::value(at, "fan_out", "a ratio such as `2` or `40%`", report, quantity::permille);
    for kind in kinds(at, report) {
        let mut one = edge.clone();
        one.kind = kind;
        if is_carried {
            draft.carry(one, place.clone());
        } else {
            draft.connect(one, place.clone());
        }
    }
}

/// What a map rested on before it was written down here.
fn evidence(at: &At<'_>, report: &mut Report) -> Vec<Evidence> {
    let Some(list) = at.get("evidence") else { return Vec::new() };
    if !list.is_list() {
        read::wrong(&list, "a list of `{kind: env, file: shop.yaml, line: 4}`", report);
        return Vec::new();
    }
    list.items().filter_map(|item| piece(&item, report)).collect()
}

fn piece(at: &At<'_>, report: &mut Report) -> Option<Evidence> {
    let at = read::map(at.clone(), report)?;
    read::known_keys(&at, EVIDENCE_KEYS, report);
    let kinds = EvidenceKind::ALL.map(|kind| (kind.as_str(), kind));
    if at.get("kind").is_none() {
        let message = "`kind` is missing in the evidence".to_owned();
        let words = EvidenceKind::ALL.map(EvidenceKind::as_str);
        report.add("E1106", &at, message, format!("say what it rests on: one of {}", words.join(", ")));
    }
    let kind = read::word(&at, "kind", &kinds, report)?;
    let sure = Confidence::ALL.map(|confidence| (confidence.as_str(), confidence));
    let confidence = read::word(&at, "confidence", &sure, report).unwrap_or_default();
    let mut text = |key| read::text_of(&at, key, report).unwrap_or_default().to_owned();
    let (file, path) = (text("file"), text("path"));
    let line = read::u32_of(&at, "line", report).unwrap_or(0);
    let column = read::u32_of(&at, "column", report).unwrap_or(0);
    Some(Evidence { kind, confidence, place: Place::new(file, line, column, path) })
}

/// One kind or several; a call if nothing is said.
fn kinds(at: &At<'_>, report: &mut Report) -> Vec<DependencyKind> {
    let words: Vec<(&'static str, DependencyKind)> =
        DependencyKind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    let Some(value) = at.get("kind") else { return vec![DependencyKind::Call] };
    if !value.is_list() {
        return read::word(at, "kind", &words, report).into_iter().collect();
    }
    let mut kinds = Vec::new();
    for (text, item) in read::texts(&value, report) {
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, kind)) if !kinds.contains(kind) => kinds.push(*kind),
            Some(_) => {}
            None => {
                let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let message = format!("`kind` is {}, which is not known", item.node.describe());
                report.add("E1103", &item, message, format!("expected one of: {}", all.join(", ")));
            }
        }
    }
    kinds
}
