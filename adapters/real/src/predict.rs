//! How long a pre-copy migration will take, before it is begun.
//!
//! The formula is the geometric series of Clark et al., "Live Migration of Virtual Machines" (NSDI 2005): each round sends
//! what was written during the one before. What it does not know, the real throughput between two hosts and the time that
//! making the target takes, is learned from the migrations between them ([`Learned`]), as Akoush et al., "Predicting the
//! Performance of Virtual Machine Migration" (MASCOTS 2010) do with measured link speed and fixed overheads.

use std::collections::BTreeMap;
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
#[derive(Clone, Debug, Default)]
pub struct Learned {
    all: Estimate,
    pairs: BTreeMap<(HostId, HostId), Estimate>,
}

/// Migrations that a belief counts for which nothing has been seen yet.
const BELIEF: f64 = 2.0;
/// Migrations that are remembered: the machine and its load change.
const MEMORY: f64 = 16.0;
/// Seconds from the order to a target that listens to the first byte, and of the switch-over, before anything is known.
const SETUP: f64 = 0.05;
/// Longest such time that is believed.
const SETUP_MAX: f64 = 0.5;
/// Shortest copying, in seconds, that says something about throughput.
const TELLING: f64 = 0.5;

/// Two running means with their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Estimate {
    // Mean of the logarithm of real to allowed throughput.
    throughput: (f64, f64),
    // Seconds that do not depend on what is copied.
    setup: (f64, f64),
}

fn add(mean: &mut (f64, f64), value: f64) {
    mean.1 = (mean.1 + 1.0).min(MEMORY);
    mean.0 += (value - mean.0) / mean.1;
}

fn believed(mean: (f64, f64), prior: f64) -> f64 {
    (prior * BELIEF + mean.0 * mean.1) / (BELIEF + mean.1)
}

impl Learned {
    /// Share of the allowed throughput that is reached, and seconds of preparation.
    fn between(&self, from: &HostId, to: &HostId) -> (f64, f64) {
        let (throughput, setup) = (believed(self.all.throughput, 0.0), believed(self.all.setup, SETUP));
        let pair = self.pairs.get(&(from.clone(), to.clone())).copied().unwrap_or_default();
        (believed(pair.throughput, throughput).exp(), believed(pair.setup, setup))
    }

    /// Seconds from the order to the switch-over; `None` = it does not converge.
    pub fn predict(&self, plan: &Plan, from: &HostId, to: &HostId) -> Option<f64> {
        let (share, setup) = self.between(from, to);
        Some(setup + copy_seconds(&Plan { bandwidth: plan.bandwidth * share, ..*plan })?)
    }

    /// Takes in how a migration went: seconds from the order to the switch-over, and bytes that were sent.
    pub fn learn(&mut self, plan: &Plan, from: &HostId, to: &HostId, total_s: f64, sent: f64) {
        let (share, setup) = self.between(from, to);
        let copying = total_s - setup;
        let pair = self.pairs.entry((from.clone(), to.clone())).or_default();
        if copying > TELLING && sent > 0.0 {
            // Bounded: a migration that stood still for a reason of its own shall not rule the next ones.
            let seen = (sent / copying / plan.bandwidth).clamp(0.1, 1.5).ln();
            add(&mut pair.throughput, seen);
            add(&mut self.all.throughput, seen);
        }
        if let Some(copy) = copy_seconds(&Plan { bandwidth: plan.bandwidth * share, ..*plan }) {
            let seen = (total_s - copy).clamp(0.0, SETUP_MAX);
            add(&mut pair.setup, seen);
            add(&mut self.all.setup, seen);
        }
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
    fn one_that_writes_half_as_fast_as_can_be_sent_takes_almost_twice_as_long() {
        let plan = Plan { window: 64e6, dirty_per_s: 16e6, downtime: 0.01, ..PLAN };
        let seconds = copy_seconds(&plan).unwrap();
        assert!((3.9..4.0).contains(&seconds), "{seconds}");
        let faster = Plan { dirty_per_s: 64e6, ..plan };
        assert_eq!(copy_seconds(&faster), None);
    }

    #[test]
    fn a_pair_that_reaches_half_the_bandwidth_is_learned_and_others_learn_less() {
        let host = |name| HostId::new(name).unwrap();
        let (a, b, c) = (host("a"), host("b"), host("c"));
        let mut learned = Learned::default();
        let before = learned.predict(&PLAN, &a, &b).unwrap();
        assert!((before - 2.05).abs() < 1e-9, "{before}");
        for _ in 0..12 {
            learned.learn(&PLAN, &a, &b, 4.05, 64e6);
            learned.learn(&PLAN, &b, &c, 2.05, 64e6);
        }
        let slow = learned.predict(&PLAN, &a, &b).unwrap();
        assert!((3.7..4.2).contains(&slow), "{slow}");
        let new = learned.predict(&PLAN, &c, &a).unwrap();
        assert!((2.2..3.4).contains(&new), "{new}");
    }
}
