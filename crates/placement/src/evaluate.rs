//! Full evaluation of an assignment: slow, obvious, and what delta evaluation is held against.

use crate::custom::View;
use crate::dense::{Dense, DenseRule, GroupIx, NONE, PartitionIx, percent_over};
use crate::state::{disturbance, stranded};
use ecosystem_core::Weight;
use std::collections::{BTreeMap, BTreeSet};

/// The cost of a placement by term; all terms add up to the total.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CostTerms {
    /// Hosts in use.
    pub price: i64,
    /// Traffic times distance: `Σ weight(i,j) · distance(x(i), x(j))` over the edges.
    pub proximity: i64,
    /// Use above soft capacities.
    pub overload: i64,
    /// Imbalance between dimensions.
    pub balance: i64,
    /// Room that is left of one kind where another is used up.
    pub stranding: i64,
    /// What items on one host disturb each other.
    pub interference: i64,
    /// Load-dependent cost: energy and carbon.
    pub energy: i64,
    /// Items away from home.
    pub moves: i64,
    /// The largest number of moved items of one group.
    pub group_moves: i64,
    /// Violations of soft rules times their penalties.
    pub rules: i64,
}

impl CostTerms {
    /// Sum of all terms.
    pub const fn total(&self) -> i64 {
        self.price
            + self.proximity
            + self.overload
            + self.balance
            + self.stranding
            + self.interference
            + self.energy
            + self.moves
            + self.group_moves
            + self.rules
    }

    /// All terms with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, i64)> {
        [
            ("price", self.price),
            ("proximity", self.proximity),
            ("overload", self.overload),
            ("balance", self.balance),
            ("stranding", self.stranding),
            ("interference", self.interference),
            ("energy", self.energy),
            ("moves", self.moves),
            ("group moves", self.group_moves),
            ("soft rules", self.rules),
        ]
        .into_iter()
    }
}

/// Result of a full evaluation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Evaluation {
    pub(crate) terms: CostTerms,
    /// Hard degree: overloads in begun percents plus degrees of hard rules.
    pub(crate) hard: i64,
    /// Degree of each lowered rule.
    pub(crate) degrees: Vec<i64>,
    /// Overloaded hosts with dimension, sum and capacity.
    pub(crate) overloads: Vec<(u32, usize, i64, i64)>,
}

/// Evaluates an assignment from scratch; `NONE` leaves an item out.
pub(crate) fn evaluate(p: &Dense, x: &[u32]) -> Evaluation {
    let mut result = Evaluation::default();
    let mut used = vec![0_i64; p.hosts * p.dims];
    let mut occupied = used.clone();
    let mut online = vec![0_i64; p.hosts];
    let mut sensitivity = online.clone();
    for item in 0..p.items {
        let (host, home) = (x[item], p.home[item]);
        for (r, &demand) in p.demand_of(item as u32).iter().enumerate() {
            if host != NONE {
                used[host as usize * p.dims + r] += demand;
                occupied[host as usize * p.dims + r] += demand;
            }
            if p.transient[r] && home != NONE && home != host {
                occupied[home as usize * p.dims + r] += demand;
            }
        }
        if host != NONE {
            online[host as usize] += 1;
            sensitivity[host as usize] += p.sensitivity_of(item as u32);
            for &(r, weight) in &p.interference {
                let (own, capacity) =
                    (p.demand_of(item as u32)[r as usize], p.capacity[host as usize * p.dims + r as usize]);
                result.terms.interference -= disturbance(weight, p.sensitivity[item], own, capacity);
            }
            let units = i128::from(p.item_linear[item]) * i128::from(p.host_linear[host as usize]);
            result.terms.energy += i64::try_from(units / 65_536).unwrap_or(i64::MAX);
            result.terms.moves += p.move_cost_to(item as u32, host);
            for (other, weight) in p.edges(item as u32) {
                if other as usize > item && x[other as usize] != NONE {
                    result.terms.proximity += weight * p.distance.between(host, x[other as usize]);
                }
            }
        }
    }
    for host in 0..p.hosts {
        if online[host] > 0 {
            result.terms.price += p.open_cost[host];
        }
        for r in 0..p.dims {
            let (sum, capacity) = (occupied[host * p.dims + r], p.capacity[host * p.dims + r]);
            if sum > capacity {
                result.hard += percent_over(sum, capacity);
                result.overloads.push((host as u32, r, sum, capacity));
            }
        }
        let row = host * p.dims..(host + 1) * p.dims;
        add_use(p, host, &used[row], sensitivity[host], &mut result.terms);
    }
    if !p.group_move_of.is_empty() {
        let mut moved: BTreeMap<u32, i64> = BTreeMap::new();
        for item in (0..p.items).filter(|&i| x[i] != NONE && p.home[i] != NONE && x[i] != p.home[i]) {
            *moved.entry(p.group_move_of[item]).or_default() += 1;
        }
        result.terms.group_moves = p.group_move_cost * moved.values().max().copied().unwrap_or(0);
    }
    for lowered in &p.rules {
        let degree = degree(p, &lowered.rule, x);
        result.degrees.push(degree);
        match lowered.weight {
            Weight::Hard => result.hard += degree,
            Weight::Soft(weight) => result.terms.rules += degree * i64::try_from(weight).unwrap_or(i64::MAX),
        }
    }
    result
}

