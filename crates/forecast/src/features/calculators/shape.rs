//! Moments, energies and differences.

use crate::features::sum::{dot, mean, sum, sum_by, sum_by2};

/// Figures that nearly every feature needs, computed once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Basics {
    pub(crate) sum: f64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    pub(crate) deviation: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Basics {
    pub(crate) fn new(x: &[f64]) -> Self {
        let n = x.len() as f64;
        let total = sum(x);
        let m = total / n;
        let variance = sum_by(x, |v| (v - m) * (v - m)) / n;
        let (min, max) = extremes(x);
        Self { sum: total, mean: m, variance, deviation: variance.sqrt(), min, max }
    }
}

/// Smallest and largest value; NaN without values.
pub(crate) fn extremes(x: &[f64]) -> (f64, f64) {
    if x.is_empty() {
        return (f64::NAN, f64::NAN);
    }
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for &v in x {
        low = if v < low { v } else { low };
        high = if v > high { v } else { high };
    }
    (low, high)
}

/// √(a² + b²); without the detour against overflow and underflow where none threatens.
#[inline]
pub(crate) fn length(a: f64, b: f64) -> f64 {
    let square = a * a + b * b;
    if (1e-280..1e300).contains(&square) { square.sqrt() } else { a.hypot(b) }
}

/// Sums that round to less than this count as zero in the standardised moments.
const NEGLIGIBLE: f64 = 1e-14;

fn without_noise(v: f64) -> f64 {
    if v.abs() < NEGLIGIBLE { 0.0 } else { v }
}

/// Σ (x − mean)^2, ^3 and ^4, rounding noise removed.
fn central_sums(x: &[f64], m: f64) -> (f64, f64, f64) {
    let m2 = without_noise(sum_by(x, |v| (v - m) * (v - m)));
    let m3 = without_noise(sum_by(x, |v| (v - m) * (v - m) * (v - m)));
    let m4 = without_noise(sum_by(x, |v| ((v - m) * (v - m)) * ((v - m) * (v - m))));
    (m2, m3, m4)
}

/// Skewness G1; NaN for fewer than three values, zero for constants.
pub(crate) fn skewness(x: &[f64], m: f64) -> f64 {
    let n = x.len() as f64;
    if x.len() < 3 {
        return f64::NAN;
    }
    let (m2, m3, _) = central_sums(x, m);
    if m2 == 0.0 { 0.0 } else { n * (n - 1.0).sqrt() / (n - 2.0) * (m3 / m2.powf(1.5)) }
}

/// Excess kurtosis G2; NaN for fewer than four values, zero for constants.
pub(crate) fn kurtosis(x: &[f64], m: f64) -> f64 {
    let n = x.len() as f64;
    if x.len() < 4 {
        return f64::NAN;
    }
    let (m2, _, m4) = central_sums(x, m);
    let adjustment = 3.0 * (n - 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0));
    let numerator = without_noise(n * (n + 1.0) * (n - 1.0) * m4);
    let denominator = without_noise((n - 2.0) * (n - 3.0) * m2 * m2);
    if denominator == 0.0 { 0.0 } else { numerator / denominator - adjustment }
}

/// Σ |x[i+1] − x[i]|.
pub(crate) fn absolute_sum_of_changes(x: &[f64]) -> f64 {
    x.get(1..).map_or(0.0, |next| sum_by2(next, x, |b, a| (b - a).abs()))
}

/// Mean of x[i+1] − x[i].
pub(crate) fn mean_change(x: &[f64]) -> f64 {
    match x {
        [first, .., last] => (last - first) / (x.len() - 1) as f64,
        _ => f64::NAN,
    }
}

/// Mean of (x[i+2] − 2·x[i+1] + x[i]) / 2.
pub(crate) fn mean_second_derivative_central(x: &[f64]) -> f64 {
    match x {
        [a, b, .., y, z] => (z - y - b + a) / (2.0 * (x.len() - 2) as f64),
        [a, b, z] => (z - b - b + a) / 2.0,
        _ => f64::NAN,
    }
}

