//! Lower bounds: no placement that keeps all hard rules costs less.

use crate::dense::{Dense, DenseRule, NONE};
use ecosystem_core::Weight;

mod separation;

/// Sum of bounds of terms that cannot trade against each other.
///
/// - price: the cheapest hosts, taken in fractions, that hold the demand of one dimension (the largest over the
///   dimensions), or as many as the largest group that must be apart;
/// - overload and balance: both are convex sums over hosts, so the value at the totals is a bound;
/// - proximity: what must be apart pays for the least distance ([`separation`]);
/// - energy: every item at its cheapest host; moves: items whose home is forbidden.
pub(crate) fn lower_bound(p: &Dense) -> i64 {
    price(p) + overload(p) + balance(p) + separation::proximity(p) + energy(p) + moves(p)
}

fn totals(p: &Dense, of: &[i64]) -> Vec<i64> {
    (0..p.dims).map(|r| of.iter().skip(r).step_by(p.dims.max(1)).sum()).collect()
}

fn price(p: &Dense) -> i64 {
    if p.items == 0 {
        return 0;
    }
    let demand = totals(p, &p.demand);
    let mut bound = 0.0_f64;
    for (r, &needed) in demand.iter().enumerate() {
        bound = bound.max(fractional_cover(p, r, needed));
    }
    // a hair below, for the rounding of the fractions
    let covered = (bound * (1.0 - 1e-12)).ceil() as i64;
    covered.max(cheapest_hosts(p, hosts_needed(p, &demand)))
}

/// Cheapest fractional set of hosts with enough of one dimension: greedy by cost per unit.
fn fractional_cover(p: &Dense, r: usize, needed: i64) -> f64 {
    let mut hosts: Vec<(f64, f64)> = (0..p.hosts)
        .map(|h| (p.open_cost[h] as f64, p.capacity[h * p.dims + r] as f64))
        .filter(|&(_, capacity)| capacity > 0.0)
        .collect();
    hosts.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (mut left, mut cost) = (needed as f64, 0.0);
    for (open_cost, capacity) in hosts {
        if left <= 0.0 {
            break;
        }
        let share = (left / capacity).min(1.0);
        cost += share * open_cost;
        left -= capacity;
    }
    cost
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
