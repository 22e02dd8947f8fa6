//! A class that does not flip on a border.

use super::{Use, Verdict, WorkloadClass, WorkloadRule};
use std::collections::VecDeque;

/// Follows one machine: judges the newest window at every step and changes the class only when another one has been at least
/// `enter` probable for `hold` steps in a row. Memory: one window.
///
/// # Example
/// ```
/// use ecosystem_forecast::workload::{Use, WorkloadClass, WorkloadRule, WorkloadTracker};
/// let mut tracker = WorkloadTracker::new(WorkloadRule::default(), 30);
/// let mut classes = Vec::new();
/// for t in 0..200 {
///     let processor = if t < 100 { 0.7 } else { 0.02 };
///     classes.push(tracker.push(Use { processor, memory: 0.3, io: 0.05 }).0);
/// }
/// assert_eq!((classes[0], classes[50], classes[199]), (WorkloadClass::Unknown, WorkloadClass::Compute, WorkloadClass::Idle));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WorkloadTracker {
    rule: WorkloadRule,
    window: usize,
    enter: f64,
    hold: usize,
    recent: VecDeque<Use>,
    class: WorkloadClass,
    candidate: (WorkloadClass, usize),
}

impl WorkloadTracker {
    /// Windows of so many values (2 to 100,000); `enter` 0.8, `hold` 5.
    pub fn new(rule: WorkloadRule, window: usize) -> Self {
        Self {
            rule,
            window: window.clamp(2, 100_000),
            enter: 0.8,
            hold: 5,
            recent: VecDeque::new(),
            class: WorkloadClass::Unknown,
            candidate: (WorkloadClass::Unknown, 0),
        }
    }

    /// How probable another class must be, and for how many steps.
    #[must_use]
    pub fn with_hysteresis(mut self, enter: f64, hold: usize) -> Self {
        (self.enter, self.hold) = (enter.clamp(0.0, 1.0), hold.max(1));
        self
    }

    /// Takes in the use at one moment; the class with hysteresis, and the verdict on the newest window alone.
    pub fn push(&mut self, now: Use) -> (WorkloadClass, Verdict) {
        if self.recent.len() == self.window {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        let verdict = self.rule.classify(self.recent.make_contiguous());
        let sure =
            verdict.class != WorkloadClass::Unknown && verdict.probability(verdict.class) >= self.enter;
        if !sure || verdict.class == self.class {
            self.candidate = (WorkloadClass::Unknown, 0);
        } else {
            let count = if self.candidate.0 == verdict.class { self.candidate.1 + 1 } else { 1 };
            self.candidate = (verdict.class, count);
            if count >= self.hold {
                self.class = verdict.class;
            }
        }
        (self.class, verdict)
    }

    /// The class with hysteresis.
    pub fn class(&self) -> WorkloadClass {
        self.class
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn a_load_on_a_border_does_not_flip() {
        let mut rng = Pcg::new(3);
        let mut tracker = WorkloadTracker::new(WorkloadRule::default(), 20);
        let (mut flips, mut plain) = (0, 0);
        let (mut last, mut last_plain) = (WorkloadClass::Unknown, WorkloadClass::Unknown);
        for _ in 0..2000 {
            // 0.45 against 0.30: exactly on the border of dominance
            let now = Use { processor: 0.45 + 0.1 * rng.normal(), memory: 0.30, io: 0.05 };
            let (class, verdict) = tracker.push(now);
            flips += usize::from(class != last);
            plain += usize::from(verdict.class != last_plain);
            (last, last_plain) = (class, verdict.class);
        }
        assert!(plain > 100 && flips * 3 < plain, "{flips} against {plain}");
    }
}