/// Length of the difference vector, optionally of the z-scored series (zero for a constant then).
pub(crate) fn cid_ce(x: &[f64], normalize: bool, b: &Basics) -> f64 {
    let Some(next) = x.get(1..) else { return 0.0 };
    if !normalize {
        return sum_by2(next, x, |b, a| (b - a) * (b - a)).sqrt();
    }
    if b.deviation == 0.0 {
        return 0.0;
    }
    let z = |v: f64| (v - b.mean) / b.deviation;
    sum_by2(next, x, |b, a| (z(b) - z(a)) * (z(b) - z(a))).sqrt()
}

/// Mean of x[i+2·lag]·x[i+lag]·x[i]; zero when the series is too short.
pub(crate) fn c3(x: &[f64], lag: usize) -> f64 {
    triple_mean(x, lag, |a, b, c| c * b * a)
}

/// Mean of x[i+2·lag]²·x[i+lag] − x[i+lag]·x[i]²; zero when the series is too short.
pub(crate) fn time_reversal_asymmetry(x: &[f64], lag: usize) -> f64 {
    triple_mean(x, lag, |a, b, c| c * c * b - b * (a * a))
}

fn triple_mean(x: &[f64], lag: usize, f: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let Some(n) = lag.checked_mul(2).and_then(|l| x.len().checked_sub(l)).filter(|&n| n > 0) else {
        return 0.0;
    };
    let (a, b, c) = (&x[..n], &x[lag..lag + n], &x[2 * lag..]);
    let mut partial = [0.0; 4];
    let mut i = 0;
    while i + 4 <= n {
        for (k, p) in partial.iter_mut().enumerate() {
            *p += f(a[i + k], b[i + k], c[i + k]);
        }
        i += 4;
    }
    let mut total = (partial[0] + partial[1]) + (partial[2] + partial[3]);
    for j in i..n {
        total += f(a[j], b[j], c[j]);
    }
    total / n as f64
}

/// Share of the energy in segment `focus` of `segments` nearly equal ones; NaN for a series of zeros.
pub(crate) fn energy_ratio(x: &[f64], segments: usize, focus: usize) -> f64 {
    let total = dot(x, x);
    if total == 0.0 || x.is_empty() {
        return f64::NAN;
    }
    let (size, longer) = (x.len() / segments, x.len() % segments);
    let start = focus * size + focus.min(longer);
    let end = start + size + usize::from(focus < longer);
    let part = x.get(start..end.min(x.len())).unwrap_or(&[]);
    dot(part, part) / total
}

/// Mean of the `k` largest absolute values; NaN when there are not more values than that.
pub(crate) fn mean_n_absolute_max(sorted: &[f64], k: usize) -> f64 {
    if sorted.len() <= k || k == 0 {
        return f64::NAN;
    }
    // The largest absolute values sit at both ends of the sorted series.
    let (mut low, mut high) = (0, sorted.len());
    let mut chosen = Vec::with_capacity(k);
    for _ in 0..k {
        if sorted[low].abs() > sorted[high - 1].abs() {
            chosen.push(sorted[low].abs());
            low += 1;
        } else {
            high -= 1;
            chosen.push(sorted[high].abs());
        }
    }
    chosen.reverse();
    mean(&chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uneven_segments_are_longer_at_the_front() {
        let x = [1.0; 8];
        assert_eq!(energy_ratio(&x, 3, 0), 3.0 / 8.0);
        assert_eq!(energy_ratio(&x, 3, 2), 2.0 / 8.0);
        assert_eq!(energy_ratio(&x, 3, 7), 0.0);
    }

    #[test]
    fn largest_absolute_values_come_from_both_ends() {
        assert_eq!(mean_n_absolute_max(&[-9.0, -1.0, 2.0, 4.0], 2), 6.5);
        assert!(mean_n_absolute_max(&[1.0], 1).is_nan());
    }
}
