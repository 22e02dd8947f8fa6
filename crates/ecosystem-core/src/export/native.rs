//! Our own manifest format, version 1.1 (`docs/manifest-format.md`), as YAML.

use super::yaml;
use crate::component::{Component, Criticality};
use crate::dependency::{CallMode, Dependency, DependencyKind, StartCondition, Strength};
use crate::ecosystem::Ecosystem;
use crate::finding::{Confidence, Evidence};
use crate::id::ComponentId;
use crate::resources::Resources;
use crate::rules::{Domain, HostSet, Rule, RuleKind, Span, Weight};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The map as a manifest that [`manifest::parse`](crate::manifest::parse) reads back to the same map, with what its
/// inferred edges and kinds rest on. What was declared is declared by the new file: its place is there.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Ecosystem, Kind, diff, export::native, manifest::{self, ParseOptions, Source}};
///
/// let map = Ecosystem::builder("m").component(Component::new("db".parse()?, Kind::Database)).build()?;
/// let text = native::file(&map);
/// let back = manifest::parse(&[Source::new("m.yaml", &text)], &ParseOptions::default())?.ecosystem;
/// assert!(diff(&map, &back).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn file(ecosystem: &Ecosystem) -> String {
    let mut document = Map::new();
    document.insert("version".to_owned(), json!("1.1"));
    put(&mut document, "name", ecosystem.name());
    let components = ecosystem.components().enumerate().map(|(ix, component)| {
        let mut value = part(component);
        let needs: Vec<Value> = ecosystem.dependencies_of(ix).map(need).collect();
        if !needs.is_empty() {
            value.insert("depends_on".to_owned(), Value::Array(needs));
        }
        (component.id.to_string(), Value::Object(value))
    });
    document.insert("components".to_owned(), components.collect::<Map<_, _>>().into());
    if !ecosystem.rules().is_empty() {
        document.insert("rules".to_owned(), ecosystem.rules().iter().map(rule).collect());
    }
    yaml::document(&Value::Object(document))
}

fn put(map: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        map.insert(key.to_owned(), json!(text));
    }
}

fn part(component: &Component) -> Map<String, Value> {
    let mut map = Map::new();
    put(&mut map, "kind", component.kind.as_str());
    put(&mut map, "image", &component.image);
    put(&mut map, "version", component.version.as_str());
    let replicas = match component.replica_range {
        Some((min, max)) => json!({ "min": min, "max": max, "count": component.replicas }),
        None => json!(component.replicas),
    };
    map.insert("replicas".to_owned(), replicas);
    if component.per_host {
        map.insert("per_host".to_owned(), json!(true));
    }
    let needs = &component.requirements;
    let parts = [
        ("request", &needs.request),
        ("limit", &needs.limit),
        ("minimum", &needs.minimum),
        ("burst", &needs.burst),
    ];
    let stated: Map<String, Value> = parts
        .into_iter()
        .filter(|(_, amounts)| !amounts.is_zero())
        .map(|(key, amounts)| (key.to_owned(), resources(amounts)))
        .collect();
    if !stated.is_empty() {
        map.insert("resources".to_owned(), stated.into());
    }
    let mut slo = Map::new();
    if let Some(latency) = component.slo.latency_p99 {
        slo.insert("latency_p99".to_owned(), json!(format!("{}us", latency.get())));
    }
    if let Some(ppm) = component.slo.availability_ppm {
        slo.insert("availability".to_owned(), json!(format!("{}.{:04}%", ppm / 10_000, ppm % 10_000)));
    }
    if !slo.is_empty() {
        map.insert("slo".to_owned(), slo.into());
    }
    let criticality = match component.criticality {
        Criticality::Low => "low",
        Criticality::Medium => "",
        Criticality::High => "high",
        Criticality::Critical => "critical",
    };
    put(&mut map, "criticality", criticality);
    for (key, value, is_empty) in [
        ("residency", json!(component.residency), component.residency.is_empty()),
        ("licences", json!(component.licences), component.licences.is_empty()),
        ("labels", json!(component.labels), component.labels.is_empty()),
        ("max_unavailable", json!(component.max_unavailable), component.max_unavailable.is_none()),
        ("maintenance", json!(component.maintenance), component.maintenance.is_empty()),
        ("dirty_rate", json!(component.dirty_bytes_per_second), component.dirty_bytes_per_second == 0),
    ] {
        if !is_empty {
            map.insert(key.to_owned(), value);
        }
    }
    put(&mut map, "owner", &component.owner);
    if !component.evidence.is_empty() {
        map.insert("evidence".to_owned(), evidence(&component.evidence));
    }
    let ports = component.ports.iter().map(|p| json!({ "port": p.number, "protocol": p.protocol }));
    let ports: Vec<Value> = ports.collect();
    if !ports.is_empty() {
        map.insert("ports".to_owned(), Value::Array(ports));
    }
    map
}

