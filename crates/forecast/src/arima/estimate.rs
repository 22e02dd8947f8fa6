//! Conditional least squares, and exact maximum likelihood from there.

use super::{ArimaOrder, FittedArima, difference, exact};
use crate::{
    error::FitError,
    linear::{dot, solve_ridge},
    minimize::{Lbfgs, Minimizer},
};

/// The differenced series in units of its deviation, less its mean, and the estimates in those units.
struct Estimate {
    mean: f64,
    unit: f64,
    scaled: Vec<f64>,
    parameters: Vec<f64>,
    shift: f64,
}

/// Least squares on complete data.
fn least_squares(order: &ArimaOrder, filled: &[f64]) -> Estimate {
    let differenced = difference::apply(filled, order);
    let mean = if order.mean { crate::stats::mean(&differenced) } else { 0.0 };
    let unit =
        crate::stats::variance(&differenced).sqrt().max(1e-12 * mean.abs()).max(f64::MIN_POSITIVE.sqrt());
    let scaled: Vec<f64> = differenced.iter().map(|v| (v - mean) / unit).collect();
    let k = order.coefficients();
    let (mut parameters, mut shift) = (Vec::new(), 0.0);
    if k > 0 {
        let mut start = hannan_rissanen(order, &scaled);
        if !sum_of_squares(order, &start, 0.0, &scaled).is_finite() {
            start = vec![0.0; k];
        }
        start.extend(order.mean.then_some(0.0));
        let cost = |x: &[f64]| {
            let shift = if order.mean { x[k] } else { 0.0 };
            let squares = sum_of_squares(order, &x[..k], shift, &scaled);
            if squares.is_finite() { 0.5 * squares.max(1e-300).ln() } else { 1e3 }
        };
        let (best, _) = Lbfgs::default().minimize(&cost, &start);
        shift = if order.mean { best[k] } else { 0.0 };
        parameters = best[..k].to_vec();
    }
    Estimate { mean, unit, scaled, parameters, shift }
}

/// `AICc` of a likelihood with so many free parameters from `n` values.
fn aicc(log_likelihood: f64, free: f64, n: f64) -> f64 {
    let correction = n - free - 1.0;
    if correction > 0.0 {
        -2.0 * log_likelihood + 2.0 * free + 2.0 * free * (free + 1.0) / correction
    } else {
        f64::INFINITY
    }
}

/// Coefficients, mean and variance that are free.
fn free(order: &ArimaOrder) -> f64 {
    order.coefficients() as f64 + f64::from(u8::from(order.mean)) + 1.0
}

/// Fits checked, complete data.
pub(super) fn fit(order: ArimaOrder, filled: &[f64]) -> Result<FittedArima, FitError> {
    let Estimate { mean, unit, scaled, parameters, shift } = least_squares(&order, filled);
    let (ar, ma) = polynomials(&order, &parameters);
    let errors = errors(&ar, &ma, shift, &scaled);
    let skip = ar.len();
    let n = (scaled.len() - skip) as f64;
    let squares = dot(&errors[skip..], &errors[skip..]) * unit * unit;
    let free = free(&order);
    let log_likelihood =
        -0.5 * n * ((2.0 * std::f64::consts::PI * (squares / n).max(f64::MIN_POSITIVE)).ln() + 1.0);
    let keep = order.reach() + ar.len();
    if !squares.is_finite() {
        return Err(FitError::NoCandidate { tried: 1 });
    }
    Ok(FittedArima {
        order,
        recent: filled[filled.len() - keep..].to_vec(),
        errors: errors[errors.len() - ma.len()..].iter().map(|e| e * unit).collect(),
        mean: mean + shift * unit,
        ar,
        ma,
        variance: squares / (n - free + 1.0).max(1.0),
        aicc: aicc(log_likelihood, free, n),
        log_likelihood,
    })
}

/// Exact maximum likelihood on data with gaps, started from least squares on `filled`. Differences that touch a gap are
/// missing.
pub(super) fn fit_exact(order: ArimaOrder, values: &[f64], filled: &[f64]) -> Result<FittedArima, FitError> {
    let Estimate { mean, unit, parameters: mut start, shift, .. } = least_squares(&order, filled);
    let scaled: Vec<f64> = difference::apply(values, &order).iter().map(|v| (v - mean) / unit).collect();
    let k = order.coefficients();
    start.extend(order.mean.then_some(shift));
    let run = |x: &[f64]| {
        let shift = if order.mean { x[k] } else { 0.0 };
        let (ar, ma) = admissible(&order, &x[..k])?;
        let moved: Vec<f64> = scaled.iter().map(|v| v - shift).collect();
        exact::filter(&ar, &ma, &moved)
    };
    let cost = |x: &[f64]| run(x).map_or(1e3, |f| -f.log_likelihood() / f.observed as f64);
    let best = if start.is_empty() { start } else { Lbfgs::default().minimize(&cost, &start).0 };
    let found = run(&best).ok_or(FitError::NoCandidate { tried: 1 })?;
    let (ar, ma) = polynomials(&order, &best[..k]);
    let mean = mean + if order.mean { best[k] * unit } else { 0.0 };
    let (free, n) = (free(&order), found.observed as f64);
    let log_likelihood = found.log_likelihood() - n * unit.ln();
    let keep = order.reach() + ar.len();
    let recent = if order.reach() == 0 {
        found.filled[found.filled.len() - keep..].iter().map(|w| w * unit + mean).collect()
    } else {
        filled[filled.len() - keep..].to_vec()
    };
    Ok(FittedArima {
        order,
        recent,
        errors: found.errors[found.errors.len() - ma.len()..].iter().map(|e| e * unit).collect(),
        mean,
        ar,
        ma,
        variance: found.squares / n * unit * unit,
        aicc: aicc(log_likelihood, free, n),
        log_likelihood,
    })
}