/// Adds what a host costs by how it is used.
fn add_use(p: &Dense, host: usize, used: &[i64], sensitivity: i64, terms: &mut CostTerms) {
    let at = host * p.dims;
    let capacity = |r: u32| p.capacity[at + r as usize];
    let free = |r: u32| capacity(r) - used[r as usize];
    for (r, &sum) in used.iter().enumerate() {
        terms.overload += (sum - p.soft[at + r]).max(0) * p.overload_cost[r];
    }
    for balance in &p.balances {
        let missing = (balance.target * free(balance.a) - free(balance.b)).max(0);
        terms.balance += balance.weight * missing;
    }
    if p.stranding > 0 {
        let shares = p.stranded_dims.iter().map(|&r| (free(r), capacity(r)));
        terms.stranding += stranded(p.stranding, shares);
    }
    for &(r, weight) in &p.interference {
        terms.interference += disturbance(weight, sensitivity, used[r as usize], capacity(r));
    }
}

/// How far one rule is from holding.
pub(crate) fn degree(p: &Dense, rule: &DenseRule, x: &[u32]) -> i64 {
    match rule {
        DenseRule::Limit { group, partition, max } => {
            counts(p, *group, *partition, x).values().map(|&n| (n - i64::from(*max)).max(0)).sum()
        }
        DenseRule::Together { group, partition } => {
            (counts(p, *group, *partition, x).len() as i64 - 1).max(0)
        }
        DenseRule::Spread { group, partition, min, max_skew } => {
            let counts = counts(p, *group, *partition, x);
            let placed: i64 = counts.values().sum();
            let missing = (i64::from(*min).min(placed) - counts.len() as i64).max(0);
            let skew = max_skew.map_or(0, |max| {
                let most = counts.values().max().copied().unwrap_or(0);
                let parts = p.partitions[partition.0 as usize].parts as usize;
                let least =
                    if counts.len() < parts { 0 } else { counts.values().min().copied().unwrap_or(0) };
                (most - least - i64::from(max)).max(0)
            });
            missing + skew
        }
        DenseRule::Need { group, provider, partition } => {
            let provided = counts(p, *provider, *partition, x);
            let part = &p.partitions[partition.0 as usize].of;
            let missing =
                |&&i: &&u32| x[i as usize] != NONE && !provided.contains_key(&part[x[i as usize] as usize]);
            let provides = &p.groups[provider.0 as usize];
            p.groups[group.0 as usize].iter().filter(|i| !provides.contains(i)).filter(missing).count() as i64
        }
        DenseRule::Disjoint { groups, partition } => {
            let mut present: BTreeMap<u32, i64> = BTreeMap::new();
            for group in groups {
                for part in counts(p, *group, *partition, x).into_keys() {
                    *present.entry(part).or_default() += 1;
                }
            }
            present.values().map(|n| n - 1).sum()
        }
        other => degree_by_hosts(p, other, x),
    }
}

/// Rules that look at hosts, sums or pairs.
fn degree_by_hosts(p: &Dense, rule: &DenseRule, x: &[u32]) -> i64 {
    match rule {
        DenseRule::Fence { group, hosts } => {
            placed(p, *group, x).filter(|&(_, host)| !hosts[host as usize]).count() as i64
        }
        DenseRule::Root { group } => {
            let away =
                |&(item, host): &(u32, u32)| p.home[item as usize] != NONE && p.home[item as usize] != host;
            placed(p, *group, x).filter(away).count() as i64
        }
        DenseRule::Lonely { group } => {
            let theirs: BTreeSet<u32> = placed(p, *group, x).map(|(_, host)| host).collect();
            let members = &p.groups[group.0 as usize];
            let foreign =
                |&(i, host): &(usize, &u32)| theirs.contains(host) && !members.contains(&(i as u32));
            x.iter().enumerate().filter(foreign).count() as i64
        }
        DenseRule::MaxOnline { hosts, max } => {
            let used: BTreeSet<u32> = x.iter().copied().filter(|&h| h != NONE && hosts[h as usize]).collect();
            (used.len() as i64 - i64::from(*max)).max(0)
        }
        DenseRule::Quota { amounts, hosts, max } => {
            let inside =
                |&&(item, _): &&(u32, i64)| x[item as usize] != NONE && hosts[x[item as usize] as usize];
            percent_over(amounts.iter().filter(inside).map(|a| a.1).sum(), *max)
        }
        DenseRule::Near { pairs, max } => {
            let far = |&&(a, b): &&(u32, u32)| {
                let (a, b) = (x[a as usize], x[b as usize]);
                a != NONE && b != NONE && p.latency.between(a, b) > *max
            };
            pairs.iter().filter(|(a, b)| a != b).filter(far).count() as i64
        }
        DenseRule::MaxHostSum { amounts, max } => {
            let used: BTreeSet<u32> = x.iter().copied().filter(|&h| h != NONE).collect();
            percent_over(used.iter().map(|&h| amounts[h as usize]).sum(), *max)
        }
        DenseRule::MaxMoves { max } => {
            let moved = (0..p.items).filter(|&i| x[i] != NONE && p.home[i] != NONE && x[i] != p.home[i]);
            (moved.count() as i64 - i64::from(*max)).max(0)
        }
        DenseRule::Custom(rule) => rule.degree(&View::new(x)).min(1_000_000) as i64,
        _ => 0,
    }
}

fn placed<'a>(p: &'a Dense, group: GroupIx, x: &'a [u32]) -> impl Iterator<Item = (u32, u32)> + 'a {
    let items = p.groups[group.0 as usize].iter();
    items.map(|&item| (item, x[item as usize])).filter(|&(_, host)| host != NONE)
}

fn counts(p: &Dense, group: GroupIx, partition: PartitionIx, x: &[u32]) -> BTreeMap<u32, i64> {
    let mut counts = BTreeMap::new();
    for (_, host) in placed(p, group, x) {
        *counts.entry(p.partitions[partition.0 as usize].of[host as usize]).or_default() += 1;
    }
    counts
}
