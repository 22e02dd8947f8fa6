//! How long a pre-copy migration will take, before it is begun.
//!
//! The formula is the geometric series of Clark et al., "Live Migration of Virtual Machines" (NSDI 2005): each round sends
//! what was written during the one before. What it does not know, the throughput that two hosts really reach, is learned from the
//! migrations between them ([`Learned`]), as Akoush et al., "Predicting the Performance of Virtual Machine Migration"
//! (MASCOTS 2010) measure it.

use std::collections::{BTreeMap, VecDeque};
use vm_ecosystem::prelude::HostId;

/// What is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the inputs of a formula")]
pub struct Plan {
    /// Bytes of memory that are not zero.
    pub filled: f64,
    /// Bytes that the guest writes over and over.
    pub window: f64,
    /// Bytes per second that it writes, page by page.
    pub dirty_per_s: f64,
    /// Bytes per second that may be sent.
    pub bandwidth: f64,
    /// Longest accepted stand-still in seconds.
    pub downtime: f64,
}

impl Plan {
    /// From what was measured of a guest: bytes that are not zero, and bytes that were written within times in seconds.
    ///
    /// A guest that writes a window over and over fills it and then writes no new page: the rate is that of the longest time in
    /// which it was still writing new ones, and the window what it has written if that came to a stop.
    pub fn measured(filled: f64, written: &[(f64, f64)], bandwidth: f64, downtime: f64) -> Self {
        let rates = written.iter().filter(|it| it.0 > 0.0).map(|it| it.1 / it.0);
        let fastest = rates.fold(0.0, f64::max);
        let going = |it: &(f64, f64)| it.0 > 0.0 && it.1 / it.0 >= STEADY * fastest;
        let dirty_per_s = written.iter().rfind(|it| going(it)).map_or(0.0, |it| it.1 / it.0);
        let stopped = written.last().is_some_and(|it| !going(it));
        let window = if stopped { written.last().map_or(0.0, |it| it.1) } else { filled };
        Self { filled, window, dirty_per_s, bandwidth, downtime }
    }
}

/// A rate that has fallen below this share of the highest is one of a guest that writes the same pages again.
const STEADY: f64 = 0.85;

/// Rounds after which a migration that does not converge is not going to.
const ROUNDS_MAX: u32 = 200;

/// Seconds of copying, by rounds: each sends what was written during the one before, until the rest fits into the accepted
/// stand-still. `None` = it does not converge.
pub fn copy_seconds(plan: &Plan) -> Option<f64> {
    let (mut left, mut total) = (plan.filled, 0.0);
    for _ in 0..ROUNDS_MAX {
        if left / plan.bandwidth <= plan.downtime {
            return Some(total + left / plan.bandwidth);
        }
        let round = left / plan.bandwidth;
        total += round;
        // A page that is written twice in a round is sent once.
        left = (plan.dirty_per_s * round).min(plan.window);
    }
    None
}

/// What earlier migrations say, by pair of hosts; a pair that is new inherits from all.
///
/// Kept is how many times as long as by the formula they took, as a logarithm; its median, and not its mean, because a
/// migration that meets a busy moment takes several times as long and says nothing about the next.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    all: VecDeque<f64>,
    pairs: BTreeMap<(HostId, HostId), VecDeque<f64>>,
}

/// Migrations that a belief counts for as long as little has been seen.
const BELIEF: usize = 4;
/// Migrations that are remembered: the machine and its load change.
const MEMORY: usize = 15;
/// Five times as fast or as slow as the formula says is the most that is believed.
const FACTOR_MAX: f64 = 5.0;

/// Median of what was seen and of the belief, repeated.
fn believed(seen: Option<&VecDeque<f64>>, prior: f64) -> f64 {
    let seen = seen.into_iter().flatten().copied();
    let mut all: Vec<f64> = seen.chain(std::iter::repeat_n(prior, BELIEF)).collect();
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    if all.len() % 2 == 1 { all[middle] } else { f64::midpoint(all[middle - 1], all[middle]) }
}

fn remember(memory: &mut VecDeque<f64>, value: f64) {
    memory.push_back(value);
    if memory.len() > MEMORY {
        memory.pop_front();
    }
}

impl Learned {
    /// Share of the allowed throughput that is reached between two hosts.
    fn share(&self, from: &HostId, to: &HostId) -> f64 {
        let pair = self.pairs.get(&(from.clone(), to.clone()));
        (-believed(pair, believed(Some(&self.all), 0.0))).exp()
    }

