//! One arm for each kind of rule: its dense form.

use super::Lowering;
use crate::custom::{CustomRule, View};
use crate::dense::{DenseRule, Distances, GroupIx, NONE, PartitionIx, percent_over};
use crate::error::ProblemError;
use crate::problem::ProblemBuilder;
use ecosystem_core::{Component, ComponentId, Domain, HostId, HostSet, ReplicaId, Rule, RuleKind, Span};
use std::sync::Arc;

/// The dense rules a rule stands for; their degrees add up to the rule's.
pub(super) fn lower_rule(lowering: &mut Lowering<'_>, rule: &Rule) -> Result<Vec<DenseRule>, ProblemError> {
    let one = |rule: DenseRule| Ok(vec![rule]);
    match &rule.kind {
        RuleKind::Together { members, domain } => {
            let group = lowering.group_of(rule, members)?;
            one(DenseRule::Together { group, partition: lowering.partition(domain) })
        }
        RuleKind::Apart { members, domain } => {
            let group = lowering.group_of(rule, members)?;
            one(DenseRule::Limit { group, partition: lowering.partition(domain), max: 1 })
        }
        RuleKind::Spread { members, domain, min_domains, max_skew } => {
            let group = lowering.group_of(rule, members)?;
            let partition = lowering.partition(domain);
            one(DenseRule::Spread { group, partition, min: *min_domains, max_skew: *max_skew })
        }
        RuleKind::Fence { members, allowed } => {
            let group = lowering.group_of(rule, members)?;
            one(DenseRule::Fence { group, hosts: lowering.flags(allowed) })
        }
        RuleKind::Ban { members, denied } => {
            let group = lowering.group_of(rule, members)?;
            let hosts = lowering.flags(denied).iter().map(|&denied| !denied).collect();
            one(DenseRule::Fence { group, hosts })
        }
        RuleKind::Lonely { members } => {
            let group = lowering.group_of(rule, members)?;
            one(DenseRule::Lonely { group })
        }
        RuleKind::MaxOnline { hosts, max } => {
            one(DenseRule::MaxOnline { hosts: lowering.flags(hosts), max: *max })
        }
        _ => lower_catalogue(lowering, rule),
    }
}

