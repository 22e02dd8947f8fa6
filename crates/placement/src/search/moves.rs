//! Small moves: one item to another host, two items exchanged.

use super::worker::Worker;
use crate::dense::NONE;
use crate::state::{Delta, Verdict};

impl Worker<'_> {
    /// Moves a random item to a promising host.
    pub(super) fn shift_item(&mut self) {
        let item = self.any_item();
        let to = self.target(item);
        self.work += 1;
        if to == self.state.host_of[item as usize] {
            return;
        }
        let gain = self.gain(item, to);
        if self.state.value.hard > 0 {
            let delta = self.state.delta(item, to);
            if self.accepts(delta, self.state.value.hard, gain) {
                self.settle(item, to, delta);
            }
            return;
        }
        let limit = self.limit(gain);
        let verdict = self.state.judge_shift(item, to, limit);
        self.cooling.saw(verdict, gain);
        if let Verdict::Within(cost) = verdict {
            self.settle(item, to, Delta { hard: 0, cost });
        }
    }

    fn settle(&mut self, item: u32, to: u32, delta: Delta) {
        self.state.commit(item, to, delta);
        self.note(item);
        self.keep_best();
    }

    /// A host of the region for an item: where a partner is, at home, or any.
    pub(super) fn target(&mut self, item: u32) -> u32 {
        let host = self.promising(item);
        if self.region.contains(host) { host } else { self.any_host() }
    }

    /// With edges one proposal in eight is none of a partner's neighbourhood; without, all but the share of homes are any.
    fn promising(&mut self, item: u32) -> u32 {
        let p = self.state.p;
        let kind = self.rng.next() >> 24;
        if self.has_edges && kind < 224 {
            let degree = p.degree_of(item);
            if degree > 0 {
                let edge = p.edge_start[item as usize] as usize + self.rng.below(degree);
                let host = self.state.host_of[p.edge_to[edge] as usize];
                if host != NONE {
                    if kind < 80 {
                        let near = p.neighbours(host);
                        return near[self.rng.below(near.len())];
                    }
                    if host != self.state.host_of[item as usize] {
                        return host;
                    }
                }
            }
        } else if kind < self.home_below && p.home[item as usize] != NONE {
            return p.home[item as usize];
        }
        self.some_host()
    }

    /// Exchanges two items of different hosts.
    pub(super) fn exchange_items(&mut self) {
        let i = self.any_item();
        let from = self.state.host_of[i as usize];
        let to = self.target(i);
        self.work += 1;
        let there = &self.state.residents[to as usize];
        if to == from || there.is_empty() {
            return;
        }
        let j = there[self.rng.below(there.len())];
        let before = self.state.value.hard;
        // both hosts stay in use
        let gain = self.filling(i, to) + self.filling(j, from);
        let limit = self.limit(gain);
        if before == 0 {
            let verdict = self.state.judge_exchange(i, j, limit);
            if !matches!(verdict, Verdict::Within(_)) {
                self.cooling.saw(verdict, gain);
                return;
            }
        }
        let mut delta = self.state.apply(i, to);
        let second = self.state.delta(j, from);
        delta.add(second);
        let accepted = if before > 0 {
            self.accepts(delta, before, gain)
        } else {
            let verdict = match delta {
                Delta { hard, .. } if hard > 0 => Verdict::Breaks,
                Delta { cost, .. } if cost > limit => Verdict::Above,
                Delta { cost, .. } => Verdict::Within(cost),
            };
            self.cooling.saw(verdict, gain);
            matches!(verdict, Verdict::Within(_))
        };
        if accepted {
            self.state.commit(j, from, second);
            self.note(i);
            self.note(j);
            self.keep_best();
        } else {
            self.state.apply(i, from);
        }
    }

    /// What counts beside the cost at this moment: full hosts are worth something, and as far as prices are loose, opening
    /// and closing hosts is not.
    ///
    /// Whole prices are a wall around every empty host, so that a hot search sorts the parts of an application by where
    /// there are hosts in use; with loose ones it sorts them by who talks to whom first.
    pub(super) fn gain(&self, item: u32, to: u32) -> f64 {
        if self.looseness > 0.0 {
            self.filling(item, to) + self.looseness * self.state.opening(item, to) as f64
        } else {
            0.0
        }
    }

    /// [`gain`](Self::gain) without opening and closing.
    fn filling(&self, item: u32, to: u32) -> f64 {
        if self.looseness > 0.0 { self.looseness * self.state.fill_gain(item, to) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use crate::builder::DenseBuilder;
    use crate::dense::{DenseHost, DenseItem, Dimension};
    use crate::search::worker::Worker;

    /// Of 1,000 proposals, how many lead home: 40 items without edges on 20 hosts.
    fn homeward(transient: bool, worker: u64, progress: f64) -> usize {
        let mut raw =
            DenseBuilder::new([Dimension { name: "cpu".into(), transient, ..Dimension::default() }]);
        for _ in 0..20 {
            raw.host(DenseHost { capacity: vec![100], ..DenseHost::default() });
        }
        for item in 0..40 {
            raw.item(DenseItem { demand: vec![1], home: Some(item % 20), ..DenseItem::default() });
        }
        let p = raw.into_dense().unwrap();
        let mut worker = Worker::new(&p, &p.home, 1, worker);
        worker.run(1, progress);
        (0..1_000).filter(|k| worker.target(k % 40) == p.home[*k as usize % 40]).count()
    }

    #[test]
    fn without_edges_one_worker_looks_everywhere_and_the_next_near_the_start() {
        // a twentieth of the random hosts is home, too
        assert!(homeward(false, 0, 0.0) < 200);
        assert!(homeward(false, 1, 0.0) > 800);
    }

    #[test]
    fn where_what_moves_needs_both_places_proposals_lead_home_the_more_the_hotter_it_is() {
        let (hot, cold) = (homeward(true, 1, 0.0), homeward(true, 1, 1.0));
        assert!(hot > 900 && (500..800).contains(&cold), "{hot} {cold}");
        assert!(homeward(true, 0, 1.0) > 850, "one of two workers stays near the start");
    }

    #[test]
    fn a_quarter_of_the_random_hosts_is_in_use_and_another_quarter_leans_to_the_cheap_ones() {
        let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
        for host in 0..1_000 {
            raw.host(DenseHost { capacity: vec![100], open_cost: 1 + host, ..DenseHost::default() });
        }
        raw.item(DenseItem { demand: vec![1], home: Some(999), ..DenseItem::default() });
        let p = raw.into_dense().unwrap();
        let mut worker = Worker::new(&p, &p.home, 1, 0);
        let hosts: Vec<u32> = (0..8_000).map(|_| worker.some_host()).collect();
        let used = hosts.iter().filter(|&&host| host == 999).count();
        // A tenth by chance, and of the quarter that leans to the cheap ones the cube root of a tenth: 800/2 + 2,000 · 0.464.
        let cheap = hosts.iter().filter(|&&host| host < 100).count();
        assert!((1_900..2_120).contains(&used) && (1_230..1_430).contains(&cheap), "{used} {cheap}");
    }
}
