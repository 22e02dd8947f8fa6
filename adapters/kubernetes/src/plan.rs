//! From what is to what shall be, in steps that can be shown before they are taken.

use crate::client::{Client, built};
use crate::{Ground, KubeError, PlanError, Pod, Settings, WorkloadKind};
use ecosystem_core::{ComponentId, HostId, Placement, ReplicaState};
use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};
use kube_core::Request;
use kube_core::params::{Patch, PatchParams, PostParams};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The label that confines pods to nodes.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// One step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Close a node for new pods.
    Cordon {
        /// Which.
        node: HostId,
    },
    /// Open it again.
    Uncordon {
        /// Which.
        node: HostId,
    },
    /// Set the required node affinity of a workload; its pods are replaced as its own strategy says.
    Confine {
        /// Which.
        workload: ComponentId,
        /// Of what kind.
        kind: WorkloadKind,
        /// What its pods require of nodes.
        selector: NodeSelector,
    },
    /// Set the number of pods of a workload.
    Scale {
        /// Which.
        workload: ComponentId,
        /// Of what kind.
        kind: WorkloadKind,
        /// How many.
        replicas: u32,
    },
    /// Ask for the end of a pod, as far as disruption budgets allow.
    Evict {
        /// Its namespace.
        namespace: String,
        /// Its name.
        pod: String,
        /// This one and no later one of the same name.
        uid: String,
        /// Where it runs.
        node: HostId,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cordon { node } => write!(f, "cordon {node}"),
            Self::Uncordon { node } => write!(f, "uncordon {node}"),
            Self::Confine { workload, selector, .. } => {
                let hosts =
                    selector.node_selector_terms.iter().flat_map(|it| it.match_expressions.iter().flatten());
                let hosts = hosts.filter(|it| it.key == HOSTNAME).flat_map(|it| it.values.iter().flatten());
                let hosts: BTreeSet<&str> = hosts.map(String::as_str).collect();
                write!(f, "confine {workload} to {}", hosts.into_iter().collect::<Vec<_>>().join(", "))
            }
            Self::Scale { workload, replicas, .. } => write!(f, "scale {workload} to {replicas}"),
            Self::Evict { namespace, pod, node, .. } => write!(f, "evict {namespace}/{pod} from {node}"),
        }
    }
}

impl Step {
    /// The request that takes the step.
    pub fn request(&self, settings: &Settings) -> Result<http::Request<Vec<u8>>, KubeError> {
        let namespace = &settings.namespace;
        let nodes = Request::new("/api/v1/nodes");
        let made = match self {
            Self::Cordon { node } => nodes.cordon(node.as_str()),
            Self::Uncordon { node } => nodes.uncordon(node.as_str()),
            Self::Confine { workload, kind, selector } => {
                // The terms of a selector are replaced as a whole by a strategic patch; everything else stays.
                let affinity = json!({ "requiredDuringSchedulingIgnoredDuringExecution": selector });
                let spec = json!({ "affinity": { "nodeAffinity": affinity } });
                let patch = Patch::Strategic(json!({ "spec": { "template": { "spec": spec } } }));
                Request::new(kind.path(namespace)).patch(workload.as_str(), &PatchParams::default(), &patch)
            }
            Self::Scale { workload, kind, replicas } => {
                let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
                let of = Request::new(kind.path(namespace));
                of.patch_subresource("scale", workload.as_str(), &PatchParams::default(), &patch)
            }
            Self::Evict { namespace, pod, uid, .. } => {
                // Without a version the server takes its own: policy/v1beta1 before 1.22, policy/v1 since.
                let body = json!({
                    "metadata": { "name": pod, "namespace": namespace },
                    "deleteOptions": { "preconditions": { "uid": uid } },
                });
                let pods = Request::new(format!("/api/v1/namespaces/{namespace}/pods"));
                pods.create_subresource(
                    "eviction",
                    pod,
                    &PostParams::default(),
                    body.to_string().into_bytes(),
                )
            }
        };
        made.map_err(|e| built(&self.to_string(), &e))
    }
}

/// Steps in their order; evictions that follow one another may overlap.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().enumerate().try_for_each(|(index, step)| writeln!(f, "{}. {step}", index + 1))
    }
}

