//! Scheduling constraints of pods as placement rules: node selectors, node and pod affinity, spread, tolerations.

use super::super::draft::Draft;
use super::super::read;
use super::super::report::Report;
use super::super::tree::At;
use super::Objects;
use super::resolve::Resolver;
use super::selector::Selector;
use super::workload::Workload;
use crate::id::{ComponentId, HostId, RegionId, ZoneId};
use crate::rules::{Domain, HostSet, Rule, RuleKind};
use std::sync::Arc;

/// Adds the rules of one workload.
pub(super) fn read(
    workload: &Workload<'_>,
    index: usize,
    objects: &Objects<'_>,
    resolver: &Resolver<'_>,
    draft: &mut Draft,
    report: &mut Report,
) {
    let (Some(id), Some(pod)) = (resolver.id(index), &workload.pod) else { return };
    let mut rules = Rules { id, workload, objects, resolver, draft, report };
    for (key, _, value) in pod.get("nodeSelector").iter().flat_map(At::entries) {
        if let Some(text) = value.text() {
            rules.fence(key, &[text], &value, None);
        }
    }
    if let Some(name) = pod.get("nodeName") {
        let host = name.text().unwrap_or_default();
        rules.fence("kubernetes.io/hostname", &[host], &name, None);
    }
    if let Some(affinity) = pod.dig(&["affinity", "nodeAffinity"]) {
        rules.node_affinity(&affinity);
    }
    for (key, apart) in [("podAntiAffinity", true), ("podAffinity", false)] {
        if let Some(affinity) = pod.dig(&["affinity", key]) {
            rules.pod_affinity(&affinity, apart);
        }
    }
    for at in pod.get("topologySpreadConstraints").iter().flat_map(At::items) {
        rules.spread(&at);
    }
    for at in pod.get("tolerations").iter().flat_map(At::items) {
        rules.toleration(&at);
    }
}

/// Keys whose value every ordinary host has; a rule would only exclude hosts without labels.
fn is_taken_for_granted(key: &str, values: &[&str]) -> bool {
    (key.ends_with("kubernetes.io/os") && values.contains(&"linux"))
        || (key.ends_with("kubernetes.io/arch") && values.contains(&"amd64"))
}

/// The hosts that a node label means: zones, regions and host names by themselves, others by label.
fn host_set(key: &str, values: &[&str]) -> Option<HostSet> {
    let mut set = HostSet::default();
    for value in values {
        match key {
            "topology.kubernetes.io/zone" | "failure-domain.beta.kubernetes.io/zone" => {
                set.zones.insert(ZoneId::new(value).ok()?);
            }
            "topology.kubernetes.io/region" | "failure-domain.beta.kubernetes.io/region" => {
                set.regions.insert(RegionId::new(value).ok()?);
            }
            "kubernetes.io/hostname" => {
                set.hosts.insert(HostId::new(value).ok()?);
            }
            _ => {
                set.labels.insert((Arc::from(key), Arc::from(*value)));
            }
        }
    }
    Some(set)
}

fn domain(key: &str) -> Domain {
    match key {
        "kubernetes.io/hostname" => Domain::Host,
        "topology.kubernetes.io/zone" | "failure-domain.beta.kubernetes.io/zone" => Domain::Zone,
        "topology.kubernetes.io/region" | "failure-domain.beta.kubernetes.io/region" => Domain::Region,
        "topology.kubernetes.io/rack" | "topology.rook.io/rack" => Domain::Rack,
        other => Domain::Named(Arc::from(other)),
    }
}

struct Rules<'w, 'a> {
    id: &'w ComponentId,
    workload: &'w Workload<'a>,
    objects: &'w Objects<'a>,
    resolver: &'w Resolver<'a>,
    draft: &'w mut Draft,
    report: &'w mut Report,
}

