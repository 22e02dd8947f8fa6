//! A plain placer for drills: correct and obvious, not good.

use crate::action::PlacementAsk;
use ecosystem_core::{
    ComponentId, Ecosystem, HostId, Infrastructure, Placement, ReplicaId, Resources, Rule, Weight,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where each replica goes, and the replicas for which there is no host, with the reason.
pub(super) type Greedy = (Vec<(ReplicaId, HostId)>, Vec<(ReplicaId, Arc<str>)>);

/// Answers a placement question: each need in turn gets the allowed host with the fewest replicas of its component,
/// then the most room. Hard rules are checked with [`Rule::check`]. O(needs × hosts × rules of the component).
pub fn place_greedily(ask: &PlacementAsk, ecosystem: &Ecosystem, infrastructure: &Infrastructure) -> Greedy {
    place_preferring(ask, ecosystem, infrastructure, &Preferences::new())
}

/// Hosts a component likes, with a priority; higher is better, unnamed hosts have none.
pub(super) type Preferences = BTreeMap<ComponentId, BTreeMap<HostId, u32>>;

/// As [`place_greedily`], preferred hosts first, then those that break the fewest soft rules.
pub(super) fn place_preferring(
    ask: &PlacementAsk,
    ecosystem: &Ecosystem,
    infrastructure: &Infrastructure,
    preferences: &Preferences,
) -> Greedy {
    let excluded: BTreeSet<&HostId> = ask.excluded.iter().collect();
    let mut used: BTreeMap<HostId, Resources> = ask.occupied.usage(ecosystem);
    for (host, amount) in &ask.reserved {
        let sum = used.entry(host.clone()).or_default();
        *sum = sum.saturating_add(amount);
    }
    let mut placement = ask.occupied.clone();
    let (mut placed, mut left) = (Vec::new(), Vec::new());
    for need in &ask.needs {
        let component = need.replica.component();
        let rules = rules_of(ecosystem, component);
        let before = violations(&rules, ecosystem, infrastructure, &placement);
        let liked = preferences.get(component);
        let mut best: Option<Rank> = None;
        for (ix, host) in infrastructure.hosts().iter().enumerate() {
            if excluded.contains(&host.id)
                || need.avoid.contains(&host.id)
                || need.from.as_ref() == Some(&host.id)
            {
                continue;
            }
            let room = host.allocatable();
            let taken = used.get(&host.id).cloned().unwrap_or_default();
            let after = taken.saturating_add(&need.resources);
            if !after.fits_in(&room) || !suits(ecosystem, infrastructure, component, ix) {
                continue;
            }
            let candidate = placement.clone().with(need.replica.clone(), host.id.clone());
            if violations(&rules, ecosystem, infrastructure, &candidate) > before {
                continue;
            }
            let same = placement.of_component(component).filter(|(_, on)| **on == host.id).count();
            let free = (room.cpu.get().saturating_sub(after.cpu.get())).min(u64::MAX - 1);
            let priority = liked.and_then(|hosts| hosts.get(&host.id)).map_or(0, |&p| p.saturating_add(1));
            let broken =
                violations(&soft_rules_of(ecosystem, component), ecosystem, infrastructure, &candidate);
            let key = (u32::MAX - priority, broken, same, u64::MAX - free, ix);
            if best.is_none_or(|found| key < found) {
                best = Some(key);
            }
        }
        match best {
            Some((_, _, _, _, ix)) => {
                let host = infrastructure.hosts()[ix].id.clone();
                let sum = used.entry(host.clone()).or_default();
                *sum = sum.saturating_add(&need.resources);
                placement.set(need.replica.clone(), host.clone());
                placed.push((need.replica.clone(), host));
            }
            None => {
                left.push((need.replica.clone(), Arc::from("no allowed host has room within the rules")));
            }
        }
    }
    (placed, left)
}

/// Preference, broken soft rules, replicas of the same component, room, position: the smallest is taken.
type Rank = (u32, usize, usize, u64, usize);

fn soft_rules_of<'a>(ecosystem: &'a Ecosystem, component: &ComponentId) -> Vec<&'a Rule> {
    ecosystem
        .rules()
        .iter()
        .filter(|rule| rule.weight != Weight::Hard && rule.kind.components().any(|id| id == component))
        .collect()
}

fn rules_of<'a>(ecosystem: &'a Ecosystem, component: &ComponentId) -> Vec<&'a Rule> {
    ecosystem
        .rules()
        .iter()
        .filter(|rule| rule.weight == Weight::Hard)
        .filter(|rule| {
            rule.kind.components().any(|id| id == component)
                || matches!(rule.kind, ecosystem_core::RuleKind::Lonely { .. })
        })
        .collect()
}

fn violations(
    rules: &[&Rule],
    ecosystem: &Ecosystem,
    infrastructure: &Infrastructure,
    placement: &Placement,
) -> usize {
    rules
        .iter()
        .flat_map(|rule| rule.check(ecosystem, infrastructure, placement))
        .map(|violation| violation.replicas.len().max(1))
        .sum()
}

fn suits(ecosystem: &Ecosystem, infrastructure: &Infrastructure, id: &ComponentId, host: usize) -> bool {
    let Some(component) = ecosystem.component(id) else { return false };
    let it = &infrastructure.hosts()[host];
    let tolerates = it.taints.iter().all(|(key, value)| component.labels.get(key) == Some(value));
    let region = &infrastructure.regions()[infrastructure.host_region_index(host)].id;
    let resides = component.residency.is_empty()
        || component.residency.contains(infrastructure.host_zone(host).as_str())
        || component.residency.contains(region.as_str());
    tolerates && resides
}
