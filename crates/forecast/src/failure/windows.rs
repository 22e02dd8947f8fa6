//! A sliding window as a row of numbers that does not say which node it came from.

use crate::stats::{mean, median_in_place, variance};

/// Describes the newest window of every metric relative to the past of the same metric, so that a model learnt on one node
/// works on another: level against the past (in its robust deviations), spread, slope, range, last step, share of values
/// outside of the usual range, how long since it last was ordinary.
///
/// The calculators of [`crate::features`] can be added for longer windows; these seven suit windows of ten to sixty steps.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WindowFeatures {
    /// Steps in the window, at least 2 (default 15).
    pub window: usize,
    /// Steps before the window that are its past, at least 10 (default 120; fewer are used while there are fewer).
    pub past: usize,
}

impl Default for WindowFeatures {
    fn default() -> Self {
        Self { window: 15, past: 120 }
    }
}

impl WindowFeatures {
    /// Numbers per metric.
    pub const PER_METRIC: usize = 7;
    /// Their names, in order.
    pub const NAMES: [&'static str; Self::PER_METRIC] =
        ["level", "spread", "slope", "range", "step", "outside", "since ordinary"];

    /// Numbers for the window that ends at step `end` (inclusive); NaN where the metric says nothing yet.
    pub fn row(&self, metrics: &[&[f64]], end: usize) -> Vec<f64> {
        metrics.iter().flat_map(|m| self.one(m, end)).collect()
    }

    fn one(&self, values: &[f64], end: usize) -> [f64; Self::PER_METRIC] {
        let stop = (end + 1).min(values.len());
        let start = stop.saturating_sub(self.window.max(2));
        let begin = start.saturating_sub(self.past.max(10));
        let observed = |r: &[f64]| -> Vec<f64> { r.iter().copied().filter(|v| v.is_finite()).collect() };
        let (mut past, now) = (observed(&values[begin..start]), observed(&values[start..stop]));
        if past.len() < 5 || now.len() < 2 {
            return [f64::NAN; Self::PER_METRIC];
        }
        let center = median_in_place(&mut past);
        let robust = crate::stats::mad_sigma(&mut past.clone());
        let plain = variance(&past).sqrt();
        let unit = robust.max(0.1 * plain).max(1e-9 * center.abs()).max(1e-12);
        let z = |v: f64| ((v - center) / unit).clamp(-50.0, 50.0);
        let scaled: Vec<f64> = now.iter().map(|v| z(*v)).collect();
        let n = scaled.len() as f64;
        let middle = (n - 1.0) / 2.0;
        let (level, square) = (mean(&scaled), n * (n * n - 1.0) / 12.0);
        let slope = scaled.iter().enumerate().map(|(i, v)| (i as f64 - middle) * v).sum::<f64>() / square;
        let (low, high) =
            scaled.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        let outside = scaled.iter().filter(|v| v.abs() > 3.0).count() as f64 / n;
        let since = scaled.iter().rev().take_while(|v| v.abs() > 3.0).count() as f64;
        let last = scaled[scaled.len() - 1] - scaled[scaled.len() - 2];
        [level, variance(&scaled).sqrt(), slope * n, high - low, last, outside, since]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_leak_looks_the_same_on_nodes_of_any_size() {
        let leak = |scale: f64| -> Vec<f64> {
            let own = |t: u32| f64::from(t * 7 % 5);
            (0..100).map(|t| scale * (1000.0 + own(t) + f64::from(t.saturating_sub(80)))).collect()
        };
        let describe = |v: &[f64]| WindowFeatures::default().row(&[v], 99);
        let (small, large) = (describe(&leak(1.0)), describe(&leak(1e6)));
        assert!(small.iter().zip(&large).all(|(a, b)| (a - b).abs() < 1e-6), "{small:?} {large:?}");
        assert!(small[0] > 3.0 && small[2] > 5.0 && small[6] > 5.0, "{small:?}");
        assert!(describe(&leak(1.0)[..8]).iter().all(|v| v.is_nan()));
    }
}
