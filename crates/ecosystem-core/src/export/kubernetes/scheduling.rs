//! Rules and placements as node affinity, pod affinity and topology spread.

use super::Cluster;
use crate::component::Component;
use crate::id::{ComponentId, HostId, RackId, RegionId, ZoneId};
use crate::rules::{Domain, HostSet, Rule, RuleKind, Weight};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// True if a rule has a counterpart in Kubernetes.
pub(super) fn can_express(rule: &Rule) -> bool {
    match &rule.kind {
        RuleKind::Together { domain, .. }
        | RuleKind::Apart { domain, .. }
        | RuleKind::Spread { domain, .. } => topology_key(domain).is_some(),
        RuleKind::Fence { allowed, .. } => !terms(allowed, "In").is_empty(),
        RuleKind::Ban { denied, .. } => !terms(denied, "NotIn").is_empty(),
        RuleKind::Lonely { .. } => true,
        _ => false,
    }
}

/// Affinity and spread constraints of one component.
pub(super) fn of(cluster: &Cluster<'_>, component: &Component) -> (Option<Value>, Vec<Value>) {
    let mut plan = Plan::default();
    for rule in cluster.ecosystem.rules() {
        plan.add_rule(cluster, component, rule);
    }
    plan.add_placement(cluster, component);
    plan.finish()
}

/// Collects constraints; hard ones must hold, soft ones are preferred.
#[derive(Default)]
struct Plan {
    /// Expressions that all must hold.
    node_all: Vec<Value>,
    /// Alternatives of which one must hold, per rule.
    node_any: Vec<Vec<Value>>,
    node_preferred: Vec<Value>,
    pods: BTreeMap<(&'static str, bool), Vec<Value>>,
    spread: Vec<Value>,
}

impl Plan {
    fn add_rule(&mut self, cluster: &Cluster<'_>, component: &Component, rule: &Rule) {
        let hard = rule.weight == Weight::Hard;
        let is_member = rule.kind.components().any(|id| *id == component.id);
        match &rule.kind {
            _ if !is_member => {}
            RuleKind::Together { members, domain } => {
                self.pod_term("podAffinity", cluster, members, domain, hard);
            }
            RuleKind::Apart { members, domain } => {
                self.pod_term("podAntiAffinity", cluster, members, domain, hard);
            }
            RuleKind::Spread { domain, min_domains, max_skew, .. } => {
                if let Some(key) = topology_key(domain) {
                    let mut item = spread_over(cluster, component, key, max_skew.unwrap_or(1).max(1), hard);
                    // without a stated skew only the number of domains binds
                    if hard && *min_domains > 0 {
                        item["minDomains"] = json!(min_domains);
                    }
                    self.spread.push(item);
                }
            }
            RuleKind::Fence { allowed, .. } => self.node_terms(terms(allowed, "In"), true, rule.weight),
            RuleKind::Ban { denied, .. } => self.node_terms(terms(denied, "NotIn"), false, rule.weight),
            RuleKind::Lonely { members } => {
                let others: Vec<&str> = cluster
                    .ecosystem
                    .components()
                    .filter(|c| c.is_placed() && !members.contains(&c.id))
                    .map(|c| cluster.name(&c.id))
                    .collect();
                if !others.is_empty() {
                    self.push_pods("podAntiAffinity", &others, "kubernetes.io/hostname", hard);
                }
            }
            _ => {}
        }
    }

    fn pod_term(
        &mut self,
        side: &'static str,
        cluster: &Cluster<'_>,
        members: &[ComponentId],
        domain: &Domain,
        hard: bool,
    ) {
        if let Some(key) = topology_key(domain) {
            let names: Vec<&str> = members.iter().map(|id| cluster.name(id)).collect();
            self.push_pods(side, &names, key, hard);
        }
    }

    fn push_pods(&mut self, side: &'static str, names: &[&str], key: &str, hard: bool) {
        let term = json!({
            "labelSelector": {
                "matchExpressions": [{ "key": "app.kubernetes.io/name", "operator": "In", "values": names }],
            },
            "topologyKey": key,
        });
        let item = if hard { term } else { json!({ "weight": 50, "podAffinityTerm": term }) };
        self.pods.entry((side, hard)).or_default().push(item);
    }

    fn node_terms(&mut self, terms: Vec<Value>, any: bool, weight: Weight) {
        match weight {
            Weight::Hard if any => self.node_any.push(terms),
            Weight::Hard => self.node_all.extend(terms),
            Weight::Soft(_) => self.node_preferred.extend(
                terms
                    .into_iter()
                    .map(|term| json!({ "weight": 50, "preference": { "matchExpressions": [term] } })),
            ),
        }
    }

