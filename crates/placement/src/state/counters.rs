//! Counts of groups in parts, and the rules that read them.

use super::Delta;
use crate::compile::{Check, Counter, Force};
use crate::dense::{Dense, NONE};

/// For each counter: items in each part, parts in use, items placed. Sparse counters have no table of parts: their members
/// are looked up where they are.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    count: Vec<u32>,
    distinct: Vec<u32>,
    placed: Vec<u32>,
    /// For disjoint groups: how many of them are present in each part.
    presence: Vec<u32>,
}

/// Parts that are looked at one by one.
const PARTS_LOOKED_AT: u32 = 64;

/// The problem, and where its items are.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) p: &'a Dense,
    pub(super) host_of: &'a [u32],
}

/// One item leaving a part and entering another; `NONE` = nowhere.
#[derive(Clone, Copy)]
struct Step {
    from: u32,
    to: u32,
}

impl Force {
    #[inline]
    fn times(self, degree: i64) -> Delta {
        Delta { hard: self.hard * degree, cost: self.cost * degree }
    }
}

impl Counts {
    pub(super) fn empty(p: &Dense) -> Self {
        Self {
            count: vec![0; p.tables.counts],
            distinct: vec![0; p.tables.counters.len()],
            placed: vec![0; p.tables.counters.len()],
            presence: vec![0; p.tables.presences as usize],
        }
    }

    #[inline]
    pub(super) fn delta(&self, at: Place<'_>, item: u32, from: u32, to: u32, delta: &mut Delta) {
        for &ix in at.p.tables.counters_of.row(item) {
            self.counter_delta(at, ix, from, to, delta);
        }
    }

    #[inline]
    fn counter_delta(&self, at: Place<'_>, ix: u32, from: u32, to: u32, delta: &mut Delta) {
        let p = at.p;
        let counter = &p.tables.counters[ix as usize];
        let step = step(p, counter, from, to);
        if step.from != step.to {
            for check in &p.tables.checks[counter.checks.0 as usize..counter.checks.1 as usize] {
                delta.add(self.check(at, ix, counter, check, step));
            }
        }
    }

    /// What one counter says of an arrival.
    pub(super) fn arrival(&self, at: Place<'_>, ix: u32, to: u32) -> Delta {
        let mut delta = Delta::default();
        self.counter_delta(at, ix, NONE, to, &mut delta);
        delta
    }

    /// Items of `requirer` in parts without an item of `provider`; all its items where there are very many parts.
    pub(super) fn unprovided(&self, at: Place<'_>, requirer: u32, provider: u32) -> i64 {
        let (needs, has) =
            (&at.p.tables.counters[requirer as usize], &at.p.tables.counters[provider as usize]);
        if needs.parts > PARTS_LOOKED_AT {
            return i64::from(self.placed[requirer as usize]);
        }
        let empty = (0..needs.parts).filter(|&part| self.at(at, provider, has, part) == 0);
        empty.map(|part| i64::from(self.at(at, requirer, needs, part))).sum()
    }

    #[inline]
    fn at(&self, at: Place<'_>, ix: u32, counter: &Counter, part: u32) -> u32 {
        if !counter.sparse {
            return self.count[counter.offset + part as usize];
        }
        let of = &at.p.partitions[counter.partition as usize].of;
        let inside = |&&member: &&u32| {
            let host = at.host_of[member as usize];
            host != NONE && of[host as usize] == part
        };
        at.p.tables.members.row(ix).iter().filter(inside).count() as u32
    }

