//! A shard as a problem of its own.

use super::cut::Cut;
use crate::builder::DenseBuilder;
use crate::custom::{Inside, Numbers};
use crate::dense::{Dense, DenseHost, DenseItem, DenseRule, Distances, GroupIx, NONE};
use crate::problem::Problem;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A shard: its problem in its own numbers, which are places in two ascending lists.
#[derive(Debug)]
pub(super) struct Shard<'a> {
    pub(super) problem: Problem,
    pub(super) hosts: &'a [u32],
}

/// What is known of all shards before each is made.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    p: &'a Dense,
    cut: &'a Cut,
    /// For each shard the groups with members in it, and the members.
    groups: Vec<Vec<(u32, Vec<u32>)>>,
    /// For each shard the rules that concern it, with what it may use of a sum over everything (zero for other rules).
    rules: Vec<Vec<(u32, i64)>>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(p: &'a Dense, cut: &'a Cut) -> Self {
        let mut groups: Vec<Vec<(u32, Vec<u32>)>> = vec![Vec::new(); cut.count];
        for (ix, group) in p.groups.iter().enumerate() {
            for &item in group {
                let list = &mut groups[cut.of_item[item as usize] as usize];
                match list.last_mut() {
                    Some((last, members)) if *last == ix as u32 => members.push(item),
                    _ => list.push((ix as u32, vec![item])),
                }
            }
        }
        let mut rules: Vec<Vec<(u32, i64)>> = vec![Vec::new(); cut.count];
        for (ix, lowered) in p.rules.iter().enumerate() {
            for (shard, limit) in concerned(p, cut, &lowered.rule) {
                rules[shard as usize].push((ix as u32, limit));
            }
        }
        Self { p, cut, groups, rules }
    }

    /// The part of the problem that lies within a shard. Edges that leave it count nothing there.
    pub(super) fn extract(&self, number: usize, items: &[u32], hosts: &'a [u32]) -> Shard<'a> {
        let p = self.p;
        let mut raw = DenseBuilder::new(p.dimension.iter().cloned());
        self.add_hosts(&mut raw, number, hosts);
        add_items(p, &mut raw, items, hosts);
        for &balance in &p.balances {
            raw.balance(balance);
        }
        raw.stranding(p.stranding, p.stranded_dims.clone());
        if !p.interference.is_empty() {
            let sensitivity = items.iter().map(|&item| p.sensitivity_of(item)).collect();
            raw.interference(p.interference.clone(), sensitivity);
        }
        raw.distances(restrict(&p.distance, hosts));
        raw.latencies(restrict(&p.latency, hosts));
        if !p.move_table.is_empty() {
            let cost = |from: u32, to: u32| p.move_table[from as usize * p.hosts + to as usize];
            raw.move_table(
                hosts.iter().flat_map(|&from| hosts.iter().map(move |&to| cost(from, to))).collect(),
            );
        }
        if p.group_move_cost != 0 {
            let groups: Vec<u32> = items.iter().map(|&item| p.group_move_of[item as usize]).collect();
            raw.group_moves(p.group_move_cost, compact(&groups).0);
        }
        for partition in &p.partitions {
            raw.partition(
                compact(&hosts.iter().map(|&host| partition.of[host as usize]).collect::<Vec<_>>()).0,
            );
        }
        self.add_rules(&mut raw, number, items, hosts);
        Shard { problem: Problem::from_dense(raw.assemble()), hosts }
    }

    /// Hosts with their room. Items whose home is here but that are dealt elsewhere keep their place in transient
    /// dimensions.
    fn add_hosts(&self, raw: &mut DenseBuilder, number: usize, hosts: &[u32]) {
        let p = self.p;
        let mut room: Vec<Vec<i64>> = hosts
            .iter()
            .map(|&host| p.capacity[host as usize * p.dims..(host as usize + 1) * p.dims].to_vec())
            .collect();
        for item in (0..p.items as u32).filter(|_| p.any_transient) {
            let home = p.home[item as usize];
            if home == NONE || self.cut.of_item[item as usize] as usize == number {
                continue;
            }
            if let Ok(at) = hosts.binary_search(&home) {
                for (r, demand) in p.demand_of(item).iter().enumerate().filter(|&(r, _)| p.transient[r]) {
                    room[at][r] = (room[at][r] - demand).max(0);
                }
            }
        }
        for (&host, capacity) in hosts.iter().zip(room) {
            let at = host as usize * p.dims;
            raw.host(DenseHost {
                capacity,
                soft: p.soft[at..at + p.dims].to_vec(),
                open_cost: p.open_cost[host as usize],
                linear: p.host_linear[host as usize],
            });
        }
    }

    fn add_rules(&self, raw: &mut DenseBuilder, number: usize, items: &[u32], hosts: &[u32]) {
        let p = self.p;
        let inside = |item: u32| items.binary_search(&item).ok().map(|at| at as u32);
        let mut numbers: BTreeMap<u32, GroupIx> = BTreeMap::new();
        for (ix, members) in &self.groups[number] {
            numbers.insert(*ix, raw.group(members.iter().filter_map(|&item| inside(item)).collect()));
        }
        let nobody = raw.group(Vec::new());
        let of = |group: &GroupIx| numbers.get(&group.0).copied().unwrap_or(nobody);
        let flags = |all: &[bool]| -> Arc<[bool]> { hosts.iter().map(|&host| all[host as usize]).collect() };
        let mut outside: Option<Arc<Numbers>> = None;
        for &(ix, limit) in &self.rules[number] {
            let lowered = &p.rules[ix as usize];
            let count = u32::try_from(limit.max(0)).unwrap_or(u32::MAX);
            let rule = match &lowered.rule {
                DenseRule::Limit { group, partition, max } => {
                    DenseRule::Limit { group: of(group), partition: *partition, max: *max }
                }
                DenseRule::Together { group, partition } => {
                    DenseRule::Together { group: of(group), partition: *partition }
                }
                DenseRule::Spread { group, partition, min, max_skew } => DenseRule::Spread {
                    group: of(group),
                    partition: *partition,
                    min: *min,
                    max_skew: *max_skew,
                },
                DenseRule::Need { group, provider, partition } => {
                    DenseRule::Need { group: of(group), provider: of(provider), partition: *partition }
                }
                DenseRule::Disjoint { groups, partition } => {
                    DenseRule::Disjoint { groups: groups.iter().map(of).collect(), partition: *partition }
                }
                DenseRule::Fence { group, hosts } => {
                    DenseRule::Fence { group: of(group), hosts: flags(hosts) }
                }
                DenseRule::Root { group } => DenseRule::Root { group: of(group) },
                DenseRule::Lonely { group } => DenseRule::Lonely { group: of(group) },
                DenseRule::MaxOnline { hosts, .. } => {
                    DenseRule::MaxOnline { hosts: flags(hosts), max: count }
                }
                DenseRule::Quota { amounts, hosts, .. } => DenseRule::Quota {
                    amounts: amounts.iter().filter_map(|&(item, n)| Some((inside(item)?, n))).collect(),
                    hosts: flags(hosts),
                    max: limit,
                },
                DenseRule::Near { pairs, max } => DenseRule::Near {
                    pairs: pairs.iter().filter_map(|&(a, b)| Some((inside(a)?, inside(b)?))).collect(),
                    max: *max,
                },
                DenseRule::MaxHostSum { amounts, .. } => DenseRule::MaxHostSum {
                    amounts: hosts.iter().map(|&host| amounts[host as usize]).collect(),
                    max: limit,
                },
                DenseRule::MaxMoves { .. } => DenseRule::MaxMoves { max: count },
                DenseRule::Custom(rule) => {
                    let numbers = outside.get_or_insert_with(|| Arc::new(numbers_of(p, items, hosts)));
                    DenseRule::Custom(Arc::new(Inside {
                        rule: Arc::clone(rule),
                        numbers: Arc::clone(numbers),
                    }))
                }
            };
            raw.rule(Arc::clone(&lowered.name), lowered.weight, rule);
        }
    }
}

