//! Deployment, `StatefulSet` or Job of a component.

use super::{Cluster, is_traffic, scheduling};
use crate::component::{Component, Kind};
use crate::dependency::DependencyKind;
use crate::export::names::address_variable;
use crate::resources::Resources;
use crate::units::Bytes;
use serde_json::{Map, Value, json};

pub(super) fn is_stateful(component: &Component) -> bool {
    component.kind.is_stateful() && !component.per_host
}

/// Kind of the object that runs a component.
pub(in crate::export) fn kind(component: &Component) -> &'static str {
    match component.kind {
        Kind::Batch => "Job",
        _ if component.per_host => "DaemonSet",
        _ if is_stateful(component) => "StatefulSet",
        _ => "Deployment",
    }
}

pub(super) fn workload(cluster: &Cluster<'_>, ix: usize, component: &Component) -> Value {
    let name = cluster.name(&component.id);
    let kind = kind(component);
    let selector = json!({ "matchLabels": cluster.selector(&component.id) });
    let mut labels = cluster.metadata(name, Some(component))["labels"].take();
    for (key, value) in component.labels.iter().filter(|(key, _)| is_label_key(key)) {
        if labels.get(&**key).is_none() {
            labels[&**key] = json!(super::label(value));
        }
    }
    let mut template_metadata = json!({ "labels": labels });
    let after: Vec<&str> = cluster
        .ecosystem
        .dependencies_of(ix)
        .filter(|d| d.kind == DependencyKind::StartOrder)
        .map(|d| cluster.name(&d.to))
        .collect();
    if !after.is_empty() {
        // Kubernetes has no start order; the annotation keeps it for readers
        template_metadata["annotations"] = json!({ "vm-ecosystem/start-after": after.join(",") });
    }
    let template = json!({ "metadata": template_metadata, "spec": pod(cluster, ix, component) });
    let mut metadata = cluster.metadata(name, Some(component));
    metadata["annotations"] = cluster.annotations(ix, component);
    let spec = match kind {
        "Job" => json!({
            "parallelism": component.replicas, "completions": component.replicas.max(1), "template": template,
        }),
        "StatefulSet" => {
            let mut spec = json!({
                "replicas": component.replicas, "serviceName": name, "selector": selector, "template": template,
            });
            if let Some(claims) = claims(cluster, component) {
                spec["volumeClaimTemplates"] = claims;
            }
            spec
        }
        "DaemonSet" => json!({ "selector": selector, "template": template }),
        _ => json!({
            "replicas": component.replicas, "selector": selector, "template": template,
            "strategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": component.disruption_budget() } },
        }),
    };
    let version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })
}

fn pod(cluster: &Cluster<'_>, ix: usize, component: &Component) -> Value {
    let mut pod = Map::new();
    pod.insert("containers".to_owned(), json!([container(cluster, ix, component)]));
    pod.insert("automountServiceAccountToken".to_owned(), json!(false));
    if component.kind == Kind::Batch {
        pod.insert("restartPolicy".to_owned(), json!("OnFailure"));
    }
    if let Some(provider) = cluster.settings.provider {
        pod.insert("nodeSelector".to_owned(), provider.node_selector());
    }
    let (affinity, spread) = scheduling::of(cluster, component);
    if let Some(affinity) = affinity {
        pod.insert("affinity".to_owned(), affinity);
    }
    if !spread.is_empty() {
        pod.insert("topologySpreadConstraints".to_owned(), Value::Array(spread));
    }
    Value::Object(pod)
}