    /// The hosts a component is placed on, and the skew over hosts and zones that this placement has.
    fn add_placement(&mut self, cluster: &Cluster<'_>, component: &Component) {
        let Some((infrastructure, placement)) = cluster.settings.placement else { return };
        let mut per_host: BTreeMap<usize, u32> = BTreeMap::new();
        for (_, host) in placement.of_component(&component.id) {
            if let Some(ix) = infrastructure.host_index(host) {
                *per_host.entry(ix).or_default() += 1;
            }
        }
        if per_host.is_empty() {
            return;
        }
        let hosts: BTreeSet<&str> =
            per_host.keys().map(|&ix| infrastructure.hosts()[ix].id.as_str()).collect();
        self.node_all.push(json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": hosts }));
        let mut per_zone: BTreeMap<usize, u32> = BTreeMap::new();
        for (&host, &count) in &per_host {
            *per_zone.entry(infrastructure.host_zone_index(host)).or_default() += count;
        }
        for (key, counts) in [
            ("kubernetes.io/hostname", per_host.values().copied().collect::<Vec<_>>()),
            ("topology.kubernetes.io/zone", per_zone.values().copied().collect()),
        ] {
            let (most, least) = (counts.iter().max().unwrap_or(&0), counts.iter().min().unwrap_or(&0));
            if counts.len() > 1 {
                self.spread.push(spread_over(cluster, component, key, (most - least).max(1), true));
            }
        }
    }

    fn finish(self) -> (Option<Value>, Vec<Value>) {
        let mut affinity = Map::new();
        let mut node = Map::new();
        // alternatives of several rules multiply: one term for each combination
        let mut combined: Vec<Vec<Value>> = vec![self.node_all];
        for alternatives in self.node_any.into_iter().filter(|a| !a.is_empty()) {
            let pairs = combined.iter().flat_map(|head| alternatives.iter().map(move |term| (head, term)));
            combined =
                pairs.map(|(head, term)| [head.as_slice(), core::slice::from_ref(term)].concat()).collect();
        }
        combined.retain(|expressions| !expressions.is_empty());
        if !combined.is_empty() {
            let terms: Vec<Value> = combined.into_iter().map(|e| json!({ "matchExpressions": e })).collect();
            node.insert(
                "requiredDuringSchedulingIgnoredDuringExecution".to_owned(),
                json!({ "nodeSelectorTerms": terms }),
            );
        }
        if !self.node_preferred.is_empty() {
            node.insert(
                "preferredDuringSchedulingIgnoredDuringExecution".to_owned(),
                Value::Array(self.node_preferred),
            );
        }
        if !node.is_empty() {
            affinity.insert("nodeAffinity".to_owned(), Value::Object(node));
        }
        for ((side, hard), terms) in self.pods {
            let when = if hard {
                "requiredDuringSchedulingIgnoredDuringExecution"
            } else {
                "preferredDuringSchedulingIgnoredDuringExecution"
            };
            affinity.entry(side).or_insert_with(|| json!({}))[when] = Value::Array(terms);
        }
        ((!affinity.is_empty()).then_some(Value::Object(affinity)), self.spread)
    }
}

fn spread_over(cluster: &Cluster<'_>, component: &Component, key: &str, skew: u32, hard: bool) -> Value {
    json!({
        "maxSkew": skew,
        "topologyKey": key,
        "whenUnsatisfiable": if hard { "DoNotSchedule" } else { "ScheduleAnyway" },
        "labelSelector": { "matchLabels": cluster.selector(&component.id) },
    })
}

fn topology_key(domain: &Domain) -> Option<&str> {
    Some(match domain {
        Domain::Host => "kubernetes.io/hostname",
        Domain::Rack => "topology.vm-ecosystem/rack",
        Domain::Zone => "topology.kubernetes.io/zone",
        Domain::Region => "topology.kubernetes.io/region",
        Domain::Named(name) if name.contains('/') => name,
        Domain::Named(_) => return None,
    })
}

/// A set of hosts as expressions over node labels.
fn terms(hosts: &HostSet, operator: &str) -> Vec<Value> {
    let mut terms = Vec::new();
    let mut add = |key: &str, values: Vec<&str>| {
        if !values.is_empty() {
            terms.push(json!({ "key": key, "operator": operator, "values": values }));
        }
    };
    add("kubernetes.io/hostname", hosts.hosts.iter().map(HostId::as_str).collect());
    add("topology.vm-ecosystem/rack", hosts.racks.iter().map(RackId::as_str).collect());
    add("topology.kubernetes.io/zone", hosts.zones.iter().map(ZoneId::as_str).collect());
    add("topology.kubernetes.io/region", hosts.regions.iter().map(RegionId::as_str).collect());
    let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, value) in &hosts.labels {
        labels.entry(key).or_default().push(value);
    }
    for (key, values) in labels {
        add(key, values);
    }
    terms
}
