//! A plain placer for drills: correct and obvious, not good.

use crate::action::{Need, PlacementAsk};
use crate::state::Reason;
use ecosystem_core::{
    ComponentId, Domain, Ecosystem, HostId, Infrastructure, Placement, ReplicaId, Resources, Rule, RuleKind,
    Weight,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where each replica goes, and the replicas for which there is no host, with the reason.
pub(super) type Greedy = (Vec<(ReplicaId, HostId)>, Vec<(ReplicaId, Arc<str>)>);

/// Answers a placement question: each need in turn gets the allowed host with the fewest replicas of its component,
/// then the most room. Hard rules are checked with [`Rule::check`]. Where none has room but one would have if a single
/// replica went elsewhere, that move is part of the answer. O(needs × hosts × rules of the component), and for needs
/// without a host times the replicas.
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
    let mut placer = Placer::new(ask, ecosystem, infrastructure, preferences);
    let (mut placed, mut left) = (Vec::new(), Vec::new());
    for (position, need) in ask.needs.iter().enumerate() {
        let all = need.resources.saturating_add(&placer.companions(need, &ask.needs[position + 1..]));
        let found = placer.best(need, &all).or_else(|| placer.best(need, &need.resources));
        if let Some(ix) = found {
            placed.push((need.replica.clone(), placer.take(&need.replica, &need.resources, ix)));
            continue;
        }
        let why = match placer.make_room(need) {
            Some(moved) => {
                let why = format!("{} is moved to {} to make room", moved.0, moved.1);
                placed.push(moved);
                why
            }
            None => "no allowed host has room within the rules".to_owned(),
        };
        left.push((need.replica.clone(), Arc::from(why)));
    }
    (placed, left)
}

/// Preference, broken soft rules, replicas of the same component, room, position: the smallest is taken.
type Rank = (u32, usize, usize, u64, usize);

struct Placer<'a> {
    ask: &'a PlacementAsk,
    ecosystem: &'a Ecosystem,
    infrastructure: &'a Infrastructure,
    preferences: &'a Preferences,
    excluded: BTreeSet<&'a HostId>,
    used: BTreeMap<HostId, Resources>,
    placement: Placement,
}

impl<'a> Placer<'a> {
    fn new(
        ask: &'a PlacementAsk,
        ecosystem: &'a Ecosystem,
        infrastructure: &'a Infrastructure,
        preferences: &'a Preferences,
    ) -> Self {
        let mut used: BTreeMap<HostId, Resources> = ask.occupied.usage(ecosystem);
        for (host, amount) in &ask.reserved {
            let sum = used.entry(host.clone()).or_default();
            *sum = sum.saturating_add(amount);
        }
        // What shall leave its host no longer binds others to it, though it uses room there until it left.
        let leaving: BTreeSet<&ReplicaId> = ask.needs.iter().map(|need| &need.replica).collect();
        let stays = ask.occupied.iter().filter(|(replica, _)| !leaving.contains(replica));
        let placement = stays.map(|(replica, host)| (replica.clone(), host.clone())).collect();
        let excluded = ask.excluded.iter().collect();
        Self { ask, ecosystem, infrastructure, preferences, excluded, used, placement }
    }

    fn take(&mut self, replica: &ReplicaId, size: &Resources, ix: usize) -> HostId {
        let host = self.infrastructure.hosts()[ix].id.clone();
        let sum = self.used.entry(host.clone()).or_default();
        *sum = sum.saturating_add(size);
        self.placement.set(replica.clone(), host.clone());
        host
    }

    fn best(&self, need: &Need, size: &Resources) -> Option<usize> {
        let avoid: BTreeSet<&HostId> = need.avoid.iter().chain(&need.from).collect();
        let hosts = 0..self.infrastructure.hosts().len();
        let ranks = hosts.filter_map(|ix| {
            let host = &self.infrastructure.hosts()[ix].id;
            if avoid.contains(host) || !self.fits(size, ix) {
                return None;
            }
            self.rank(&need.replica, size, ix)
        });
        ranks.min().map(|(_, _, _, _, ix)| ix)
    }

    fn fits(&self, size: &Resources, ix: usize) -> bool {
        let host = &self.infrastructure.hosts()[ix];
        let taken = self.used.get(&host.id).cloned().unwrap_or_default();
        taken.saturating_add(size).fits_in(&host.allocatable())
    }

