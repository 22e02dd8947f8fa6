//! Kolmogorov–Smirnov windowing.

use super::{Drift, DriftDetector};
use crate::features::significance::kolmogorov_smirnov;
use std::collections::VecDeque;

/// Compares the newest values of a window with all older ones of the window by the two-sample Kolmogorov–Smirnov test
/// (Raab et al. 2020, who draw a random sample of the older ones; taking all makes the verdict repeatable).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Kswin {
    alpha: f64,
    size: usize,
    recent: usize,
    window: VecDeque<f64>,
}

impl Kswin {
    /// `alpha`: p-value below which the window has changed; `size` values, the newest `recent` of which are compared with
    /// the rest. Sizes are raised to at least 2 and limited to 10,000.
    pub fn new(alpha: f64, size: usize, recent: usize) -> Self {
        let recent = recent.clamp(1, 9_999);
        Self { alpha, size: size.clamp(recent + 1, 10_000), recent, window: VecDeque::new() }
    }
}

/// 100 values, the newest 30 compared with the other 70. One test per value calls for a small p-value: 0.0001.
impl Default for Kswin {
    fn default() -> Self {
        Self::new(0.0001, 100, 30)
    }
}

impl DriftDetector for Kswin {
    fn push(&mut self, value: f64) -> Drift {
        if !value.is_finite() {
            return Drift::Stable;
        }
        if self.window.len() == self.size {
            self.window.pop_front();
        }
        self.window.push_back(value);
        if self.window.len() < self.size {
            return Drift::Stable;
        }
        let (old, new) = self.window.make_contiguous().split_at(self.size - self.recent);
        if kolmogorov_smirnov(old, new) >= self.alpha {
            return Drift::Stable;
        }
        // The newest values are half old, half new: kept, they would differ from the next ones and be reported once more.
        self.window.clear();
        Drift::Changed
    }
}