/// Quotas, splits, neighbourhoods, latencies, prices and reserves.
fn lower_catalogue(lowering: &mut Lowering<'_>, rule: &Rule) -> Result<Vec<DenseRule>, ProblemError> {
    let one = |rule: DenseRule| Ok(vec![rule]);
    match &rule.kind {
        RuleKind::AtMost { members, domain, max } => {
            let group = lowering.group_of(rule, members)?;
            one(DenseRule::Limit { group, partition: lowering.partition(domain), max: *max })
        }
        RuleKind::Among { members, parts } => {
            let group = lowering.group_of(rule, members)?;
            Ok(among(lowering, rule, group, parts)?.1)
        }
        RuleKind::SplitAmong { groups, parts } => split_among(lowering, rule, groups, parts),
        RuleKind::Stay { replicas } => Ok(stay(lowering, replicas)),
        RuleKind::Split { groups, domain } => {
            let partition = lowering.partition(domain);
            let groups = groups.iter().map(|g| lowering.group_of(rule, g)).collect::<Result<_, _>>()?;
            one(DenseRule::Disjoint { groups, partition })
        }
        RuleKind::Neighbour { members, needs, domain } => {
            let (group, provider) = (lowering.group_of(rule, members)?, lowering.group_of(rule, needs)?);
            one(DenseRule::Need { group, provider, partition: lowering.partition(domain) })
        }
        RuleKind::Quota { members, hosts, resource, max } => {
            let amount = |component: &Component, input: &ProblemBuilder<'_>| match &**resource {
                "replicas" => 1,
                name => input.request_of(component).get(name),
            };
            let amounts = lowering.amounts_of(rule, members, amount)?;
            let hosts = lowering.flags(hosts);
            one(DenseRule::Quota { amounts, hosts, max: i64::try_from(*max).unwrap_or(i64::MAX) })
        }
        RuleKind::Licence { name, hosts, max } => {
            let all: Vec<ComponentId> = lowering.input.ecosystem.components().map(|c| c.id.clone()).collect();
            let licences =
                |c: &Component, _: &ProblemBuilder<'_>| u64::from(c.licences.get(name).copied().unwrap_or(0));
            let amounts = lowering.amounts_of(rule, &all, licences)?;
            one(DenseRule::Quota { amounts, hosts: lowering.flags(hosts), max: i64::from(*max) })
        }
        RuleKind::Latency { from, to, budget } => {
            let a = lowering.items(rule, std::slice::from_ref(from))?;
            let b = lowering.items(rule, std::slice::from_ref(to))?;
            let pairs = a.iter().flat_map(|&x| b.iter().map(move |&y| (x, y))).collect();
            one(DenseRule::Near { pairs, max: i64::try_from(budget.get()).unwrap_or(i64::MAX) })
        }
        RuleKind::PathLatency { path, budget } => {
            let steps = path
                .iter()
                .map(|id| lowering.items(rule, std::slice::from_ref(id)))
                .collect::<Result<_, _>>()?;
            let mut custom = PathRule {
                name: rule.name.to_string(),
                steps,
                latency: lowering.latency.clone(),
                max: i64::try_from(budget.get()).unwrap_or(i64::MAX),
                homes: Vec::new(),
            };
            let homes = lowering.raw.homes();
            if rule.span == Span::WholePlan && custom.degree(&View::new(&homes)) == 0 {
                custom.homes = homes;
            }
            one(DenseRule::Custom(Arc::new(custom)))
        }
        RuleKind::MaxPrice { max } => Ok(vec![max_price(lowering, max.0.max(0))]),
        RuleKind::Reserve { domain, hosts } => reserve(lowering, rule, domain, *hosts as usize),
        _ => Err(ProblemError::Rule {
            rule: rule.name.to_string(),
            message: "is of a kind that this version cannot place by".to_owned(),
        }),
    }
}

/// The partition by parts (hosts outside stand alone), and the rules that keep a group inside one of them.
fn among(
    lowering: &mut Lowering<'_>,
    rule: &Rule,
    group: GroupIx,
    parts: &[HostSet],
) -> Result<(PartitionIx, Vec<DenseRule>), ProblemError> {
    let flags: Vec<Arc<[bool]>> = parts.iter().map(|part| lowering.flags(part)).collect();
    let hosts = lowering.input.infrastructure.hosts().len();
    let inside: Arc<[bool]> = (0..hosts).map(|h| flags.iter().any(|f| f[h])).collect();
    if (0..hosts).any(|h| flags.iter().filter(|f| f[h]).count() > 1) {
        return Err(ProblemError::Rule {
            rule: rule.name.to_string(),
            message: "has a host in two of its sets, expected sets that do not overlap".to_owned(),
        });
    }
    // hosts outside count as one more part, which only the fence speaks about
    let of: Vec<u32> =
        (0..hosts).map(|h| flags.iter().position(|f| f[h]).map_or(0, |p| p as u32 + 1)).collect();
    let partition = lowering.part_of(&of);
    Ok((partition, vec![DenseRule::Fence { group, hosts: inside }, DenseRule::Together { group, partition }]))
}

fn split_among(
    lowering: &mut Lowering<'_>,
    rule: &Rule,
    groups: &[Vec<ComponentId>],
    parts: &[HostSet],
) -> Result<Vec<DenseRule>, ProblemError> {
    let (mut rules, mut indices, mut within) = (Vec::new(), Vec::new(), None);
    for members in groups {
        let group = lowering.group_of(rule, members)?;
        let (partition, parts) = among(lowering, rule, group, parts)?;
        rules.extend(parts);
        indices.push(group);
        within = Some(partition);
    }
    rules.extend(within.map(|partition| DenseRule::Disjoint { groups: indices, partition }));
    Ok(rules)
}

