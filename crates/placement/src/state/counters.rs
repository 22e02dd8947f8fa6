//! Counts of groups in parts, and the rules that read them.

use super::Delta;
use crate::compile::{Check, Counter, Force};
use crate::dense::{Dense, NONE};

/// For each counter: items in each part, parts in use, items placed.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    count: Vec<u32>,
    distinct: Vec<u32>,
    placed: Vec<u32>,
    /// For disjoint groups: how many of them are present in each part.
    presence: Vec<u32>,
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
            count: vec![0; p.tables.counts as usize],
            distinct: vec![0; p.tables.counters.len()],
            placed: vec![0; p.tables.counters.len()],
            presence: vec![0; p.tables.presences as usize],
        }
    }

    #[inline]
    pub(super) fn delta(&self, p: &Dense, item: u32, from: u32, to: u32, delta: &mut Delta) {
        for &ix in p.tables.counters_of.row(item) {
            let counter = &p.tables.counters[ix as usize];
            let step = step(p, counter, from, to);
            if step.from != step.to {
                for check in &p.tables.checks[counter.checks.0 as usize..counter.checks.1 as usize] {
                    delta.add(self.check(p, ix, counter, check, step));
                }
            }
        }
    }

    pub(super) fn placed(&self, counter: u32) -> i64 {
        i64::from(self.placed[counter as usize])
    }

    #[inline]
    fn at(&self, counter: &Counter, part: u32) -> u32 {
        self.count[(counter.offset + part) as usize]
    }

    #[inline]
    fn check(&self, p: &Dense, ix: u32, counter: &Counter, check: &Check, step: Step) -> Delta {
        let leaves = (step.from != NONE).then(|| self.at(counter, step.from));
        let enters = (step.to != NONE).then(|| self.at(counter, step.to));
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
                        self.skew_over(counter, max_skew, step) - self.skew_over(counter, max_skew, still);
                }
                force.times(degree)
            }
            Check::NeedsOf { provider, force } => {
                let provider = &p.tables.counters[provider as usize];
                let missing = |part: u32| i64::from(part != NONE && self.at(provider, part) == 0);
                force.times(missing(step.to) - missing(step.from))
            }
            Check::ProviderFor { requirer, force } => {
                let requirer = &p.tables.counters[requirer as usize];
                let mut degree = 0;
                if leaves == Some(1) {
                    degree += i64::from(self.at(requirer, step.from));
                }
                if enters == Some(0) {
                    degree -= i64::from(self.at(requirer, step.to));
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
    fn skew_over(&self, counter: &Counter, max_skew: u32, step: Step) -> i64 {
        let (mut least, mut most) = (u32::MAX, 0);
        for part in 0..counter.parts {
            let n = self.at(counter, part) + u32::from(part == step.to) - u32::from(part == step.from);
            least = least.min(n);
            most = most.max(n);
        }
        i64::from(most.saturating_sub(least).saturating_sub(max_skew))
    }

    pub(super) fn commit(&mut self, p: &Dense, item: u32, from: u32, to: u32) {
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
                let count = &mut self.count[(counter.offset + step.from) as usize];
                *count -= 1;
                if *count == 0 {
                    self.distinct[ix as usize] -= 1;
                    emptied = step.from;
                }
            }
            if step.to != NONE {
                let count = &mut self.count[(counter.offset + step.to) as usize];
                *count += 1;
                if *count == 1 {
                    self.distinct[ix as usize] += 1;
                    filled = step.to;
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
