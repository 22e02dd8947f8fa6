//! Shared failure domains of a placement, and what the loss of a host, rack, zone or component would mean.

use super::blast::{Affected, Impact, blast_radius};
use crate::ecosystem::Ecosystem;
use crate::id::{ComponentId, HostId, ReplicaId};
use crate::infra::Infrastructure;
use crate::placement::Placement;
use crate::resources::Resources;
use crate::rules::Domain;
use std::collections::{BTreeMap, BTreeSet};

/// A failure domain that holds every replica of a component that runs more than once.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SharedDomain {
    /// Whose replicas.
    pub component: ComponentId,
    /// Kind of domain, e.g. rack or `power-feed`.
    pub domain: Domain,
    /// Name of the one domain.
    pub name: String,
    /// How many replicas it takes down at once.
    pub replicas: usize,
}

/// Components with two or more placed replicas that one failure domain takes down alone. All levels of the hierarchy and
/// all named domains of hosts are looked at; per component the smallest domain that holds all, and every named one.
///
/// A region that holds everything is not listed: most placements live in one.
pub fn shared_failure_domains(
    ecosystem: &Ecosystem,
    infrastructure: &Infrastructure,
    placement: &Placement,
) -> Vec<SharedDomain> {
    let named: BTreeSet<&std::sync::Arc<str>> =
        infrastructure.hosts().iter().flat_map(|h| h.domains.keys()).collect();
    let mut found = Vec::new();
    for component in ecosystem.components() {
        let hosts: Vec<usize> = placement
            .of_component(&component.id)
            .filter_map(|(_, host)| infrastructure.host_index(host))
            .collect();
        if hosts.len() < 2 {
            continue;
        }
        let mut push = |domain: Domain, name: String| {
            found.push(SharedDomain { component: component.id.clone(), domain, name, replicas: hosts.len() });
        };
        let same = |of: &dyn Fn(usize) -> usize| hosts.iter().all(|&host| of(host) == of(hosts[0]));
        let first = &infrastructure.hosts()[hosts[0]];
        if same(&|host| host) {
            push(Domain::Host, first.id.to_string());
        } else if same(&|host| infrastructure.host_rack_index(host)) {
            push(Domain::Rack, first.rack.to_string());
        } else if same(&|host| infrastructure.host_zone_index(host)) {
            push(Domain::Zone, infrastructure.host_zone(hosts[0]).to_string());
        }
        for &key in &named {
            let value = first.domains.get(key);
            if value.is_some() && hosts.iter().all(|&h| infrastructure.hosts()[h].domains.get(key) == value) {
                push(Domain::Named(key.clone()), value.map(ToString::to_string).unwrap_or_default());
            }
        }
    }
    found
}

/// What is taken away.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// A component with all its replicas.
    Component(ComponentId),
    /// All hosts of one value of a domain, e.g. the zone `eu-a`.
    Domain(Domain, String),
}

/// What a loss would mean.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WhatIf {
    /// Hosts that are gone.
    pub hosts: Vec<HostId>,
    /// Replicas that are gone.
    pub replicas: Vec<ReplicaId>,
    /// Components without any replica left.
    pub down: Vec<ComponentId>,
    /// Components that keep some replicas but fewer than they want: how many are left of how many.
    pub reduced: Vec<(ComponentId, u32, u32)>,
    /// Who else is hurt, as in [`BlastRadius`](super::BlastRadius); the worst impact counts.
    pub affected: Vec<Affected>,
    /// First dimension in which the lost replicas ask for more than is free elsewhere: name, asked, free. `None` means that
    /// the sums suffice, which is necessary but not sufficient for all to fit.
    pub shortage: Option<(String, u64, u64)>,
}

