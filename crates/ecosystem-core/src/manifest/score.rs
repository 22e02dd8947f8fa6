//! Score workloads (`score.dev/v1b1`): one workload per document, with the resources it needs.

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
use crate::resources::Resources;
use std::collections::BTreeMap;
use std::sync::Arc;

const KEYS: &[&str] = &["apiVersion", "metadata", "service", "containers", "resources"];

/// All Score documents of the inputs; workloads may name each other.
#[derive(Debug, Default)]
pub(crate) struct Workloads<'a> {
    all: Vec<(&'a str, At<'a>)>,
}

impl<'a> Workloads<'a> {
    pub(crate) fn add(&mut self, root: &At<'a>, report: &mut Report) {
        read::known_keys(root, KEYS, report);
        match root.dig(&["metadata", "name"]).and_then(|name| name.text()) {
            Some(name) => self.all.push((name, root.clone())),
            None => report.add("E1106", root, "`metadata.name` is missing".to_owned(), "name the workload"),
        }
    }

    pub(crate) fn finish(self, draft: &mut Draft, report: &mut Report) {
        let names: BTreeMap<&str, ComponentId> =
            self.all.iter().filter_map(|(name, _)| Some((*name, ComponentId::new(name).ok()?))).collect();
        for (name, root) in &self.all {
            if let Some(id) = Draft::id(name, root, report) {
                workload(&id, root, &names, draft, report);
            }
        }
    }
}

fn workload(
    id: &ComponentId,
    root: &At<'_>,
    names: &BTreeMap<&str, ComponentId>,
    draft: &mut Draft,
    report: &mut Report,
) {
    let mut component = Component::new(id.clone(), Kind::Container);
    if let Some(annotations) = root.dig(&["metadata", "annotations"]) {
        for (key, _, value) in annotations.entries() {
            component.labels.insert(Arc::from(key), Arc::from(value.text().unwrap_or("")));
        }
    }
    for (_, _, at) in root.dig(&["service", "ports"]).iter().flat_map(At::entries) {
        let key = if at.get("targetPort").is_some() { "targetPort" } else { "port" };
        let number =
            read::value(&at, key, "1 to 65535", report, |t| t.parse::<u16>().ok().filter(|&p| p > 0));
        if let Some(number) = number {
            let protocol = at.text_of("protocol").unwrap_or("tcp").to_ascii_lowercase();
            component.ports.push(Port { number, protocol: Arc::from(protocol) });
        }
    }
    let containers = root.get("containers");
    if containers.is_none() {
        report.add("E1106", root, "`containers` is missing".to_owned(), "describe at least one container");
    }
    for (index, (_, _, at)) in containers.iter().flat_map(At::entries).enumerate() {
        let reference = read::text_of(&at, "image", report).unwrap_or_default();
        if index == 0 {
            // `.` stands for an image that is built later.
            let (name, tag, digest) = image::split(if reference == "." { "" } else { reference });
            component.image = Arc::from(name);
            component.version = Version::new(tag.or(digest).unwrap_or(""));
            infer_kind(&mut component, name, &at, report);
        }
        if let Some(resources) = at.get("resources") {
            let limit = resources.get("limits").map(|r| vector(&r, report)).unwrap_or_default();
            let request = resources.get("requests").map(|r| vector(&r, report)).unwrap_or_default();
            component.requirements.limit = component.requirements.limit.saturating_add(&limit);
            component.requirements.request = component.requirements.request.saturating_add(&request);
        }
    }
    draft.add(component, report.place(root), report);
    let lookup = |host: &str| names.get(host).map(std::slice::from_ref).unwrap_or_default();
    for (_, _, at) in containers.iter().flat_map(At::entries) {
        let mut words = Context::default();
        for item in ["command", "args"].iter().filter_map(|key| at.get(key)).flat_map(|list| list.items()) {
            let value = item.text().unwrap_or_default();
            Mention { from: id, key: "", value, at: &item, evidence: EvidenceKind::Config, waits: false }
                .read_after(&mut words, lookup, draft, report);
        }
        for (key, _, value) in at.get("variables").iter().flat_map(At::entries) {
            let Some(text) = value.text() else { continue };
            Mention { from: id, key, value: text, at: &value, evidence: EvidenceKind::Env, waits: false }
                .read(lookup, draft, report);
        }
    }
    for (name, _, at) in root.get("resources").iter().flat_map(At::entries) {
        resource(id, name, &at, names, draft, report);
    }
}

