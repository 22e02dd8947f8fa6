//! Moves of several items at once that belong together: a part of the graph that shares a host goes to another host,
//! and what must make room there comes back. Single moves cannot do this, because each tears edges apart.

use super::worker::Worker;
use crate::state::{Delta, State};

/// Most items that make room.
const LEAVERS_MAX: usize = 12;
/// Most items of a moved part.
const PART_MAX: usize = 8;

impl Worker<'_> {
    /// Moves connected items of one host to another host, exchanging them for others if there is no room.
    pub(super) fn move_cluster(&mut self) {
        let mut comes = std::mem::take(&mut self.comes);
        let mut leaves = std::mem::take(&mut self.leaves);
        comes.clear();
        leaves.clear();
        let first = self.any_item();
        let size = 2 + self.rng.below(PART_MAX - 1);
        self.grow(first, size, &mut comes);
        let from = self.state.host_of[first as usize];
        let member = comes[self.rng.below(comes.len())];
        let to = self.target(member);
        self.work += 1;
        if to != from && self.make_room(from, to, &comes, &mut leaves) {
            self.work += (comes.len() + leaves.len()) as u64;
            self.try_transfer(from, to, &comes, &leaves);
        }
        (self.comes, self.leaves) = (comes, leaves);
    }

    /// Adds an item and others of its host that are connected to it through that host, up to a size.
    fn grow(&mut self, first: u32, size: usize, part: &mut Vec<u32>) {
        let p = self.state.p;
        let host = self.state.host_of[first as usize];
        let begin = part.len();
        part.push(first);
        let mut next = begin;
        while next < part.len() && part.len() - begin < size {
            let item = part[next];
            next += 1;
            let degree = p.degree_of(item);
            if degree == 0 {
                continue;
            }
            let skip = self.rng.below(degree);
            for k in 0..degree.min(16) {
                let other = p.edge_to[p.edge_start[item as usize] as usize + (skip + k) % degree];
                if self.state.host_of[other as usize] == host
                    && part.len() - begin < size
                    && !part.contains(&other)
                {
                    part.push(other);
                }
            }
        }
    }

    /// Chooses what leaves `to` so that `comes` fits there, and checks that it fits where they come from.
    fn make_room(&mut self, from: u32, to: u32, comes: &[u32], leaves: &mut Vec<u32>) -> bool {
        let p = self.state.p;
        let mut missing: Vec<i64> = self.state.hard_room(to).iter().map(|left| -left).collect();
        add_demand(&self.state, &mut missing, comes, 1);
        let mut counted = 0;
        while missing.iter().any(|&m| m > 0) {
            let there = &self.state.residents[to as usize];
            if there.is_empty() || leaves.len() >= LEAVERS_MAX {
                return false;
            }
            let first = there[self.rng.below(there.len())];
            if leaves.contains(&first) {
                // tried once more by the next move
                return false;
            }
            let size = 1 + self.rng.below(4);
            self.grow(first, size, leaves);
            leaves[counted..].sort_unstable();
            leaves.dedup();
            add_demand(&self.state, &mut missing, &leaves[counted..], -1);
            counted = leaves.len();
        }
        if leaves.is_empty() {
            return true;
        }
        let mut needed: Vec<i64> = self.state.hard_room(from).iter().map(|left| -left).collect();
        add_demand(&self.state, &mut needed, comes, -1);
        add_demand(&self.state, &mut needed, leaves, 1);
        p.any_transient || needed.iter().all(|&n| n <= 0)
    }

    fn try_transfer(&mut self, from: u32, to: u32, comes: &[u32], leaves: &[u32]) {
        let before = self.state.value;
        let mut gain = 0.0;
        for (&item, host) in comes.iter().map(|item| (item, to)).chain(leaves.iter().map(|item| (item, from)))
        {
            gain += self.gain(item, host);
            self.state.apply(item, host);
        }
        let after = self.state.value;
        let delta = Delta { hard: after.hard - before.hard, cost: after.cost - before.cost };
        if self.accepts(delta, before.hard, gain) {
            for &item in comes.iter().chain(leaves) {
                self.note(item);
            }
            self.keep_best();
        } else {
            for &item in comes {
                self.state.apply(item, from);
            }
            for &item in leaves {
                self.state.apply(item, to);
            }
        }
    }
}

/// Adds `sign` times the demands of items.
fn add_demand(state: &State<'_>, sums: &mut [i64], items: &[u32], sign: i64) {
    for &item in items {
        for (sum, demand) in sums.iter_mut().zip(state.p.demand_of(item)) {
            *sum += sign * demand;
        }
    }
}
