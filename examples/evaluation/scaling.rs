//! A fleet of equal replicas that take time to start, and what following a wish costs.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of replicas")]

use std::collections::VecDeque;

/// Most replicas: keeps sums exact whatever is wished for.
const MOST: f64 = 1e9;

/// What binds every scaler alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Demand that one replica serves.
    pub(crate) replica: f64,
    /// Steps between an order and the first step that it serves.
    pub(crate) delay: usize,
    /// Newest wishes whose largest is kept.
    pub(crate) hold: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Share of steps in which demand was more than what was up.
    pub(crate) violations: f64,
    /// Replica steps, starting ones included, over those of a clairvoyant without start-up time.
    pub(crate) cost: f64,
    /// Share of demand that was not served.
    pub(crate) unserved: f64,
}

/// Replicas over time.
#[derive(Debug)]
pub(crate) struct Fleet {
    rules: Rules,
    up: u64,
    starting: VecDeque<u64>, // by steps until they are up
    wishes: VecDeque<u64>,
    steps: u64,
    missed: u64,
    paid: u64,
    needed: u64,
    demand: f64,
    unserved: f64,
}

fn replicas(demand: f64, replica: f64) -> u64 {
    (demand / replica).ceil().clamp(1.0, MOST) as u64
}

impl Fleet {
    /// Begins with what the first wish asks for, up already.
    pub(crate) fn begin(rules: Rules, wish: f64) -> Self {
        Self {
            rules,
            up: replicas(wish, rules.replica),
            starting: std::iter::repeat_n(0, rules.delay).collect(),
            wishes: VecDeque::new(),
            steps: 0,
            missed: 0,
            paid: 0,
            needed: 0,
            demand: 0.0,
            unserved: 0.0,
        }
    }

    fn ordered(&self) -> u64 {
        self.up + self.starting.iter().sum::<u64>()
    }

    /// A step with this demand passes (NaN: not known, paid for but not judged).
    pub(crate) fn pass(&mut self, demand: f64) {
        if !demand.is_nan() {
            let served = self.up as f64 * self.rules.replica;
            self.steps += 1;
            self.missed += u64::from(demand > served);
            self.demand += demand;
            self.unserved += (demand - served).max(0.0);
            self.paid += self.ordered();
            self.needed += replicas(demand, self.rules.replica);
        }
        // One step nearer to being up.
        if let Some(ready) = self.starting.pop_front() {
            self.up += ready;
            self.starting.push_back(0);
        }
    }

    /// At the end of a step, the scaler wants capacity for so much demand; deviations within the tolerance are let be.
    pub(crate) fn wish_for(&mut self, capacity: f64, tolerance: f64) {
        let now = self.ordered();
        let off = capacity / (now as f64 * self.rules.replica);
        let wish = if capacity.is_nan() || (off - 1.0).abs() <= tolerance {
            now
        } else {
            replicas(capacity, self.rules.replica)
        };
        self.wishes.push_back(wish);
        while self.wishes.len() > self.rules.hold.max(1) {
            self.wishes.pop_front();
        }
        let held = self.wishes.iter().copied().max().unwrap_or(wish);
        if wish > now {
            match self.starting.back_mut() {
                Some(last) => *last += wish - now,
                None => self.up = wish,
            }
        } else if held < now {
            self.give_back(now - held);
        }
    }

    /// The youngest first: what is up serves.
    fn give_back(&mut self, mut count: u64) {
        for starting in self.starting.iter_mut().rev() {
            let gone = count.min(*starting);
            *starting -= gone;
            count -= gone;
        }
        self.up -= count;
    }

    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            violations: self.missed as f64 / self.steps.max(1) as f64,
            cost: self.paid as f64 / self.needed.max(1) as f64,
            unserved: if self.demand > 0.0 { self.unserved / self.demand } else { 0.0 },
        }
    }
}

/// Value of a piecewise linear curve through points at `x`; `None` outside of it.
fn interpolate(mut points: Vec<(f64, f64)>, x: f64) -> Option<f64> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.windows(2).find(|w| w[0].0 <= x && x <= w[1].0).map(|w| {
        let width = w[1].0 - w[0].0;
        let share = if width > 0.0 { (x - w[0].0) / width } else { 0.0 };
        w[0].1 + share * (w[1].1 - w[0].1)
    })
}

/// Cost at a share of violations, linear between neighbouring settings in the logarithm of the violations.
pub(crate) fn cost_at(curve: &[Outcome], violations: f64) -> Option<f64> {
    let points = curve.iter().filter(|o| o.violations > 0.0).map(|o| (o.violations.ln(), o.cost)).collect();
    interpolate(points, violations.ln())
}

/// Share of violations at a cost.
pub(crate) fn violations_at(curve: &[Outcome], cost: f64) -> Option<f64> {
    let points = curve.iter().filter(|o| o.violations > 0.0).map(|o| (o.cost, o.violations.ln())).collect();
    interpolate(points, cost).map(f64::exp)
}