fn vector(at: &At<'_>, report: &mut Report) -> Resources {
    let mut vector = Resources::default();
    read::known_keys(at, &["cpu", "memory"], report);
    vector.cpu = read::value(at, "cpu", read::CPU, report, quantity::cpu).unwrap_or_default();
    vector.memory = read::value(at, "memory", read::SIZE, report, |t| quantity::bytes(t, Prefix::Decimal))
        .unwrap_or_default();
    vector
}

/// Kinds of resource types that Score platforms commonly provide.
fn kind_of(resource_type: &str) -> Option<Kind> {
    let word = resource_type.rsplit('/').next().unwrap_or(resource_type).to_ascii_lowercase();
    Some(match word.as_str() {
        "postgres" | "postgres-instance" | "mysql" | "mariadb" | "mssql" | "mongodb" | "elasticsearch"
        | "s3" | "cassandra" | "dynamodb-table" => Kind::Database,
        "redis" | "memcached" | "valkey" => Kind::Cache,
        "amqp" | "kafka-topic" | "kafka" | "rabbitmq" | "sqs" | "nats" => Kind::Queue,
        _ => return None,
    })
}

/// A resource is provided by the platform: an external component for stores and queues and unknown types, an edge
/// to the workload for `service`, a shared volume for `volume`; names and routes are no components.
fn resource(
    id: &ComponentId,
    name: &str,
    at: &At<'_>,
    names: &BTreeMap<&str, ComponentId>,
    draft: &mut Draft,
    report: &mut Report,
) {
    let Some(resource_type) = read::text_of(at, "type", report) else {
        report.add(
            "E1106",
            at,
            "`type` is missing in the resource".to_owned(),
            "say what is needed, e.g. `postgres`",
        );
        return;
    };
    match resource_type {
        "dns" | "route" | "environment" | "volume" | "config" | "k8s-service-account" | "tls-cert" => return,
        "service" | "workload" => {
            if let Some(to) = names.get(at.text_of("id").unwrap_or(name)) {
                edge(id, to, DependencyKind::Call, at, draft, report);
            } else {
                let message = format!("resource `{}` names a workload that is not here", shorten(name));
                report.add("W1301", at, message, "add the manifest that defines it; no edge is made of it");
            }
            return;
        }
        _ => {}
    }
    // A resource with an id is shared by all workloads that name it; others belong to this workload.
    let full = match at.text_of("id") {
        Some(shared) => shared.to_owned(),
        None => format!("{id}.{name}"),
    };
    let Some(to) = Draft::id(&full, at, report) else { return };
    if !draft.components.contains_key(&to) {
        let mut component = Component::new(to.clone(), Kind::External);
        component.image = Arc::from(resource_type);
        let class = at.text_of("class").unwrap_or("default");
        component.labels.insert(Arc::from("score.type"), Arc::from(resource_type));
        component.labels.insert(Arc::from("score.class"), Arc::from(class));
        draft.add(component, report.place(at), report);
    }
    edge(id, &to, DependencyKind::Call, at, draft, report);
    if kind_of(resource_type).is_some() {
        edge(id, &to, DependencyKind::Data, at, draft, report);
    }
}

fn edge(
    from: &ComponentId,
    to: &ComponentId,
    kind: DependencyKind,
    at: &At<'_>,
    draft: &mut Draft,
    report: &Report,
) {
    let mut edge = Dependency::new(from.clone(), to.clone(), kind);
    edge.evidence = vec![report.evidence(EvidenceKind::Declared, Confidence::High, at)];
    draft.connect(edge, report.place(at));
}
