//! The Page–Hinkley test.

use super::{Drift, DriftDetector};

/// Cumulative sums of deviations from the running mean, forgotten slowly; a change is a sum that has moved away from its
/// extreme by more than a threshold.
///
/// The threshold is in units of the values: about 10 to 50 standard deviations.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PageHinkley {
    delta: f64,
    threshold: f64,
    keep: f64,
    least: u64,
    count: u64,
    mean: f64,
    up: (f64, f64),
    down: (f64, f64),
}

impl PageHinkley {
    /// `delta`: deviation that is tolerated; `threshold`: distance that counts as change. Sums keep 0.9999 of themselves per
    /// value, and at least 30 values are seen before a verdict.
    pub fn new(delta: f64, threshold: f64) -> Self {
        Self {
            delta,
            threshold,
            keep: 0.9999,
            least: 30,
            count: 0,
            mean: 0.0,
            up: (0.0, f64::INFINITY),
            down: (0.0, f64::NEG_INFINITY),
        }
    }
}

/// A tolerance of 0.005 and a threshold of 50.
impl Default for PageHinkley {
    fn default() -> Self {
        Self::new(0.005, 50.0)
    }
}

impl DriftDetector for PageHinkley {
    fn push(&mut self, value: f64) -> Drift {
        if !value.is_finite() {
            return Drift::Stable;
        }
        self.count += 1;
        self.mean += (value - self.mean) / self.count as f64;
        let deviation = value - self.mean;
        self.up.0 = self.keep * self.up.0 + deviation - self.delta;
        self.down.0 = self.keep * self.down.0 + deviation + self.delta;
        self.up.1 = self.up.1.min(self.up.0);
        self.down.1 = self.down.1.max(self.down.0);
        let moved = self.up.0 - self.up.1 > self.threshold || self.down.1 - self.down.0 > self.threshold;
        if self.count < self.least || !moved {
            return Drift::Stable;
        }
        *self = Self { keep: self.keep, least: self.least, ..Self::new(self.delta, self.threshold) };
        Drift::Changed
    }
}
