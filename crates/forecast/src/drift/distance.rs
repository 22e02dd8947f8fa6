//! How far two samples are apart.

use crate::features::sum::quantile_sorted;
use statrs::function::gamma::gamma_ur;

/// Share that an empty bin counts as.
const LEAST_SHARE: f64 = 1e-4;

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Population stability index Σ (a − e)·ln(a / e) over `bins` quantile bins of the reference; shares below 0.0001 count as
/// that. Below 0.1 is usually read as stable, above 0.25 as changed. NaN if a sample is empty or `bins` is zero.
///
/// Values that are not finite are left out.
pub fn population_stability(reference: &[f64], actual: &[f64], bins: usize) -> f64 {
    let (reference, actual) = (sorted(reference), sorted(actual));
    if reference.is_empty() || actual.is_empty() || bins == 0 {
        return f64::NAN;
    }
    let mut borders: Vec<f64> =
        (1..bins).map(|i| quantile_sorted(&reference, i as f64 / bins as f64)).collect();
    borders.dedup();
    let shares = |sample: &[f64]| -> Vec<f64> {
        let below = borders.iter().map(|b| sample.partition_point(|v| v <= b)).chain([sample.len()]);
        let mut before = 0;
        below
            .map(|end| {
                let share = (end - before) as f64 / sample.len() as f64;
                before = end;
                share.max(LEAST_SHARE)
            })
            .collect()
    };
    shares(&reference).iter().zip(shares(&actual)).map(|(e, a)| (a - e) * (a / e).ln()).sum()
}

/// Wasserstein (earth mover's) distance: the area between both distribution functions, in units of the values. NaN if a
/// sample is empty.
///
/// Values that are not finite are left out. Cost O(n log n).
pub fn wasserstein(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (sorted(a), sorted(b));
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    let (mut i, mut j, mut area) = (0, 0, 0.0);
    let mut at = a[0].min(b[0]);
    while i < a.len() || j < b.len() {
        let next = match (a.get(i), b.get(j)) {
            (Some(&x), Some(&y)) => x.min(y),
            (Some(&x), None) => x,
            (None, Some(&y)) => y,
            (None, None) => break,
        };
        area += (next - at) * (i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs();
        at = next;
        i += a[i..].iter().take_while(|&&v| v <= next).count();
        j += b[j..].iter().take_while(|&&v| v <= next).count();
    }
    area
}

/// Pearson's χ² test that two rows of counts (by category) come from the same distribution: statistic and p-value.
/// Categories empty on both sides are left out; NaN with fewer than two categories or an empty row.
///
/// # Example
/// ```
/// let (statistic, p) = ecosystem_forecast::drift::chi_squared(&[10, 20, 30], &[20, 20, 20]);
/// assert!((statistic - 5.333333333333333).abs() < 1e-12);
/// assert!((p - 0.0694834512228015).abs() < 1e-12);
/// ```
pub fn chi_squared(a: &[u64], b: &[u64]) -> (f64, f64) {
    let pairs: Vec<(f64, f64)> =
        a.iter().zip(b).map(|(&x, &y)| (x as f64, y as f64)).filter(|(x, y)| x + y > 0.0).collect();
    let (m, n) = pairs.iter().fold((0.0, 0.0), |(m, n), (x, y)| (m + x, n + y));
    if pairs.len() < 2 || m == 0.0 || n == 0.0 {
        return (f64::NAN, f64::NAN);
    }
    let statistic = pairs
        .iter()
        .map(|(x, y)| {
            let (e, f) = ((x + y) * m / (m + n), (x + y) * n / (m + n));
            (x - e) * (x - e) / e + (y - f) * (y - f) / f
        })
        .sum::<f64>();
    let freedom = (pairs.len() - 1) as f64;
    let p = if statistic > 0.0 { gamma_ur(freedom / 2.0, statistic / 2.0) } else { 1.0 };
    (statistic, p)
}

/// Squared maximum mean discrepancy, unbiased, with a Gaussian kernel exp(−d² / (2·width²)); around zero for samples of the
/// same distribution, at most about 2. NaN with fewer than two values on a side or a width that is not positive.
///
/// Cost O((m + n)²).
pub fn mean_discrepancy(a: &[f64], b: &[f64], width: f64) -> f64 {
    if a.len() < 2 || b.len() < 2 || width.is_nan() || width <= 0.0 {
        return f64::NAN;
    }
    let kernel = |x: f64, y: f64| (-(x - y) * (x - y) / (2.0 * width * width)).exp();
    let within = |s: &[f64]| {
        let n = s.len() as f64;
        let pairs: f64 =
            s.iter().enumerate().map(|(i, &x)| s[i + 1..].iter().map(|&y| kernel(x, y)).sum::<f64>()).sum();
        2.0 * pairs / (n * (n - 1.0))
    };
    let between: f64 = a.iter().map(|&x| b.iter().map(|&y| kernel(x, y)).sum::<f64>()).sum();
    within(a) + within(b) - 2.0 * between / (a.len() as f64 * b.len() as f64)
}
