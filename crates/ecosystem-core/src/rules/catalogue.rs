//! The plain checks of quotas, splits, neighbourhoods, latencies, prices and reserves.

use super::{HostSet, Rule, RuleKind, Violation, group};
use crate::ecosystem::Ecosystem;
use crate::id::{ComponentId, ReplicaId};
use crate::infra::Infrastructure;
use crate::placement::Placement;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a check reads.
#[derive(Clone, Copy)]
struct World<'a> {
    ecosystem: &'a Ecosystem,
    infrastructure: &'a Infrastructure,
    placement: &'a Placement,
}

impl World<'_> {
    /// Placed replicas of some components with their host indices.
    fn located(&self, members: &[ComponentId]) -> Vec<(ReplicaId, usize)> {
        members
            .iter()
            .flat_map(|id| self.placement.of_component(id))
            .filter_map(|(replica, host)| Some((replica.clone(), self.infrastructure.host_index(host)?)))
            .collect()
    }

    /// Which of the parts a host belongs to.
    fn part(&self, parts: &[HostSet], host: usize) -> Option<usize> {
        parts.iter().position(|part| part.contains(self.infrastructure, host))
    }

    /// Longest latency between replicas of two components; zero if one of them is not placed.
    fn worst_latency(&self, from: &ComponentId, to: &ComponentId) -> u64 {
        let (a, b) = (self.located(std::slice::from_ref(from)), self.located(std::slice::from_ref(to)));
        let pairs = a.iter().flat_map(|(_, x)| b.iter().map(move |(_, y)| (*x, *y)));
        pairs.map(|(x, y)| self.infrastructure.latency(x, y).get()).max().unwrap_or(0)
    }
}

/// Begun percents of `max` that `sum` is above it, at most 1,000,000.
fn percent_over(sum: u64, max: u64) -> usize {
    let excess = u128::from(sum.saturating_sub(max));
    let percents = (excess * 100).div_ceil(u128::from(max.max(1)));
    usize::try_from(percents).unwrap_or(usize::MAX).min(1_000_000)
}

impl Rule {
    pub(super) fn check_catalogue(
        &self,
        ecosystem: &Ecosystem,
        infrastructure: &Infrastructure,
        placement: &Placement,
    ) -> Vec<Violation> {
        let world = World { ecosystem, infrastructure, placement };
        match &self.kind {
            RuleKind::AtMost { members, domain, max } => {
                group(&world.located(members), domain, infrastructure)
                    .into_values()
                    .filter(|replicas| replicas.len() > *max as usize)
                    .map(|replicas| {
                        let message =
                            format!("{} replicas in one {domain}, expected at most {max}", replicas.len());
                        let amount = replicas.len() - *max as usize;
                        self.violation(replicas, amount, message)
                    })
                    .collect()
            }
            RuleKind::Among { members, parts } => self.check_among(&world.located(members), parts, world),
            RuleKind::Stay { replicas } => replicas
                .iter()
                .filter_map(|(replica, host)| Some((replica, host, placement.host_of(replica)?)))
                .filter(|(_, host, now)| host != now && infrastructure.host_index(now).is_some())
                .map(|(replica, host, now)| {
                    let message = format!("{replica} is on {now}, expected it to stay on {host}");
                    self.violation(vec![replica.clone()], 1, message)
                })
                .collect(),
            RuleKind::Split { groups, domain } => {
                let mut present: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
                for (ix, members) in groups.iter().enumerate() {
                    for part in group(&world.located(members), domain, infrastructure).into_keys() {
                        present.entry(part).or_default().insert(ix);
                    }
                }
                let shared = present.into_values().filter(|groups| groups.len() > 1);
                shared
                    .map(|groups| {
                        let message = format!("{} groups share one {domain}", groups.len());
                        self.violation(Vec::new(), groups.len() - 1, message)
                    })
                    .collect()
            }
            RuleKind::SplitAmong { groups, parts } => self.check_split_among(groups, parts, world),
            RuleKind::Neighbour { members, needs, domain } => {
                let (of, _) = domain.groups(infrastructure);
                let provided: BTreeSet<u32> =
                    world.located(needs).iter().map(|&(_, host)| of[host]).collect();
                let alone = |(replica, host): &(ReplicaId, usize)| {
                    !needs.contains(replica.component()) && !provided.contains(&of[*host])
                };
                let lonely = world.located(members).into_iter().filter(alone);
                lonely
                    .map(|(replica, _)| {
                        let message = format!("{replica} has nothing it needs in its {domain}");
                        self.violation(vec![replica], 1, message)
                    })
                    .collect()
            }
            _ => self.check_sums(world),
        }
    }

