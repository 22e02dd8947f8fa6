//! Exact likelihood of an ARMA process with gaps: Kalman filter in Harvey's form.
//!
//! With unit error variance the filter settles where the prediction variance is 1 and the gain is `(1, θ₁, θ₂ …)`; from there
//! on a step costs O(p + q) until the next gap. Before that it costs O(r²), `r = max(p, q + 1)`.
//!
//! Harvey (1989), section 3.4; Gardner, Harvey & Phillips (1980), algorithm AS 154.

use crate::state_space::StateSpace;

/// Largest state.
pub(super) const MOST_TERMS: usize = 40;
/// The filter counts as settled when the prediction variance is this near to 1.
const SETTLED: f64 = 1e-11;

/// What the filter found in a series with unit error variance.
pub(super) struct Filtered {
    /// Sum of squared prediction errors over their variances.
    pub(super) squares: f64,
    /// Sum of the logarithms of the variances.
    pub(super) logs: f64,
    /// Values observed.
    pub(super) observed: usize,
    /// Prediction errors, 0 where nothing was observed.
    pub(super) errors: Vec<f64>,
    /// The series with predictions in the gaps.
    pub(super) filled: Vec<f64>,
}

impl Filtered {
    /// Largest log likelihood over the error variance.
    pub(super) fn log_likelihood(&self) -> f64 {
        let n = self.observed as f64;
        let variance = (self.squares / n).max(f64::MIN_POSITIVE);
        -0.5 * (n * ((std::f64::consts::TAU * variance).ln() + 1.0) + self.logs)
    }
}

/// Runs over the series (NaN = missing); `None` when there is no stationary start or nothing observed.
pub(super) fn filter(ar: &[f64], ma: &[f64], series: &[f64]) -> Option<Filtered> {
    let r = ar.len().max(ma.len() + 1);
    if r > MOST_TERMS {
        return None;
    }
    let phi = |i: usize| ar.get(i).copied().unwrap_or(0.0);
    let gain: Vec<f64> =
        std::iter::once(1.0).chain(ma.iter().copied()).chain(std::iter::repeat(0.0)).take(r).collect();
    let mut p: Vec<f64> = StateSpace::arma(ar, ma, 1.0)?.into_covariance();
    let (mut next, mut a) = (vec![0.0; r * r], vec![0.0; r]);
    let mut out = Filtered {
        squares: 0.0,
        logs: 0.0,
        observed: 0,
        errors: Vec::with_capacity(series.len()),
        filled: Vec::with_capacity(series.len()),
    };
    let mut settled = false;
    for &value in series {
        let expected = a[0];
        if value.is_nan() {
            if settled {
                (0..r * r).for_each(|k| p[k] = gain[k / r] * gain[k % r]);
                settled = false;
            }
            out.errors.push(0.0);
            out.filled.push(expected);
        } else {
            let error = value - expected;
            let f = if settled { 1.0 } else { p[0] };
            if !(f > 0.0 && f.is_finite()) {
                return None;
            }
            if settled || (f - 1.0).abs() < SETTLED {
                settled = true;
                a.iter_mut().zip(&gain).for_each(|(a, g)| *a += g * error);
            } else {
                let k: Vec<f64> = (0..r).map(|i| p[i * r] / f).collect();
                a.iter_mut().zip(&k).for_each(|(a, k)| *a += k * error);
                (0..r * r).for_each(|at| p[at] -= k[at / r] * k[at % r] * f);
            }
            out.squares += error * error / f;
            out.logs += f.ln();
            out.observed += 1;
            out.errors.push(error);
            out.filled.push(value);
        }
        let first = a[0];
        (0..r).for_each(|i| a[i] = phi(i) * first + if i + 1 < r { a[i + 1] } else { 0.0 });
        if !settled {
            let at = |i: usize, j: usize| if i < r && j < r { p[i * r + j] } else { 0.0 };
            for i in 0..r {
                for j in 0..r {
                    next[i * r + j] = phi(i) * phi(j) * at(0, 0)
                        + phi(i) * at(0, j + 1)
                        + phi(j) * at(i + 1, 0)
                        + at(i + 1, j + 1)
                        + gain[i] * gain[j];
                }
            }
            std::mem::swap(&mut p, &mut next);
        }
    }
    (out.observed > 0 && out.squares.is_finite()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settled_filter_equals_the_plain_one_also_across_gaps() {
        let mut series: Vec<f64> = (0..300).map(|i| f64::from((i * i * 7 + 3 * i) % 11 - 5) * 0.3).collect();
        series[100..105].fill(f64::NAN);
        series[200] = f64::NAN;
        for (ar, ma) in [(vec![0.6], vec![]), (vec![0.5, -0.3], vec![0.4]), (vec![], vec![0.7, 0.2])] {
            let fast = filter(&ar, &ma, &series).unwrap();
            let plain = StateSpace::arma(&ar, &ma, 1.0).unwrap().log_likelihood(&series).unwrap();
            let n = fast.observed as f64;
            let found = -0.5 * (n * std::f64::consts::TAU.ln() + fast.logs + fast.squares);
            assert!((found - plain).abs() < 1e-8 * plain.abs(), "{found} {plain}");
        }
    }
}
