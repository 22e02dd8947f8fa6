//! Kubernetes manifests: workloads, services, budgets, scalers, network policies, and where replicas may run.
//!
//! What a map knows is written, nothing is made up: a component without an image gets none (the API server accepts that
//! and the kubelet reports it), and a comment says so.

mod provider;
mod scheduling;
mod workload;

pub use provider::Provider;
pub(super) use workload::{image, kind as workload_kind};

use super::carried;
use super::names::Names;
use super::yaml;
use crate::component::{Component, Kind};
use crate::dependency::{Dependency, DependencyKind};
use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;
use crate::infra::Infrastructure;
use crate::placement::Placement;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What goes into the manifests besides the map.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Settings<'a> {
    /// Namespace of everything; empty = none, `kubectl apply -n` decides.
    pub namespace: &'a str,
    /// Where replicas run: required node affinity to the hosts of each component (by `kubernetes.io/hostname`), and spread
    /// over hosts and zones as even as the placement is.
    pub placement: Option<(&'a Infrastructure, &'a Placement)>,
    /// Network policies that deny all but the call and data edges of the map and DNS; entry points stay open on their
    /// ports.
    pub isolate: bool,
    /// Node selectors, load balancer annotations and storage classes of a managed service.
    pub provider: Option<Provider>,
}

impl<'a> Settings<'a> {
    /// The same settings with a namespace.
    #[must_use]
    pub const fn in_namespace(mut self, namespace: &'a str) -> Self {
        self.namespace = namespace;
        self
    }

    /// The same settings with a placement.
    #[must_use]
    pub const fn placed(mut self, infrastructure: &'a Infrastructure, placement: &'a Placement) -> Self {
        self.placement = Some((infrastructure, placement));
        self
    }

    /// The same settings with network policies.
    #[must_use]
    pub const fn isolated(mut self) -> Self {
        self.isolate = true;
        self
    }

    /// The same settings for a managed service.
    #[must_use]
    pub const fn on(mut self, provider: Provider) -> Self {
        self.provider = Some(provider);
        self
    }
}

/// All manifests as one multi-document YAML text, in order of components.
///
/// Stateless components become Deployments, databases and queues `StatefulSets`, batch work Jobs, external ones Services of
/// type `ExternalName`. A call or data edge becomes a variable `<NAME>_ADDR` with the address of the target, which is how
/// the map can be read back. Placement rules become affinity, anti-affinity and spread; a rule that Kubernetes cannot
/// express is named in a comment.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Ecosystem, Kind, export::kubernetes};
///
/// let map = Ecosystem::builder("m").component(Component::new("web".parse()?, Kind::Container)).build()?;
/// let text = kubernetes::manifests(&map, &kubernetes::Settings::default());
/// assert!(text.contains("kind: Deployment") && text.contains("# web: no image known"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn manifests(ecosystem: &Ecosystem, settings: &Settings<'_>) -> String {
    let mut out = String::new();
    for component in ecosystem.components().filter(|c| c.is_placed() && c.image.is_empty()) {
        let _ = writeln!(out, "# {}: no image known", component.id);
    }
    for rule in ecosystem.rules().iter().filter(|rule| !scheduling::can_express(rule)) {
        let _ = writeln!(out, "# rule not expressed: {}", rule.to_string().replace('\n', " "));
    }
    for object in objects(ecosystem, settings) {
        out.push_str("---\n");
        out.push_str(&yaml::document(&object));
    }
    out
}

/// The same objects one by one.
pub(super) fn objects(ecosystem: &Ecosystem, settings: &Settings<'_>) -> Vec<Value> {
    let cluster = Cluster::new(ecosystem, settings);
    let mut objects = Vec::new();
    if let Some(provider) = settings.provider {
        objects.extend(provider.storage_class());
    }
    if settings.isolate {
        objects.push(cluster.deny_all());
    }
    for (ix, component) in ecosystem.components().enumerate() {
        if component.kind == Kind::External {
            objects.push(cluster.external_name(ix, component));
            continue;
        }
        objects.push(workload::workload(&cluster, ix, component));
        objects.extend(cluster.service(component));
        objects.extend(cluster.budget(component));
        objects.extend(cluster.scaler(component));
        if settings.isolate {
            objects.push(cluster.policy(ix, component));
        }
    }
    objects
}

