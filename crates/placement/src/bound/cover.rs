//! The cheapest set of hosts that holds the demand of all dimensions in sum.
//!
//! A multi-dimensional covering knapsack, solved by depth-first branch and bound. The bound of a node is the fractional
//! cover of what is missing (Dantzig 1957), the largest over the dimensions. Few hosts are searched; for many the
//! fractions lose little, so the fractional cover itself is the answer.

use crate::dense::Dense;

/// More hosts are never searched.
const HOSTS_MAX: usize = 64;

/// Lower bound of the price of the hosts in use, or the price of all if they do not suffice; O(dimensions · hosts) for each
/// of the nodes.
pub(super) fn cover(p: &Dense, demand: &[i64], nodes: u64) -> i64 {
    let mut search = Search::new(p);
    let root = search.fractional(0, demand);
    if root == i64::MAX {
        return p.open_cost.iter().sum();
    }
    if p.hosts > HOSTS_MAX {
        return root;
    }
    let mut missing = demand.to_vec();
    search.left = nodes;
    if search.descend(0, 0, &mut missing) { search.best } else { root }
}

struct Search<'p> {
    p: &'p Dense,
    /// Hosts in the order of decision: much room for little money first.
    order: Vec<u32>,
    /// By dimension: positions in `order` by cost per unit.
    by_ratio: Vec<Vec<u32>>,
    best: i64,
    left: u64,
}

impl<'p> Search<'p> {
    fn new(p: &'p Dense) -> Self {
        let mut order: Vec<u32> = (0..p.hosts as u32).collect();
        let worth = |host: u32| -> f64 {
            let at = host as usize * p.dims;
            let room: f64 = (0..p.dims).map(|r| p.capacity[at + r] as f64 / p.mean_capacity[r]).sum();
            room / (p.open_cost[host as usize] as f64 + 1e-9)
        };
        order.sort_by(|&a, &b| worth(b).total_cmp(&worth(a)).then(a.cmp(&b)));
        let by_ratio = (0..p.dims).map(|r| by_ratio(p, &order, r)).collect();
        Self { p, order, by_ratio, best: i64::MAX, left: 0 }
    }

    /// Cost of the cheapest fractional cover by the hosts from position `first` on; `i64::MAX` if they do not suffice.
    fn fractional(&self, first: usize, missing: &[i64]) -> i64 {
        let p = self.p;
        let mut most = 0;
        for (r, &missing) in missing.iter().enumerate() {
            let (mut left, mut cost) = (missing as f64, 0.0);
            for &at in &self.by_ratio[r] {
                if left <= 0.0 {
                    break;
                }
                if (at as usize) < first {
                    continue;
                }
                let host = self.order[at as usize] as usize;
                let capacity = p.capacity[host * p.dims + r] as f64;
                cost += (left / capacity).min(1.0) * p.open_cost[host] as f64;
                left -= capacity;
            }
            if left > 0.0 {
                return i64::MAX;
            }
            // a hair below, for the rounding of the fractions
            most = most.max((cost * (1.0 - 1e-12)).ceil() as i64);
        }
        most
    }

    /// False when the nodes are used up.
    fn descend(&mut self, at: usize, cost: i64, missing: &mut [i64]) -> bool {
        if missing.iter().all(|&m| m <= 0) {
            self.best = self.best.min(cost);
            return true;
        }
        if cost.saturating_add(self.fractional(at, missing)) >= self.best {
            return true;
        }
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let Some(&host) = self.order.get(at) else { return true };
        let row = host as usize * self.p.dims;
        for (missing, capacity) in missing.iter_mut().zip(&self.p.capacity[row..]) {
            *missing -= capacity;
        }
        let taken = self.descend(at + 1, cost + self.p.open_cost[host as usize], missing);
        for (missing, capacity) in missing.iter_mut().zip(&self.p.capacity[row..]) {
            *missing += capacity;
        }
        taken && self.descend(at + 1, cost, missing)
    }
}

/// Positions of the hosts with room in a dimension, cheapest unit first.
fn by_ratio(p: &Dense, order: &[u32], r: usize) -> Vec<u32> {
    let ratio = |at: u32| {
        let host = order[at as usize] as usize;
        p.open_cost[host] as f64 / p.capacity[host * p.dims + r] as f64
    };
    let has_room = |&at: &u32| p.capacity[order[at as usize] as usize * p.dims + r] > 0;
    let mut list: Vec<u32> = (0..order.len() as u32).filter(has_room).collect();
    list.sort_by(|&a, &b| ratio(a).total_cmp(&ratio(b)).then(a.cmp(&b)));
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DenseBuilder, DenseHost, DenseItem, Dimension};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_cover_is_the_cheapest_of_all_subsets(
            hosts in proptest::collection::vec((0_i64..20, 0_i64..20, 0_i64..30), 1..9), cpu in 0_i64..40, mem in 0_i64..40,
        ) {
            let mut raw = DenseBuilder::new(["cpu", "mem"].map(|name| Dimension { name: name.into(), ..Dimension::default() }));
            for &(cpu, mem, open_cost) in &hosts {
                raw.host(DenseHost { capacity: vec![cpu, mem], open_cost, ..DenseHost::default() });
            }
            raw.item(DenseItem { demand: vec![0, 0], ..DenseItem::default() });
            let problem = raw.build().unwrap();
            let wanted = (0..1_u32 << hosts.len())
                .filter_map(|set| {
                    let chosen = || hosts.iter().enumerate().filter(move |(h, _)| set >> h & 1 == 1).map(|(_, host)| host);
                    let (c, m): (i64, i64) = (chosen().map(|h| h.0).sum(), chosen().map(|h| h.1).sum());
                    (c >= cpu && m >= mem).then(|| chosen().map(|h| h.2).sum::<i64>())
                })
                .min();
            let found = cover(&problem.dense, &[cpu, mem], 10_000);
            let all = hosts.iter().map(|host| host.2).sum();
            prop_assert_eq!(found, wanted.unwrap_or(all));
            prop_assert!(cover(&problem.dense, &[cpu, mem], 0) <= found);
        }
    }
}
