//! Statistics of the last n values.

use super::ExactSum;
use super::moments::{add_square, subtract_square, variance};
use std::collections::VecDeque;

/// Sum, mean, variance and extremes of the last `capacity` values, with constant work per value (amortised for the
/// extremes, by monotone queues). Sums are exact, so nothing drifts however long the stream: after a million values the
/// window says the same bits as a fresh one filled with the same last values.
///
/// NaN marks a missing value: it takes a place in the window and is skipped by all figures.
///
/// # Example
/// ```
/// use ecosystem_forecast::window::RollingStats;
/// let mut window = RollingStats::new(3);
/// for v in [1e17, 1.0, 2.0, 6.0] {
///     window.push(v);
/// }
/// assert_eq!(window.mean(), 3.0);
/// assert_eq!(window.max(), Some(6.0));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RollingStats {
    capacity: usize,
    values: VecDeque<f64>,
    missing: usize,
    sum: ExactSum,
    squares: ExactSum,
    /// Values with their running numbers, ascending from front to back.
    lows: VecDeque<(u64, f64)>,
    /// Descending from front to back.
    highs: VecDeque<(u64, f64)>,
    next: u64,
}

impl RollingStats {
    /// A window of `capacity` values, at least one.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            values: VecDeque::new(),
            missing: 0,
            sum: ExactSum::default(),
            squares: ExactSum::default(),
            lows: VecDeque::new(),
            highs: VecDeque::new(),
            next: 0,
        }
    }

    /// Adds the newest value; returns the one that left, if the window was full.
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let left = if self.values.len() == self.capacity { self.values.pop_front() } else { None };
        if let Some(old) = left {
            self.forget(old);
        }
        self.values.push_back(value);
        if value.is_nan() {
            self.missing += 1;
        } else {
            self.sum.add(value);
            add_square(&mut self.squares, value);
            while self.lows.back().is_some_and(|l| l.1 >= value) {
                self.lows.pop_back();
            }
            self.lows.push_back((self.next, value));
            while self.highs.back().is_some_and(|h| h.1 <= value) {
                self.highs.pop_back();
            }
            self.highs.push_back((self.next, value));
        }
        self.next += 1;
        left
    }

    fn forget(&mut self, old: f64) {
        if old.is_nan() {
            self.missing -= 1;
            return;
        }
        self.sum.subtract(old);
        subtract_square(&mut self.squares, old);
        let oldest = self.next - self.capacity as u64;
        for queue in [&mut self.lows, &mut self.highs] {
            if queue.front().is_some_and(|f| f.0 <= oldest) {
                queue.pop_front();
            }
        }
    }

    /// Number of values in the window, missing ones included.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether the window is full.
    pub fn is_full(&self) -> bool {
        self.values.len() == self.capacity
    }

    /// Number of values that are not missing.
    pub fn count(&self) -> usize {
        self.values.len() - self.missing
    }

    /// Sum, rounded once.
    pub fn sum(&self) -> f64 {
        self.sum.value()
    }

    /// Mean; NaN without values.
    pub fn mean(&self) -> f64 {
        self.sum.value() / self.count() as f64
    }

    /// Population variance (divisor n); NaN without values.
    pub fn variance(&self) -> f64 {
        variance(self.count() as u64, self.sum.parts(), self.squares.parts())
    }

    /// Smallest value.
    pub fn min(&self) -> Option<f64> {
        self.lows.front().map(|l| l.1)
    }

    /// Largest value.
    pub fn max(&self) -> Option<f64> {
        self.highs.front().map(|h| h.1)
    }

    /// The values, oldest first.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().copied()
    }
}

/// Any quantile of the last `capacity` values: O(log n) to find the place, a shift of memory to make room.
///
/// NaN marks a missing value, as in [`RollingStats`].
///
/// # Example
/// ```
/// use ecosystem_forecast::window::RollingQuantile;
/// let mut window = RollingQuantile::new(3);
/// for v in [9.0, 1.0, 5.0, 2.0] {
///     window.push(v);
/// }
/// assert_eq!(window.quantile(0.5), Some(2.0));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RollingQuantile {
    capacity: usize,
    values: VecDeque<f64>,
    // INVARIANT: the values that are not NaN, ascending in total order.
    sorted: Vec<f64>,
}

impl RollingQuantile {
    /// A window of `capacity` values, at least one.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), values: VecDeque::new(), sorted: Vec::new() }
    }

    /// Adds the newest value; returns the one that left, if the window was full.
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let left = if self.values.len() == self.capacity { self.values.pop_front() } else { None };
        if let Some(old) = left.filter(|v| !v.is_nan())
            && let Ok(at) = self.sorted.binary_search_by(|v| v.total_cmp(&old))
        {
            self.sorted.remove(at);
        }
        self.values.push_back(value);
        if !value.is_nan() {
            let at = self.sorted.partition_point(|v| v.total_cmp(&value).is_lt());
            self.sorted.insert(at, value);
        }
        left
    }

    /// Number of values that are not missing.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// Quantile by linear interpolation between order statistics; None without values or for q outside 0 … 1.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let valid = !self.sorted.is_empty() && (0.0..=1.0).contains(&q);
        valid.then(|| crate::features::sum::quantile_sorted(&self.sorted, q))
    }

    /// Share of values at or below a level; NaN without values.
    pub fn share_below(&self, level: f64) -> f64 {
        self.sorted.partition_point(|&v| v <= level) as f64 / self.sorted.len() as f64
    }
}