/// A map in the words of Kubernetes.
struct Cluster<'a> {
    ecosystem: &'a Ecosystem,
    settings: &'a Settings<'a>,
    names: Names,
    /// Ports that edges name on top of those the components state.
    ports: BTreeMap<ComponentId, BTreeSet<(u16, String)>>,
}

impl<'a> Cluster<'a> {
    fn new(ecosystem: &'a Ecosystem, settings: &'a Settings<'a>) -> Self {
        let mut ports: BTreeMap<ComponentId, BTreeSet<(u16, String)>> = BTreeMap::new();
        for component in ecosystem.components() {
            let own = component.ports.iter().map(|p| (p.number, transport(&p.protocol)));
            ports.entry(component.id.clone()).or_default().extend(own);
        }
        for edge in ecosystem.dependencies().filter(|d| is_traffic(d)) {
            if let (Some(port), Some(list)) = (edge.port, ports.get_mut(&edge.to))
                && !list.iter().any(|(number, _)| *number == port)
            {
                list.insert((port, transport(&edge.protocol)));
            }
        }
        for list in ports.values_mut() {
            list.retain(|(number, _)| *number > 0);
        }
        Self { ecosystem, settings, names: Names::dns(ecosystem, 52), ports }
    }

    fn name(&self, id: &ComponentId) -> &str {
        self.names.of(id)
    }

    fn ports(&self, id: &ComponentId) -> impl Iterator<Item = (u16, &str)> {
        self.ports.get(id).into_iter().flatten().map(|(number, protocol)| (*number, protocol.as_str()))
    }

    /// Name, namespace and labels.
    fn metadata(&self, name: &str, component: Option<&Component>) -> Value {
        let mut metadata = json!({ "name": name });
        if !self.settings.namespace.is_empty() {
            metadata["namespace"] = json!(self.settings.namespace);
        }
        let mut labels = json!({ "app.kubernetes.io/part-of": label(self.ecosystem.name()) });
        if let Some(component) = component {
            labels["app.kubernetes.io/name"] = json!(self.name(&component.id));
            labels["app.kubernetes.io/component"] = json!(component.kind.as_str());
            let version = label(component.version.as_str());
            if !version.is_empty() && !component.version.is_digest() {
                labels["app.kubernetes.io/version"] = json!(version);
            }
        }
        metadata["labels"] = labels;
        metadata
    }

    fn selector(&self, id: &ComponentId) -> Value {
        json!({ "app.kubernetes.io/name": self.name(id) })
    }