fn container(cluster: &Cluster<'_>, ix: usize, component: &Component) -> Value {
    let mut container = Map::new();
    container.insert("name".to_owned(), json!(cluster.name(&component.id)));
    if let Some(image) = image(component) {
        container.insert("image".to_owned(), json!(image));
    }
    let env = addresses(cluster, ix);
    if !env.is_empty() {
        container.insert("env".to_owned(), Value::Array(env));
    }
    let ports: Vec<Value> = cluster
        .ports(&component.id)
        .map(|(number, protocol)| json!({ "containerPort": number, "protocol": protocol }))
        .collect();
    if let Some((number, _)) = cluster.ports(&component.id).find(|(_, protocol)| *protocol == "TCP") {
        let probe = json!({ "tcpSocket": { "port": number }, "periodSeconds": 5, "failureThreshold": 3 });
        container.insert("readinessProbe".to_owned(), probe);
    }
    if !ports.is_empty() {
        container.insert("ports".to_owned(), Value::Array(ports));
    }
    let stateful_disk = is_stateful(component);
    let requests = quantities(&component.requirements.request, stateful_disk);
    let limits = quantities(&component.requirements.limit, stateful_disk);
    let mut resources = Map::new();
    for (key, amounts) in [("requests", requests), ("limits", limits)] {
        if !amounts.is_empty() {
            resources.insert(key.to_owned(), Value::Object(amounts));
        }
    }
    container.insert("resources".to_owned(), Value::Object(resources));
    if claims(cluster, component).is_some() {
        container
            .insert("volumeMounts".to_owned(), json!([{ "name": "data", "mountPath": "/var/lib/data" }]));
    }
    Value::Object(container)
}

/// Image with tag or digest.
pub(in crate::export) fn image(component: &Component) -> Option<String> {
    if component.image.is_empty() {
        return None;
    }
    let version = component.version.as_str();
    Some(match version {
        "" => component.image.to_string(),
        _ if component.version.is_digest() => format!("{}@{version}", component.image),
        _ => format!("{}:{version}", component.image),
    })
}

/// Variables with the addresses of what the component calls.
fn addresses(cluster: &Cluster<'_>, ix: usize) -> Vec<Value> {
    let mut env: Vec<Value> = Vec::new();
    for edge in cluster.ecosystem.dependencies_of(ix).filter(|d| is_traffic(d)) {
        let target = cluster.name(&edge.to);
        let port = edge.port.or_else(|| cluster.ports(&edge.to).next().map(|(number, _)| number));
        let address = port.map_or_else(|| target.to_owned(), |port| format!("{target}:{port}"));
        let item = json!({ "name": address_variable(target), "value": address });
        if !env.iter().any(|known| known["name"] == item["name"]) {
            env.push(item);
        }
    }
    env
}

/// Amounts in the notation of Kubernetes; storage of stateful components is a volume, not ephemeral.
fn quantities(resources: &Resources, disk_is_volume: bool) -> Map<String, Value> {
    let mut map = Map::new();
    if resources.cpu.get() > 0 {
        map.insert("cpu".to_owned(), json!(resources.cpu.to_string()));
    }
    if resources.memory.get() > 0 {
        map.insert("memory".to_owned(), json!(bytes(resources.memory)));
    }
    if resources.disk.get() > 0 && !disk_is_volume {
        map.insert("ephemeral-storage".to_owned(), json!(bytes(resources.disk)));
    }
    for (name, amount) in
        resources.extended.iter().filter(|(name, amount)| name.contains('/') && **amount > 0)
    {
        map.insert(name.to_string(), json!(amount.to_string()));
    }
    map
}

/// Whole gibi- or mebibytes where that is exact, else bytes.
fn bytes(amount: Bytes) -> String {
    match amount.get() {
        n if n % (1 << 30) == 0 => format!("{}Gi", n >> 30),
        n if n % (1 << 20) == 0 => format!("{}Mi", n >> 20),
        n => n.to_string(),
    }
}

fn claims(cluster: &Cluster<'_>, component: &Component) -> Option<Value> {
    let disk = component.requirements.request.disk;
    if !is_stateful(component) || disk.get() == 0 {
        return None;
    }
    let mut spec = json!({
        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": bytes(disk) } },
    });
    if let Some(provider) = cluster.settings.provider {
        spec["storageClassName"] = json!(provider.storage_class_name());
    }
    Some(json!([{ "metadata": { "name": "data" }, "spec": spec }]))
}

/// A label key: an optional DNS prefix and a name of at most 63 characters.
fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let dns = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
    };
    let inner =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let ends = |text: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        edge(text.chars().next()) && edge(text.chars().last())
    };
    prefix.is_none_or(|p| dns(p) && ends(p)) && inner(name) && ends(name) && name.len() <= 63
}
