//! What can be said of all hosts of a rack at once, so that an arrival need not look at each.

use crate::compile::Check;
use crate::dense::Dense;
use crate::state::State;

/// Racks with more hosts are not summed up: keeping the sum would cost more than it saves.
const HOSTS_MAX: usize = 64;

/// For each rack (point of the distances) the largest free amount by dimension, and which partitions it lies in as a whole.
#[derive(Clone, Debug)]
pub(super) struct Racks {
    room: Vec<i64>,
    /// By partition: true if no rack is cut by it.
    whole: Vec<bool>,
}

impl Racks {
    pub(super) fn new(state: &State<'_>) -> Self {
        let p = state.p;
        let whole = p.partitions.iter().map(|partition| {
            let first = |host: usize| p.neighbours(host as u32)[0] as usize;
            (0..p.hosts).all(|host| partition.of[host] == partition.of[first(host)])
        });
        let points = p.distance.points as usize;
        let mut racks = Self { room: vec![i64::MAX; points * p.dims], whole: whole.collect() };
        for point in 0..points {
            if let Some(&host) = p.at_point.get(p.point_start[point] as usize) {
                racks.update(state, host);
            }
        }
        racks
    }

    /// Follows a change of what is free on a host.
    pub(super) fn update(&mut self, state: &State<'_>, host: u32) {
        let p = state.p;
        let hosts = p.neighbours(host);
        if hosts.len() > HOSTS_MAX || p.any_transient {
            return;
        }
        let at = p.distance.point[host as usize] as usize * p.dims;
        let room = &mut self.room[at..at + p.dims];
        room.fill(i64::MIN);
        for &host in hosts {
            for (most, &free) in room.iter_mut().zip(state.hard_room(host)) {
                *most = (*most).max(free);
            }
        }
    }

    /// False if no host of the rack can have room for the item.
    pub(super) fn may_have_room(&self, p: &Dense, item: u32, point: u32) -> bool {
        let at = point as usize * p.dims;
        self.room[at..at + p.dims].iter().zip(p.demand_of(item)).all(|(most, asked)| asked <= most)
    }

    /// The rules that an arriving item breaks in a rack, whatever the host.
    pub(super) fn broken<'a>(&'a self, state: &'a State<'_>, item: u32) -> Broken<'a> {
        let tables = &state.p.tables;
        let mut broken = Broken { state, counters: Vec::new(), mended: 0 };
        if tables.customs_of.row(item).iter().any(|&ix| tables.customs[ix as usize].1.hard > 0) {
            broken.mended = i64::MAX;
            return broken;
        }
        for &ix in tables.counters_of.row(item) {
            let counter = &tables.counters[ix as usize];
            let checks = &tables.checks[counter.checks.0 as usize..counter.checks.1 as usize];
            if self.whole[counter.partition as usize] {
                if checks.iter().any(is_hard) {
                    broken.counters.push((ix, vec![None; counter.parts as usize]));
                }
                continue;
            }
            for check in checks {
                // nothing else is mended by an arrival
                broken.mended = broken.mended.saturating_add(match *check {
                    Check::Spread { force, .. } => 2 * force.hard,
                    Check::ProviderFor { requirer, force } => {
                        force.hard.saturating_mul(state.unprovided(requirer, ix))
                    }
                    _ => 0,
                });
            }
        }
        broken
    }
}

const fn is_hard(check: &Check) -> bool {
    let (Check::Limit { force, .. }
    | Check::Together { force }
    | Check::Spread { force, .. }
    | Check::NeedsOf { force, .. }
    | Check::ProviderFor { force, .. }
    | Check::Disjoint { force, .. }) = check;
    force.hard > 0
}

/// Hard degrees by part, remembered as they are asked for.
pub(super) struct Broken<'a> {
    state: &'a State<'a>,
    counters: Vec<(u32, Vec<Option<i64>>)>,
    /// The most that rules which differ within a rack can make good.
    mended: i64,
}

impl Broken<'_> {
    /// True if the item breaks a hard rule on every host of the rack of this host.
    pub(super) fn everywhere_near(&mut self, host: u32) -> bool {
        if self.mended == i64::MAX {
            return false;
        }
        let (p, state) = (self.state.p, self.state);
        let mut sum = 0;
        for (ix, parts) in &mut self.counters {
            let counter = &p.tables.counters[*ix as usize];
            let part = p.partitions[counter.partition as usize].of[host as usize] as usize;
            sum += *parts[part].get_or_insert_with(|| state.counter_hard(*ix, host));
        }
        sum > self.mended
    }
}
