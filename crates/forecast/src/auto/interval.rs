//! Prediction bands from the back-test errors of the combined forecast.

use super::fit::{Origins, Paths};
use crate::{
    forecast::Forecast,
    stats::{numerically, quantile_sorted},
};

/// The errors of the back-test are those of weights chosen on it, from few and overlapping origins: bands are wider than its
/// quantiles by `1 + ALLOWANCE / origins`.
const ALLOWANCE: f64 = 3.0;

/// Mean absolute error per quarter of the horizon, never falling, above zero.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Growth {
    sizes: Vec<f64>,
    block: usize,
}

impl Growth {
    /// From pairs of step ahead and error.
    pub(crate) fn learn(errors: impl Iterator<Item = (usize, f64)>, horizon: usize) -> Self {
        let blocks = horizon.clamp(1, 4);
        let block = horizon.div_ceil(blocks).max(1);
        let mut sums = vec![(0.0_f64, 0.0_f64); blocks];
        for (h, e) in errors {
            let slot = &mut sums[(h / block).min(blocks - 1)];
            slot.0 += e.abs();
            slot.1 += 1.0;
        }
        let mut sizes: Vec<f64> = sums.iter().map(|(s, c)| (s / c.max(1.0)).max(1e-300)).collect();
        for b in 1..blocks {
            sizes[b] = sizes[b].max(sizes[b - 1]);
        }
        Self { sizes, block }
    }

    pub(crate) fn at(&self, h: usize) -> f64 {
        self.sizes[(h / self.block).min(self.sizes.len() - 1)]
    }
}

/// Sorted scaled errors, their growth over the horizon and their size by phase.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Bands {
    errors: Vec<f64>, // sorted, in units of `growth · phases`; every n-th of them when there are many
    sizes: Vec<f64>,  // their absolute values, sorted
    growth: Growth,
    phases: Vec<f64>, // relative scale per phase of the shortest season, mean about 1
    next: usize,      // phase of the coming step
    stretch: f64,
}

impl Bands {
    pub(super) fn learn(combined: &Paths, values: &[f64], origins: &Origins, seasons: &[usize]) -> Self {
        let raw: Vec<(usize, usize, f64)> = origins.errors(combined, values).collect();
        let phases = phase_scale(&raw, seasons.first().copied().unwrap_or(1));
        let m = phases.len();
        let growth = Growth::learn(raw.iter().map(|&(h, i, e)| (h, e / phases[i % m])), origins.horizon);
        let mut errors: Vec<f64> = raw.iter().map(|&(h, i, e)| e / (growth.at(h) * phases[i % m])).collect();
        errors.sort_unstable_by(numerically);
        let sizes = sorted_sizes(&errors);
        let stretch = 1.0 + ALLOWANCE / origins.starts.len().max(1) as f64;
        Self {
            errors: thinned(errors),
            sizes: thinned(sizes),
            growth,
            next: values.len() % m,
            phases,
            stretch,
        }
    }

    /// Moves the ends of bands that lie on the points to where the errors of the back-test say.
    pub(super) fn widen(&self, forecast: &mut Forecast) {
        if self.errors.is_empty() {
            return;
        }
        let scale = |h: usize| self.growth.at(h) * self.phases[(self.next + h) % self.phases.len()];
        for band in &mut forecast.intervals {
            // Halfway between the quantiles of each side and the symmetric one, which rests on twice as many errors.
            let both = quantile_sorted(&self.sizes, band.level);
            let low = quantile_sorted(&self.errors, 0.5 - band.level / 2.0).min(0.0);
            let high = quantile_sorted(&self.errors, 0.5 + band.level / 2.0).max(0.0);
            let (low, high) = (f64::midpoint(low, -both), f64::midpoint(high, both));
            for (h, (lower, upper)) in band.lower.iter_mut().zip(&mut band.upper).enumerate() {
                let unit = self.stretch * scale(h);
                (*lower, *upper) = (*lower + unit * low, *upper + unit * high);
            }
        }
    }

    /// One step passed.
    pub(super) fn advance(&mut self) {
        self.next = (self.next + 1) % self.phases.len();
    }
}

/// Absolute values of sorted numbers, sorted: the negative ones backwards and the positive ones, merged.
fn sorted_sizes(errors: &[f64]) -> Vec<f64> {
    let zero = errors.partition_point(|e| *e < 0.0);
    let (below, above) = errors.split_at(zero);
    let (mut low, mut high) = (below.iter().rev().map(|e| -e).peekable(), above.iter().copied().peekable());
    let mut sizes = Vec::with_capacity(errors.len());
    while let (Some(a), Some(b)) = (low.peek(), high.peek()) {
        sizes.extend(if a <= b { low.next() } else { high.next() });
    }
    sizes.extend(low);
    sizes.extend(high);
    sizes
}

/// At most about a thousand of many sorted values, ends included: bounded state, nearly equal quantiles.
fn thinned(sorted: Vec<f64>) -> Vec<f64> {
    let n = sorted.len();
    if n <= 1024 {
        return sorted;
    }
    (0..1024).map(|k| sorted[k * (n - 1) / 1023]).collect()
}

/// Relative size of the errors around each phase, damped by a square root.
fn phase_scale(raw: &[(usize, usize, f64)], season: usize) -> Vec<f64> {
    let m = season.max(1);
    let total: f64 = raw.iter().map(|r| r.2.abs()).sum();
    if m == 1 || total <= 0.0 || raw.len() < 2 * m {
        return vec![1.0; m];
    }
    let (mut sum, mut count) = (vec![0.0_f64; m], vec![0.0_f64; m]);
    for &(_, i, e) in raw {
        sum[i % m] += e.abs();
        count[i % m] += 1.0;
    }
    let half = (m / 24).max(1);
    let mean = total / raw.len() as f64;
    (0..m)
        .map(|phase| {
            let around = || (0..=2 * half).map(|k| (phase + m + k - half) % m);
            let (s, c) = around().fold((0.0, 0.0), |(s, c), p| (s + sum[p], c + count[p]));
            (s / f64::max(c, 1.0) / mean).clamp(0.1, 10.0).sqrt()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_sorted_errors_come_sorted() {
        assert_eq!(sorted_sizes(&[-3.0, -1.0, -0.5, 0.0, 0.7, 2.0]), [0.0, 0.5, 0.7, 1.0, 2.0, 3.0]);
        assert_eq!(sorted_sizes(&[-2.0]), [2.0]);
        assert!(sorted_sizes(&[]).is_empty());
    }
}
