//! Docker Compose (Compose Specification), with health checks.

use super::carried;
use super::kubernetes::image;
use super::names::{Names, address_variable};
use super::yaml;
use crate::component::{Component, Kind};
use crate::dependency::{Dependency, DependencyKind, StartCondition, Strength};
use crate::ecosystem::Ecosystem;
use crate::resources::Resources;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The map as a Compose file.
///
/// Start-order edges become `depends_on` with their condition (`service_healthy` where the target can be checked), call and data
/// edges variables `<NAME>_ADDR`, volume edges a named volume that both mount. Components that listen on TCP get a health
/// check by `nc` or bash inside the container. Gateways publish their ports, under the same
/// number if there is one replica. External components are no services; variables
/// still name them. A component
/// without an image is built from a folder of its name, which a comment says.
pub fn file(ecosystem: &Ecosystem) -> String {
    let names = Names::compose(ecosystem);
    let mut services = Map::new();
    let mut volumes: BTreeMap<String, Value> = BTreeMap::new();
    let shared: Vec<(usize, usize, String)> = ecosystem
        .dependencies()
        .filter(|d| d.kind == DependencyKind::Volume)
        .filter_map(|d| {
            let ends = (ecosystem.component_index(&d.from)?, ecosystem.component_index(&d.to)?);
            Some((ends.0, ends.1, format!("{}-{}", names.of(&d.to), names.of(&d.from))))
        })
        .collect();
    let mut head = String::new();
    for (ix, component) in ecosystem.components().enumerate().filter(|(_, c)| c.is_placed()) {
        let mut service = service(ecosystem, &names, ix, component);
        let mut mounts: Vec<Value> = Vec::new();
        for (_, _, volume) in shared.iter().filter(|(a, b, _)| [*a, *b].contains(&ix)) {
            mounts.push(json!(format!("{volume}:/mnt/{volume}")));
            volumes.insert(volume.clone(), json!({}));
        }
        if component.kind.is_stateful() && component.requirements.request.disk.get() > 0 {
            let volume = format!("{}-data", names.of(&component.id));
            mounts.push(json!(format!("{volume}:/var/lib/data")));
            volumes.insert(volume, json!({}));
        }
        if !mounts.is_empty() {
            service.insert("volumes".to_owned(), Value::Array(mounts));
        }
        if component.image.is_empty() {
            let _ = writeln!(head, "# {}: no image known, built from a folder of its name", component.id);
        }
        service.extend(extensions(ecosystem, &names, ix, component));
        services.insert(names.of(&component.id).to_owned(), Value::Object(service));
    }
    let outside = ecosystem.components().enumerate().filter(|(_, c)| !c.is_placed());
    let outside: Map<String, Value> = outside
        .map(|(ix, c)| (names.of(&c.id).to_owned(), extensions(ecosystem, &names, ix, c).into()))
        .collect();
    let mut services = Value::Object(services);
    escape_dollars(&mut services);
    let mut document = json!({ "name": project(ecosystem.name()), "services": services });
    if !volumes.is_empty() {
        document["volumes"] = json!(volumes);
    }
    if !outside.is_empty() {
        document["x-vm-ecosystem/external"] = outside.into();
    }
    head + &yaml::document(&document)
}

/// A dollar sign begins a variable in every value of a service.
fn escape_dollars(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Array(items) => items.iter_mut().for_each(escape_dollars),
        Value::Object(map) => map.values_mut().for_each(escape_dollars),
        _ => {}
    }
}

/// Attributes and edges that Compose has no word for; reading the file finds them there.
fn extensions(ecosystem: &Ecosystem, names: &Names, ix: usize, component: &Component) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert(format!("x-{}", carried::COMPONENT), carried::component(component));
    let name = |edge: &Dependency| names.of(&edge.to).to_owned();
    if let Some(needs) = carried::needs(ecosystem.dependencies_of(ix), name) {
        map.insert(format!("x-{}", carried::NEEDS), needs);
    }
    map
}

