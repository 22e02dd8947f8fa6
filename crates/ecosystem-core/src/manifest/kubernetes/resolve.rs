//! Names: workloads to component ids, service names to the workloads behind them, selectors to workloads.

use super::super::carried;
use super::super::draft::Draft;
use super::super::report::Report;
use super::super::tree::At;
use super::Objects;
use super::selector::{Labels, Selector};
use crate::component::{Component, Kind};
use crate::id::ComponentId;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Pairs of a selector and a workload that are looked at; thousands of selectors that all match everything are no
/// application.
const SELECTOR_WORK_MAX: u64 = 20_000_000;

/// Answers which components a name or a selector means.
pub(super) struct Resolver<'a> {
    /// Component of each workload; `None` if its name is not valid.
    ids: Vec<Option<ComponentId>>,
    /// Workloads by namespace, label and value.
    by_label: BTreeMap<(&'a str, &'a str, &'a str), Vec<usize>>,
    by_namespace: BTreeMap<&'a str, Vec<usize>>,
    /// Workloads by namespace, name and kind.
    by_name: BTreeMap<(&'a str, &'a str, &'a str), usize>,
    labels: Vec<Labels<'a>>,
    /// Workloads that selectors may still be held against.
    work_left: Cell<u64>,
    /// What is behind a service, by namespace and name.
    services: BTreeMap<&'a str, BTreeMap<&'a str, Vec<ComponentId>>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(objects: &Objects<'a>, draft: &mut Draft, report: &mut Report) -> Self {
        let mut resolver = Self {
            ids: ids(objects, report),
            by_label: BTreeMap::new(),
            by_namespace: BTreeMap::new(),
            by_name: BTreeMap::new(),
            work_left: Cell::new(SELECTOR_WORK_MAX),
            labels: objects.workloads.iter().map(|w| w.labels.clone()).collect(),
            services: BTreeMap::new(),
        };
        for (index, workload) in objects.workloads.iter().enumerate() {
            resolver.by_namespace.entry(workload.namespace).or_default().push(index);
            resolver.by_name.entry((workload.namespace, workload.name, workload.kind)).or_insert(index);
            for (&key, &value) in &workload.labels {
                resolver.by_label.entry((workload.namespace, key, value)).or_default().push(index);
            }
        }
        for service in &objects.services {
            let spec = service.at.get("spec");
            let selector = spec.as_ref().and_then(|s| s.get("selector"));
            if let Some(selector) = selector.filter(|s| s.entries().next().is_some()) {
                let found = resolver.select(service.namespace, &Selector::of_map(&selector));
                if found.is_empty() && !objects.workloads.is_empty() {
                    let message =
                        format!("service `{}` selects no workload of these manifests", service.name);
                    report.add(
                        "W1303",
                        &selector,
                        message,
                        "correct the selector or add the workload's manifest",
                    );
                }
                let ids = found.into_iter().filter_map(|index| resolver.ids[index].clone()).collect();
                resolver.services.entry(service.namespace).or_default().insert(service.name, ids);
            } else if let Some(id) = Draft::id(service.name, &service.at, report) {
                // without a selector it stands for something outside, by name or by endpoints kept by hand
                let external = spec.as_ref().and_then(|s| s.get("externalName"));
                if external.is_none() && resolver.ids.contains(&Some(id.clone())) {
                    let message = format!("service `{id}` has no selector, though a workload has its name");
                    report.add("W1303", &service.at, message, "give it a selector; nothing is behind it");
                    continue;
                }
                let mut component = Component::new(id.clone(), Kind::External);
                if let Some(host) = external.as_ref().and_then(At::text) {
                    component.labels.insert(Arc::from("kubernetes.external-name"), Arc::from(host));
                }
                let external = external.unwrap_or_else(|| service.at.clone());
                let annotations = service.at.dig(&["metadata", "annotations"]);
                let id = match annotations.as_ref().and_then(|a| carried::component(a, report)) {
                    Some(known) => {
                        component = known;
                        component.id.clone()
                    }
                    None => id,
                };
                if let Some(annotations) = annotations {
                    carried::connect(&id, &annotations, draft, report);
                }
                draft.add(component, report.place(&external), report);
                resolver.services.entry(service.namespace).or_default().insert(service.name, vec![id]);
            }
        }
        resolver
    }

    /// Component of a workload.
    pub(super) fn id(&self, workload: usize) -> Option<&ComponentId> {
        self.ids[workload].as_ref()
    }

    /// Workloads of a namespace that a selector matches. An empty selector matches all.
    pub(super) fn select(&self, namespace: &str, selector: &Selector<'_>) -> Vec<usize> {
        let candidates = match selector.anchor() {
            Some((key, value)) => self.by_label.get(&(namespace, key, value)),
            None => self.by_namespace.get(namespace),
        };
        let all = candidates.map(Vec::as_slice).unwrap_or_default();
        let Some(left) = self.work_left.get().checked_sub(all.len() as u64) else {
            self.work_left.set(0);
            return Vec::new();
        };
        self.work_left.set(left);
        all.iter().copied().filter(|&index| selector.matches(&self.labels[index])).collect()
    }

    /// True once selectors were held against so many workloads that no more are looked at.
    pub(super) fn is_exhausted(&self) -> bool {
        self.work_left.get() == 0
    }

    /// A workload by namespace, name and kind.
    pub(super) fn named(&self, namespace: &str, name: &str, kind: &str) -> Option<usize> {
        self.by_name.get(&(namespace, name, kind)).copied()
    }

    /// All namespaces with workloads, in order.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &'a str> {
        self.by_namespace.keys().copied()
    }

    /// What a host name means to a caller in `namespace`: `svc`, `svc.ns`, `svc.ns.svc…`, `pod.svc…` of a stateful
    /// set.
    pub(super) fn host(&self, namespace: &str, host: &str) -> &[ComponentId] {
        let parts: Vec<&str> = host.splitn(5, '.').collect();
        let of = |ns: &str, name: &str| self.service(ns, name);
        let inside = |rest: &[&str]| rest.is_empty() || rest[0] == "svc";
        let found = match parts.as_slice() {
            [name, ns, rest @ ..] if inside(rest) && of(ns, name).is_some() => of(ns, name),
            [_, name, ns, rest @ ..] if inside(rest) => of(ns, name),
            [name] | [_, name] => of(namespace, name),
            _ => None,
        };
        found.unwrap_or_default()
    }

    /// What is behind a service.
    pub(super) fn service(&self, namespace: &str, name: &str) -> Option<&[ComponentId]> {
        self.services.get(namespace)?.get(name).map(Vec::as_slice)
    }
}

