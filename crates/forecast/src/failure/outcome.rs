//! How good were the warnings?

/// Counts of a yes/no decision.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "the four cells of a table")]
pub struct Outcome {
    /// Alarms that were right.
    pub hits: usize,
    /// False alarms.
    pub false_alarms: usize,
    /// Missed.
    pub misses: usize,
    /// Rightly quiet.
    pub quiet: usize,
}

impl Outcome {
    /// Counts decisions against the truth.
    pub fn count(decisions: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut o = Self::default();
        for (alarm, truth) in decisions {
            match (alarm, truth) {
                (true, true) => o.hits += 1,
                (true, false) => o.false_alarms += 1,
                (false, true) => o.misses += 1,
                (false, false) => o.quiet += 1,
            }
        }
        o
    }

    /// Adds the counts of another table.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            false_alarms: self.false_alarms + other.false_alarms,
            misses: self.misses + other.misses,
            quiet: self.quiet + other.quiet,
        }
    }

    /// Share of alarms that were right; 0 without alarms.
    pub fn precision(&self) -> f64 {
        share(self.hits, self.hits + self.false_alarms)
    }

    /// Share of failures that were announced.
    pub fn recall(&self) -> f64 {
        share(self.hits, self.hits + self.misses)
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        share(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses)
    }

    /// Share of right decisions. Read it beside [`majority`](Self::majority).
    pub fn accuracy(&self) -> f64 {
        share(self.hits + self.quiet, self.total())
    }

    /// Accuracy of always giving the more frequent answer.
    pub fn majority(&self) -> f64 {
        let failures = self.hits + self.misses;
        share(failures.max(self.total() - failures), self.total())
    }

    /// Mean of the recalls of both classes; 0.5 is chance.
    pub fn balanced_accuracy(&self) -> f64 {
        f64::midpoint(self.recall(), share(self.quiet, self.quiet + self.false_alarms))
    }

    /// Matthews correlation coefficient, −1 to 1; 0 is chance.
    pub fn matthews(&self) -> f64 {
        let [a, b, c, d] = [self.hits, self.false_alarms, self.misses, self.quiet].map(|n| n as f64);
        let below = ((a + b) * (a + c) * (d + b) * (d + c)).sqrt();
        if below > 0.0 { (a * d - b * c) / below } else { 0.0 }
    }

    fn total(&self) -> usize {
        self.hits + self.false_alarms + self.misses + self.quiet
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// One run to failure: what was said at each step.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain input of one function")]
pub struct Run<'a> {
    /// Whether the score was above the threshold, by step.
    pub above: &'a [bool],
    /// First step at which the failure was on its way (warnings before it are false).
    pub onset: usize,
    /// Step of the failure.
    pub failure: usize,
}

/// When runs were warned.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LeadTimes {
    /// Steps from the first warning at or after the onset to the failure, by run; `None` when there was none.
    pub lead: Vec<Option<usize>>,
    /// Runs with a warning before the onset.
    pub early_false: usize,
}

impl LeadTimes {
    /// Runs warned at least so many steps ahead.
    pub fn warned(&self, steps: usize) -> usize {
        self.lead.iter().flatten().filter(|l| **l >= steps).count()
    }

    /// Middle lead over all runs, those without warning counting as 0; `None` without runs.
    pub fn median(&self) -> Option<f64> {
        let mut leads: Vec<f64> = self.lead.iter().map(|l| l.unwrap_or(0) as f64).collect();
        (!leads.is_empty()).then(|| crate::stats::median_in_place(&mut leads))
    }
}

/// Lead times when `persistence` steps in a row above the threshold are a warning, given at the last of them.
///
/// # Example
/// ```
/// use ecosystem_forecast::failure::{Run, lead_times};
/// let above: Vec<bool> = (0..50).map(|t| t == 5 || t >= 20).collect();
/// let leads = lead_times(&[Run { above: &above, onset: 10, failure: 40 }], 3);
/// assert_eq!((leads.lead, leads.early_false), (vec![Some(18)], 0));
/// ```
pub fn lead_times(runs: &[Run<'_>], persistence: usize) -> LeadTimes {
    let need = persistence.max(1);
    let mut times = LeadTimes { lead: Vec::new(), early_false: 0 };
    for run in runs {
        let mut row = 0;
        let (mut lead, mut early) = (None, false);
        for (t, above) in run.above.iter().enumerate().take(run.failure) {
            row = if *above { row + 1 } else { 0 };
            if row >= need {
                early |= t < run.onset;
                if t >= run.onset && lead.is_none() {
                    lead = Some(run.failure - t);
                }
            }
        }
        times.lead.push(lead);
        times.early_false += usize::from(early);
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measures_are_those_of_the_textbook() {
        // scikit-learn 1.9.1 on 6 hits, 1 false alarm, 2 misses, 11 quiet: MCC 0.6847, balanced accuracy 0.8333
        let o = Outcome { hits: 6, false_alarms: 1, misses: 2, quiet: 11 };
        assert!((o.f1() - 0.8).abs() < 1e-12 && (o.accuracy() - 0.85).abs() < 1e-12);
        assert!((o.balanced_accuracy() - 0.833_333_333_333).abs() < 1e-9);
        assert!((o.matthews() - 64.0 / (7.0 * 8.0 * 12.0 * 13.0_f64).sqrt()).abs() < 1e-12);
        assert!((o.majority() - 0.6).abs() < 1e-12);
        assert_eq!(Outcome::default().f1() + Outcome::default().matthews(), 0.0);
    }
}
