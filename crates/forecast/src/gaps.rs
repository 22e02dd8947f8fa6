//! Filling gaps and repairing outliers before a fit.

use crate::stats::{mad_sigma, median_in_place};

/// Fills missing values (NaN).
///
/// A gap takes the mean of the same phase one season before and after (nearest observed cycle on each side, shortest season
/// that has one), moved to the local level; without a usable season it is interpolated linearly. Ends take the nearest
/// value. A slice without any observation becomes zeros.
///
/// Cost: O(n · cycles of the longest gap).
///
/// # Example
/// ```
/// use ecosystem_forecast::fill_gaps;
/// assert_eq!(fill_gaps(&[f64::NAN, 2.0, f64::NAN, 4.0], &[]), [2.0, 2.0, 3.0, 4.0]);
/// assert_eq!(fill_gaps(&[1.0, 9.0, 1.0, f64::NAN, 1.0, 9.0], &[2]), [1.0, 9.0, 1.0, 9.0, 1.0, 9.0]);
/// ```
pub fn fill_gaps(values: &[f64], seasons: &[usize]) -> Vec<f64> {
    let mut out = values.to_vec();
    if !values.iter().any(|v| v.is_nan()) {
        return out;
    }
    if let Some(&season) = seasons.iter().find(|&&m| m >= 2 && 2 * m <= values.len()) {
        fill_seasonally(values, season, &mut out);
    }
    interpolate(&mut out);
    out
}

fn fill_seasonally(values: &[f64], season: usize, out: &mut [f64]) {
    let n = values.len();
    for i in 0..n {
        if !values[i].is_nan() {
            continue;
        }
        let before = (1..=i / season).map(|k| values[i - k * season]).find(|v| !v.is_nan());
        let after = (1..=(n - 1 - i) / season).map(|k| values[i + k * season]).find(|v| !v.is_nan());
        out[i] = match (before, after) {
            (Some(b), Some(a)) => f64::midpoint(b, a),
            (Some(v), None) | (None, Some(v)) => v,
            (None, None) => f64::NAN,
        };
    }
}

fn interpolate(out: &mut [f64]) {
    let mut last: Option<usize> = None;
    for i in 0..out.len() {
        if out[i].is_nan() {
            continue;
        }
        match last {
            None => {
                let value = out[i];
                out[..i].fill(value);
            }
            Some(from) if i > from + 1 => {
                let (a, b, span) = (out[from], out[i], (i - from) as f64);
                for (k, slot) in out[from + 1..i].iter_mut().enumerate() {
                    let w = (k + 1) as f64 / span;
                    *slot = a * (1.0 - w) + b * w;
                }
            }
            Some(_) => {}
        }
        last = Some(i);
    }
    match last {
        None => out.fill(0.0),
        Some(i) => {
            let value = out[i];
            out[i + 1..].fill(value);
        }
    }
}

/// Pulls isolated outliers back to the band that their neighbours allow.
///
/// A value is compared with the median of the `2 * half_window + 1` values around it (phase by phase when `season > 1`:
/// neighbours are then the same phase in other cycles); if it is further away than `limit` robust standard deviations
/// (1.4826 · MAD of all those distances) it is moved to the edge of the band. Missing values stay missing.
///
/// Hampel (1974), The influence curve and its role in robust estimation, JASA 69.
///
/// # Example
/// ```
/// use ecosystem_forecast::repair_outliers;
/// let mut values: Vec<f64> = (0..40).map(|i| f64::from(i % 3)).collect();
/// values[20] = 1000.0;
/// assert!(repair_outliers(&values, 1, 3, 5.0)[20] < 10.0);
/// ```
pub fn repair_outliers(values: &[f64], season: usize, half_window: usize, limit: f64) -> Vec<f64> {
    let stride = season.max(1);
    let mut medians = Vec::with_capacity(values.len());
    let mut around = Vec::with_capacity(2 * half_window + 1);
    for i in 0..values.len() {
        around.clear();
        around.extend((1..=half_window).filter_map(|k| i.checked_sub(k * stride)).map(|j| values[j]));
        around.extend((0..=half_window).filter_map(|k| values.get(i + k * stride)).copied());
        around.retain(|v| !v.is_nan());
        medians.push(if around.is_empty() { f64::NAN } else { median_in_place(&mut around) });
    }
    let mut distances: Vec<f64> =
        values.iter().zip(&medians).map(|(v, m)| v - m).filter(|d| !d.is_nan()).collect();
    let sigma = mad_sigma(&mut distances);
    if sigma <= 0.0 {
        return values.to_vec();
    }
    values
        .iter()
        .zip(&medians)
        .map(|(v, m)| if v.is_nan() { *v } else { v.clamp(m - limit * sigma, m + limit * sigma) })
        .collect()
}
