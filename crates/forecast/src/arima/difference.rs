//! Differencing and its inverse.

use super::ArimaOrder;

/// `∇ᵈ∇ᴰₘ` of the values, shorter by the reach.
pub(super) fn apply(values: &[f64], order: &ArimaOrder) -> Vec<f64> {
    let mut out = values.to_vec();
    for _ in 0..order.seasonal_d {
        out = lagged(&out, order.period);
    }
    for _ in 0..order.d {
        out = lagged(&out, 1);
    }
    out
}

fn lagged(values: &[f64], lag: usize) -> Vec<f64> {
    if values.len() <= lag {
        return Vec::new();
    }
    values.iter().zip(&values[lag..]).map(|(a, b)| b - a).collect()
}

/// Coefficients `c` with `∇ᵈ∇ᴰₘ y[t] = y[t] - Σ c[k]·y[t-1-k]`.
fn coefficients(order: &ArimaOrder) -> Vec<f64> {
    let mut polynomial = vec![1.0];
    for _ in 0..order.d {
        polynomial = multiply(&polynomial, &[1.0, -1.0]);
    }
    for _ in 0..order.seasonal_d {
        let mut season = vec![0.0; order.period + 1];
        (season[0], season[order.period]) = (1.0, -1.0);
        polynomial = multiply(&polynomial, &season);
    }
    polynomial[1..].iter().map(|c| -c).collect()
}

/// What the next value adds to the next difference.
pub(super) fn carried(path: &[f64], order: &ArimaOrder) -> f64 {
    coefficients(order).iter().enumerate().map(|(k, c)| c * path[path.len() - 1 - k]).sum()
}

/// Autoregressive coefficients of the undifferenced series.
pub(super) fn expand(ar: &[f64], order: &ArimaOrder) -> Vec<f64> {
    let negative = |v: &[f64]| std::iter::once(1.0).chain(v.iter().map(|c| -c)).collect::<Vec<f64>>();
    let product = multiply(&negative(ar), &negative(&coefficients(order)));
    product[1..].iter().map(|c| -c).collect()
}

/// Product of polynomials, constant first.
pub(super) fn multiply(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; a.len() + b.len() - 1];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            out[i + j] += x * y;
        }
    }
    out
}
