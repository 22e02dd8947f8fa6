//! What can be said of all hosts of a rack at once, so that an arrival need not look at each.

use crate::compile::Check;
use crate::dense::Dense;
use crate::state::State;

/// Racks with more hosts are looked at host by host.
const HOSTS_MAX: usize = 64;

/// For each rack (point of the distances) what is free on its hosts in a byte for each dimension, and which partitions it lies
/// in as a whole.
#[derive(Clone, Debug)]
pub(super) struct Racks {
    /// Rack by rack, then by dimension, then by host; empty where moves need both places.
    free: Vec<u8>,
    /// By dimension: bits that a byte leaves out.
    shift: Vec<u32>,
    /// By partition: true if no rack is cut by it.
    whole: Vec<bool>,
}

/// An amount in a byte: what fits in amounts also fits in bytes.
fn byte(amount: i64, shift: u32) -> u8 {
    u8::try_from(amount.max(0) >> shift).unwrap_or(u8::MAX)
}

impl Racks {
    pub(super) fn new(state: &State<'_>) -> Self {
        let p = state.p;
        let whole = p.partitions.iter().map(|partition| {
            let first = |host: usize| p.neighbours(host as u32)[0] as usize;
            (0..p.hosts).all(|host| partition.of[host] == partition.of[first(host)])
        });
        let most = |r: usize| p.capacity.iter().skip(r).step_by(p.dims).copied().max().unwrap_or(0);
        let shift = (0..p.dims).map(|r| (i64::BITS - most(r).leading_zeros()).saturating_sub(u8::BITS));
        let free = vec![0; if p.any_transient { 0 } else { p.hosts * p.dims }];
        let mut racks = Self { free, shift: shift.collect(), whole: whole.collect() };
        for host in 0..p.hosts as u32 {
            racks.update(state, host);
        }
        racks
    }

    /// Follows a change of what is free on a host.
    pub(super) fn update(&mut self, state: &State<'_>, host: u32) {
        let p = state.p;
        let hosts = p.neighbours(host);
        if self.free.is_empty() || hosts.len() > HOSTS_MAX {
            return;
        }
        let from = p.point_start[p.distance.point[host as usize] as usize] as usize * p.dims;
        let at = hosts.binary_search(&host).unwrap_or(0);
        for (r, &free) in state.hard_room(host).iter().enumerate() {
            self.free[from + r * hosts.len() + at] = byte(free, self.shift[r]);
        }
    }

    /// An item's demand in bytes.
    pub(super) fn asked(&self, demand: &[i64]) -> Vec<u8> {
        demand.iter().zip(&self.shift).map(|(&asked, &shift)| byte(asked, shift)).collect()
    }

    /// The hosts of a rack that may have room for a demand, one bit for each; `None` if all must be looked at.
    pub(super) fn with_room(&self, p: &Dense, asked: &[u8], point: u32) -> Option<u64> {
        let (from, to) = (p.point_start[point as usize] as usize, p.point_start[point as usize + 1] as usize);
        let count = to - from;
        if self.free.is_empty() || count > HOSTS_MAX {
            return None;
        }
        let mut room = [1_u8; HOSTS_MAX];
        if count > 0 {
            let rows = self.free[from * p.dims..to * p.dims].chunks_exact(count);
            for (row, &asked) in rows.zip(asked) {
                for (room, &free) in room.iter_mut().zip(row) {
                    *room &= u8::from(free >= asked);
                }
            }
        }
        Some((0..count).fold(0, |bits, at| bits | u64::from(room[at]) << at))
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
