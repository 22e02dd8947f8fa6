//! Count, mean, variance and extremes that can be merged.

use super::{ExactSum, Summary};

/// Count, sum, sum of squares, smallest and largest value. Sums are exact, so merging in any order gives the same bits, and
/// the variance does not suffer from a large mean.
///
/// # Example
/// ```
/// use ecosystem_forecast::window::{Moments, Summary};
/// let (mut a, mut b) = (Moments::default(), Moments::default());
/// a.add(1e9);
/// b.add(1e9 + 2.0);
/// a.merge(&b);
/// assert_eq!(a.mean(), 1e9 + 1.0);
/// assert_eq!(a.variance(), 1.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Moments {
    count: u64,
    sum: ExactSum,
    squares: ExactSum,
    extremes: Option<(f64, f64)>,
}

impl Moments {
    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum, rounded once.
    pub fn sum(&self) -> f64 {
        self.sum.value()
    }

    /// Mean; NaN without values.
    pub fn mean(&self) -> f64 {
        self.sum.value() / self.count as f64
    }

    /// Population variance (divisor n); NaN without values.
    pub fn variance(&self) -> f64 {
        variance(self.count, self.sum.parts(), self.squares.parts())
    }

    /// Smallest value.
    pub fn min(&self) -> Option<f64> {
        self.extremes.map(|e| e.0)
    }

    /// Largest value.
    pub fn max(&self) -> Option<f64> {
        self.extremes.map(|e| e.1)
    }
}

/// Adds x² without rounding: the product and its rounding error.
pub(super) fn add_square(sum: &mut ExactSum, x: f64) {
    let product = x * x;
    sum.add(product);
    if product.is_finite() {
        sum.add(x.mul_add(x, -product));
    }
}

/// Takes x² out again.
pub(super) fn subtract_square(sum: &mut ExactSum, x: f64) {
    let product = x * x;
    sum.subtract(product);
    if product.is_finite() {
        sum.subtract(x.mul_add(x, -product));
    }
}

/// (Σx² − (Σx)² / n) / n with both sums as pairs of doubles.
pub(super) fn variance(count: u64, sum: (f64, f64), squares: (f64, f64)) -> f64 {
    let n = count as f64;
    // Mean as a pair.
    let high = sum.0 / n;
    let low = ((-high).mul_add(n, sum.0) + sum.1) / n;
    // Square of the mean and mean of the squares as pairs.
    let square = high * high;
    let square_low = high.mul_add(high, -square) + 2.0 * high * low;
    let mean = squares.0 / n;
    let mean_low = ((-mean).mul_add(n, squares.0) + squares.1) / n;
    ((mean - square) + (mean_low - square_low)).max(0.0)
}

impl Summary for Moments {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum.add(value);
        add_square(&mut self.squares, value);
        let (low, high) = self.extremes.unwrap_or((value, value));
        self.extremes = Some((lesser(low, value), greater(high, value)));
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.extremes = match (self.extremes, other.extremes) {
            (Some(a), Some(b)) => Some((lesser(a.0, b.0), greater(a.1, b.1))),
            (a, b) => a.or(b),
        };
    }
}

/// The smaller value in total order, so that −0 and NaN do not depend on order of arrival.
fn lesser(a: f64, b: f64) -> f64 {
    if b.total_cmp(&a).is_lt() { b } else { a }
}

/// The larger value in total order.
fn greater(a: f64, b: f64) -> f64 {
    if b.total_cmp(&a).is_gt() { b } else { a }
}
