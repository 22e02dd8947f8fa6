//! One annealing run.

use super::cooling::Cooling;
use super::region::Region;
use crate::construct;
use crate::dense::{Dense, NONE};
use crate::rng::Pcg;
use crate::state::{Delta, State};

/// Samples that the temperatures are measured with.
const SAMPLES: usize = 1_000;
/// Part of the work that ruin & recreate may take, one in so many.
const RUIN_WORK: u64 = 8;
/// Shares of the kinds of moves in 1/2³²: exchanges of items, ruin & recreate, exchanges of hosts, moves of parts of
/// the graph (if it has edges); the rest shifts.
const EXCHANGES: u32 = share(0.35);
const RUINS: u32 = share(0.02);
const HOST_EXCHANGES: u32 = share(0.002);
const CLUSTERS: u32 = share(0.03);

const fn share(part: f64) -> u32 {
    (part * u32::MAX as f64) as u32
}

/// A state with its random numbers, temperature and best assignment.
#[derive(Debug)]
pub(super) struct Worker<'p> {
    pub(super) state: State<'p>,
    pub(super) best: Vec<u32>,
    pub(super) best_value: Delta,
    pub(super) work: u64,
    pub(super) rng: Pcg,
    /// Items that may be elsewhere than in `best`; more than `changed_max` = all.
    changed: Vec<u32>,
    all_changed: bool,
    pub(super) cooling: Cooling,
    pub(super) region: Region,
    /// Progress of the last slice; when it falls, a new cycle begins.
    progress: f64,
    /// Proposals go home if a random byte is below this and no partner was proposed.
    pub(super) home_below: u32,
    number: u64,
    /// What one unit of hard degree counts while rules are broken.
    penalty: f64,
    pub(super) has_edges: bool,
    /// Hosts from cheap to dear; empty without prices.
    by_price: Vec<u32>,
    /// How far prices count by what takes of the host instead of whole: falls from one to nothing with progress.
    pub(super) looseness: f64,
    /// Part of `work` that went into ruin & recreate.
    ruin_work: u64,
    /// Scratch of moves of several items.
    pub(super) comes: Vec<u32>,
    pub(super) leaves: Vec<u32>,
    /// Scratch of ruin & recreate.
    pub(super) removed: Vec<(u32, u32)>,
    /// Host that recreation leaves empty.
    pub(super) banned: u32,
}

impl<'p> Worker<'p> {
    /// Starts from an assignment; what it leaves out (`NONE`) is put where it adds least.
    pub(super) fn new(p: &'p Dense, start: &[u32], seed: u64, number: u64) -> Self {
        let mut rng = Pcg::new(seed, number);
        let has_prices = p.open_cost.iter().any(|&cost| cost > 0);
        let mut by_price: Vec<u32> = if has_prices { (0..p.hosts as u32).collect() } else { Vec::new() };
        by_price.sort_by_key(|&host| p.open_cost[host as usize]);
        let state = construct::initial(p, start, &mut rng, number);
        Self {
            best: state.host_of.clone(),
            best_value: state.value,
            work: 0,
            rng,
            changed: Vec::new(),
            all_changed: false,
            cooling: Cooling::new(),
            region: Region::default(),
            progress: 1.0,
            home_below: 232,
            number,
            penalty: 1.0,
            has_edges: !p.edge_to.is_empty(),
            by_price,
            looseness: 0.0,
            ruin_work: 0,
            comes: Vec::new(),
            leaves: Vec::new(),
            removed: Vec::new(),
            banned: NONE,
            state,
        }
    }

    /// Temperature and penalty from the costs of moves like those to come.
    pub(super) fn measure(&mut self) {
        let mut rises: Vec<f64> = Vec::new();
        for _ in 0..SAMPLES {
            let item = self.any_item();
            let host = self.target(item);
            let delta = self.state.delta(item, host);
            if delta.cost > 0 {
                rises.push(delta.cost as f64);
            }
        }
        // Without edges there are rises of loads and rises of moves, and the larger half of all decides how hot to begin.
        rises.sort_by(f64::total_cmp);
        let small = if self.has_edges { 0 } else { rises.len() / 2 };
        self.cooling.calibrate(&rises[small..]);
        let mean = rises.iter().sum::<f64>() / rises.len().max(1) as f64;
        self.penalty = self.penalty.max(mean * 2.0 + 1.0);
    }

    /// Evaluates about `moves` moves at the temperature of `progress`.
    pub(super) fn run(&mut self, moves: u64, progress: f64) {
        let p = self.state.p;
        if p.items == 0 || p.hosts < 2 {
            self.work += moves;
            return;
        }
        self.cooling.at(progress);
        if progress < self.progress {
            self.measure();
        }
        self.progress = progress;
        self.home_below = self.home_share(progress);
        self.looseness = if self.by_price.is_empty() { 0.0 } else { 1.0 - progress };
        self.region.leave();
        self.run_until(self.work + moves);
    }