/// Bare numbers are in the unit that the reader takes them for.
fn resources(amounts: &Resources) -> Value {
    let stated = amounts.iter().filter(|(_, amount)| *amount > 0);
    let pairs = stated.map(|(name, amount)| {
        let value = if name == "cpu" { json!(format!("{amount}m")) } else { json!(amount) };
        (name.to_owned(), value)
    });
    pairs.collect::<Map<_, _>>().into()
}

fn need(edge: &Dependency) -> Value {
    let mut map = Map::new();
    put(&mut map, "on", edge.to.as_str());
    put(&mut map, "kind", edge.kind.as_str());
    if edge.strength == Strength::Soft {
        put(&mut map, "strength", "soft");
    }
    let mode = match edge.mode {
        CallMode::Synchronous => "",
        CallMode::Queued => "queued",
        CallMode::Batch => "batch",
    };
    put(&mut map, "mode", mode);
    if edge.kind == DependencyKind::StartOrder || edge.condition != StartCondition::Started {
        put(&mut map, "condition", edge.condition.as_str());
    }
    put(&mut map, "protocol", &edge.protocol);
    if let Some(port) = edge.port {
        map.insert("port".to_owned(), json!(port));
    }
    if edge.calls_per_1000_s > 0 {
        put(&mut map, "calls_per_second", &thousandths(edge.calls_per_1000_s));
    }
    if edge.bytes_per_s > 0 {
        map.insert("traffic".to_owned(), json!(edge.bytes_per_s));
    }
    if edge.payload_bytes > 0 {
        map.insert("payload".to_owned(), json!(edge.payload_bytes));
    }
    if let Some(budget) = edge.latency_budget {
        put(&mut map, "latency_budget", &format!("{}us", budget.get()));
    }
    if let Some(permille) = edge.fan_out_permille {
        put(&mut map, "fan_out", &thousandths(permille));
    }
    if !Evidence::is_plain(&edge.evidence) {
        map.insert("evidence".to_owned(), evidence(&edge.evidence));
    }
    Value::Object(map)
}

fn evidence(list: &[Evidence]) -> Value {
    let piece = |evidence: &Evidence| {
        let mut map = Map::new();
        put(&mut map, "kind", evidence.kind.as_str());
        if evidence.confidence != Confidence::High {
            put(&mut map, "confidence", evidence.confidence.as_str());
        }
        put(&mut map, "file", &evidence.place.file);
        for (key, number) in [("line", evidence.place.line), ("column", evidence.place.column)] {
            if number > 0 {
                map.insert(key.to_owned(), json!(number));
            }
        }
        put(&mut map, "path", &evidence.place.path);
        Value::Object(map)
    };
    list.iter().map(piece).collect()
}

fn thousandths(amount: u64) -> String {
    format!("{}.{:03}", amount / 1_000, amount % 1_000)
}

fn rule(rule: &Rule) -> Value {
    let mut map = Map::new();
    put(&mut map, "name", &rule.name);
    let (kind, keys) = kind(&rule.kind);
    put(&mut map, "kind", kind);
    map.extend(keys.into_iter().map(|(key, value)| (key.to_owned(), value)));
    if let Weight::Soft(penalty) = rule.weight {
        map.insert("soft".to_owned(), json!(penalty));
    }
    if rule.span == Span::WholePlan {
        map.insert("during_plan".to_owned(), json!(true));
    }
    Value::Object(map)
}

