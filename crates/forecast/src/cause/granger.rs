//! Does the past of one series help to foretell another?

use crate::error::FitError;
use nalgebra::{DMatrix, DVector};
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

/// Result of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Granger {
    /// F statistic.
    pub statistic: f64,
    /// Probability of one at least as large when the other series' past does not help.
    pub p: f64,
    /// Lag whose coefficient is largest by |t|: about how long the effect takes.
    pub lag: usize,
}

/// Whether `lags` past values of `cause` improve a linear forecast of `effect` from its own `lags` past values (F test of nested
/// regressions). Values must not be missing; a common trend or season should be taken off first. Cost O(n · lags²).
///
/// Granger (1969), Investigating causal relations by econometric models and cross-spectral methods.
///
/// # Example
/// ```
/// let mixed = |t: u32| {
///     let t = t.wrapping_mul(2_654_435_761);
///     let t = (t ^ (t >> 15)).wrapping_mul(2_246_822_519);
///     t ^ (t >> 13)
/// };
/// let cause: Vec<f64> = (1..=120).map(|t| f64::from(mixed(t) % 97)).collect();
/// let effect: Vec<f64> = (0..120).map(|t| {
///     let noise = f64::from(mixed(t + 1_001) % 13);
///     noise + if t >= 2 { cause[t as usize - 2] } else { 0.0 }
/// }).collect();
/// let test = ecosystem_forecast::cause::granger(&cause, &effect, 3)?;
/// assert!(test.p < 1e-6 && test.lag == 2);
/// assert!(ecosystem_forecast::cause::granger(&effect, &cause, 3)?.p > 0.001);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
pub fn granger(cause: &[f64], effect: &[f64], lags: usize) -> Result<Granger, FitError> {
    let n = effect.len();
    if cause.len() != n {
        return Err(FitError::Length { name: "cause", needed: n, found: cause.len() });
    }
    if !(1..=100).contains(&lags) {
        return Err(FitError::Setting { name: "lags", value: lags as f64, expected: "1 to 100" });
    }
    let needed = 4 * lags + 3;
    if n < needed {
        return Err(FitError::TooShort { needed, found: n });
    }
    for series in [cause, effect] {
        if let Some(index) = series.iter().position(|v| v.is_nan() || v.abs() > crate::error::MAX_MAGNITUDE) {
            return Err(FitError::OutOfRange { index, value: series[index] });
        }
    }
    let (x, y) = (scaled(cause), scaled(effect));
    let rows = n - lags;
    let target = DVector::from_fn(rows, |r, _| y[r + lags]);
    let design = |columns: usize| {
        DMatrix::from_fn(rows, columns, |r, c| match c {
            0 => 1.0,
            c if c <= lags => y[r + lags - c],
            c => x[r + 2 * lags - c],
        })
    };
    let own = residual(&design(1 + lags), &target).0;
    let (full, coefficients, inverse) = residual(&design(1 + 2 * lags), &target);
    let freedom = (rows - 1 - 2 * lags) as f64;
    let unit = (full / freedom).max(1e-12 * target.norm_squared() / rows as f64).max(1e-300);
    let statistic = ((own - full).max(0.0) / lags as f64) / unit;
    let p = FisherSnedecor::new(lags as f64, freedom).map_or(f64::NAN, |f| 1.0 - f.cdf(statistic));
    let t = |k: usize| {
        let at = lags + k;
        coefficients[at].abs() / inverse[(at, at)].max(1e-300).sqrt()
    };
    let lag = (1..=lags).fold(1, |best, k| if t(k) > t(best) { k } else { best });
    Ok(Granger { statistic, p, lag })
}

/// Mean 0, variance 1 (or all zeros), so that the small ridge means the same for every series.
fn scaled(values: &[f64]) -> Vec<f64> {
    let (center, spread) = (crate::stats::mean(values), crate::stats::variance(values).sqrt());
    let unit = if spread > 1e-12 * center.abs() { spread } else { f64::INFINITY };
    values.iter().map(|v| (v - center) / unit).collect()
}

/// Squared error, coefficients and inverse of the normal matrix; the ridge only breaks exact ties.
fn residual(design: &DMatrix<f64>, target: &DVector<f64>) -> (f64, DVector<f64>, DMatrix<f64>) {
    let p = design.ncols();
    let normal = design.tr_mul(design) + DMatrix::identity(p, p) * 1e-8;
    let inverse = normal.cholesky().map_or_else(|| DMatrix::identity(p, p), |c| c.inverse());
    let coefficients = &inverse * design.tr_mul(target);
    ((target - design * &coefficients).norm_squared(), coefficients, inverse)
}
