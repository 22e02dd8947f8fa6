//! Autocorrelation and what derives from it.

use crate::features::sum::dot;

/// A variance at or below this is no variance (the absolute tolerance of the feature's definition).
const NO_VARIANCE: f64 = 1e-8;

/// Below this variance the aggregated autocorrelations are zero by definition.
const NO_VARIANCE_FOR_AGGREGATES: f64 = 1e-10;

/// Sums Σ z[t]·z[t+lag] of the centred series, extended on demand.
#[derive(Clone, Debug, Default)]
pub(crate) struct LagSums {
    pub(crate) centred: Vec<f64>,
    sums: Vec<f64>,
}

impl LagSums {
    pub(crate) fn load(&mut self, x: &[f64], mean: f64) {
        self.centred.clear();
        self.centred.extend(x.iter().map(|v| v - mean));
        self.sums.clear();
    }

    /// The sum at `lag`, for lags below the length.
    pub(crate) fn at(&mut self, lag: usize) -> f64 {
        while self.sums.len() <= lag {
            let z = &self.centred;
            let next = z.get(self.sums.len()..).map_or(f64::NAN, |tail| dot(z, tail));
            self.sums.push(next);
        }
        self.sums[lag]
    }
}

/// Autocorrelation with divisor n − lag; NaN without variance or for too long a lag.
pub(crate) fn autocorrelation(sums: &mut LagSums, lag: usize, variance: f64) -> f64 {
    let n = sums.centred.len();
    if n <= lag || !(variance > NO_VARIANCE) {
        return f64::NAN;
    }
    sums.at(lag) / ((n - lag) as f64 * variance)
}

/// Adjusted autocorrelations at lags 1 … maxlag, as far as the series reaches; zeros without variance.
pub(crate) fn autocorrelations(sums: &mut LagSums, maxlag: usize, variance: f64, out: &mut Vec<f64>) {
    out.clear();
    let n = sums.centred.len();
    if n == 1 || variance < NO_VARIANCE_FOR_AGGREGATES {
        out.resize(n.min(maxlag), 0.0);
        return;
    }
    let zero = sums.at(0) / n as f64;
    for lag in 1..=maxlag.min(n.saturating_sub(1)) {
        let value = sums.at(lag) / (n - lag) as f64 / zero;
        out.push(value);
    }
}

/// Partial autocorrelations at lags 0 … `lags` by the Levinson–Durbin recursion on the adjusted autocovariance.
/// Lags beyond n/2 − 1 are NaN, all of them for a series too short for one lag.
pub(crate) fn partial_autocorrelations(sums: &mut LagSums, lags: usize, out: &mut Vec<f64>) {
    out.clear();
    out.resize(lags + 1, f64::NAN);
    let n = sums.centred.len();
    let most = lags.min((n / 2).saturating_sub(1));
    if n <= 1 || most == 0 {
        return;
    }
    let covariance: Vec<f64> = (0..=most).map(|k| sums.at(k) / (n - k) as f64).collect();
    out[0] = 1.0;
    let mut phi = vec![0.0; most + 1];
    let mut previous = phi.clone();
    phi[1] = covariance[1] / covariance[0];
    let mut sigma = covariance[0] - phi[1] * covariance[1];
    out[1] = phi[1];
    for k in 2..=most {
        previous.copy_from_slice(&phi);
        let predicted: f64 = (1..k).map(|j| previous[j] * covariance[k - j]).sum();
        phi[k] = (covariance[k] - predicted) / sigma;
        for j in 1..k {
            phi[j] = previous[j] - phi[k] * previous[k - j];
        }
        sigma *= 1.0 - phi[k] * phi[k];
        out[k] = phi[k];
    }
}