fn stay(lowering: &mut Lowering<'_>, replicas: &[(ReplicaId, HostId)]) -> Vec<DenseRule> {
    let infrastructure = lowering.input.infrastructure;
    let mut rules = Vec::new();
    for (replica, host) in replicas {
        let item = lowering.replicas.iter().position(|r| r == replica);
        if let Some(item) = item {
            let group = lowering.group(vec![item as u32]);
            let hosts = infrastructure.hosts().iter().map(|h| h.id == *host).collect();
            rules.push(DenseRule::Fence { group, hosts });
        }
    }
    rules
}

fn max_price(lowering: &Lowering<'_>, max: i64) -> DenseRule {
    let amounts = lowering.input.infrastructure.hosts().iter().map(|h| h.price_per_hour.0.max(0)).collect();
    DenseRule::MaxHostSum { amounts, max }
}

/// One quota for each domain and dimension.
fn reserve(
    lowering: &mut Lowering<'_>,
    rule: &Rule,
    domain: &Domain,
    fail: usize,
) -> Result<Vec<DenseRule>, ProblemError> {
    let infrastructure = lowering.input.infrastructure;
    let (of, parts) = domain.groups(infrastructure);
    let all: Vec<ComponentId> = lowering.input.ecosystem.components().map(|c| c.id.clone()).collect();
    let mut names: Vec<String> = ["cpu", "memory", "disk", "network"].map(str::to_owned).into();
    for component in lowering.input.ecosystem.components() {
        names.extend(lowering.input.request_of(component).extended.keys().map(ToString::to_string));
    }
    names.sort();
    names.dedup();
    let mut rules = Vec::new();
    for name in names {
        let demand = |c: &Component, input: &ProblemBuilder<'_>| input.request_of(c).get(&name);
        let amounts = lowering.amounts_of(rule, &all, demand)?;
        if amounts.iter().all(|a| a.1 == 0) {
            continue;
        }
        for part in 0..parts {
            let hosts: Arc<[bool]> = of.iter().map(|&p| p == part).collect();
            let members = infrastructure.hosts().iter().zip(hosts.iter()).filter(|(_, inside)| **inside);
            let mut room: Vec<u64> = members.map(|(host, _)| host.allocatable().get(&name)).collect();
            room.sort_unstable_by(|a, b| b.cmp(a));
            let max = i64::try_from(room.iter().skip(fail).sum::<u64>()).unwrap_or(i64::MAX);
            rules.push(DenseRule::Quota { amounts: amounts.clone(), hosts, max });
        }
    }
    Ok(rules)
}

/// The longest latency along a chain of components, each step at its worst pair.
#[derive(Debug)]
struct PathRule {
    name: String,
    steps: Vec<Vec<u32>>,
    latency: Distances,
    max: i64,
    /// Where items are before they move, for a rule that holds throughout; else empty.
    homes: Vec<u32>,
}

impl PathRule {
    /// Where an item is, or may be while it moves.
    fn places(&self, view: &View<'_>, item: u32) -> impl Iterator<Item = u32> + Clone + use<> {
        let home = self.homes.get(item as usize).copied().filter(|&host| host != NONE);
        [view.host_of(item), home].into_iter().flatten()
    }
}

impl CustomRule for PathRule {
    fn name(&self) -> &str {
        &self.name
    }

    fn members(&self) -> Vec<u32> {
        let mut members: Vec<u32> = self.steps.iter().flatten().copied().collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    fn degree(&self, view: &View<'_>) -> u64 {
        let mut sum = 0;
        for step in self.steps.windows(2) {
            let mut worst = 0;
            for a in step[0].iter().flat_map(|&i| self.places(view, i)) {
                for b in step[1].iter().flat_map(|&j| self.places(view, j)) {
                    worst = worst.max(self.latency.between(a, b));
                }
            }
            sum += worst;
        }
        percent_over(sum, self.max).unsigned_abs()
    }
}