fn service(ecosystem: &Ecosystem, names: &Names, ix: usize, component: &Component) -> Map<String, Value> {
    let mut service = Map::new();
    match image(component) {
        Some(image) => service.insert("image".to_owned(), json!(image)),
        None => service.insert("build".to_owned(), json!(format!("./{}", names.of(&component.id)))),
    };
    let mut environment: BTreeMap<String, String> = BTreeMap::new();
    let mut after: BTreeMap<&str, Value> = BTreeMap::new();
    for edge in ecosystem.dependencies_of(ix) {
        let Some(target) = ecosystem.component(&edge.to) else { continue };
        let name = names.of(&edge.to);
        match edge.kind {
            DependencyKind::Call | DependencyKind::Data => {
                let port = edge.port.or_else(|| target.ports.first().map(|p| p.number));
                let address = port.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
                environment.entry(address_variable(name)).or_insert(address);
            }
            DependencyKind::StartOrder if target.is_placed() => {
                let condition = match edge.condition {
                    StartCondition::Completed => "service_completed_successfully",
                    // without a check a service never becomes healthy
                    StartCondition::Healthy if probe(target).is_some() => "service_healthy",
                    StartCondition::Healthy | StartCondition::Started => "service_started",
                };
                let mut need = json!({ "condition": condition });
                if edge.strength == Strength::Soft {
                    need["required"] = json!(false);
                }
                after.insert(name, need);
            }
            DependencyKind::StartOrder | DependencyKind::Volume => {}
        }
    }
    if !environment.is_empty() {
        service.insert("environment".to_owned(), json!(environment));
    }
    if !after.is_empty() {
        service.insert("depends_on".to_owned(), json!(after));
    }
    if let Some(test) = probe(component) {
        let check = json!({ "test": ["CMD-SHELL", test], "interval": "5s", "timeout": "3s", "retries": 12 });
        service.insert("healthcheck".to_owned(), check);
    }
    let ports: Vec<Value> = component
        .ports
        .iter()
        .map(|p| {
            let suffix = if &*p.protocol == "udp" { "/udp" } else { "" };
            if component.kind == Kind::Gateway && component.replicas <= 1 {
                json!(format!("{0}:{0}{suffix}", p.number))
            } else {
                json!(format!("{}{suffix}", p.number))
            }
        })
        .collect();
    if !ports.is_empty() {
        let key = if component.kind == Kind::Gateway { "ports" } else { "expose" };
        service.insert(key.to_owned(), Value::Array(ports));
    }
    if !component.labels.is_empty() {
        service.insert("labels".to_owned(), json!(component.labels));
    }
    service.insert("deploy".to_owned(), deploy(component));
    let restart = if component.kind == Kind::Batch { "no" } else { "unless-stopped" };
    service.insert("restart".to_owned(), json!(restart));
    service
}

/// A command that succeeds once the first TCP port answers; `None` without one.
fn probe(component: &Component) -> Option<String> {
    let port = component.ports.iter().find(|p| !matches!(&*p.protocol, "udp" | "sctp"))?.number;
    Some(format!("nc -z 127.0.0.1 {port} || bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'"))
}

fn deploy(component: &Component) -> Value {
    let mut deploy = if component.per_host {
        json!({ "mode": "global" })
    } else {
        json!({ "replicas": component.replicas })
    };
    let mut resources = Map::new();
    for (key, amounts) in
        [("reservations", &component.requirements.request), ("limits", &component.requirements.limit)]
    {
        let amounts = quantities(amounts);
        if !amounts.is_empty() {
            resources.insert(key.to_owned(), Value::Object(amounts));
        }
    }
    if !resources.is_empty() {
        deploy["resources"] = Value::Object(resources);
    }
    deploy
}

fn quantities(resources: &Resources) -> Map<String, Value> {
    let mut map = Map::new();
    if resources.cpu.get() > 0 {
        let (cores, rest) = (resources.cpu.get() / 1_000, resources.cpu.get() % 1_000);
        map.insert("cpus".to_owned(), json!(format!("{cores}.{rest:03}")));
    }
    if resources.memory.get() > 0 {
        map.insert("memory".to_owned(), json!(format!("{}b", resources.memory.get())));
    }
    map
}

/// A project name: lower case letters, digits, hyphens and underscores.
fn project(name: &str) -> String {
    let mapped: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let trimmed = mapped.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if trimmed.is_empty() { "ecosystem".to_owned() } else { trimmed.to_owned() }
}
