//! Small statistics used everywhere in the crate.

use statrs::distribution::{ContinuousCDF, Normal};
use std::collections::VecDeque;

/// Quantile of the standard normal distribution, `p` strictly between 0 and 1 (clamped).
pub(crate) fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p.clamp(1e-300, 1.0 - 1e-16))
}

/// Distribution function of the standard normal distribution.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

/// Arithmetic mean; 0 for an empty slice.
pub(crate) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Mean of the observed (not NaN) values; `None` when there is none.
pub(crate) fn mean_observed(values: &[f64]) -> Option<f64> {
    let (sum, count) = values.iter().filter(|v| !v.is_nan()).fold((0.0, 0_usize), |(s, c), v| (s + v, c + 1));
    (count > 0).then(|| sum / count as f64)
}

/// Population variance around the mean.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let m = mean(values);
    mean(&values.iter().map(|v| (v - m) * (v - m)).collect::<Vec<_>>())
}

/// Median; reorders the slice. NaN for an empty slice. Values must not be NaN.
pub(crate) fn median_in_place(values: &mut [f64]) -> f64 {
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    let (low, &mut upper, _) = values.select_nth_unstable_by(n / 2, numerically);
    if n % 2 == 1 {
        return upper;
    }
    let lower = low.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(lower, upper)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that sorting calls")]
/// Order of numbers that are not NaN: half the work of `total_cmp`, which also tells zeros apart.
pub(crate) fn numerically(a: &f64, b: &f64) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)
}

/// Robust standard deviation around zero-free median: 1.4826 · MAD; reorders the slice. 0 for an empty slice.
pub(crate) fn mad_sigma(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let center = median_in_place(values);
    values.iter_mut().for_each(|v| *v = (*v - center).abs());
    median_in_place(values) * 1.482_602_218_505_602
}

/// Quantile with linear interpolation between order statistics (type 7 of Hyndman & Fan 1996) of a sorted slice.
pub(crate) fn quantile_sorted(sorted: &[f64], p: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let position = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (low, share) = (floor_usize(position), position.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * share
}

/// The last values of something, in order of time and of size. O(length) per value.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct SortedWindow {
    recent: VecDeque<f64>,
    sorted: Vec<f64>, // INVARIANT: `recent`, sorted
}

impl SortedWindow {
    /// Takes a value in; the oldest goes when there are `most` already.
    pub(crate) fn push(&mut self, value: f64, most: usize) {
        if self.recent.len() == most
            && let Some(old) = self.recent.pop_front()
        {
            let at = self.sorted.partition_point(|v| v.total_cmp(&old).is_lt());
            self.sorted.remove(at);
        }
        self.recent.push_back(value);
        let at = self.sorted.partition_point(|v| v.total_cmp(&value).is_lt());
        self.sorted.insert(at, value);
    }

    pub(crate) fn len(&self) -> usize {
        self.recent.len()
    }

    pub(crate) fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// Quantile of the values, of which there must be one.
    pub(crate) fn quantile(&self, p: f64) -> f64 {
        quantile_sorted(&self.sorted, p)
    }
}

/// `floor` of a number known to be non-negative and small.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and callers pass indices"
)]
pub(crate) fn floor_usize(x: f64) -> usize {
    x as usize
}

/// Centred moving average of length `m` (2×m for even `m`); NaN where the window leaves the data.
pub(crate) fn centered_average(values: &[f64], m: usize) -> Vec<f64> {
    let n = values.len();
    let mut out = vec![f64::NAN; n];
    let half = m / 2;
    if m == 0 || n < 2 * half + 1 {
        return out;
    }
    let mut prefix = Vec::with_capacity(n + 1);
    prefix.push(0.0);
    let mut total = 0.0;
    for v in values {
        total += v;
        prefix.push(total);
    }
    for i in half..n - half {
        out[i] = if m % 2 == 1 {
            (prefix[i + half + 1] - prefix[i - half]) / m as f64
        } else {
            let inner = prefix[i + half] - prefix[i + 1 - half];
            (inner + 0.5 * (values[i - half] + values[i + half])) / m as f64
        };
    }
    out
}

/// Autocorrelations at lags `0..=max_lag` (biased, the usual estimator).
pub(crate) fn autocorrelations(values: &[f64], max_lag: usize) -> Vec<f64> {
    let m = mean(values);
    let centered: Vec<f64> = values.iter().map(|v| v - m).collect();
    let total: f64 = centered.iter().map(|v| v * v).sum();
    (0..=max_lag.min(values.len().saturating_sub(1)))
        .map(|lag| {
            if total <= 0.0 {
                return if lag == 0 { 1.0 } else { 0.0 };
            }
            centered.iter().zip(&centered[lag..]).map(|(a, b)| a * b).sum::<f64>() / total
        })
        .collect()
}
