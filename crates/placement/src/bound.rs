//! Lower bounds: no placement that keeps all hard rules costs less.

use crate::dense::{Dense, DenseRule, NONE};
use ecosystem_core::Weight;

mod areas;
mod cover;
mod doll;
mod separation;

/// Sum of bounds of terms that cannot trade against each other.
///
/// - price: the cheapest hosts that hold the demand of all dimensions in sum ([`cover`]), or as many as the largest group
///   that must be apart;
/// - overload and balance: both are convex sums over hosts, so the value at the totals is a bound;
/// - proximity: for each connected part of the graph the larger of what must be apart ([`separation`]) and the optimum of
///   the part alone ([`doll`]);
/// - energy: every item at its cheapest host; moves: items whose home is forbidden.
///
/// Searches for bounds visit at most `nodes` nodes; with none the bound is that of the formulas.
pub(crate) fn lower_bound(p: &Dense, nodes: u64) -> i64 {
    price(p, nodes / 4) + overload(p) + balance(p) + proximity(p, nodes) + energy(p) + moves(p)
}

fn proximity(p: &Dense, nodes: u64) -> i64 {
    if p.edge_to.is_empty() {
        return 0;
    }
    let shares = separation::shares(p);
    let areas = areas::Areas::of(p);
    let parts = connected_parts(p);
    let each = if p.edge_weight.iter().any(|&w| w < 0) { 0 } else { nodes / parts.len().max(1) as u64 };
    let bounds = crate::par::map(parts, |items| {
        let simple: i64 = items.iter().map(|&item| shares[item as usize]).sum();
        simple.max(doll::bound(p, &areas, &items, each))
    });
    bounds.iter().sum()
}

/// Items connected by edges, without the ones that have none.
fn connected_parts(p: &Dense) -> Vec<Vec<u32>> {
    let mut seen = vec![false; p.items];
    let mut parts = Vec::new();
    for first in 0..p.items as u32 {
        if seen[first as usize] || p.degree_of(first) == 0 {
            continue;
        }
        seen[first as usize] = true;
        let (mut part, mut next) = (vec![first], 0);
        while let Some(&item) = part.get(next) {
            next += 1;
            for (other, _) in p.edges(item) {
                if !std::mem::replace(&mut seen[other as usize], true) {
                    part.push(other);
                }
            }
        }
        parts.push(part);
    }
    parts
}

fn totals(p: &Dense, of: &[i64]) -> Vec<i64> {
    (0..p.dims).map(|r| of.iter().skip(r).step_by(p.dims.max(1)).sum()).collect()
}

fn price(p: &Dense, nodes: u64) -> i64 {
    if p.items == 0 {
        return 0;
    }
    let demand = totals(p, &p.demand);
    cover::cover(p, &demand, nodes).max(cheapest_hosts(p, hosts_needed(p, &demand)))
}

/// At least so many hosts are in use: for capacity, and for groups that must not share hosts.
fn hosts_needed(p: &Dense, demand: &[i64]) -> usize {
    let mut needed = 1;
    for (r, &sum) in demand.iter().enumerate() {
        let mut capacities: Vec<i64> = (0..p.hosts).map(|h| p.capacity[h * p.dims + r]).collect();
        capacities.sort_unstable_by(|a, b| b.cmp(a));
        let (mut left, mut count) = (sum, 0);
        for capacity in capacities {
            if left <= 0 {
                break;
            }
            left -= capacity;
            count += 1;
        }
        needed = needed.max(count);
    }
    for lowered in p.rules.iter().filter(|l| l.weight == Weight::Hard) {
        match &lowered.rule {
            // parts are made of whole hosts, so as many parts are as many hosts
            DenseRule::Limit { group, max, .. } => {
                needed = needed.max(p.groups[group.0 as usize].len().div_ceil((*max).max(1) as usize));
            }
            DenseRule::Spread { group, min, .. } => {
                needed = needed.max(p.groups[group.0 as usize].len().min(*min as usize));
            }
            _ => {}
        }
    }
    needed
}

fn cheapest_hosts(p: &Dense, count: usize) -> i64 {
    let mut costs = p.open_cost.clone();
    costs.sort_unstable();
    costs.iter().take(count).sum()
}

fn overload(p: &Dense) -> i64 {
    let (demand, soft) = (totals(p, &p.demand), totals(p, &p.soft));
    (0..p.dims).map(|r| p.overload_cost[r] * (demand[r] - soft[r]).max(0)).sum()
}

fn balance(p: &Dense) -> i64 {
    let (demand, capacity) = (totals(p, &p.demand), totals(p, &p.capacity));
    let free = |r: u32| capacity[r as usize] - demand[r as usize];
    p.balances.iter().map(|b| b.weight * (b.target * free(b.a) - free(b.b)).max(0)).sum()
}

fn energy(p: &Dense) -> i64 {
    if p.item_linear.iter().all(|&units| units == 0) || p.host_linear.iter().all(|&price| price == 0) {
        return 0;
    }
    let least = p.host_linear.iter().copied().min().unwrap_or(0);
    p.item_linear.iter().map(|&units| ((i128::from(units) * i128::from(least)) >> 16) as i64).sum()
}

/// Items that a hard fence keeps from their home must move.
fn moves(p: &Dense) -> i64 {
    (0..p.items)
        .filter(|&i| p.home[i] != NONE && !p.tables.allows(p, i as u32, p.home[i]))
        .map(|i| p.move_cost[i])
        .sum()
}