    fn check_among(
        &self,
        located: &[(ReplicaId, usize)],
        parts: &[HostSet],
        world: World<'_>,
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut used = BTreeSet::new();
        for (replica, host) in located {
            let part = world.part(parts, *host);
            used.insert(part);
            if part.is_none() {
                let what = "is in none of the sets of";
                found.push(self.outside(replica.clone(), *host, world.infrastructure, what));
            }
        }
        if used.len() > 1 {
            let replicas = located.iter().map(|(replica, _)| replica.clone()).collect();
            let message =
                format!("replicas are in {} sets (all other hosts count as one), expected one", used.len());
            found.push(self.violation(replicas, used.len() - 1, message));
        }
        found
    }

    fn check_split_among(
        &self,
        groups: &[Vec<ComponentId>],
        parts: &[HostSet],
        world: World<'_>,
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut users: BTreeMap<Option<usize>, usize> = BTreeMap::new();
        for members in groups {
            let located = world.located(members);
            found.extend(self.check_among(&located, parts, world));
            let used: BTreeSet<Option<usize>> =
                located.iter().map(|&(_, host)| world.part(parts, host)).collect();
            for part in used {
                *users.entry(part).or_default() += 1;
            }
        }
        for count in users.into_values().filter(|&count| count > 1) {
            let message = format!("{count} groups are in one set, expected one");
            found.push(self.violation(Vec::new(), count - 1, message));
        }
        found
    }

    /// Rules about sums: quotas, licences, latencies, prices and reserves.
    fn check_sums(&self, world: World<'_>) -> Vec<Violation> {
        let infrastructure = world.infrastructure;
        let over = |what: &str, sum: u64, max: u64| -> Vec<Violation> {
            if sum <= max {
                return Vec::new();
            }
            vec![self.violation(
                Vec::new(),
                percent_over(sum, max),
                format!("{what} is {sum}, expected at most {max}"),
            )]
        };
        match &self.kind {
            RuleKind::Quota { members, hosts, resource, max } => {
                let located = world.located(members);
                let inside = located.iter().filter(|&&(_, host)| hosts.contains(infrastructure, host));
                let amount =
                    |replica: &ReplicaId| match (&**resource, world.ecosystem.component(replica.component()))
                    {
                        ("replicas", _) => 1,
                        (name, Some(component)) => component.requirements.request.get(name),
                        (_, None) => 0,
                    };
                over(resource, inside.map(|(replica, _)| amount(replica)).fold(0, u64::saturating_add), *max)
            }
            RuleKind::Licence { name, hosts, max } => {
                let mut sum = 0_u64;
                for (replica, host) in world.placement.iter() {
                    let ix = infrastructure.host_index(host);
                    if ix.is_some_and(|ix| hosts.contains(infrastructure, ix)) {
                        let component = world.ecosystem.component(replica.component());
                        sum += u64::from(component.and_then(|c| c.licences.get(name)).copied().unwrap_or(0));
                    }
                }
                over(name, sum, u64::from(*max))
            }
            RuleKind::Latency { from, to, budget } => {
                let (a, b) =
                    (world.located(std::slice::from_ref(from)), world.located(std::slice::from_ref(to)));
                let mut found = Vec::new();
                for (x, (y, latency)) in a.iter().flat_map(|x| {
                    b.iter()
                        .map(move |y| (x, (y, infrastructure.latency(x.1, y.1))))
                        .filter(|p| p.1.1 > *budget)
                }) {
                    let message = format!("{} to {} takes {latency}, expected at most {budget}", x.0, y.0);
                    found.push(self.violation(vec![x.0.clone(), y.0.clone()], 1, message));
                }
                found
            }
            RuleKind::PathLatency { path, budget } => {
                let sum = path.windows(2).map(|step| world.worst_latency(&step[0], &step[1])).sum();
                over("latency along the path in microseconds", sum, budget.get())
            }
            RuleKind::MaxPrice { max } => {
                let used: BTreeSet<usize> =
                    world.placement.iter().filter_map(|(_, host)| infrastructure.host_index(host)).collect();
                let price =
                    |host: &usize| infrastructure.hosts()[*host].price_per_hour.0.max(0).unsigned_abs();
                over(
                    "price per hour in micro-units",
                    used.iter().map(price).sum(),
                    max.0.max(0).unsigned_abs(),
                )
            }
            RuleKind::Reserve { domain, hosts } => self.check_reserve(domain, *hosts as usize, world),
            _ => Vec::new(),
        }
    }

