//! Nodes, workloads and pods, and what they mean to an ecosystem.

use ecosystem_core::{
    ComponentId, Host, HostHealth, HostId, HostState, Infrastructure, InfrastructureError, Inventory,
    Placement, Rack, RackId, Region, RegionId, ReplicaId, ReplicaReport, ReplicaState, Resources, Version,
    Zone, ZoneId,
};
use k8s_openapi::api::core::v1::NodeSelector;
use std::collections::{BTreeMap, BTreeSet};

/// A node.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// Its label `kubernetes.io/hostname`, which affinity goes by; its name if it has none.
    pub hostname: String,
    /// Its label `topology.kubernetes.io/region`, if any.
    pub region: Option<RegionId>,
    /// Its label `topology.kubernetes.io/zone`, if any.
    pub zone: Option<ZoneId>,
    /// What pods may ask for.
    pub allocatable: Resources,
    /// Its kubelet reports and is content.
    pub ready: bool,
    /// Takes no new pods.
    pub cordoned: bool,
}

/// What kind of workload.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum WorkloadKind {
    /// Pods are interchangeable.
    Deployment,
    /// Pods have numbers.
    StatefulSet,
}

impl WorkloadKind {
    /// The collection in a namespace.
    pub(crate) fn path(self, namespace: &str) -> String {
        let plural = match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
        };
        format!("/apis/apps/v1/namespaces/{namespace}/{plural}")
    }
}

/// A workload.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Workload {
    /// What kind.
    pub kind: WorkloadKind,
    /// Wanted number of pods.
    pub replicas: u32,
    /// Required node affinity of its pods, if any.
    pub selector: Option<NodeSelector>,
    /// Number of its newest specification.
    pub generation: i64,
    /// All wanted pods are of the newest specification and serve.
    pub settled: bool,
}

/// A pod.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What tells it from an earlier pod of the same name.
    pub uid: String,
    /// The workload it belongs to; `None` if that is neither a Deployment nor a `StatefulSet`.
    pub component: Option<ComponentId>,
    /// Its number, of a `StatefulSet`'s pod.
    pub ordinal: Option<u32>,
    /// The node it was given to.
    pub node: Option<HostId>,
    /// How it is.
    pub state: ReplicaState,
    /// Image of its first container.
    pub version: Version,
    /// What its containers ask for in sum.
    pub requests: Resources,
    /// It is being ended.
    pub leaving: bool,
    /// It belongs to its node: of a `DaemonSet`, or a file of the kubelet's.
    pub bound: bool,
    /// Something would start another in its place.
    pub managed: bool,
    /// Moment of its creation, in milliseconds since the Unix epoch.
    pub created: i64,
}

/// What there is, in one namespace.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Ground {
    /// Nodes by name.
    pub nodes: BTreeMap<HostId, Node>,
    /// Workloads by name.
    pub workloads: BTreeMap<ComponentId, Workload>,
    /// Pods.
    pub pods: Vec<Pod>,
}

impl Ground {
    /// Pods of our workloads with the numbers of replicas: a `StatefulSet`'s are its own; a Deployment's are counted by age and name.
    pub fn replicas(&self) -> Vec<(ReplicaId, &Pod)> {
        let mut by_component: BTreeMap<&ComponentId, Vec<&Pod>> = BTreeMap::new();
        for pod in &self.pods {
            if let Some(component) = &pod.component {
                by_component.entry(component).or_default().push(pod);
            }
        }
        let mut all = Vec::new();
        for (component, mut pods) in by_component {
            pods.sort_by_key(|it| (it.leaving || it.state == ReplicaState::Stopped, it.created, &it.name));
            for (index, pod) in (0_u32..).zip(pods) {
                all.push((ReplicaId::new(component.clone(), pod.ordinal.unwrap_or(index)), pod));
            }
        }
        all
    }

    /// Pods that were given to a node and have not ended, nor are being ended.
    pub fn placement(&self) -> Placement {
        let running = |pod: &Pod| !pod.leaving && pod.state != ReplicaState::Stopped;
        let staying = self.replicas().into_iter().filter(|(_, pod)| running(pod));
        let placed = staying.filter_map(|(replica, pod)| Some((replica, pod.node.clone()?)));
        placed.fold(Placement::new(), |all, (replica, node)| all.with(replica, node))
    }

    /// Nodes whose kubelet reports, and what runs on them. A node that is silent is left out: missing is not dead.
    pub fn inventory(&self) -> Inventory {
        let ready = |id: &HostId| self.nodes.get(id).is_some_and(|it| it.ready);
        let hosts =
            self.nodes.keys().filter(|id| ready(id)).map(|id| (id.clone(), HostHealth::Alive)).collect();
        let running = self.replicas().into_iter().filter(|(_, pod)| pod.state != ReplicaState::Stopped);
        let replicas = running
            .filter_map(|(replica, pod)| {
                let host = pod.node.clone().filter(ready)?;
                let (state, version, resources) = (pod.state, pod.version.clone(), pod.requests.clone());
                Some(ReplicaReport { replica, host, state, version, resources })
            })
            .collect();
        Inventory { hosts, replicas, policies: Vec::new() }
    }

    /// Nodes as hosts; regions and zones by their labels, `default` where there is none; one rack a zone. A node that is cordoned or
    /// not ready takes nothing new.
    pub fn infrastructure(&self) -> Result<Infrastructure, InfrastructureError> {
        let mut builder = Infrastructure::builder();
        let mut regions: BTreeSet<RegionId> = BTreeSet::new();
        let mut zones: BTreeMap<ZoneId, RackId> = BTreeMap::new();
        let (no_region, no_zone) = (RegionId::new("default"), ZoneId::new("default"));
        for (id, node) in &self.nodes {
            let region = node.region.clone().or_else(|| no_region.clone().ok());
            let zone = node.zone.clone().or_else(|| no_zone.clone().ok());
            let (Some(region), Some(zone)) = (region, zone) else { continue };
            let Ok(rack) = RackId::new(zone.as_str()) else { continue };
            if regions.insert(region.clone()) {
                builder = builder.region(Region::new(region.clone()));
            }
            if zones.insert(zone.clone(), rack.clone()).is_none() {
                builder = builder.zone(Zone::new(zone.clone(), region));
                builder = builder.rack(Rack::new(rack.clone(), zone));
            }
            let mut host = Host::new(id.clone(), rack, node.allocatable.clone());
            if node.cordoned || !node.ready {
                host.state = HostState::Cordoned;
            }
            builder = builder.host(host);
        }
        builder.build()
    }
}
