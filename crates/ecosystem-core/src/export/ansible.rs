//! Ansible inventory and playbook: containers on the hosts of a placement, in start order.

use super::kubernetes::image;
use super::names::{Names, address_variable};
use super::yaml;
use crate::analysis::start_order;
use crate::component::Component;
use crate::dependency::DependencyKind;
use crate::ecosystem::Ecosystem;
use crate::infra::Infrastructure;
use crate::placement::Placement;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The infrastructure as a YAML inventory: groups by region, zone and rack, and one group for each component
/// (`component_<name>`) with the hosts it is placed on. Host variables hold capacity and labels.
pub fn inventory(ecosystem: &Ecosystem, infrastructure: &Infrastructure, placement: &Placement) -> String {
    let names = Names::identifiers(ecosystem);
    let mut hosts = Map::new();
    let mut groups: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (ix, host) in infrastructure.hosts().iter().enumerate() {
        let variables = json!({
            "eco_cpu_millicores": host.capacity.cpu.get(),
            "eco_memory_bytes": host.capacity.memory.get(),
            "eco_rack": host.rack.as_str(),
            "eco_zone": infrastructure.host_zone(ix).as_str(),
            "eco_labels": host.labels,
        });
        hosts.insert(host.id.to_string(), variables);
        let region = &infrastructure.regions()[infrastructure.host_region_index(ix)];
        for (what, name) in [
            ("region", region.id.as_str()),
            ("zone", infrastructure.host_zone(ix).as_str()),
            ("rack", host.rack.as_str()),
        ] {
            groups.entry(group(what, name)).or_default().insert(host.id.to_string(), json!({}));
        }
    }
    for (replica, host) in placement.iter().filter(|(_, host)| infrastructure.host(host).is_some()) {
        if let Some(component) = ecosystem.component(replica.component()) {
            let key = format!("component_{}", names.of(&component.id));
            groups.entry(key).or_default().insert(host.to_string(), json!({}));
        }
    }
    let children: Map<String, Value> =
        groups.into_iter().map(|(name, hosts)| (name, json!({ "hosts": hosts }))).collect();
    yaml::document(&json!({ "all": { "hosts": hosts, "children": children } }))
}

/// One play for each component with an image, in start order: every replica as a container on its host. Only modules of
/// ansible-core are used. Components without an image are named in comments.
pub fn playbook(ecosystem: &Ecosystem, placement: &Placement) -> String {
    let names = Names::identifiers(ecosystem);
    let mut head = String::new();
    let mut plays = Vec::new();
    for (number, level) in start_order(ecosystem).levels.iter().enumerate() {
        for component in level.iter().filter_map(|id| ecosystem.component(id)).filter(|c| c.is_placed()) {
            match image(component) {
                Some(image) => {
                    plays.push(play(ecosystem, &names, placement, component, (number + 1, &image)));
                }
                None => {
                    let _ = writeln!(head, "# {}: no image known", component.id);
                }
            }
        }
    }
    head + "---\n" + &yaml::document(&Value::Array(plays))
}

fn play(
    ecosystem: &Ecosystem,
    names: &Names,
    placement: &Placement,
    component: &Component,
    (level, image): (usize, &str),
) -> Value {
    let mut run: Vec<String> =
        ["docker", "run", "--detach", "--restart=unless-stopped", "--name", "{{ item.name }}"]
            .map(str::to_owned)
            .into();
    if component.requirements.limit.cpu.get() > 0 {
        let cpu = component.requirements.limit.cpu.get();
        run.push(format!("--cpus={}.{:03}", cpu / 1_000, cpu % 1_000));
    }
    if component.requirements.limit.memory.get() > 0 {
        run.push(format!("--memory={}", component.requirements.limit.memory.get()));
    }
    for port in &component.ports {
        let protocol = if &*port.protocol == "udp" { "udp" } else { "tcp" };
        run.push(format!("--publish={0}:{0}/{protocol}", port.number));
    }
    let index = ecosystem.component_index(&component.id).unwrap_or(usize::MAX);
    for edge in ecosystem.dependencies_of(index) {
        if !matches!(edge.kind, DependencyKind::Call | DependencyKind::Data) {
            continue;
        }
        let Some(target) = ecosystem.component(&edge.to) else { continue };
        // the host of the first replica; names of components do not resolve between plain hosts
        let host = placement
            .of_component(&edge.to)
            .next()
            .map_or_else(|| edge.to.to_string(), |(_, h)| h.to_string());
        let port = edge.port.or_else(|| target.ports.first().map(|p| p.number));
        let address = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        run.push(format!("--env={}={address}", address_variable(names.of(&edge.to))));
    }
    run.push(image.to_owned());
    let replicas: Vec<Value> = placement
        .of_component(&component.id)
        .map(|(replica, host)| {
            let name = format!("{}-{}", names.of(&component.id).replace('_', "-"), replica.index());
            json!({ "name": name, "host": host.as_str() })
        })
        .collect();
    let here = "item.host == inventory_hostname";
    json!({
        "name": format!("Level {level}: {}", component.id),
        "hosts": format!("component_{}", names.of(&component.id)),
        "gather_facts": false,
        "vars": { "replicas": replicas },
        "tasks": [
            {
                "name": "Look for the container",
                "ansible.builtin.command": { "argv": ["docker", "container", "inspect", "{{ item.name }}"] },
                "loop": "{{ replicas }}", "when": here, "register": "found", "changed_when": false, "failed_when": false,
            },
            {
                "name": "Run the container",
                "ansible.builtin.command": { "argv": run },
                "loop": "{{ replicas }}", "loop_control": { "index_var": "number" },
                "when": [here, "found.results[number].rc | default(1) != 0"],
            },
        ],
    })
}

/// A group name: letters, digits and underscores.
fn group(what: &str, name: &str) -> String {
    let mapped: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    format!("{what}_{mapped}")
}