/// A selector with its terms confined to these hosts; what else they require stays.
fn confined(old: Option<&NodeSelector>, hosts: &[String]) -> NodeSelector {
    let mut terms = old.map(|it| it.node_selector_terms.clone()).unwrap_or_default();
    if terms.is_empty() {
        terms.push(NodeSelectorTerm::default());
    }
    let wanted: BTreeSet<&String> = hosts.iter().collect();
    for term in &mut terms {
        let required = term.match_expressions.get_or_insert_default();
        let mut found = false;
        // What says the same stays as it is written, or pods would be replaced for nothing.
        required.retain_mut(|it| {
            if it.key != HOSTNAME {
                return true;
            }
            if found || it.operator != "In" {
                return false;
            }
            found = true;
            if it.values.iter().flatten().collect::<BTreeSet<_>>() != wanted {
                it.values = Some(hosts.to_vec());
            }
            true
        });
        if !found {
            let (key, operator, values) = (HOSTNAME.into(), "In".into(), Some(hosts.to_vec()));
            required.push(NodeSelectorRequirement { key, operator, values });
        }
    }
    NodeSelector { node_selector_terms: terms }
}

fn evict(pod: &Pod) -> Option<Step> {
    let node = pod.node.clone()?;
    Some(Step::Evict { namespace: pod.namespace.clone(), pod: pod.name.clone(), uid: pod.uid.clone(), node })
}

impl Plan {
    /// What leads from the ground to a placement. Components that the placement does not name are left alone; nothing is
    /// done twice, so the plan of a ground that is as wanted is empty.
    ///
    /// Fewer pods come first, so that less has to move; more come last, when there is a place for them.
    pub fn towards(wanted: &Placement, ground: &Ground) -> Result<Self, PlanError> {
        let mut nodes: BTreeMap<&ComponentId, (u32, BTreeSet<&HostId>)> = BTreeMap::new();
        for (replica, host) in wanted.iter() {
            let of = nodes.entry(replica.component()).or_default();
            of.0 += 1;
            of.1.insert(host);
        }
        let (mut fewer, mut confine, mut evictions, mut more) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (component, (replicas, hosts)) in nodes {
            let missing = || PlanError::NoWorkload { component: component.clone() };
            let workload = ground.workloads.get(component).ok_or_else(missing)?;
            let mut names = Vec::new();
            for host in &hosts {
                let missing = || PlanError::NoNode { component: component.clone(), node: (*host).clone() };
                names.push(ground.nodes.get(*host).ok_or_else(missing)?.hostname.clone());
            }
            let selector = confined(workload.selector.as_ref(), &names);
            let (name, kind) = (component.clone(), workload.kind);
            if workload.selector.as_ref() == Some(&selector) {
                let strays = ground.pods.iter().filter(|pod| {
                    let ours = pod.component.as_ref() == Some(component) && !pod.leaving;
                    ours && pod.state != ReplicaState::Stopped
                        && pod.node.as_ref().is_some_and(|it| !hosts.contains(it))
                });
                evictions.extend(strays.filter_map(evict));
            } else {
                confine.push(Step::Confine { workload: name.clone(), kind, selector });
            }
            let scale = Step::Scale { workload: name, kind, replicas };
            match replicas.cmp(&workload.replicas) {
                std::cmp::Ordering::Less => fewer.push(scale),
                std::cmp::Ordering::Greater => more.push(scale),
                std::cmp::Ordering::Equal => {}
            }
        }
        Ok(Self { steps: [fewer, confine, evictions, more].concat() })
    }

    /// What empties a node, whatever runs there: it is closed, and every pod that something would start elsewhere is evicted. Pods
    /// that belong to the node (of a `DaemonSet`, files of the kubelet) stay, as do ended ones.
    pub fn drain(client: &Client, node: &HostId) -> Result<Result<Self, PlanError>, KubeError> {
        Ok(Self::emptying(node, &Ground::pods_on(client, node)?))
    }

    /// As [`drain`](Self::drain), with the pods at hand.
    pub fn emptying(node: &HostId, pods: &[Pod]) -> Result<Self, PlanError> {
        let mut steps = vec![Step::Cordon { node: node.clone() }];
        let here = pods.iter().filter(|it| it.node.as_ref() == Some(node) && !it.bound && !it.leaving);
        for pod in here.filter(|it| it.state != ReplicaState::Stopped) {
            if !pod.managed {
                let (namespace, pod) = (pod.namespace.clone(), pod.name.clone());
                return Err(PlanError::Unmanaged { namespace, pod, node: node.clone() });
            }
            steps.extend(evict(pod));
        }
        Ok(Self { steps })
    }

    /// What opens a node again.
    pub fn open(node: &HostId) -> Self {
        Self { steps: vec![Step::Uncordon { node: node.clone() }] }
    }
}
