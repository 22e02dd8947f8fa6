//! Period by the method of Wang, Smith and Hyndman (2007), Data Min. Knowl. Disc. 15: detrend with a smooth spline, then
//! take the first clear peak of the autocovariance.

use crate::features::fft::{FftPlans, fast_length};
use crate::features::sum::dot;

/// Height of a peak over the trough before it.
const LEAST_HEIGHT: f64 = 0.01;
/// Cubic pieces left and right of one inner knot.
const BASIS: usize = 5;

/// The spline basis for one length, and buffers.
#[derive(Clone, Debug, Default)]
pub(super) struct Detrend {
    length: usize,
    /// Orthonormal columns, one after the other.
    basis: Vec<f64>,
    rest: Vec<f64>,
    re: Vec<f64>,
    im: Vec<f64>,
    covariance: Vec<f64>,
}

impl Detrend {
    /// First lag that is a peak of the autocovariance of the detrended series, positive, and high enough over the last
    /// trough before it; zero if there is none up to a third of the length.
    pub(super) fn period(&mut self, z: &[f64], plans: &mut FftPlans) -> f64 {
        let n = z.len();
        if n < 9 {
            return 0.0;
        }
        self.detrend(z);
        self.autocovariance(plans);
        let c = &self.covariance;
        let mut trough = None;
        // Entry i of the search is lag i + 1.
        for lag in 2..n.div_ceil(3) {
            let (rise, next) = (c[lag] - c[lag - 1], c[lag + 1] - c[lag]);
            if rise < 0.0 && next > 0.0 {
                trough = Some(c[lag]);
            } else if rise > 0.0
                && next < 0.0
                && let Some(trough) = trough
                && c[lag] - trough >= LEAST_HEIGHT
                && c[lag] >= 0.0
            {
                return lag as f64;
            }
        }
        0.0
    }

    /// Subtracts the least-squares cubic spline with one inner knot in the middle.
    fn detrend(&mut self, z: &[f64]) {
        let n = z.len();
        if self.length != n {
            self.length = n;
            self.basis = spline_basis(n);
        }
        self.rest.clear();
        self.rest.extend_from_slice(z);
        for column in self.basis.chunks_exact(n) {
            let weight = dot(column, z);
            for (r, c) in self.rest.iter_mut().zip(column) {
                *r -= weight * c;
            }
        }
    }

    /// Mean products of the rest with itself, at all lags.
    fn autocovariance(&mut self, plans: &mut FftPlans) {
        let n = self.rest.len();
        let length = fast_length(n + n.div_ceil(3) + 2);
        let plan = plans.plan(length);
        let rest = &self.rest;
        plan.forward(|i| rest.get(i).copied().unwrap_or(0.0), &mut self.re, &mut self.im);
        for (a, b) in self.re.iter_mut().zip(&self.im) {
            *a = *a * *a + b * b;
        }
        let (power, half) = (&self.re, length / 2);
        plan.forward(|i| power[if i <= half { i } else { length - i }], &mut self.covariance, &mut self.im);
        self.covariance.truncate(n.div_ceil(3) + 1);
        for (lag, v) in self.covariance.iter_mut().enumerate() {
            *v /= length as f64 * (n - lag) as f64;
        }
    }
}

/// Truncated powers 1, t, t², t³, (t − knot)³₊, orthonormalised twice (Gram–Schmidt).
fn spline_basis(n: usize) -> Vec<f64> {
    let middle = (n - 1) as f64 / 2.0;
    let at = |i: usize| (i as f64 - middle) / middle;
    let knot = at((n / 2).saturating_sub(1));
    let mut basis: Vec<f64> = Vec::with_capacity(BASIS * n);
    for power in 0..BASIS {
        let mut column: Vec<f64> = (0..n)
            .map(|i| match power {
                4 => (at(i) - knot).max(0.0).powi(3),
                p => at(i).powi(p as i32),
            })
            .collect();
        for _ in 0..2 {
            for before in basis.chunks_exact(n) {
                let weight = dot(before, &column);
                for (c, b) in column.iter_mut().zip(before) {
                    *c -= weight * b;
                }
            }
        }
        let norm = dot(&column, &column).sqrt();
        basis.extend(column.iter().map(|c| c / norm));
    }
    basis
}
