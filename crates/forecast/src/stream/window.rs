//! Rolling window with constant-time updates.

use std::collections::VecDeque;

/// The last `length` values (missing ones included): mean, variance, minimum and maximum in amortised constant time.
///
/// Sums are recomputed from the ring once per full turn, so rounding errors never accumulate.
///
/// # Example
/// ```
/// use ecosystem_forecast::stream::RollingWindow;
/// let mut window = RollingWindow::new(3)?;
/// [9.0, 1.0, 2.0, f64::NAN, 6.0].iter().for_each(|&v| window.push(v));
/// assert_eq!((window.observed(), window.mean(), window.max()), (2, Some(4.0), Some(6.0)));
/// # Ok::<(), ecosystem_forecast::stream::RollingError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RollingWindow {
    length: usize,
    values: VecDeque<f64>,
    lowest: VecDeque<(u64, f64)>,  // candidates for the minimum, rising
    highest: VecDeque<(u64, f64)>, // candidates for the maximum, falling
    seen: u64,
    observed: usize,
    origin: f64, // subtracted before summing, near the values
    sum: f64,
    squares: f64,
}

/// Why a rolling window could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("window length is {length}: expected 1 to 16777216")]
pub struct RollingError {
    length: usize,
}

impl RollingWindow {
    /// Remembers `length` values.
    pub fn new(length: usize) -> Result<Self, RollingError> {
        if !(1..=1 << 24).contains(&length) {
            return Err(RollingError { length });
        }
        Ok(Self {
            length,
            values: VecDeque::new(),
            lowest: VecDeque::new(),
            highest: VecDeque::new(),
            seen: 0,
            observed: 0,
            origin: 0.0,
            sum: 0.0,
            squares: 0.0,
        })
    }

    /// Takes a value; NaN and infinities count as missing and only push the oldest one out.
    pub fn push(&mut self, value: f64) {
        if self.values.len() == self.length
            && let Some(old) = self.values.pop_front()
            && !old.is_nan()
        {
            let d = old - self.origin;
            self.observed -= 1;
            self.sum -= d;
            self.squares -= d * d;
        }
        self.seen = self.seen.wrapping_add(1);
        let gone = self.seen.saturating_sub(self.length as u64);
        for queue in [&mut self.lowest, &mut self.highest] {
            while queue.front().is_some_and(|&(at, _)| at <= gone) {
                queue.pop_front();
            }
        }
        if value.is_finite() {
            self.values.push_back(value);
            let d = value - self.origin;
            self.observed += 1;
            self.sum += d;
            self.squares += d * d;
            while self.lowest.back().is_some_and(|&(_, v)| v >= value) {
                self.lowest.pop_back();
            }
            self.lowest.push_back((self.seen, value));
            while self.highest.back().is_some_and(|&(_, v)| v <= value) {
                self.highest.pop_back();
            }
            self.highest.push_back((self.seen, value));
        } else {
            self.values.push_back(f64::NAN);
        }
        if self.seen.is_multiple_of(self.length as u64) || self.observed == 1 {
            self.recompute();
        }
    }

    fn recompute(&mut self) {
        let observed = || self.values.iter().copied().filter(|v| !v.is_nan());
        let origin = observed().sum::<f64>() / self.observed.max(1) as f64;
        let (sum, squares) =
            observed().fold((0.0, 0.0), |(s, q), v| (s + (v - origin), q + (v - origin) * (v - origin)));
        (self.origin, self.sum, self.squares) = (origin, sum, squares);
    }

    /// Values in the window that are not missing.
    pub const fn observed(&self) -> usize {
        self.observed
    }

    /// Mean of the observed values.
    pub fn mean(&self) -> Option<f64> {
        (self.observed > 0).then(|| self.origin + self.sum / self.observed as f64)
    }

    /// Sample variance of the observed values.
    pub fn variance(&self) -> Option<f64> {
        let n = self.observed as f64;
        (self.observed > 1).then(|| ((self.squares - self.sum * self.sum / n) / (n - 1.0)).max(0.0))
    }

    /// Smallest observed value.
    pub fn min(&self) -> Option<f64> {
        self.lowest.front().map(|&(_, v)| v)
    }

    /// Largest observed value.
    pub fn max(&self) -> Option<f64> {
        self.highest.front().map(|&(_, v)| v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_step_equals_the_direct_computation(
            values in prop::collection::vec(prop_oneof![8 => -1e4..1e4_f64, 1 => Just(f64::NAN)], 1..200), length in 1_usize..20,
        ) {
            let mut window = RollingWindow::new(length).unwrap();
            for i in 0..values.len() {
                window.push(values[i]);
                let direct: Vec<f64> = values[(i + 1).saturating_sub(length)..=i].iter().copied().filter(|v| !v.is_nan()).collect();
                prop_assert_eq!(window.observed(), direct.len());
                prop_assert_eq!(window.max(), direct.iter().copied().reduce(f64::max));
                prop_assert_eq!(window.min(), direct.iter().copied().reduce(f64::min));
                if let Some(mean) = window.mean() {
                    prop_assert!((mean - crate::stats::mean(&direct)).abs() < 1e-7);
                }
                if let Some(variance) = window.variance() {
                    let n = direct.len() as f64;
                    let exact = crate::stats::variance(&direct) * n / (n - 1.0);
                    prop_assert!((variance - exact).abs() <= 1e-6 * exact.max(1.0));
                }
            }
        }
    }
}