    #[inline]
    fn check(&self, at: Place<'_>, ix: u32, counter: &Counter, check: &Check, step: Step) -> Delta {
        let leaves = (step.from != NONE).then(|| self.at(at, ix, counter, step.from));
        let enters = (step.to != NONE).then(|| self.at(at, ix, counter, step.to));
        match *check {
            Check::Limit { max, force } => {
                let degree =
                    i64::from(enters.is_some_and(|n| n >= max)) - i64::from(leaves.is_some_and(|n| n > max));
                force.times(degree)
            }
            Check::Together { force } => {
                let before = self.distinct[ix as usize];
                let after = before + u32::from(enters == Some(0)) - u32::from(leaves == Some(1));
                force.times(i64::from(after.saturating_sub(1)) - i64::from(before.saturating_sub(1)))
            }
            Check::Spread { min, max_skew, force } => {
                let placed = self.placed[ix as usize];
                let placed_after = placed + u32::from(enters.is_some()) - u32::from(leaves.is_some());
                let distinct = self.distinct[ix as usize];
                let after = distinct + u32::from(enters == Some(0)) - u32::from(leaves == Some(1));
                let mut degree = i64::from(min.min(placed_after).saturating_sub(after))
                    - i64::from(min.min(placed).saturating_sub(distinct));
                if max_skew != NONE {
                    let still = Step { from: NONE, to: NONE };
                    degree +=
                        self.skew_over(at, ix, max_skew, step) - self.skew_over(at, ix, max_skew, still);
                }
                force.times(degree)
            }
            Check::NeedsOf { provider, force } => {
                let counter = &at.p.tables.counters[provider as usize];
                let missing =
                    |part: u32| i64::from(part != NONE && self.at(at, provider, counter, part) == 0);
                force.times(missing(step.to) - missing(step.from))
            }
            Check::ProviderFor { requirer, force } => {
                let counter = &at.p.tables.counters[requirer as usize];
                let mut degree = 0;
                if leaves == Some(1) {
                    degree += i64::from(self.at(at, requirer, counter, step.from));
                }
                if enters == Some(0) {
                    degree -= i64::from(self.at(at, requirer, counter, step.to));
                }
                force.times(degree)
            }
            Check::Disjoint { presence, force } => {
                let present = |part: u32| self.presence[(presence + part) as usize];
                let gone = leaves == Some(1) && present(step.from) > 1;
                let clash = enters == Some(0) && present(step.to) > 0;
                force.times(i64::from(clash) - i64::from(gone))
            }
        }
    }

    /// How far the difference of the fullest and the emptiest part is above the limit after a step.
    fn skew_over(&self, at: Place<'_>, ix: u32, max_skew: u32, step: Step) -> i64 {
        let counter = &at.p.tables.counters[ix as usize];
        let count = |part: u32| {
            self.at(at, ix, counter, part) + u32::from(part == step.to) - u32::from(part == step.from)
        };
        let (mut least, mut most) = (u32::MAX, 0);
        let mut see = |part: u32| {
            let n = count(part);
            least = least.min(n);
            most = most.max(n);
        };
        if counter.sparse {
            // more parts than members, so some part is empty
            let of = &at.p.partitions[counter.partition as usize].of;
            let hosts = at.p.tables.members.row(ix).iter().map(|&member| at.host_of[member as usize]);
            hosts.filter(|&host| host != NONE).for_each(|host| see(of[host as usize]));
            if step.to != NONE {
                see(step.to);
            }
            least = 0;
        } else {
            (0..counter.parts).for_each(see);
        }
        i64::from(most.saturating_sub(least).saturating_sub(max_skew))
    }

    /// Follows an item; called before it is entered at its new place.
    pub(super) fn commit(&mut self, at: Place<'_>, item: u32, from: u32, to: u32) {
        let p = at.p;
        for &ix in p.tables.counters_of.row(item) {
            let counter = &p.tables.counters[ix as usize];
            let step = step(p, counter, from, to);
            self.placed[ix as usize] =
                self.placed[ix as usize] + u32::from(to != NONE) - u32::from(from != NONE);
            if step.from == step.to {
                continue;
            }
            let mut emptied = NONE;
            let mut filled = NONE;
            if step.from != NONE {
                if self.at(at, ix, counter, step.from) == 1 {
                    self.distinct[ix as usize] -= 1;
                    emptied = step.from;
                }
                if !counter.sparse {
                    self.count[counter.offset + step.from as usize] -= 1;
                }
            }
            if step.to != NONE {
                if self.at(at, ix, counter, step.to) == 0 {
                    self.distinct[ix as usize] += 1;
                    filled = step.to;
                }
                if !counter.sparse {
                    self.count[counter.offset + step.to as usize] += 1;
                }
            }
            for check in &p.tables.checks[counter.checks.0 as usize..counter.checks.1 as usize] {
                if let Check::Disjoint { presence, .. } = *check {
                    if emptied != NONE {
                        self.presence[(presence + emptied) as usize] -= 1;
                    }
                    if filled != NONE {
                        self.presence[(presence + filled) as usize] += 1;
                    }
                }
            }
        }
    }
}

#[inline]
fn step(p: &Dense, counter: &Counter, from: u32, to: u32) -> Step {
    let part = &p.partitions[counter.partition as usize].of;
    let of = |host: u32| if host == NONE { NONE } else { part[host as usize] };
    Step { from: of(from), to: of(to) }
}