    /// How good a host is for a replica, capacity aside; `None` = it may not run there.
    fn rank(&self, replica: &ReplicaId, size: &Resources, ix: usize) -> Option<Rank> {
        let (host, component) = (&self.infrastructure.hosts()[ix], replica.component());
        if self.excluded.contains(&host.id) || !suits(self.ecosystem, self.infrastructure, component, ix) {
            return None;
        }
        let (rules, soft) = (rules_of(self.ecosystem, component), soft_rules_of(self.ecosystem, component));
        let candidate = self.placement.clone().with(replica.clone(), host.id.clone());
        if self.violations(&rules, &candidate) > self.violations(&rules, &self.placement) {
            return None;
        }
        let same = self.placement.of_component(component).filter(|(_, on)| **on == host.id).count();
        let taken = self.used.get(&host.id).cloned().unwrap_or_default().saturating_add(size);
        let free = host.allocatable().cpu.get().saturating_sub(taken.cpu.get()).min(u64::MAX - 1);
        let liked = self.preferences.get(component).and_then(|hosts| hosts.get(&host.id));
        let priority = liked.map_or(0, |&p| p.saturating_add(1));
        Some((u32::MAX - priority, self.violations(&soft, &candidate), same, u64::MAX - free, ix))
    }

    fn violations(&self, rules: &[&Rule], placement: &Placement) -> usize {
        rules
            .iter()
            .flat_map(|rule| rule.check(self.ecosystem, self.infrastructure, placement))
            .map(|violation| violation.replicas.len().max(1))
            .sum()
    }

    /// Room for those that must be on the same host and have no place yet.
    fn companions(&self, need: &Need, later: &[Need]) -> Resources {
        let bound = |other: &Need| {
            self.ecosystem.rules().iter().any(|rule| {
                rule.weight == Weight::Hard
                    && matches!(&rule.kind, RuleKind::Together { members, domain: Domain::Host }
                        if members.contains(need.replica.component()) && members.contains(other.replica.component()))
            })
        };
        let others = later.iter().filter(|other| bound(other));
        others.fold(Resources::default(), |sum, other| sum.saturating_add(&other.resources))
    }

    /// One running replica that goes elsewhere so that a need finds room where it was: the smallest that will do. Only
    /// what was lost, or is in danger, is worth a move.
    fn make_room(&mut self, need: &Need) -> Option<(ReplicaId, HostId)> {
        if need.reason > Reason::Evacuation {
            return None;
        }
        let needed: BTreeSet<&ReplicaId> = self.ask.needs.iter().map(|it| &it.replica).collect();
        let mut victims: Vec<(Resources, ReplicaId, usize)> = self
            .placement
            .iter()
            .filter(|(replica, _)| !needed.contains(replica))
            .filter_map(|(replica, host)| {
                let size = self.ecosystem.component(replica.component())?.requirements.request.clone();
                Some((size, replica.clone(), self.infrastructure.host_index(host)?))
            })
            .collect();
        victims.sort_by(|a, b| (a.0.memory, a.0.cpu, &a.1).cmp(&(b.0.memory, b.0.cpu, &b.1)));
        for (size, victim, on) in victims {
            let host = self.infrastructure.hosts()[on].id.clone();
            let left = self.used.get(&host)?.saturating_sub(&size);
            let room = self.infrastructure.hosts()[on].allocatable();
            let helps = left.saturating_add(&need.resources).fits_in(&room)
                && !need.avoid.contains(&host)
                && need.from.as_ref() != Some(&host)
                && self.rank(&need.replica, &need.resources, on).is_some();
            if !helps {
                continue;
            }
            let hosts = (0..self.infrastructure.hosts().len()).filter(|&ix| ix != on && self.fits(&size, ix));
            let best = hosts.filter_map(|ix| self.rank(&victim, &size, ix)).min();
            if let Some((_, _, _, _, ix)) = best {
                let to = self.take(&victim, &size, ix);
                return Some((victim, to));
            }
        }
        None
    }
}

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
            rule.kind.components().any(|id| id == component) || matches!(rule.kind, RuleKind::Lonely { .. })
        })
        .collect()
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