    /// Seconds from a target that listens to the switch-over; `None` = it does not converge.
    pub fn predict(&self, plan: &Plan, from: &HostId, to: &HostId) -> Option<f64> {
        copy_seconds(&Plan { bandwidth: plan.bandwidth * self.share(from, to), ..*plan })
    }

    /// Takes in how long a migration took.
    pub fn learn(&mut self, plan: &Plan, from: &HostId, to: &HostId, total_s: f64) {
        let Some(copy) = copy_seconds(plan).filter(|it| *it > 0.0) else { return };
        let seen = (total_s / copy).clamp(1.0 / FACTOR_MAX, FACTOR_MAX).ln();
        remember(self.pairs.entry((from.clone(), to.clone())).or_default(), seen);
        remember(&mut self.all, seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { filled: 64e6, window: 0.0, dirty_per_s: 0.0, bandwidth: 32e6, downtime: 0.3 };

    #[test]
    fn a_guest_at_rest_takes_its_memory_over_the_bandwidth() {
        assert!((copy_seconds(&PLAN).unwrap() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_rate_and_the_window_are_read_from_what_was_written_in_longer_and_longer_times() {
        // 4 MB/s in 6 MB, which is full after 1.5 s; then one that goes on, and one at rest.
        let plan = Plan::measured(20e6, &[(0.5, 2e6), (1.0, 3.9e6), (2.0, 6e6)], 32e6, 0.3);
        assert!((plan.window - 6e6).abs() < 1.0 && (plan.dirty_per_s - 3.9e6).abs() < 1.0, "{plan:?}");
        let plan = Plan::measured(20e6, &[(0.5, 2.1e6), (1.0, 4e6), (2.0, 8.2e6)], 32e6, 0.3);
        assert!((plan.window - 20e6).abs() < 1.0 && (plan.dirty_per_s - 4.1e6).abs() < 1.0, "{plan:?}");
        let rest = Plan::measured(20e6, &[(0.5, 0.0), (2.0, 0.0)], 20e6, 0.3);
        assert!((copy_seconds(&rest).unwrap() - 1.0).abs() < 1e-9);
        assert!(Plan::measured(0.0, &[], 1.0, 0.3).dirty_per_s.abs() < 1e-9);
    }

    #[test]
    fn one_that_writes_half_as_fast_as_can_be_sent_takes_almost_twice_as_long() {
        let plan = Plan { window: 64e6, dirty_per_s: 16e6, downtime: 0.01, ..PLAN };
        let seconds = copy_seconds(&plan).unwrap();
        assert!((3.9..4.0).contains(&seconds), "{seconds}");
        let faster = Plan { dirty_per_s: 64e6, ..plan };
        assert_eq!(copy_seconds(&faster), None);
    }

    #[test]
    fn a_pair_that_reaches_half_the_bandwidth_is_learned_and_outliers_are_not() {
        let host = |name| HostId::new(name).unwrap();
        let (a, b, c) = (host("a"), host("b"), host("c"));
        let mut learned = Learned::default();
        let predicted = |learned: &Learned, from, to| learned.predict(&PLAN, from, to).unwrap();
        assert!((predicted(&learned, &a, &b) - 2.0).abs() < 1e-9, "the formula alone");
        for round in 0..12 {
            learned.learn(&PLAN, &a, &b, 4.0);
            // Between these the machine is busy now and then.
            learned.learn(&PLAN, &b, &c, if round % 4 == 0 { 9.0 } else { 2.0 });
        }
        assert!((predicted(&learned, &a, &b) - 4.0).abs() < 1e-9);
        assert!((predicted(&learned, &b, &c) - 2.0).abs() < 1e-9);
        let new = predicted(&learned, &c, &a);
        assert!((1.9..=4.1).contains(&new), "{new}");
    }

    #[test]
    fn what_does_not_converge_teaches_nothing_and_memory_does_not_grow() {
        let host = |name| HostId::new(name).unwrap();
        let mut learned = Learned::default();
        let never = Plan { window: 64e6, dirty_per_s: 64e6, downtime: 0.01, ..PLAN };
        learned.learn(&never, &host("a"), &host("b"), 5.0);
        assert!(learned.all.is_empty());
        for _ in 0..100 {
            learned.learn(&PLAN, &host("a"), &host("b"), 2.0);
        }
        assert_eq!(learned.all.len(), MEMORY);
    }
}
