//! Annealing of a region: a few related hosts and what is on them, with the rest as it is.
//!
//! Repeated short runs on a small part with the best kept find what one long run over everything misses, because a part
//! of some fifty items is solved well by a fraction of a second (a large neighbourhood search with annealing inside).

use super::worker::Worker;

/// Items of a region, about.
const ITEMS: usize = 60;
/// Moves for each item of one run.
const MOVES: u64 = 6_000;
/// Slices of a run, between which the temperature falls.
const SLICES: u64 = 50;
/// Share of the uphill moves taken at the start and at the end of a run.
const HOT: f64 = 0.3;
const COLD: f64 = 0.000_5;

/// The hosts that a worker keeps to; none = all.
#[derive(Debug, Default)]
pub(super) struct Region {
    hosts: Vec<u32>,
    inside: Vec<bool>,
    items: Vec<u32>,
    begun: u64,
    ends: u64,
}

impl Region {
    pub(super) fn contains(&self, host: u32) -> bool {
        self.hosts.is_empty() || self.inside[host as usize]
    }

    pub(super) fn leave(&mut self) {
        self.hosts.clear();
        self.items.clear();
        self.ends = 0;
    }
}

impl Worker<'_> {
    /// A random item of the region.
    pub(super) fn any_item(&mut self) -> u32 {
        if self.region.items.is_empty() {
            self.rng.below(self.state.p.items) as u32
        } else {
            self.region.items[self.rng.below(self.region.items.len())]
        }
    }

    /// A random host of the region.
    pub(super) fn any_host(&mut self) -> u32 {
        if self.region.hosts.is_empty() {
            self.some_host()
        } else {
            self.region.hosts[self.rng.below(self.region.hosts.len())]
        }
    }

    /// Anneals one region after the other, each from the best assignment so far, with about `moves` moves.
    pub(super) fn run_regions(&mut self, moves: u64) {
        let until = self.work + moves;
        if self.state.p.items == 0 || self.state.p.hosts < 2 {
            self.work = until;
            return;
        }
        self.looseness = 0.0;
        while self.work < until {
            if self.work >= self.region.ends {
                self.return_to_best();
                self.choose_region();
            }
            let length = self.region.ends - self.region.begun;
            let slice = (length / SLICES).clamp(1, until - self.work);
            let progress = (self.work - self.region.begun) as f64 / length as f64;
            self.cooling.between(HOT, COLD, progress);
            if self.work == self.region.begun {
                self.measure();
            }
            self.run_until(self.work + slice);
        }
    }

    /// Hosts that talk to each other, hosts near by, and now and then any, until they hold enough items.
    fn choose_region(&mut self) {
        let p = self.state.p;
        self.region.leave();
        self.region.inside.clear();
        self.region.inside.resize(p.hosts, false);
        let sore = p.has_load && self.rng.below(2) == 0;
        let mut item = if sore { self.sore_item() } else { self.rng.below(p.items) as u32 };
        let mut host = self.state.host_of[item as usize];
        // the last host of a part that talks to nobody else is found by chance only
        for _ in 0..64 * ITEMS {
            if !std::mem::replace(&mut self.region.inside[host as usize], true) {
                self.region.hosts.push(host);
                self.region.items.extend(&self.state.residents[host as usize]);
                if self.region.items.len() >= ITEMS || self.region.hosts.len() == p.hosts {
                    break;
                }
            }
            if !self.region.items.is_empty() {
                item = self.region.items[self.rng.below(self.region.items.len())];
            }
            let degree = p.degree_of(item);
            host = match self.rng.below(16) {
                0 => self.rng.below(p.hosts) as u32,
                1..3 if self.has_edges => {
                    let near = p.neighbours(host);
                    near[self.rng.below(near.len())]
                }
                _ if degree > 0 => {
                    let edge = p.edge_start[item as usize] as usize + self.rng.below(degree);
                    self.state.host_of[p.edge_to[edge] as usize]
                }
                _ => self.rng.below(p.hosts) as u32,
            };
        }
        let items = self.region.items.len().max(1) as u64;
        if self.region.hosts.len() == p.hosts {
            self.region.leave();
        }
        self.region.begun = self.work;
        self.region.ends = self.work + items * MOVES;
    }
}
