//! Adaptive windowing.

use super::{Drift, DriftDetector};
use std::collections::VecDeque;

/// Buckets of one size; more than this many are merged in pairs.
const MOST_BUCKETS: usize = 5;
/// Values between two tests.
const CLOCK: u64 = 32;
/// Least number of values on each side of a cut.
const LEAST_SIDE: f64 = 5.0;
/// Values before the first test.
const GRACE: u64 = 10;

/// A window of the past that is cut where two parts have means too different to be chance (Hoeffding–Bernstein bound).
///
/// The window is an exponential histogram: buckets of 1, 2, 4 … values, at most five of each size, oldest largest. Tests
/// every 32 values; memory and time per test are logarithmic in the length of the window.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Adwin {
    delta: f64,
    /// Sums of the values of each bucket, by the exponent of its size; oldest first within a size.
    rows: Vec<VecDeque<f64>>,
    count: u64,
    sum: f64,
    /// Sum of squared deviations from the mean of the window.
    squares: f64,
    time: u64,
}

impl Adwin {
    /// `delta`: probability of a false alarm, 0.002 by default.
    pub fn new(delta: f64) -> Self {
        Self { delta, rows: vec![VecDeque::new()], count: 0, sum: 0.0, squares: 0.0, time: 0 }
    }

    /// Number of values in the window.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether the window is empty.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Mean of the window; NaN if it is empty.
    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// Population variance of the window; NaN if it is empty.
    pub fn variance(&self) -> f64 {
        self.squares / self.count as f64
    }

    fn insert(&mut self, value: f64) {
        if self.count > 0 {
            let n = self.count as f64;
            let distance = value - self.sum / n;
            self.squares += n * distance * distance / (n + 1.0);
        }
        self.count += 1;
        self.sum += value;
        self.rows[0].push_back(value);
        for k in 0.. {
            if self.rows[k].len() <= MOST_BUCKETS {
                break;
            }
            if k + 1 == self.rows.len() {
                self.rows.push(VecDeque::new());
            }
            let pair = self.rows[k].drain(..2).sum();
            self.rows[k + 1].push_back(pair);
        }
    }

    /// Whether some cut between buckets separates two means.
    fn is_split(&self) -> bool {
        let n = self.count as f64;
        let confidence = (2.0 * n.ln() / self.delta).ln();
        let variance = self.squares / n;
        let (mut old, mut old_sum) = (0.0, 0.0);
        for (k, row) in self.rows.iter().enumerate().rev() {
            let size = 2.0_f64.powi(i32::try_from(k).unwrap_or(i32::MAX));
            for (j, bucket) in row.iter().enumerate() {
                old += size;
                old_sum += bucket;
                if k == 0 && j + 1 == row.len() {
                    return false;
                }
                let new = n - old;
                if old < LEAST_SIDE || new < LEAST_SIDE {
                    continue;
                }
                let share = 1.0 / (old - LEAST_SIDE + 1.0) + 1.0 / (new - LEAST_SIDE + 1.0);
                let bound = (2.0 * share * variance * confidence).sqrt() + 2.0 / 3.0 * confidence * share;
                if (old_sum / old - (self.sum - old_sum) / new).abs() > bound {
                    return true;
                }
            }
        }
        false
    }
}

impl Default for Adwin {
    fn default() -> Self {
        Self::new(0.002)
    }
}

impl DriftDetector for Adwin {
    fn push(&mut self, value: f64) -> Drift {
        if !value.is_finite() {
            return Drift::Stable;
        }
        self.time += 1;
        self.insert(value);
        if self.time.is_multiple_of(CLOCK) && self.count > GRACE && self.is_split() {
            *self = Self::new(self.delta);
            return Drift::Changed;
        }
        Drift::Stable
    }
}