/// Expanded coefficients when every factor is stationary or invertible.
fn admissible(order: &ArimaOrder, x: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let (p, rest) = x.split_at(order.p);
    let (q, rest) = rest.split_at(order.q);
    let (sp, sq) = rest.split_at(order.seasonal_p);
    let negative = |v: &[f64]| v.iter().map(|c| -c).collect::<Vec<f64>>();
    let ok = stable(p) && stable(sp) && stable(&negative(q)) && stable(&negative(sq));
    ok.then(|| polynomials(order, x))
}

/// Expanded AR and MA coefficients from `[p, q, P, Q]` parameters.
fn polynomials(order: &ArimaOrder, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (p, rest) = x.split_at(order.p);
    let (q, rest) = rest.split_at(order.q);
    let (sp, sq) = rest.split_at(order.seasonal_p);
    let plain =
        |v: &[f64], sign: f64| std::iter::once(1.0).chain(v.iter().map(|c| sign * c)).collect::<Vec<f64>>();
    let seasonal = |v: &[f64], sign: f64| {
        let mut out = vec![0.0; v.len() * order.period.max(1) + 1];
        out[0] = 1.0;
        v.iter().enumerate().for_each(|(i, c)| out[(i + 1) * order.period] = sign * c);
        out
    };
    let ar = difference::multiply(&plain(p, -1.0), &seasonal(sp, -1.0));
    let ma = difference::multiply(&plain(q, 1.0), &seasonal(sq, 1.0));
    (ar[1..].iter().map(|c| -c).collect(), ma[1..].to_vec())
}

/// Errors given the past; those before the autoregression reaches back count as zero.
fn errors(ar: &[f64], ma: &[f64], shift: f64, scaled: &[f64]) -> Vec<f64> {
    let sparse = |v: &[f64]| -> Vec<(usize, f64)> {
        v.iter().enumerate().filter(|(_, c)| c.abs() > 0.0).map(|(k, c)| (k + 1, *c)).collect()
    };
    let (ar_terms, ma_terms) = (sparse(ar), sparse(ma));
    let mut errors = vec![0.0; scaled.len()];
    for t in ar.len()..scaled.len() {
        let mut e = scaled[t] - shift;
        for &(lag, c) in &ar_terms {
            e -= c * (scaled[t - lag] - shift);
        }
        for &(lag, c) in &ma_terms {
            if lag <= t {
                e -= c * errors[t - lag];
            }
        }
        errors[t] = e.clamp(-1e100, 1e100);
    }
    errors
}

/// Infinite outside the stationary and invertible region (checked factor by factor).
fn sum_of_squares(order: &ArimaOrder, x: &[f64], shift: f64, scaled: &[f64]) -> f64 {
    let Some((ar, ma)) = admissible(order, x) else { return f64::INFINITY };
    let e = errors(&ar, &ma, shift, scaled);
    let used = &e[ar.len().min(e.len())..];
    dot(used, used) / used.len().max(1) as f64
}

/// True when `1 - Σ c_k z^k` has all roots outside the unit circle: all partial autocorrelations below one
/// (Levinson's recursion backwards; Barndorff-Nielsen & Schou 1973).
fn stable(coefficients: &[f64]) -> bool {
    let mut c = coefficients.to_vec();
    while let Some(&r) = c.last() {
        if r.is_nan() || r.abs() >= 0.9999 {
            return false;
        }
        let k = c.len() - 1;
        c = (0..k).map(|i| (c[i] + r * c[k - 1 - i]) / (1.0 - r * r)).collect();
    }
    true
}

/// Start values: errors of a long autoregression stand in for the unknown ones.
fn hannan_rissanen(order: &ArimaOrder, scaled: &[f64]) -> Vec<f64> {
    let n = scaled.len();
    let long = (order.p + order.q + 6).max(order.period.min(n / 8)).min(n / 4).max(1);
    let lagged = |series: &[f64], lag: usize, from: usize| series[from - lag..n - lag].to_vec();
    let columns: Vec<Vec<f64>> = (1..=long).map(|l| lagged(scaled, l, long)).collect();
    let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let beta = solve_ridge(&views, &scaled[long..], 1e-4);
    let mut residual = vec![0.0; n];
    for t in long..n {
        residual[t] = scaled[t] - beta.iter().enumerate().map(|(k, b)| b * scaled[t - 1 - k]).sum::<f64>();
    }
    let m = order.period;
    let lags: Vec<(bool, usize)> = (1..=order.p)
        .map(|l| (true, l))
        .chain((1..=order.q).map(|l| (false, l)))
        .chain((1..=order.seasonal_p).map(|l| (true, l * m)))
        .chain((1..=order.seasonal_q).map(|l| (false, l * m)))
        .collect();
    let from = long + lags.iter().map(|l| l.1).max().unwrap_or(0);
    if from + 2 * lags.len() >= n {
        return vec![0.0; lags.len()];
    }
    let columns: Vec<Vec<f64>> =
        lags.iter().map(|&(own, l)| lagged(if own { scaled } else { &residual }, l, from)).collect();
    let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let mut start = solve_ridge(&views, &scaled[from..], 1e-4);
    start.iter_mut().for_each(|c| *c = c.clamp(-0.9, 0.9));
    start
}