type Keys = Vec<(&'static str, Value)>;

fn kind(kind: &RuleKind) -> (&'static str, Keys) {
    let of = |members: &[ComponentId]| ("members", list(members));
    match kind {
        RuleKind::Together { members, domain } => ("together", vec![of(members), domain_of(domain)]),
        RuleKind::Apart { members, domain } => ("apart", vec![of(members), domain_of(domain)]),
        RuleKind::Spread { members, domain, min_domains, max_skew } => {
            let mut keys = vec![of(members), domain_of(domain), ("min_domains", json!(min_domains))];
            keys.extend(max_skew.map(|skew| ("max_skew", json!(skew))));
            ("spread", keys)
        }
        RuleKind::Fence { members, allowed } => ("fence", vec![of(members), ("allowed", hosts(allowed))]),
        RuleKind::Ban { members, denied } => ("ban", vec![of(members), ("denied", hosts(denied))]),
        RuleKind::Lonely { members } => ("lonely", vec![of(members)]),
        RuleKind::MaxOnline { hosts: set, max } => {
            ("max-online", vec![("hosts", hosts(set)), ("max", json!(max))])
        }
        RuleKind::AtMost { members, domain, max } => {
            ("at-most", vec![of(members), domain_of(domain), ("max", json!(max))])
        }
        RuleKind::Among { members, parts } => ("among", vec![of(members), ("parts", sets(parts))]),
        RuleKind::Stay { replicas } => {
            let pairs: BTreeMap<String, &str> =
                replicas.iter().map(|(replica, host)| (replica.to_string(), host.as_str())).collect();
            ("stay", vec![("replicas", json!(pairs))])
        }
        RuleKind::Split { groups, domain } => ("split", vec![("groups", lists(groups)), domain_of(domain)]),
        RuleKind::SplitAmong { groups, parts } => {
            ("split-among", vec![("groups", lists(groups)), ("parts", sets(parts))])
        }
        RuleKind::Quota { members, hosts: set, resource, max } => {
            let max = if &**resource == "cpu" { json!(format!("{max}m")) } else { json!(max) };
            ("quota", vec![of(members), ("hosts", hosts(set)), ("resource", json!(resource)), ("max", max)])
        }
        RuleKind::Licence { name, hosts: set, max } => {
            ("licence", vec![("licence", json!(name)), ("hosts", hosts(set)), ("max", json!(max))])
        }
        RuleKind::Neighbour { members, needs, domain } => {
            ("neighbour", vec![of(members), ("needs", list(needs)), domain_of(domain)])
        }
        RuleKind::Latency { from, to, budget } => {
            let budget = json!(format!("{}us", budget.get()));
            ("latency", vec![("from", json!(from)), ("to", json!(to)), ("budget", budget)])
        }
        RuleKind::PathLatency { path, budget } => {
            ("path-latency", vec![("path", list(path)), ("budget", json!(format!("{}us", budget.get())))])
        }
        RuleKind::MaxPrice { max } => {
            let micros = max.0.max(0);
            ("max-price", vec![("max", json!(format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)))])
        }
        RuleKind::Reserve { domain, hosts } => {
            ("reserve", vec![domain_of(domain), ("failures", json!(hosts))])
        }
    }
}

fn list(members: &[ComponentId]) -> Value {
    json!(members)
}

fn lists(groups: &[Vec<ComponentId>]) -> Value {
    groups.iter().map(|group| list(group)).collect()
}

fn domain_of(domain: &Domain) -> (&'static str, Value) {
    let value = match domain {
        Domain::Named(name) => json!({ "named": name }),
        other => json!(other.to_string()),
    };
    ("domain", value)
}

fn sets(parts: &[HostSet]) -> Value {
    parts.iter().map(hosts).collect()
}

fn hosts(set: &HostSet) -> Value {
    let mut map = Map::new();
    for (key, value, is_empty) in [
        ("hosts", json!(set.hosts), set.hosts.is_empty()),
        ("racks", json!(set.racks), set.racks.is_empty()),
        ("zones", json!(set.zones), set.zones.is_empty()),
        ("regions", json!(set.regions), set.regions.is_empty()),
    ] {
        if !is_empty {
            map.insert(key.to_owned(), value);
        }
    }
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, value) in &set.labels {
        labels.entry(key).or_default().insert(value);
    }
    if !labels.is_empty() {
        map.insert("labels".to_owned(), json!(labels));
    }
    Value::Object(map)
}