    fn check_reserve(&self, domain: &super::Domain, fail: usize, world: World<'_>) -> Vec<Violation> {
        let (of, count) = domain.groups(world.infrastructure);
        let mut asked: BTreeMap<(u32, String), u64> = BTreeMap::new();
        for (replica, host) in world.placement.iter() {
            let Some(ix) = world.infrastructure.host_index(host) else { continue };
            let Some(component) = world.ecosystem.component(replica.component()) else { continue };
            for (name, amount) in component.requirements.request.iter() {
                *asked.entry((of[ix], name.to_owned())).or_default() += amount;
            }
        }
        let mut found = Vec::new();
        for ((part, name), sum) in asked.into_iter().filter(|(key, _)| key.0 < count) {
            let members = world.infrastructure.hosts().iter().zip(&of).filter(|(_, p)| **p == part);
            let mut room: Vec<u64> = members.map(|(host, _)| host.allocatable().get(&name)).collect();
            room.sort_unstable_by(|a, b| b.cmp(a));
            let max: u64 = room.iter().skip(fail).sum();
            if sum > max {
                let message = format!(
                    "{name} asked in one {domain} is {sum}, expected at most {max} to keep a reserve"
                );
                found.push(self.violation(Vec::new(), percent_over(sum, max), message));
            }
        }
        found
    }
}

/// The rest of a rule's sentence.
pub(super) fn describe(kind: &RuleKind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let list =
        |members: &[ComponentId]| members.iter().map(ComponentId::as_str).collect::<Vec<_>>().join(", ");
    match kind {
        RuleKind::AtMost { members, domain, max } => {
            write!(f, "at most {max} replicas of {} in a {domain}", list(members))
        }
        RuleKind::Among { members, parts } => {
            write!(f, "all replicas of {} in one of {} sets of hosts", list(members), parts.len())
        }
        RuleKind::Stay { replicas } => write!(f, "{} replicas stay where they are", replicas.len()),
        RuleKind::Split { groups, domain } => write!(f, "{} groups share no {domain}", groups.len()),
        RuleKind::SplitAmong { groups, parts } => {
            write!(f, "{} groups each in their own of {} sets of hosts", groups.len(), parts.len())
        }
        RuleKind::Quota { members, resource, max, .. } => {
            write!(f, "{} take at most {max} {resource}", list(members))
        }
        RuleKind::Licence { name, max, .. } => write!(f, "at most {max} licences of {name}"),
        RuleKind::Neighbour { members, needs, domain } => {
            write!(f, "{} in a {domain} with {}", list(members), list(needs))
        }
        RuleKind::Latency { from, to, budget } => write!(f, "{from} within {budget} of {to}"),
        RuleKind::PathLatency { path, budget } => write!(f, "at most {budget} along {}", list(path)),
        RuleKind::MaxPrice { max } => write!(f, "hosts for at most {max} per hour"),
        RuleKind::Reserve { domain, hosts } => write!(f, "in each {domain} {hosts} hosts may fail"),
        _ => Ok(()),
    }
}