/// The workload's name; with the namespace or the kind before it where the name alone is not unique.
fn ids(objects: &Objects<'_>, report: &mut Report) -> Vec<Option<ComponentId>> {
    let mut namespaces: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut kinds: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for workload in &objects.workloads {
        namespaces.entry(workload.name).or_default().push(workload.namespace);
        kinds.entry((workload.namespace, workload.name)).or_default().push(workload.kind);
    }
    let mut own = BTreeSet::new();
    let differ = |all: &[&str]| all.iter().any(|one| *one != all[0]);
    objects
        .workloads
        .iter()
        .map(|workload| {
            let mut name = String::new();
            if differ(&namespaces[workload.name]) {
                name.push_str(workload.namespace);
                name.push('/');
            }
            if differ(&kinds[&(workload.namespace, workload.name)]) {
                name.push_str(&workload.kind.to_ascii_lowercase());
                name.push('/');
            }
            name.push_str(workload.name);
            // the name before it was made to fit the narrower alphabet of Kubernetes
            let annotations = workload.at.dig(&["metadata", "annotations"]);
            if let Some(known) = annotations.and_then(|a| carried::component(&a, report))
                && own.insert(known.id.clone())
            {
                return Some(known.id);
            }
            Draft::id(&name, &workload.at, report)
        })
        .collect()
}
