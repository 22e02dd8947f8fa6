//! Large moves: take a related set of items out and put them back one by one, each at its best host (ruin & recreate,
//! Schrimpf et al. 2000).

use super::worker::Worker;
use crate::dense::NONE;
use crate::state::Delta;

/// Most items on two hosts that are exchanged as wholes.
const EXCHANGED_MAX: usize = 64;
/// Hosts looked at for each item that is put back.
const CANDIDATES: usize = 48;

impl Worker<'_> {
    /// Ruins around a random seed and recreates; undone if not accepted.
    pub(super) fn ruin_and_recreate(&mut self) {
        let before = self.state.value;
        let kind = self.rng.below(8);
        self.banned = NONE;
        let mut forced = NONE;
        let mut chosen = match kind {
            4.. => {
                let (items, host) = self.ejection();
                forced = host;
                items
            }
            0 => self.host_contents(),
            1 => self.emptied_host(),
            2 => self.connected(),
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
        let mut vacated = NONE;
        if forced != NONE {
            // the first one takes the place, the others look for theirs, also where it was
            let first = chosen.remove(0);
            vacated = self.removed[0].1;
            self.state.apply(first, forced);
            self.banned = forced;
        }
        self.order(&mut chosen);
        for &item in &chosen {
            self.insert(item, vacated);
        }
        let after = self.state.value;
        let delta = Delta { hard: after.hard - before.hard, cost: after.cost - before.cost };
        let removed = std::mem::take(&mut self.removed);
        if self.accepts(delta, before.hard, 0.0) {
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
        let item = self.any_item();
        let host = self.state.host_of[item as usize];
        let mut items = self.state.residents[host as usize].clone();
        if items.len() > 40 {
            self.rng.shuffle(&mut items);
            items.truncate(40);
        }
        items
    }

    /// All items of one host, which stays empty, and those of a host they talk to.
    fn emptied_host(&mut self) -> Vec<u32> {
        let mut items = self.host_contents();
        let Some(&first) = items.first() else { return items };
        self.banned = self.state.host_of[first as usize];
        let other = self.target(first);
        if other != self.banned && self.rng.below(3) > 0 {
            items.extend(self.state.residents[other as usize].iter().copied().take(40));
        }
        items
    }

    /// An item, a host it shall have, and what must leave there so that it fits below the soft capacities.
    fn ejection(&mut self) -> (Vec<u32>, u32) {
        const EJECTED_MAX: usize = 24;
        let p = self.state.p;
        // the largest of a few, because small ones find a place without this
        let size = |item: u32| -> f64 {
            p.demand_of(item).iter().zip(&p.mean_capacity).map(|(&d, &c)| d as f64 / c).fold(0.0, f64::max)
        };
        let sore = p.has_load && self.rng.below(2) == 0;
        let mut item = if sore { self.sore_item() } else { self.any_item() };
        for _ in 0..self.rng.below(4) {
            let other = if sore { self.item_beside(item) } else { self.any_item() };
            if size(other) > size(item) {
                item = other;
            }
        }
        let host = self.target(item);
        let mut items = vec![item];
        if host == self.state.host_of[item as usize] {
            return (Vec::new(), NONE);
        }
        let mut missing = self.state.missing(item, host);
        let mut there = self.state.residents[host as usize].clone();
        self.rng.shuffle(&mut there);
        for leaver in there {
            if missing.iter().all(|&m| m <= 0) || items.len() > EJECTED_MAX {
                break;
            }
            let demand = p.demand_of(leaver);
            if missing.iter().zip(demand).any(|(&m, &d)| m > 0 && d > 0) {
                for (m, d) in missing.iter_mut().zip(demand) {
                    *m -= d;
                }
                items.push(leaver);
            }
        }
        if missing.iter().any(|&m| m > 0) { (Vec::new(), NONE) } else { (items, host) }
    }

    /// An item of a host whose use costs much: of the dearest of a few hosts.
    pub(super) fn sore_item(&mut self) -> u32 {
        const LOOKED_AT: usize = 12;
        let mut item = self.any_item();
        for _ in 1..LOOKED_AT {
            let other = self.any_item();
            let cost = |item: u32| self.state.load_of(self.state.host_of[item as usize]);
            if cost(other) > cost(item) {
                item = other;
            }
        }
        item
    }

    /// Any item of the same host.
    fn item_beside(&mut self, item: u32) -> u32 {
        let there = &self.state.residents[self.state.host_of[item as usize] as usize];
        there[self.rng.below(there.len())]
    }

    /// An item and its nearest in the graph, breadth first.
    fn connected(&mut self) -> Vec<u32> {
        let p = self.state.p;
        let size = 2 + self.rng.below(14);
        let mut items = vec![self.any_item()];
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
                let near = self.region.contains(self.state.host_of[other as usize]);
                if items.len() < size && near && !items.contains(&other) {
                    items.push(other);
                }
            }
        }
        items
    }

    /// Exchanges everything on two hosts; one of them is often empty.
    pub(super) fn exchange_hosts(&mut self) {
        let item = self.any_item();
        let a = self.state.host_of[item as usize];
        let b = self.any_host();
        let size = self.state.residents[a as usize].len() + self.state.residents[b as usize].len();
        self.work += 1;
        if a == b || size > EXCHANGED_MAX || (self.state.value.hard == 0 && !self.state.contents_fit(a, b)) {
            return;
        }
        self.work += size as u64;
        let before = self.state.value;
        let (from_a, from_b) =
            (self.state.residents[a as usize].clone(), self.state.residents[b as usize].clone());
        for &item in &from_a {
            self.state.apply(item, b);
        }
        for &item in &from_b {
            self.state.apply(item, a);
        }
        let after = self.state.value;
        let delta = Delta { hard: after.hard - before.hard, cost: after.cost - before.cost };
        if self.accepts(delta, before.hard, 0.0) {
            for &item in from_a.iter().chain(&from_b) {
                self.note(item);
            }
            self.keep_best();
        } else {
            for &item in &from_a {
                self.state.apply(item, a);
            }
            for &item in &from_b {
                self.state.apply(item, b);
            }
        }
    }

    fn random_items(&mut self) -> Vec<u32> {
        let size = 2 + self.rng.below(6);
        let mut items: Vec<u32> = (0..size).map(|_| self.any_item()).collect();
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

    /// Puts an item at the best of some hosts; `likely` is one of them unless it is `NONE`.
    fn insert(&mut self, item: u32, likely: u32) {
        let p = self.state.p;
        let mut best: Option<(Delta, u32)> = None;
        let all = p.hosts <= CANDIDATES;
        let tries = if all { p.hosts } else { CANDIDATES };
        let feasible = self.state.value.hard == 0;
        for k in 0..tries {
            let host = match k {
                _ if all => k as u32,
                0 if likely != NONE => likely,
                _ => self.target(item),
            };
            self.work += 1;
            if host == self.banned || !self.region.contains(host) || (all && self.rng.next() >> 27 == 0) {
                continue;
            }
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

#[cfg(test)]
mod tests {
    use crate::builder::DenseBuilder;
    use crate::dense::{DenseHost, DenseItem, Dimension};
    use crate::search::worker::Worker;

    #[test]
    fn most_items_that_are_looked_for_where_it_hurts_are_on_the_host_that_costs() {
        let mut raw =
            DenseBuilder::new([Dimension { name: "cpu".into(), overload_cost: 7, ..Dimension::default() }]);
        for _ in 0..10 {
            raw.host(DenseHost { capacity: vec![100], soft: vec![10], ..DenseHost::default() });
        }
        for item in 0..40 {
            // Four to each host; those of one need twice what it can bear without cost.
            let demand = if item % 10 == 3 { 5 } else { 2 };
            raw.item(DenseItem { demand: vec![demand], home: Some(item % 10), ..DenseItem::default() });
        }
        let p = raw.into_dense().unwrap();
        let mut worker = Worker::new(&p, &p.home, 1, 0);
        let found = (0..1_000).filter(|_| worker.sore_item() % 10 == 3).count();
        // One of ten items by chance; twelve are looked at.
        assert!((650..800).contains(&found), "{found} of 1,000");
        assert!((0..100).all(|_| worker.item_beside(13) % 10 == 3));
    }
}