    /// How often to propose an item's home, in 1/256.
    ///
    /// What has left its home blocks it in transient dimensions, so that a hot search would jam if nothing led back. Without
    /// them home is a place like any other. Every second worker explores farther than its neighbour, because which is better
    /// depends on how good the start is.
    fn home_share(&self, progress: f64) -> u32 {
        let even = self.number.is_multiple_of(2);
        match (self.has_edges, self.state.p.any_transient) {
            (true, _) => 232,
            (false, true) => (256.0 * (0.95 - if even { 0.05 } else { 0.35 } * progress)) as u32,
            (false, false) => {
                if even {
                    8
                } else {
                    232
                }
            }
        }
    }

    /// Any host; with prices now and then a cheap one, or one in use, which are few where a stack meets a large fleet.
    pub(super) fn some_host(&mut self) -> u32 {
        let p = self.state.p;
        let kind = if self.by_price.is_empty() { 2 } else { self.rng.next() >> 30 };
        match kind {
            0 => {
                let host = self.state.host_of[self.rng.below(p.items)];
                if host == NONE { self.rng.below(p.hosts) as u32 } else { host }
            }
            1 => self.by_price[(self.rng.unit().powi(3) * p.hosts as f64) as usize],
            _ => self.rng.below(p.hosts) as u32,
        }
    }

    pub(super) fn run_until(&mut self, until: u64) {
        let clusters = if self.has_edges { CLUSTERS } else { 0 };
        while self.work < until {
            let kind = self.rng.next();
            if kind < RUINS && self.ruin_work * RUIN_WORK <= self.work {
                let before = self.work;
                self.ruin_and_recreate();
                self.ruin_work += self.work - before;
            } else if kind < RUINS + EXCHANGES {
                self.exchange_items();
            } else if kind < RUINS + EXCHANGES + HOST_EXCHANGES {
                self.exchange_hosts();
            } else if kind < RUINS + EXCHANGES + HOST_EXCHANGES + clusters {
                self.move_cluster();
            } else {
                self.shift_item();
            }
        }
        if self.state.value.hard > 0 {
            // still broken: violations weigh more next time
            self.penalty = (self.penalty * 1.3).min(1e15);
        }
    }

    /// Metropolis: always downhill, uphill with probability `exp(-rise / temperature)`. With all hard rules kept (`before`
    /// is the hard degree without the change) no move may break one. The filling gain counts against the rise.
    pub(super) fn accepts(&mut self, delta: Delta, before: i64, gain: f64) -> bool {
        if delta.hard > 0 && before == 0 {
            return false;
        }
        let rise = delta.cost as f64 + self.penalty * delta.hard as f64 - gain;
        rise <= 0.0 || rise <= self.cooling.limit(&mut self.rng)
    }

    /// The most that a move may cost that gains so much otherwise.
    #[inline]
    pub(super) fn limit(&mut self, gain: f64) -> i64 {
        (self.cooling.limit(&mut self.rng) + gain).floor() as i64
    }

    /// Notes that items changed their hosts, and keeps the best assignment.
    pub(super) fn note(&mut self, item: u32) {
        if self.all_changed {
            return;
        }
        if self.changed.len() > 2 * self.state.p.items {
            self.all_changed = true;
            self.changed.clear();
        } else {
            self.changed.push(item);
        }
    }

    pub(super) fn keep_best(&mut self) {
        if !self.state.value.better_than(self.best_value) {
            return;
        }
        self.best_value = self.state.value;
        if self.all_changed {
            self.best.copy_from_slice(&self.state.host_of);
            self.all_changed = false;
        } else {
            for &item in &self.changed {
                self.best[item as usize] = self.state.host_of[item as usize];
            }
        }
        self.changed.clear();
    }

    /// Makes the best assignment the current one.
    pub(super) fn return_to_best(&mut self) {
        let changed = std::mem::take(&mut self.changed);
        if self.all_changed {
            for item in 0..self.best.len() {
                self.state.apply(item as u32, self.best[item]);
            }
        } else {
            for &item in &changed {
                self.state.apply(item, self.best[item as usize]);
            }
        }
        self.all_changed = false;
        self.changed = changed;
        self.changed.clear();
    }

    pub(super) fn snapshot(&self) -> (Delta, Vec<u32>) {
        (self.state.value, self.state.host_of.clone())
    }

    pub(super) const fn current_value(&self) -> Delta {
        self.state.value
    }

    /// True if the other's value is better by more than the temperature explains.
    pub(super) fn should_follow(&self, other: Delta) -> bool {
        let behind = (self.state.value.cost - other.cost) as f64;
        self.state.value.hard > other.hard || behind > 20.0 * self.cooling.temperature
    }

    /// Goes on from another assignment.
    pub(super) fn adopt(&mut self, assignment: &[u32]) {
        for (item, &host) in assignment.iter().enumerate() {
            if self.state.host_of[item] != host && host != NONE {
                self.state.apply(item as u32, host);
                self.note(item as u32);
            }
        }
        self.keep_best();
    }
}