    fn service(&self, component: &Component) -> Option<Value> {
        let ports: Vec<Value> = self
            .ports(&component.id)
            .map(|(number, protocol)| {
                json!({ "name": format!("{}-{number}", protocol.to_lowercase()), "port": number, "targetPort": number, "protocol": protocol })
            })
            .collect();
        if ports.is_empty() || component.kind == Kind::Batch {
            return None;
        }
        let name = self.name(&component.id);
        let mut metadata = self.metadata(name, Some(component));
        let mut spec = json!({ "selector": self.selector(&component.id), "ports": ports });
        if workload::is_stateful(component) {
            spec["clusterIP"] = json!("None");
        } else if component.kind == Kind::Gateway
            && let Some(provider) = self.settings.provider
        {
            spec["type"] = json!("LoadBalancer");
            metadata["annotations"] = provider.balancer_annotations();
        }
        Some(json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec }))
    }

    /// Attributes and edges that Kubernetes has no word for, as annotations; reading the manifests finds them there.
    fn annotations(&self, ix: usize, component: &Component) -> Value {
        let mut annotations = json!({ carried::COMPONENT: carried::component(component).to_string() });
        let edges = self.ecosystem.dependencies_of(ix);
        if let Some(needs) = carried::needs(edges, |edge| edge.to.to_string()) {
            annotations[carried::NEEDS] = json!(needs.to_string());
        }
        annotations
    }

    fn external_name(&self, ix: usize, component: &Component) -> Value {
        let name = self.name(&component.id);
        let mut metadata = self.metadata(name, Some(component));
        metadata["annotations"] = self.annotations(ix, component);
        let target = component.labels.get("host").map_or(component.id.as_str(), AsRef::as_ref);
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": { "type": "ExternalName", "externalName": target.to_lowercase() },
        })
    }

    fn budget(&self, component: &Component) -> Option<Value> {
        if component.replicas < 2 || component.kind == Kind::Batch {
            return None;
        }
        let name = self.name(&component.id);
        Some(json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": self.metadata(name, Some(component)),
            "spec": {
                "maxUnavailable": component.disruption_budget(),
                "selector": { "matchLabels": self.selector(&component.id) },
            },
        }))
    }

    fn scaler(&self, component: &Component) -> Option<Value> {
        let (min, max) = component.replica_range?;
        if component.kind == Kind::Batch
            || max <= min
            || max == 0
            || component.requirements.request.cpu.get() == 0
        {
            return None;
        }
        let name = self.name(&component.id);
        Some(json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": self.metadata(name, Some(component)),
            "spec": {
                "minReplicas": min.max(1), "maxReplicas": max,
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": workload::kind(component), "name": name },
                "metrics": [{
                    "type": "Resource",
                    "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } },
                }],
            },
        }))
    }

    /// Nobody talks to anybody unless another policy says so.
    fn deny_all(&self) -> Value {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": self.metadata("default-deny", None),
            "spec": { "podSelector": {}, "policyTypes": ["Ingress", "Egress"] },
        })
    }

    /// Traffic of one component: in from its callers, out to what it calls and to DNS.
    fn policy(&self, ix: usize, component: &Component) -> Value {
        let mut ingress = Vec::new();
        if component.kind == Kind::Gateway {
            let ports: Vec<Value> = self.ports(&component.id).map(port_rule).collect();
            ingress.push(if ports.is_empty() { json!({}) } else { json!({ "ports": ports }) });
        }
        for edge in self.ecosystem.dependants_of(ix).filter(|d| is_traffic(d)) {
            let from = json!([{ "podSelector": { "matchLabels": self.selector(&edge.from) } }]);
            push_once(&mut ingress, self.rule("from", &from, edge));
        }
        let dns = json!({
            "to": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } } }],
            "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }],
        });
        let mut egress = vec![dns];
        for edge in self.ecosystem.dependencies_of(ix).filter(|d| is_traffic(d)) {
            let outside = self.ecosystem.component(&edge.to).is_some_and(|c| c.kind == Kind::External);
            let to = if outside {
                json!([{ "ipBlock": { "cidr": "0.0.0.0/0" } }, { "ipBlock": { "cidr": "::/0" } }])
            } else {
                json!([{ "podSelector": { "matchLabels": self.selector(&edge.to) } }])
            };
            push_once(&mut egress, self.rule("to", &to, edge));
        }
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": self.metadata(self.name(&component.id), Some(component)),
            "spec": {
                "podSelector": { "matchLabels": self.selector(&component.id) },
                "policyTypes": ["Ingress", "Egress"],
                "ingress": ingress,
                "egress": egress,
            },
        })
    }

    /// One allowed peer, on the edge's port or else on all ports that the target is known to listen on.
    fn rule(&self, side: &str, peers: &Value, edge: &Dependency) -> Value {
        let mut rule = json!({ side: peers });
        let ports: Vec<Value> = self
            .ports(&edge.to)
            .filter(|&(number, _)| edge.port.is_none_or(|port| port == number))
            .map(port_rule)
            .collect();
        if !ports.is_empty() {
            rule["ports"] = Value::Array(ports);
        }
        rule
    }
}

fn port_rule((number, protocol): (u16, &str)) -> Value {
    json!({ "port": number, "protocol": protocol })
}

fn push_once(list: &mut Vec<Value>, item: Value) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn is_traffic(edge: &Dependency) -> bool {
    matches!(edge.kind, DependencyKind::Call | DependencyKind::Data)
}

fn transport(protocol: &str) -> String {
    match protocol {
        "udp" => "UDP",
        "sctp" => "SCTP",
        _ => "TCP",
    }
    .to_owned()
}

/// A label value: at most 63 of letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn label(text: &str) -> String {
    let mapped: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .take(63)
        .collect();
    mapped.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}