impl<'a> Rules<'_, 'a> {
    fn push(&mut self, name: &str, kind: RuleKind, soft: Option<u64>, at: &At<'_>) {
        let name = format!("{}-{name}", self.id);
        let rule = match soft {
            Some(weight) => Rule::soft(name, kind, weight),
            None => Rule::hard(name, kind),
        };
        if !self.draft.rules.iter().any(|(known, _)| *known == rule) {
            self.draft.rules.push((rule, self.report.place(at)));
        }
    }

    fn cannot(&mut self, what: &str, at: &At<'_>) {
        self.report.add(
            "W1320",
            at,
            format!("{what} of `{}` cannot be expressed as a rule", self.id),
            "write the rule by hand if the placement must honour it",
        );
    }

    fn fence(&mut self, key: &str, values: &[&str], at: &At<'_>, soft: Option<u64>) {
        if is_taken_for_granted(key, values) {
            return;
        }
        match host_set(key, values) {
            Some(allowed) => {
                self.push("hosts", RuleKind::Fence { members: vec![self.id.clone()], allowed }, soft, at);
            }
            None => self.cannot("the node selector", at),
        }
    }

    fn node_affinity(&mut self, at: &At<'a>) {
        if let Some(required) =
            at.dig(&["requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"])
        {
            self.terms(&required.items().collect::<Vec<_>>(), None, &required);
        }
        for preferred in at.get("preferredDuringSchedulingIgnoredDuringExecution").iter().flat_map(At::items)
        {
            let weight = read::u32_of(&preferred, "weight", self.report).unwrap_or(1);
            if let Some(term) = preferred.get("preference") {
                self.terms(std::slice::from_ref(&term), Some(u64::from(weight)), &term);
            }
        }
    }

    /// Terms are alternatives, their expressions must hold together. Several terms can be expressed if each is one
    /// list of allowed values.
    fn terms(&mut self, terms: &[At<'a>], soft: Option<u64>, at: &At<'_>) {
        let expressions = |term: &At<'a>| -> Vec<At<'a>> {
            term.get("matchExpressions")
                .iter()
                .chain(term.get("matchFields").iter())
                .flat_map(At::items)
                .collect()
        };
        if let [term] = terms {
            for one in expressions(term) {
                self.expression(&one, soft);
            }
            return;
        }
        let mut union = HostSet::default();
        for term in terms {
            let all = expressions(term);
            let set = match all.as_slice() {
                [one] if one.text_of("operator") == Some("In") => {
                    let values: Vec<&str> =
                        one.get("values").iter().flat_map(At::items).filter_map(|v| v.text()).collect();
                    host_set(one.text_of("key").unwrap_or_default(), &values)
                }
                _ => None,
            };
            let Some(set) = set else {
                self.cannot("a node affinity with several terms", at);
                return;
            };
            union.hosts.extend(set.hosts);
            union.zones.extend(set.zones);
            union.regions.extend(set.regions);
            union.labels.extend(set.labels);
        }
        self.push("hosts", RuleKind::Fence { members: vec![self.id.clone()], allowed: union }, soft, at);
    }

    fn expression(&mut self, at: &At<'_>, soft: Option<u64>) {
        let values: Vec<&str> =
            at.get("values").iter().flat_map(At::items).filter_map(|v| v.text()).collect();
        let key = match at.text_of("key").unwrap_or_default() {
            "metadata.name" => "kubernetes.io/hostname",
            key => key,
        };
        match at.text_of("operator") {
            Some("In") => self.fence(key, &values, at, soft),
            Some("NotIn") => match host_set(key, &values) {
                Some(denied) => {
                    self.push(
                        "not-hosts",
                        RuleKind::Ban { members: vec![self.id.clone()], denied },
                        soft,
                        at,
                    );
                }
                None => self.cannot("a node affinity", at),
            },
            _ => self.cannot("a node affinity", at),
        }
    }

    fn pod_affinity(&mut self, at: &At<'a>, apart: bool) {
        for term in at.get("requiredDuringSchedulingIgnoredDuringExecution").iter().flat_map(At::items) {
            self.pod_term(&term, apart, None);
        }
        for preferred in at.get("preferredDuringSchedulingIgnoredDuringExecution").iter().flat_map(At::items)
        {
            let weight = read::u32_of(&preferred, "weight", self.report).unwrap_or(1);
            if let Some(term) = preferred.get("podAffinityTerm") {
                self.pod_term(&term, apart, Some(u64::from(weight)));
            }
        }
    }

    fn pod_term(&mut self, term: &At<'a>, apart: bool, soft: Option<u64>) {
        let Some(selector) = term.get("labelSelector").map(|s| Selector::read(&s, self.report)) else {
            return;
        };
        let domain = domain(term.text_of("topologyKey").unwrap_or("kubernetes.io/hostname"));
        let others = self.select(term, &selector);
        let replicas = |id: &ComponentId| self.draft.components.get(id).map_or(1, |(c, _)| c.replicas);
        let itself = others.contains(self.id);
        let mut members = vec![self.id.clone()];
        members.extend(others.iter().filter(|id| *id != self.id).cloned());
        if members.len() == 1 && !itself {
            self.report.add(
                "W1303",
                term,
                format!("an affinity of `{}` selects no workload of these manifests", self.id),
                "correct the selector or add the workload's manifest",
            );
            return;
        }
        if apart {
            // The rule also keeps the others from each other: the same only if each runs once.
            let exact = (itself || replicas(self.id) <= 1)
                && members.iter().filter(|id| *id != self.id).all(|id| replicas(id) <= 1)
                && members.len() <= 2;
            if !exact && soft.is_none() && members.len() > 1 {
                self.cannot("an anti-affinity to other workloads with several replicas", term);
                if !itself {
                    return;
                }
                members.truncate(1);
            }
            self.push("apart", RuleKind::Apart { members, domain }, soft, term);
        } else {
            if soft.is_none() && members.iter().any(|id| replicas(id) > 1) {
                self.report.add(
                    "W1321",
                    term,
                    format!("the affinity of `{}` is read as: all replicas in one {domain}", self.id),
                    "write the rule by hand if it is too strict",
                );
            }
            self.push("together", RuleKind::Together { members, domain }, soft, term);
        }
    }

    /// Components that a pod selector means, in the workload's or the named namespaces.
    fn select(&self, term: &At<'a>, selector: &Selector<'a>) -> Vec<ComponentId> {
        let mut namespaces: Vec<&str> =
            term.get("namespaces").iter().flat_map(At::items).filter_map(|n| n.text()).collect();
        if term.get("namespaceSelector").is_some() {
            namespaces.extend(self.objects.workloads.iter().map(|w| w.namespace));
        }
        if namespaces.is_empty() {
            namespaces.push(self.workload.namespace);
        }
        namespaces.sort_unstable();
        namespaces.dedup();
        namespaces
            .into_iter()
            .flat_map(|ns| self.resolver.select(ns, selector))
            .filter_map(|index| self.resolver.id(index).cloned())
            .collect()
    }

    fn spread(&mut self, at: &At<'a>) {
        let skew = read::u32_of(at, "maxSkew", self.report);
        let domain = domain(at.text_of("topologyKey").unwrap_or("topology.kubernetes.io/zone"));
        let min_domains = read::u32_of(at, "minDomains", self.report).unwrap_or(1);
        let soft = (at.text_of("whenUnsatisfiable") == Some("ScheduleAnyway")).then_some(1);
        let mut members = match at.get("labelSelector").map(|s| Selector::read(&s, self.report)) {
            Some(selector) => self.select(at, &selector),
            None => vec![self.id.clone()],
        };
        if !members.contains(self.id) {
            self.cannot("a spread over pods of others", at);
            return;
        }
        members.sort_unstable();
        self.push("spread", RuleKind::Spread { members, domain, min_domains, max_skew: skew }, soft, at);
    }

    /// A toleration is a label that lets the component run on hosts with the taint of the same name.
    fn toleration(&mut self, at: &At<'_>) {
        let (Some(key), value) = (at.text_of("key"), at.text_of("value")) else { return };
        if key.starts_with("node.kubernetes.io/") || key.starts_with("node-role.kubernetes.io/") {
            return;
        }
        if at.text_of("operator") == Some("Exists") && value.is_none() {
            self.cannot("a toleration of any value", at);
            return;
        }
        if let Some((component, _)) = self.draft.components.get_mut(self.id) {
            component.labels.entry(Arc::from(key)).or_insert_with(|| Arc::from(value.unwrap_or("")));
        }
    }
}
