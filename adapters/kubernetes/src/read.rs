//! From the API's objects to the ground.

use crate::client::Client;
use crate::quantity::thousandths;
use crate::{Ground, KubeError, Node, Pod, Workload, WorkloadKind};
use ecosystem_core::{
    Bytes, ComponentId, HostId, Millicores, RegionId, ReplicaState, Resources, Version, ZoneId,
};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{self as core, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

type Amounts = BTreeMap<String, Quantity>;

fn amounts(all: Option<&Amounts>) -> Resources {
    let get = |name: &str| all.and_then(|it| thousandths(&it.get(name)?.0)).unwrap_or_default();
    let fit = |it: u128| u64::try_from(it).unwrap_or(u64::MAX);
    Resources::new(Millicores(fit(get("cpu"))), Bytes(fit(get("memory").div_ceil(1_000))))
}

/// What a pod is scheduled by: the sum of its containers, or its largest init container if that is more.
fn requests(spec: &PodSpec) -> Resources {
    let of = |it: &core::Container| amounts(it.resources.as_ref().and_then(|it| it.requests.as_ref()));
    let sum = spec.containers.iter().fold(Resources::default(), |sum, it| sum.saturating_add(&of(it)));
    spec.init_containers
        .iter()
        .flatten()
        .map(of)
        .fold(sum, |most, it| Resources::new(most.cpu.max(it.cpu), most.memory.max(it.memory)))
}

fn node(it: &core::Node) -> Option<(HostId, Node)> {
    let name = it.metadata.name.as_deref()?;
    let label = |key: &str| it.metadata.labels.as_ref().and_then(|all| all.get(key)).map(String::as_str);
    let status = it.status.as_ref();
    let conditions = status.and_then(|it| it.conditions.as_ref()).into_iter().flatten();
    let ready = conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True");
    let seen = Node {
        hostname: label("kubernetes.io/hostname").unwrap_or(name).to_owned(),
        region: label("topology.kubernetes.io/region").and_then(|it| RegionId::new(it).ok()),
        zone: label("topology.kubernetes.io/zone").and_then(|it| ZoneId::new(it).ok()),
        allocatable: amounts(status.and_then(|it| it.allocatable.as_ref())),
        ready,
        cordoned: it.spec.as_ref().and_then(|it| it.unschedulable).unwrap_or(false),
    };
    Some((HostId::new(name).ok()?, seen))
}

fn selector(spec: Option<&PodSpec>) -> Option<core::NodeSelector> {
    let affinity = spec?.affinity.as_ref()?.node_affinity.as_ref()?;
    affinity.required_during_scheduling_ignored_during_execution.clone()
}

fn count(number: Option<i32>) -> u32 {
    u32::try_from(number.unwrap_or_default()).unwrap_or_default()
}

pub(crate) fn deployment(it: &Deployment) -> Workload {
    let (spec, status) = (it.spec.as_ref(), it.status.as_ref());
    let replicas = count(spec.map_or(Some(1), |it| it.replicas.or(Some(1))));
    let generation = it.metadata.generation.unwrap_or_default();
    let settled = status.is_some_and(|it| {
        let all = [it.replicas, it.updated_replicas, it.available_replicas];
        it.observed_generation.unwrap_or_default() >= generation
            && all.into_iter().all(|it| count(it) == replicas)
    });
    let selector = selector(spec.and_then(|it| it.template.spec.as_ref()));
    Workload { kind: WorkloadKind::Deployment, replicas, selector, generation, settled }
}

pub(crate) fn stateful(it: &StatefulSet) -> Workload {
    let (spec, status) = (it.spec.as_ref(), it.status.as_ref());
    let replicas = count(spec.map_or(Some(1), |it| it.replicas.or(Some(1))));
    let generation = it.metadata.generation.unwrap_or_default();
    let settled = status.is_some_and(|it| {
        // Once all are new the server stops counting them as updated.
        let new = it.current_revision == it.update_revision || count(it.updated_replicas) == replicas;
        let all = count(Some(it.replicas)) == replicas && count(it.ready_replicas) == replicas;
        it.observed_generation.unwrap_or_default() >= generation && new && all
    });
    let selector = selector(spec.and_then(|it| it.template.spec.as_ref()));
    Workload { kind: WorkloadKind::StatefulSet, replicas, selector, generation, settled }
}

/// The workload behind a pod: its `StatefulSet`, or the Deployment whose hash ends the name of its `ReplicaSet`.
fn owner(meta: &ObjectMeta) -> (Option<ComponentId>, Option<u32>, Option<&str>) {
    let controller = meta.owner_references.iter().flatten().find(|it| it.controller == Some(true));
    let Some(controller) = controller else { return (None, None, None) };
    let kind = Some(controller.kind.as_str());
    match controller.kind.as_str() {
        "StatefulSet" => {
            let ordinal = meta.name.as_deref().and_then(|it| it.rsplit_once('-')?.1.parse().ok());
            (ComponentId::new(&controller.name).ok(), ordinal, kind)
        }
        "ReplicaSet" => {
            let hash = meta.labels.as_ref().and_then(|it| it.get("pod-template-hash"));
            let name = hash.and_then(|it| controller.name.strip_suffix(it.as_str())?.strip_suffix('-'));
            (name.and_then(|it| ComponentId::new(it).ok()), None, kind)
        }
        _ => (None, None, kind),
    }
}

pub(crate) fn pod(it: &core::Pod) -> Option<Pod> {
    let (meta, spec, status) = (&it.metadata, it.spec.as_ref()?, it.status.as_ref());
    let (component, ordinal, kind) = owner(meta);
    let ready = status.and_then(|it| it.conditions.as_ref()).into_iter().flatten();
    let ready = ready.into_iter().any(|it| it.type_ == "Ready" && it.status == "True");
    let mirror = meta.annotations.as_ref().is_some_and(|it| it.contains_key("kubernetes.io/config.mirror"));
    let state = match status.and_then(|it| it.phase.as_deref()) {
        Some("Succeeded" | "Failed") => ReplicaState::Stopped,
        Some("Running") if ready => ReplicaState::Running,
        Some("Running") => ReplicaState::Unhealthy,
        _ => ReplicaState::Starting,
    };
    let image = spec.containers.first().and_then(|it| it.image.as_deref()).unwrap_or_default();
    Some(Pod {
        namespace: meta.namespace.clone().unwrap_or_else(|| "default".into()),
        name: meta.name.clone()?,
        uid: meta.uid.clone().unwrap_or_default(),
        component,
        ordinal,
        node: spec.node_name.as_ref().and_then(|it| HostId::new(it).ok()),
        state,
        version: Version::new(image),
        requests: requests(spec),
        leaving: meta.deletion_timestamp.is_some(),
        bound: mirror || kind == Some("DaemonSet"),
        managed: kind.is_some(),
        created: meta.creation_timestamp.as_ref().map_or(0, |it| it.0.as_millisecond()),
    })
}

impl Ground {
    /// Asks for nodes, workloads and pods, in pages. What has names that are not ours is left out.
    pub fn read(client: &Client) -> Result<Self, KubeError> {
        let namespace = &client.settings().namespace;
        let nodes: Vec<core::Node> = client.list("/api/v1/nodes", None)?;
        let deployments: Vec<Deployment> = client.list(&WorkloadKind::Deployment.path(namespace), None)?;
        let stateful_sets: Vec<StatefulSet> =
            client.list(&WorkloadKind::StatefulSet.path(namespace), None)?;
        let pods: Vec<core::Pod> = client.list(&format!("/api/v1/namespaces/{namespace}/pods"), None)?;
        let named = |meta: &ObjectMeta| ComponentId::new(meta.name.as_deref()?).ok();
        let mut workloads = BTreeMap::new();
        workloads.extend(stateful_sets.iter().filter_map(|it| Some((named(&it.metadata)?, stateful(it)))));
        workloads.extend(deployments.iter().filter_map(|it| Some((named(&it.metadata)?, deployment(it)))));
        Ok(Self {
            nodes: nodes.iter().filter_map(node).collect(),
            workloads,
            pods: pods.iter().filter_map(pod).collect(),
        })
    }

    /// All pods of a node, whatever their namespace.
    pub(crate) fn pods_on(client: &Client, node: &HostId) -> Result<Vec<Pod>, KubeError> {
        let pods: Vec<core::Pod> = client.list("/api/v1/pods", Some(&format!("spec.nodeName={node}")))?;
        Ok(pods.iter().filter_map(pod).collect())
    }
}
