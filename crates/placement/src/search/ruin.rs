//! Large moves: take a related set of items out and put them back one by one, each at its best host (ruin & recreate,
//! Schrimpf et al. 2000).

use super::worker::Worker;
use crate::dense::NONE;
use crate::state::Delta;

/// Hosts looked at for each item that is put back.
const CANDIDATES: usize = 48;

impl Worker<'_> {
    /// Ruins around a random seed and recreates; undone if not accepted.
    pub(super) fn ruin_and_recreate(&mut self) {
        let before = self.state.value;
        let kind = self.rng.below(3);
        let mut chosen = match kind {
            0 => self.host_contents(),
            1 => self.connected(),
            _ => self.random_items(),
        };
        if chosen.is_empty() {
            return;
        }
        self.removed.clear();
        for &item in &chosen {
            let host = self.state.host_of[item as usize];
            self.removed.push((item, host));
            self.state.apply(item, NONE);
        }
        self.order(&mut chosen);
        for &item in &chosen {
            self.insert(item);
        }
        let after = self.state.value;
        let delta = Delta { hard: after.hard - before.hard, cost: after.cost - before.cost };
        let removed = std::mem::take(&mut self.removed);
        if self.accepts_applied(delta, before.hard) {
            for &(item, host) in &removed {
                if self.state.host_of[item as usize] != host {
                    self.note(item);
                }
            }
            self.keep_best();
        } else {
            for &(item, _) in &removed {
                self.state.apply(item, NONE);
            }
            for &(item, host) in &removed {
                self.state.apply(item, host);
            }
        }
        self.removed = removed;
    }

    /// All items of one host, or as many as are worth it.
    fn host_contents(&mut self) -> Vec<u32> {
        let item = self.rng.below(self.state.p.items);
        let host = self.state.host_of[item];
        let mut items = self.state.residents[host as usize].clone();
        if items.len() > 40 {
            self.rng.shuffle(&mut items);
            items.truncate(40);
        }
        items
    }

    /// An item and its nearest in the graph, breadth first.
    fn connected(&mut self) -> Vec<u32> {
        let p = self.state.p;
        let size = 2 + self.rng.below(14);
        let mut items = vec![self.rng.below(p.items) as u32];
        let mut next = 0;
        while items.len() < size && next < items.len() {
            let item = items[next];
            next += 1;
            let degree = p.degree_of(item);
            if degree == 0 {
                continue;
            }
            let skip = self.rng.below(degree);
            for k in 0..degree.min(8) {
                let other = p.edge_to[p.edge_start[item as usize] as usize + (skip + k) % degree];
                if items.len() < size && !items.contains(&other) {
                    items.push(other);
                }
            }
        }
        items
    }

    fn random_items(&mut self) -> Vec<u32> {
        let size = 2 + self.rng.below(6);
        let mut items: Vec<u32> = (0..size).map(|_| self.rng.below(self.state.p.items) as u32).collect();
        items.sort_unstable();
        items.dedup();
        items
    }

    /// Large first, with noise.
    fn order(&mut self, items: &mut [u32]) {
        let p = self.state.p;
        let mut keyed: Vec<(f64, u32)> = items
            .iter()
            .map(|&item| {
                let size: f64 =
                    p.demand_of(item).iter().zip(&p.mean_capacity).map(|(&d, &c)| d as f64 / c).sum();
                (size * (0.5 + self.rng.unit()), item)
            })
            .collect();
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (slot, (_, item)) in items.iter_mut().zip(keyed) {
            *slot = item;
        }
    }

    fn insert(&mut self, item: u32) {
        let p = self.state.p;
        let mut best: Option<(Delta, u32)> = None;
        let all = p.hosts <= CANDIDATES;
        let tries = if all { p.hosts } else { CANDIDATES };
        let feasible = self.state.value.hard == 0;
        for k in 0..tries {
            let host = if all { k as u32 } else { self.target(item) };
            self.work += 1;
            if feasible && !self.state.fits(item, host) {
                continue;
            }
            let delta = self.state.delta(item, host);
            if best.is_none_or(|(least, _)| delta.better_than(least)) {
                best = Some((delta, host));
            }
        }
        if let Some((delta, host)) = best {
            self.state.commit(item, host, delta);
        } else {
            // nothing fits: back where it was, the sum decides
            let back = self.removed.iter().find(|(i, _)| *i == item).map_or(0, |&(_, h)| h);
            self.state.apply(item, back);
        }
    }
}
