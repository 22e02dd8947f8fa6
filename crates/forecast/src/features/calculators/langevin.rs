//! Drift of a Langevin equation, fitted as a polynomial (Friedrich et al. 2000).

use crate::features::linear::{Columns, minimum_norm};
use crate::features::sum::quantile_sorted;

/// Coefficients, highest power first, of the polynomial of degree `m` fitted to the mean change in each of `r` quantile
/// bins of the value; None when the bins' borders are not distinct.
pub(crate) fn drift_polynomial(x: &[f64], m: usize, r: usize) -> Option<Vec<f64>> {
    let signal = x.get(..x.len().checked_sub(1)?)?;
    let borders = quantile_borders(signal, r)?;
    let mut bins = vec![(0.0, 0.0, 0_u64); r];
    for (i, &v) in signal.iter().enumerate() {
        // Bins are open below and closed above, the first one closed on both sides.
        let at = borders.partition_point(|&b| b < v).clamp(1, r) - 1;
        let bin = &mut bins[at];
        bin.0 += v;
        bin.1 += x[i + 1] - v;
        bin.2 += 1;
    }
    let points: Vec<(f64, f64)> =
        bins.into_iter().filter(|b| b.2 > 0).map(|(s, d, n)| (s / n as f64, d / n as f64)).collect();
    fit_polynomial(&points, m)
}

fn quantile_borders(signal: &[f64], r: usize) -> Option<Vec<f64>> {
    let mut sorted = signal.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let step = 1.0 / r as f64;
    let mut borders = Vec::with_capacity(r + 1);
    for i in 0..=r {
        let share = if i == r { 1.0 } else { i as f64 * step };
        let border = quantile_sorted(&sorted, share * 100.0 / 100.0);
        if borders.last().is_some_and(|&last| !(border > last)) || border.is_nan() {
            return None;
        }
        borders.push(border);
    }
    Some(borders)
}

/// Least squares with columns scaled to unit length; the shortest such solution for too few points.
fn fit_polynomial(points: &[(f64, f64)], m: usize) -> Option<Vec<f64>> {
    if points.is_empty() {
        return None;
    }
    let mut a = Columns::new(points.len());
    let mut scales = Vec::with_capacity(m + 1);
    for power in (0..=m).rev() {
        let column: Vec<f64> =
            points.iter().map(|p| p.0.powi(i32::try_from(power).unwrap_or(i32::MAX))).collect();
        let scale = column.iter().map(|v| v * v).sum::<f64>().sqrt();
        if !(scale > 0.0) || !scale.is_finite() {
            return None;
        }
        a.push(column.into_iter().map(|v| v / scale));
        scales.push(scale);
    }
    let y: Vec<f64> = points.iter().map(|p| p.1).collect();
    let scaled = minimum_norm(a, &y, points.len() as f64 * f64::EPSILON);
    Some(scaled.iter().zip(&scales).map(|(c, s)| c / s).collect())
}

/// Largest real part of the roots of a polynomial, highest power first; NaN without roots.
///
/// All roots at once by the Aberth–Ehrlich iteration (Aberth 1973, Math. Comput. 27).
pub(crate) fn largest_root(coefficients: &[f64]) -> f64 {
    let head = coefficients.iter().position(|&c| c != 0.0).unwrap_or(coefficients.len());
    let coefficients = &coefficients[head..];
    let tail = coefficients.iter().rposition(|&c| c != 0.0).map_or(0, |i| i + 1);
    // Trailing zeros are roots at zero.
    let mut largest = if tail < coefficients.len() { 0.0 } else { f64::NAN };
    let coefficients = &coefficients[..tail];
    if coefficients.iter().any(|c| !c.is_finite()) {
        return f64::NAN;
    }
    for (re, _) in roots(coefficients) {
        if !(re <= largest) {
            largest = re;
        }
    }
    largest
}

fn roots(c: &[f64]) -> Vec<(f64, f64)> {
    let degree = c.len().saturating_sub(1);
    if degree == 0 {
        return Vec::new();
    }
    let bound = c[1..].iter().map(|v| (v / c[0]).abs()).fold(0.0, f64::max) + 1.0;
    let radius = (c[degree] / c[0]).abs().powf(1.0 / degree as f64).clamp(bound * 1e-12, bound);
    let mut z: Vec<(f64, f64)> = (0..degree)
        .map(|k| {
            // An angle off the real axis breaks the symmetry of conjugate pairs.
            let angle = 2.0 * core::f64::consts::PI * k as f64 / degree as f64 + 0.4;
            (radius * angle.cos(), radius * angle.sin())
        })
        .collect();
    for _ in 0..500 {
        let mut largest_step: f64 = 0.0;
        for i in 0..degree {
            let (mut p, mut d) = ((c[0], 0.0), (0.0, 0.0));
            for &a in &c[1..] {
                d = add(mul(d, z[i]), p);
                p = add(mul(p, z[i]), (a, 0.0));
            }
            if p == (0.0, 0.0) {
                continue;
            }
            let newton = div(p, d);
            let mut repulsion = (0.0, 0.0);
            for j in (0..degree).filter(|&j| j != i) {
                repulsion = add(repulsion, div((1.0, 0.0), (z[i].0 - z[j].0, z[i].1 - z[j].1)));
            }
            let product = mul(newton, repulsion);
            let step = div(newton, (1.0 - product.0, -product.1));
            if !(step.0.is_finite() && step.1.is_finite()) {
                continue;
            }
            z[i] = (z[i].0 - step.0, z[i].1 - step.1);
            largest_step =
                largest_step.max(step.0.hypot(step.1) / z[i].0.hypot(z[i].1).max(f64::MIN_POSITIVE));
        }
        if largest_step < 1e-15 {
            break;
        }
    }
    z
}

fn add(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 + b.0, a.1 + b.1)
}

fn mul(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn div(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let square = b.0 * b.0 + b.1 * b.1;
    ((a.0 * b.0 + a.1 * b.1) / square, (a.1 * b.0 - a.0 * b.1) / square)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_root_looks_at_real_parts_of_complex_roots_too() {
        // (x − 1)(x² − 4x + 5): roots 1 and 2 ± i.
        assert!((largest_root(&[1.0, -5.0, 9.0, -5.0]) - 2.0).abs() < 1e-12);
        assert!((largest_root(&[0.0, 2.0, -3.0]) - 1.5).abs() < 1e-12);
        assert_eq!(largest_root(&[1.0, 0.0]), 0.0);
        assert!(largest_root(&[4.0]).is_nan());
    }
}