fn add_items(p: &Dense, raw: &mut DenseBuilder, items: &[u32], hosts: &[u32]) {
    for (at, &item) in items.iter().enumerate() {
        let home = p.home[item as usize];
        raw.item(DenseItem {
            demand: p.demand_of(item).to_vec(),
            home: hosts.binary_search(&home).ok().map(|at| at as u32),
            move_cost: p.move_cost[item as usize],
            linear: p.item_linear[item as usize],
        });
        for (other, weight) in p.edges(item).filter(|&(other, _)| other > item) {
            if let Ok(other) = items.binary_search(&other) {
                raw.edge(at as u32, other as u32, weight);
            }
        }
    }
}

/// The shards that a rule concerns, with what each may use where it is a sum over everything.
fn concerned(p: &Dense, cut: &Cut, rule: &DenseRule) -> Vec<(u32, i64)> {
    let of_items = |items: &mut dyn Iterator<Item = u32>| -> Vec<(u32, i64)> {
        let mut shards: Vec<u32> = items.map(|item| cut.of_item[item as usize]).collect();
        shards.sort_unstable();
        shards.dedup();
        shards.into_iter().map(|shard| (shard, 0)).collect()
    };
    let members = |group: &GroupIx| p.groups[group.0 as usize].iter().copied();
    let sums = |max: i64, amounts: &mut dyn Iterator<Item = (u32, i64)>| -> Vec<(u32, i64)> {
        let mut weights = vec![0_i64; cut.count];
        for (shard, amount) in amounts {
            weights[shard as usize] += amount;
        }
        (0..).zip(divide(max, &weights)).collect()
    };
    match rule {
        DenseRule::Limit { group, .. }
        | DenseRule::Together { group, .. }
        | DenseRule::Spread { group, .. }
        | DenseRule::Need { group, .. }
        | DenseRule::Fence { group, .. }
        | DenseRule::Root { group }
        | DenseRule::Lonely { group } => of_items(&mut members(group)),
        DenseRule::Disjoint { groups, .. } => of_items(&mut groups.iter().flat_map(members)),
        DenseRule::Near { pairs, .. } => of_items(&mut pairs.iter().flat_map(|&(a, b)| [a, b])),
        DenseRule::Custom(rule) => of_items(&mut rule.members().into_iter()),
        DenseRule::MaxOnline { hosts, max } => {
            let flagged = hosts.iter().zip(&cut.of_host).map(|(&flag, &shard)| (shard, i64::from(flag)));
            sums(i64::from(*max), &mut { flagged })
        }
        DenseRule::MaxHostSum { amounts, max } => {
            sums(*max, &mut cut.of_host.iter().copied().zip(amounts.iter().copied()))
        }
        DenseRule::Quota { amounts, max, .. } => {
            sums(*max, &mut amounts.iter().map(|&(item, amount)| (cut.of_item[item as usize], amount)))
        }
        DenseRule::MaxMoves { max } => {
            let homes =
                cut.of_item.iter().zip(&p.home).map(|(&shard, &home)| (shard, i64::from(home != NONE)));
            sums(i64::from(*max), &mut { homes })
        }
    }
}

