//! Kubernetes manifests: workloads become components; services, environment, network policies, volumes and
//! scheduling constraints become edges and rules.

mod container;
mod network;
mod resolve;
mod scheduling;
mod selector;
mod support;
mod workload;

pub(super) use support::share;

use super::draft::Draft;
use super::report::Report;
use super::tree::At;
use std::collections::BTreeMap;

/// All objects of all inputs, sorted by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Objects<'a> {
    workloads: Vec<workload::Workload<'a>>,
    services: Vec<Object<'a>>,
    ingresses: Vec<Object<'a>>,
    policies: Vec<Object<'a>>,
    budgets: Vec<Object<'a>>,
    scalers: Vec<Object<'a>>,
    /// `ConfigMap`s and `Secret`s by kind, namespace and name.
    configs: BTreeMap<&'a str, BTreeMap<&'a str, BTreeMap<&'a str, At<'a>>>>,
    kustomizations: Vec<At<'a>>,
}

/// An object with its name and namespace.
#[derive(Clone, Debug)]
struct Object<'a> {
    name: &'a str,
    namespace: &'a str,
    at: At<'a>,
}

/// Kinds that say nothing about components or edges.
const SILENT: &[&str] = &[
    "Namespace",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "StorageClass",
    "ResourceQuota",
    "LimitRange",
    "PriorityClass",
    "IngressClass",
    "CustomResourceDefinition",
    "Endpoints",
    "EndpointSlice",
];

impl<'a> Objects<'a> {
    /// Sorts in one document.
    pub(crate) fn add(&mut self, root: &At<'a>, report: &mut Report) {
        let Some(kind) = root.text_of("kind") else {
            report.add(
                "E1106",
                root,
                "`kind` is missing".to_owned(),
                "say what the object is, e.g. `kind: Deployment`",
            );
            return;
        };
        if kind == "List" || kind.ends_with("List") && root.get("items").is_some() {
            for item in root.get("items").iter().flat_map(At::items) {
                self.add(&item, report);
            }
            return;
        }
        if root.text_of("apiVersion").is_some_and(|v| v.starts_with("kustomize.config.k8s.io")) {
            self.kustomizations.push(root.clone());
            return;
        }
        if SILENT.contains(&kind) {
            return;
        }
        let metadata = root.get("metadata");
        let text = |key| metadata.as_ref().and_then(|m| m.text_of(key));
        let Some(name) = text("name").or_else(|| text("generateName")) else {
            report.add("E1106", root, format!("{kind} has no `metadata.name`"), "name the object");
            return;
        };
        let at = At::named(root.node, format!("{kind}/{name}"));
        let object = Object { name, namespace: text("namespace").unwrap_or("default"), at };
        let api = root.text_of("apiVersion").unwrap_or_default();
        match kind {
            "Service" if api.starts_with("serving.knative.dev/") => {
                self.workloads.extend(workload::Workload::new(workload::KNATIVE, &object));
            }
            "Service" => self.services.push(object),
            "Ingress" => self.ingresses.push(object),
            "NetworkPolicy" => self.policies.push(object),
            "PodDisruptionBudget" => self.budgets.push(object),
            "HorizontalPodAutoscaler" => self.scalers.push(object),
            "ConfigMap" | "Secret" => {
                let all = self.configs.entry(kind).or_default().entry(object.namespace).or_default();
                all.insert(object.name, object.at);
            }
            _ => match workload::Workload::new(kind, &object) {
                Some(workload) => self.workloads.push(workload),
                None => report.add(
                    "I1331",
                    root,
                    format!("objects of kind `{}` are not read", super::tree::shorten(kind)),
                    "nothing needs to be done if they hold no workload",
                ),
            },
        }
    }

    /// A `ConfigMap` or `Secret`.
    fn config(&self, kind: &str, namespace: &str, name: &str) -> Option<&At<'a>> {
        self.configs.get(kind)?.get(namespace)?.get(name)
    }

    /// Turns all objects into components, edges and rules.
    pub(crate) fn finish(self, files: &[&str], draft: &mut Draft, report: &mut Report) {
        for kustomization in &self.kustomizations {
            support::kustomization(kustomization, files, report);
        }
        let resolver = resolve::Resolver::new(&self, draft, report);
        for (index, workload) in self.workloads.iter().enumerate() {
            workload::read(workload, index, &self, &resolver, draft, report);
        }
        for service in &self.services {
            network::service(service, &resolver, draft, report);
        }
        for ingress in &self.ingresses {
            network::ingress(ingress, &resolver, draft, report);
        }
        for policy in &self.policies {
            network::policy(policy, &self, &resolver, draft, report);
        }
        for (index, workload) in self.workloads.iter().enumerate() {
            scheduling::read(workload, index, &self, &resolver, draft, report);
        }
        support::volumes(&self, &resolver, draft, report);
        for budget in &self.budgets {
            support::disruption_budget(budget, &self, &resolver, draft, report);
        }
        for scaler in &self.scalers {
            support::scaler(scaler, &resolver, draft, report);
        }
        if resolver.is_exhausted() {
            let place = self.workloads.first().map(|w| report.place(&w.at)).unwrap_or_default();
            let message =
                "selectors of services, policies and budgets match too many workloads in sum".to_owned();
            report.add_at("E1121", place, message, "split the application, or select by narrower labels");
        }
    }
}
