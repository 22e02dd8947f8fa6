//! Detectors on the errors of a model.

use super::{Drift, DriftDetector};

/// Values, or errors, before a verdict.
const WARM: f64 = 30.0;

/// Drift detection method (Gama et al. 2004): the error rate is that of a binomial; a change is a rate more than three, a
/// warning more than two standard deviations above the best so far.
///
/// Any value but zero is an error.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ddm {
    count: f64,
    rate: f64,
    /// Rate and deviation where their sum was least.
    best: Option<(f64, f64)>,
}

impl Default for Ddm {
    fn default() -> Self {
        Self { count: 0.0, rate: 0.0, best: None }
    }
}

impl DriftDetector for Ddm {
    fn push(&mut self, value: f64) -> Drift {
        if !value.is_finite() {
            return Drift::Stable;
        }
        self.count += 1.0;
        let error = if value == 0.0 { 0.0 } else { 1.0 };
        self.rate += (error - self.rate) / self.count;
        let deviation = (self.rate * (1.0 - self.rate)).max(0.0).sqrt() / self.count.sqrt();
        if self.count <= WARM {
            return Drift::Stable;
        }
        let level = self.rate + deviation;
        let (rate, spread) = match self.best {
            Some(best) if level > best.0 + best.1 => best,
            _ => *self.best.insert((self.rate, deviation)),
        };
        if level > rate + 3.0 * spread {
            *self = Self::default();
            Drift::Changed
        } else if level > rate + 2.0 * spread {
            Drift::Warning
        } else {
            Drift::Stable
        }
    }
}

/// Early drift detection method (Baena-García et al. 2006): watches the distance between errors. A change is a distance
/// (mean plus two sample deviations) below 90 %, a warning below 95 % of the best so far, after more than 30 errors.
///
/// Any value but zero is an error. The best counts from the 31st value on, as in the authors' program and in river. The
/// mean of some thirty distances scatters by a sixth of itself, so a false report every few hundred errors belongs to the
/// method: take [`Ddm`] or [`Adwin`](super::Adwin) where reports wake people.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Eddm {
    count: f64,
    since: f64,
    errors: f64,
    mean: f64,
    squares: f64,
    best: f64,
    /// The verdict holds until the next error.
    warning: bool,
}

impl Default for Eddm {
    fn default() -> Self {
        Self { count: 0.0, since: 0.0, errors: 0.0, mean: 0.0, squares: 0.0, best: -1.0, warning: false }
    }
}

impl Eddm {
    fn learn_distance(&mut self) {
        self.errors += 1.0;
        let before = self.since - self.mean;
        self.mean += before / self.errors;
        self.squares += before * (self.since - self.mean);
        self.since = 0.0;
    }
}

impl DriftDetector for Eddm {
    fn push(&mut self, value: f64) -> Drift {
        if !value.is_finite() {
            return Drift::Stable;
        }
        (self.count, self.since) = (self.count + 1.0, self.since + 1.0);
        if value != 0.0 {
            self.learn_distance();
            let variance = if self.errors > 1.0 { self.squares / (self.errors - 1.0) } else { 0.0 };
            let distance = self.mean + 2.0 * variance.sqrt();
            if self.count <= WARM {
                return Drift::Stable;
            }
            if distance > self.best {
                self.best = distance;
            } else if self.errors > WARM {
                if distance < 0.9 * self.best {
                    *self = Self::default();
                    return Drift::Changed;
                }
                self.warning = distance < 0.95 * self.best;
            }
        }
        if self.warning { Drift::Warning } else { Drift::Stable }
    }
}
