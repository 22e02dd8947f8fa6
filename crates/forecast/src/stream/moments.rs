//! Mergeable moments.

/// Count, mean, variance, skewness, minimum and maximum of a stream, mergeable without the values.
///
/// Pébay (2008), Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments.
///
/// # Example
/// ```
/// use ecosystem_forecast::stream::Moments;
/// let mut left = Moments::default();
/// [1.0, 2.0].iter().for_each(|&v| left.push(v));
/// let mut right = Moments::default();
/// right.push(6.0);
/// left.merge(&right);
/// assert_eq!((left.count(), left.mean(), left.max()), (3, Some(3.0), Some(6.0)));
/// assert_eq!(left.variance(), Some(7.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Moments {
    count: u64,
    mean: f64,
    second: f64,
    third: f64,
    low: f64,
    high: f64,
}

impl Moments {
    /// Adds a value; NaN and infinities are ignored.
    pub fn push(&mut self, value: f64) {
        if value.is_finite() {
            self.merge(&Self { count: 1, mean: value, second: 0.0, third: 0.0, low: value, high: value });
        }
    }

    /// Adds all values of another summary.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let n = a + b;
        let delta = other.mean - self.mean;
        self.third += other.third
            + delta.powi(3) * a * b * (a - b) / (n * n)
            + 3.0 * delta * (a * other.second - b * self.second) / n;
        self.second += other.second + delta * delta * a * b / n;
        self.mean += delta * b / n;
        self.count = self.count.saturating_add(other.count);
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    /// Values added.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Arithmetic mean.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Sample variance (divisor n - 1).
    pub fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.second / (self.count - 1) as f64)
    }

    /// Skewness `√n·M₃ / M₂^1.5`.
    pub fn skewness(&self) -> Option<f64> {
        (self.count > 1 && self.second > 0.0)
            .then(|| (self.count as f64).sqrt() * self.third / self.second.powf(1.5))
    }

    /// Smallest value.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.low)
    }

    /// Largest value.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merged_halves_equal_the_whole(values in prop::collection::vec(-1e3..1e3_f64, 4..100), cut in 1_usize..3) {
            let whole = values.iter().fold(Moments::default(), |mut m, &v| { m.push(v); m });
            let (left, right) = values.split_at(cut);
            let mut merged = Moments::default();
            for part in [left, right] {
                merged.merge(&part.iter().fold(Moments::default(), |mut m, &v| { m.push(v); m }));
            }
            prop_assert_eq!(whole.count(), merged.count());
            prop_assert!((whole.mean - merged.mean).abs() < 1e-9);
            prop_assert!((whole.second - merged.second).abs() <= 1e-9 * whole.second.max(1.0));
            prop_assert!((whole.third - merged.third).abs() <= 1e-7 * whole.second.powf(1.5).max(1.0));
        }
    }
}