/// What happens if something is taken away. Unknown names take nothing away. O(V + E) for each component that goes down.
pub fn what_if(
    ecosystem: &Ecosystem,
    infrastructure: &Infrastructure,
    placement: &Placement,
    loss: &Loss,
) -> WhatIf {
    let gone: BTreeSet<usize> = match loss {
        Loss::Component(_) => BTreeSet::new(),
        Loss::Domain(domain, name) => hosts_of(infrastructure, domain, name),
    };
    let is_gone = |host: &HostId| infrastructure.host_index(host).is_some_and(|ix| gone.contains(&ix));
    let replicas: Vec<ReplicaId> = placement
        .iter()
        .filter(|(replica, host)| {
            is_gone(host) || matches!(loss, Loss::Component(id) if id == replica.component())
        })
        .map(|(replica, _)| replica.clone())
        .collect();
    let mut lost: BTreeMap<&ComponentId, u32> = BTreeMap::new();
    for replica in &replicas {
        *lost.entry(replica.component()).or_default() += 1;
    }
    let (mut down, mut reduced) = (Vec::new(), Vec::new());
    for component in ecosystem.components() {
        let here = u32::try_from(placement.of_component(&component.id).count()).unwrap_or(u32::MAX);
        let left = here - lost.get(&component.id).copied().unwrap_or(0);
        let named = matches!(loss, Loss::Component(id) if *id == component.id);
        if named || (left == 0 && here > 0) {
            down.push(component.id.clone());
        } else if left < here {
            reduced.push((component.id.clone(), left, component.replicas));
        }
    }
    let affected = spread_of(ecosystem, &down);
    let shortage = shortage(ecosystem, infrastructure, placement, (&gone, &replicas));
    let hosts = gone.iter().map(|&ix| infrastructure.hosts()[ix].id.clone()).collect();
    WhatIf { hosts, replicas, down, reduced, affected, shortage }
}

fn hosts_of(infrastructure: &Infrastructure, domain: &Domain, name: &str) -> BTreeSet<usize> {
    let hosts = infrastructure.hosts().iter().enumerate();
    hosts
        .filter(|&(ix, host)| match domain {
            Domain::Host => host.id.as_str() == name,
            Domain::Rack => host.rack.as_str() == name,
            Domain::Zone => infrastructure.host_zone(ix).as_str() == name,
            Domain::Region => {
                infrastructure.regions()[infrastructure.host_region_index(ix)].id.as_str() == name
            }
            Domain::Named(key) => host.domains.get(key).is_some_and(|value| &**value == name),
        })
        .map(|(ix, _)| ix)
        .collect()
}

/// Everybody hurt by any of the components that are down, with the worst impact and then the shortest way.
fn spread_of(ecosystem: &Ecosystem, down: &[ComponentId]) -> Vec<Affected> {
    let mut worst: BTreeMap<ComponentId, Affected> = BTreeMap::new();
    for id in down {
        for hit in blast_radius(ecosystem, id).into_iter().flat_map(|radius| radius.affected) {
            let rank = |a: &Affected| (core::cmp::Reverse(a.impact), a.depth);
            if !down.contains(&hit.component)
                && worst.get(&hit.component).is_none_or(|known| rank(&hit) < rank(known))
            {
                worst.insert(hit.component.clone(), hit);
            }
        }
    }
    let mut affected: Vec<Affected> = worst.into_values().collect();
    let place = |a: &Affected| ecosystem.component_index(&a.component);
    affected.sort_by_key(|a| (core::cmp::Reverse::<Impact>(a.impact), a.depth, place(a)));
    affected
}

fn shortage(
    ecosystem: &Ecosystem,
    infrastructure: &Infrastructure,
    placement: &Placement,
    (gone, replicas): (&BTreeSet<usize>, &[ReplicaId]),
) -> Option<(String, u64, u64)> {
    let usage = placement.usage(ecosystem);
    let zero = Resources::default();
    let mut free = Resources::default();
    for (ix, host) in infrastructure.hosts().iter().enumerate() {
        if !gone.contains(&ix) && host.state == crate::infra::HostState::Ready {
            let used = usage.get(&host.id).unwrap_or(&zero);
            free = free.saturating_add(&host.allocatable().saturating_sub(used));
        }
    }
    let asked = replicas
        .iter()
        .filter_map(|replica| ecosystem.component(replica.component()))
        .fold(Resources::default(), |sum, c| sum.saturating_add(&c.requirements.request));
    asked.first_excess(&free)
}
