//! What a host costs by how it is used: overload, imbalance, stranded room and interference.

use super::State;
use crate::dense::Dense;

/// What comes to a host and leaves it.
pub(super) struct Change<D: Fn(usize) -> i64> {
    /// By dimension.
    pub(super) demand: D,
    /// Sum of sensitivities.
    pub(super) sensitivity: i64,
}

impl State<'_> {
    /// Cost of the use of a host after a change. Sums are below 2⁶² by validation, so nothing wraps.
    #[inline]
    pub(super) fn load_with<D: Fn(usize) -> i64>(&self, host: u32, change: Change<D>) -> i64 {
        let p = self.p;
        let left = self.soft_room(host);
        let Change { demand, sensitivity } = change;
        let mut load = 0_i64;
        for (r, (&left, &cost)) in left.iter().zip(&p.overload_cost).enumerate() {
            load = load.wrapping_add(cost.wrapping_mul(demand(r).wrapping_sub(left).max(0)));
        }
        let at = host as usize * p.dims;
        let free = |r: u32| {
            let r = r as usize;
            left[r] + p.capacity[at + r] - p.soft[at + r] - demand(r)
        };
        for balance in &p.balances {
            load += balance.weight * (balance.target * free(balance.a) - free(balance.b)).max(0);
        }
        if p.stranding > 0 {
            let shares = p.stranded_dims.iter().map(|&r| (free(r), p.capacity[at + r as usize]));
            load += stranded(p.stranding, shares);
        }
        if !p.interference.is_empty() {
            let sum = self.sensitivity[host as usize] + sensitivity;
            for &(r, weight) in &p.interference {
                let used = p.soft[at + r as usize] - left[r as usize] + demand(r as usize);
                load += disturbance(weight, sum, used, p.capacity[at + r as usize]);
            }
        }
        load
    }
}

/// `weight` times how far the largest free share of a dimension is above the smallest.
pub(crate) fn stranded(weight: i64, free_of: impl Iterator<Item = (i64, i64)>) -> i64 {
    let (mut least, mut most) = (1.0_f64, 0.0_f64);
    for (free, capacity) in free_of.filter(|&(_, capacity)| capacity > 0) {
        let share = (free as f64 / capacity as f64).clamp(0.0, 1.0);
        least = least.min(share);
        most = most.max(share);
    }
    (weight as f64 * (most - least).max(0.0)).round() as i64
}

/// `weight` times a sum of sensitivities in thousandths times the used share of a dimension, rounded down, so that the
/// whole is never less than its parts.
pub(crate) fn disturbance(weight: i64, sensitivity: i64, used: i64, capacity: i64) -> i64 {
    if capacity <= 0 {
        return 0;
    }
    let product = i128::from(weight) * i128::from(sensitivity) * i128::from(used);
    (product / (1_000 * i128::from(capacity))) as i64
}

/// Cost of an item on a host that depends on nothing else there: the host's linear price, less what the item would disturb
/// itself, as the cost of the host's use counts everything on it.
#[inline]
pub(crate) fn own_cost(p: &Dense, item: u32, host: usize) -> i64 {
    let (units, price) = (p.item_linear[item as usize], p.host_linear[host]);
    let linear =
        if units == 0 || price == 0 { 0 } else { ((i128::from(units) * i128::from(price)) >> 16) as i64 };
    linear - own_disturbance(p, item, host)
}

fn own_disturbance(p: &Dense, item: u32, host: usize) -> i64 {
    let (demand, at) = (p.demand_of(item), host * p.dims);
    let one = |&(r, weight): &(u32, i64)| {
        disturbance(weight, p.sensitivity[item as usize], demand[r as usize], p.capacity[at + r as usize])
    };
    p.interference.iter().map(one).sum()
}
