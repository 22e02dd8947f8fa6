//! Augmented Dickey–Fuller test for a unit root, with a constant.
//!
//! Regression `Δx[t] = c + ρ·x[t−1] + Σ φ_i·Δx[t−i] + e[t]`; the number of lags up to ⌈12·(n/100)^¼⌉ minimises an
//! information criterion on a common sample, the statistic is the t value of ρ on the longest sample for that number.
//!
//! References: Said and Dickey (1984), Biometrika 71; Schwert (1989), J. Bus. Econ. Stat. 7; p-values by the response
//! surface of `MacKinnon` (1994), J. Bus. Econ. Stat. 12.

use crate::features::linear::{Columns, LagProducts, Projection, regress};
use crate::features::parameter::AutoLag;
use statrs::function::erf::erfc;

/// Statistic, p-value and number of lags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DickeyFuller {
    pub(crate) statistic: f64,
    pub(crate) pvalue: f64,
    pub(crate) lags: f64,
}

const NONE: DickeyFuller = DickeyFuller { statistic: f64::NAN, pvalue: f64::NAN, lags: f64::NAN };

impl DickeyFuller {
    /// All NaN for constants and for fewer than four values.
    pub(crate) fn new(x: &[f64], autolag: AutoLag) -> Self {
        let n = x.len();
        if n < 4 || x.iter().all(|&v| v == x[0]) {
            return NONE;
        }
        let rule = (12.0 * (n as f64 / 100.0).powf(0.25)).ceil() as usize;
        let most = rule.min(n / 2 - 2);
        let differences: Vec<f64> = x.windows(2).map(|w| w[1] - w[0]).collect();
        let centre = crate::features::sum::mean(x);
        let level: Vec<f64> = x.iter().map(|v| v - centre).collect();
        let residuals = nested_residuals(&differences, &level, most);
        let rows = (differences.len() - most) as f64;
        let mut best = (f64::INFINITY, 0);
        for (lags, &rss) in residuals.iter().enumerate() {
            let parameters = (lags + 2) as f64;
            let penalty = match autolag {
                AutoLag::Aic => 2.0,
                AutoLag::Bic => rows.ln(),
            };
            let criterion = rows * (rss / rows).ln() + penalty * parameters;
            if criterion < best.0 {
                best = (criterion, lags);
            }
        }
        let lags = best.1;
        let statistic = level_statistic(&differences, &level, lags);
        Self { statistic, pvalue: pvalue(statistic), lags: lags as f64 }
    }
}

/// Residual sums of squares with constant and level and 0, 1 … `most` lags, all on the sample for `most` lags.
fn nested_residuals(differences: &[f64], level: &[f64], most: usize) -> Vec<f64> {
    let products = LagProducts::new(differences, most, Some(level));
    let mut order = vec![most + 1];
    order.extend(1..=most);
    let (residual, first) = match products.solve(&order) {
        Some(fit) => (fit.residual, 1),
        None => (householder_fit(differences, level, most, true).residual, 2),
    };
    residual.into_iter().skip(first).collect()
}

/// t value of the level with `lags` lagged differences.
fn level_statistic(differences: &[f64], level: &[f64], lags: usize) -> f64 {
    let products = LagProducts::new(differences, lags, Some(level));
    let mut order: Vec<usize> = (1..=lags).collect();
    order.push(lags + 1);
    let fit = products.solve(&order).unwrap_or_else(|| householder_fit(differences, level, lags, false));
    let freedom = products.rows as f64 - (lags + 2) as f64;
    let (Some(&z), Some(&rss)) = (fit.projections.last(), fit.residual.last()) else { return f64::NAN };
    let Some(&coefficient) = fit.coefficients.last() else { return f64::NAN };
    // The last column's t value needs only its own direction; the sign of the direction is the coefficient's.
    z.abs().copysign(coefficient) / (rss / freedom).sqrt()
}

/// The same regression on the full matrix: constant, then the level first or last among the lags.
fn householder_fit(differences: &[f64], level: &[f64], lags: usize, level_first: bool) -> Projection {
    let rows = differences.len() - lags;
    let mut a = Columns::new(rows);
    a.push(core::iter::repeat(1.0));
    if level_first {
        a.push(level[lags..].iter().copied());
    }
    for lag in 1..=lags {
        a.push(differences[lags - lag..].iter().copied());
    }
    if !level_first {
        a.push(level[lags..].iter().copied());
    }
    regress(a, differences[lags..].to_vec())
}

/// Approximate p-value of the statistic for the regression with a constant.
fn pvalue(statistic: f64) -> f64 {
    const LARGEST: f64 = 2.74;
    const SMALLEST: f64 = -18.83;
    const BREAK: f64 = -1.61;
    const LOWER: [f64; 3] = [2.1659, 1.4412, 0.038269];
    const UPPER: [f64; 4] = [1.7339, 0.93202, -0.12745, -0.010368];
    if statistic.is_nan() {
        return f64::NAN;
    }
    if statistic > LARGEST {
        return 1.0;
    }
    if statistic < SMALLEST {
        return 0.0;
    }
    let coefficients: &[f64] = if statistic <= BREAK { &LOWER } else { &UPPER };
    let z = coefficients.iter().rev().fold(0.0, |acc, c| acc * statistic + c);
    0.5 * erfc(-z / core::f64::consts::SQRT_2)
}
