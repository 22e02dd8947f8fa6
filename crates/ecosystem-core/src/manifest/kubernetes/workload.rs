//! Workloads: deployments, stateful, daemon and replica sets, jobs, cron jobs, pods.

use super::super::carried;
use super::super::draft::Draft;
use super::super::mention::infer_kind;
use super::super::read;
use super::super::report::Report;
use super::super::tree::At;
use super::resolve::Resolver;
use super::selector::{Labels, labels};
use super::{Object, Objects, container};
use crate::component::{Component, Kind, Port, Version};
use crate::infer::image;
use std::sync::Arc;

/// A service that Knative scales, to none if nobody calls; not a `Service` of Kubernetes itself.
pub(super) const KNATIVE: &str = "Knative";

/// A workload before it is read.
#[derive(Debug)]
pub(super) struct Workload<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) at: At<'a>,
    /// The pod's specification.
    pub(super) pod: Option<At<'a>>,
    /// Labels of its pods.
    pub(super) labels: Labels<'a>,
    /// Name of the container that tools take if none is named.
    default_container: Option<&'a str>,
}

impl<'a> Workload<'a> {
    /// `None` if the kind is not a workload.
    pub(super) fn new(kind: &'a str, object: &Object<'a>) -> Option<Self> {
        let template: &[&str] = match kind {
            "Deployment"
            | "StatefulSet"
            | "DaemonSet"
            | "ReplicaSet"
            | "ReplicationController"
            | "Job"
            | "DeploymentConfig"
            | "Rollout"
            | KNATIVE => &["spec", "template"],
            "CronJob" => &["spec", "jobTemplate", "spec", "template"],
            "Pod" => &[],
            _ => return None,
        };
        let template = object.at.dig(template);
        Some(Self {
            kind,
            name: object.name,
            namespace: object.namespace,
            at: object.at.clone(),
            pod: template.as_ref().and_then(|t| t.get("spec")),
            default_container: template
                .as_ref()
                .and_then(|t| t.dig(&["metadata", "annotations", "kubectl.kubernetes.io/default-container"]))
                .and_then(|name| name.text()),
            labels: labels(template.and_then(|t| t.dig(&["metadata", "labels"])).as_ref()),
        })
    }

    /// Containers and init containers; sidecars are init containers that stay.
    pub(super) fn containers(&self) -> impl Iterator<Item = (At<'a>, bool)> + use<'a> {
        let list = |key: &str, init: bool| {
            let at = self.pod.as_ref().and_then(|p| p.get(key));
            at.into_iter().flat_map(|at| at.items()).map(move |item| (item, init))
        };
        list("containers", false).chain(list("initContainers", true))
    }
}

/// Adds the component of a workload and the edges that its containers name.
pub(super) fn read(
    workload: &Workload<'_>,
    index: usize,
    objects: &Objects<'_>,
    resolver: &Resolver<'_>,
    draft: &mut Draft,
    report: &mut Report,
) {
    let Some(id) = resolver.id(index) else { return };
    let mut component = Component::new(id.clone(), Kind::Container);
    let metadata = workload.at.get("metadata");
    for (key, value) in labels(metadata.and_then(|m| m.get("labels")).as_ref()) {
        component.labels.insert(Arc::from(key), Arc::from(value));
    }
    component.labels.insert(Arc::from("kubernetes.kind"), Arc::from(workload.kind));
    if workload.namespace != "default" {
        component.labels.insert(Arc::from("kubernetes.namespace"), Arc::from(workload.namespace));
    }
    component.replicas = replicas(workload, report);
    component.per_host = workload.kind == "DaemonSet";
    component.requirements = container::requirements(workload, report);
    if workload.pod.is_none() {
        report.add(
            "E1106",
            &workload.at,
            format!("{} `{}` has no pod specification", workload.kind, workload.name),
            "add `spec.template.spec.containers`",
        );
    }
    let main = main_container(workload);
    let reference = main.as_ref().and_then(|at| read::text_of(at, "image", report)).unwrap_or_default();
    let (name, tag, digest) = image::split(reference);
    component.image = Arc::from(name);
    let stated = workload.labels.get("app.kubernetes.io/version").copied();
    component.version = Version::new(tag.or(digest).or(stated).unwrap_or(""));
    if let (Some(_), Some(digest)) = (tag, digest) {
        component.labels.insert(Arc::from("image.digest"), Arc::from(digest));
    }
    for (at, _) in workload.containers().filter(|(_, init)| !init) {
        ports(&at, &mut component, report);
    }
    if matches!(workload.kind, "Job" | "CronJob") {
        component.kind = Kind::Batch;
    } else if workload.kind == KNATIVE {
        component.kind = Kind::Function;
    } else if let Some(at) = &main {
        infer_kind(&mut component, reference, at, report);
    }
    if let Some(annotations) = workload.at.dig(&["metadata", "annotations"]) {
        if carried::complete(&mut component, &annotations, report) {
            draft.whole.insert(id.clone());
        }
        carried::connect(id, &annotations, draft, report);
    }
    let place = report.place(&workload.at);
    draft.add(component, place, report);
    container::mentions(workload, id, objects, resolver, draft, report);
}

/// The container that the pod is there for: the one that an annotation names, else the one with the workload's name, else
/// the first.
fn main_container<'a>(workload: &Workload<'a>) -> Option<At<'a>> {
    let all: Vec<At<'a>> = workload.containers().filter(|(_, init)| !init).map(|(at, _)| at).collect();
    let named =
        |name: Option<&str>| all.iter().find(|at| name.is_some() && at.text_of("name") == name).cloned();
    named(workload.default_container).or_else(|| named(Some(workload.name))).or_else(|| all.first().cloned())
}

fn replicas(workload: &Workload<'_>, report: &mut Report) -> u32 {
    let path: &[&str] = if workload.kind == "CronJob" { &["spec", "jobTemplate", "spec"] } else { &["spec"] };
    let Some(spec) = workload.at.dig(path) else { return 1 };
    let key = match workload.kind {
        "Job" | "CronJob" => "parallelism",
        "DaemonSet" => {
            let message = format!("daemon set `{}` runs once on every host that takes it", workload.name);
            report.add("I1306", &workload.at, message, "`Ecosystem::on_hosts` gives the number of replicas");
            return 1;
        }
        _ => "replicas",
    };
    read::u32_of(&spec, key, report).unwrap_or(1)
}

fn ports(container: &At<'_>, component: &mut Component, report: &mut Report) {
    for at in container.get("ports").iter().flat_map(At::items) {
        let number = read::value(&at, "containerPort", "1 to 65535", report, |t| {
            t.parse::<u16>().ok().filter(|&port| port > 0)
        });
        let Some(number) = number else { continue };
        let protocol = at
            .text_of("appProtocol")
            .or_else(|| at.text_of("name").filter(|n| ["http", "https", "grpc"].contains(n)))
            .or_else(|| at.text_of("protocol"))
            .unwrap_or("tcp");
        let port = Port { number, protocol: Arc::from(protocol.to_ascii_lowercase()) };
        if !component.ports.contains(&port) {
            component.ports.push(port);
        }
    }
}