/// Divides in proportion; the parts are whole numbers that add up to `max`, and all of it goes to the first where nobody
/// weighs anything.
fn divide(max: i64, weights: &[i64]) -> Vec<i64> {
    let total: i128 = weights.iter().map(|&w| i128::from(w)).sum::<i128>();
    let (mut sum, mut given) = (0_i128, 0_i64);
    weights
        .iter()
        .map(|&weight| {
            sum += i128::from(weight);
            let until = if total == 0 { max } else { (i128::from(max) * sum / total) as i64 };
            let part = until - given;
            given = until;
            part
        })
        .collect()
}

/// Numbers from zero for the values that occur, in ascending order, and those values.
fn compact(values: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut kept = values.to_vec();
    kept.sort_unstable();
    kept.dedup();
    let number = |value: &u32| kept.binary_search(value).map_or(0, |at| at as u32);
    (values.iter().map(number).collect(), kept)
}

/// The distances between some hosts.
fn restrict(distances: &Distances, hosts: &[u32]) -> Distances {
    let (point, points) =
        compact(&hosts.iter().map(|&host| distances.point[host as usize]).collect::<Vec<_>>());
    let row = distances.points as usize;
    let between = |a: u32, b: u32| distances.table[a as usize * row + b as usize];
    Distances {
        point,
        table: points.iter().flat_map(|&a| points.iter().map(move |&b| between(a, b))).collect(),
        points: points.len() as u32,
        same_host: distances.same_host,
    }
}

fn numbers_of(p: &Dense, items: &[u32], hosts: &[u32]) -> Numbers {
    let mut item_inside = vec![NONE; p.items];
    for (at, &item) in items.iter().enumerate() {
        item_inside[item as usize] = at as u32;
    }
    Numbers { item_inside, host_outside: hosts.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate;
    use crate::fixture::{ALL, random_problem};
    use crate::rng::Pcg;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_of_a_sum_add_up(max in 0_i64..1_000, weights in prop::collection::vec(0_i64..50, 1..9)) {
            let parts = divide(max, &weights);
            prop_assert_eq!(parts.iter().sum::<i64>(), max);
            prop_assert!(parts.iter().all(|&part| part >= 0));
        }

        #[test]
        fn one_shard_of_everything_is_the_problem_itself(
            seed in any::<u64>(), items in 3_usize..12, hosts in 3_usize..9, kinds in 0..=ALL,
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let p = &problem.dense;
            let cut = Cut { count: 1, of_item: vec![0; items], of_host: vec![0; hosts] };
            let lists = cut.lists();
            let shard = Plan::new(p, &cut).extract(0, &lists[0].0, &lists[0].1).problem.dense;
            let mut rng = Pcg::new(seed, 4);
            for _ in 0..20 {
                let x: Vec<u32> = (0..items).map(|_| rng.below(hosts) as u32).collect();
                let (whole, part) = (evaluate(p, &x), evaluate(&shard, &x));
                prop_assert_eq!(whole.hard, part.hard);
                prop_assert_eq!(whole.terms, part.terms);
            }
        }
    }
}
