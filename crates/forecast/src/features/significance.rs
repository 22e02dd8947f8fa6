//! Tests of association between two variables, with two-sided p-values.
//!
//! | test | between | exact up to |
//! |---|---|---|
//! | [`fisher_exact`] | two truth values | any size |
//! | [`mann_whitney`] | a truth value and a number | 8 in one group, without ties |
//! | [`kolmogorov_smirnov`] | two samples | 10⁷ pairs |
//! | [`kendall_tau`] | two numbers | never: normal limit at every size |
//!
//! Beyond that the usual limit distributions are used, with corrections for ties and, for Mann–Whitney, for continuity.
//!
//! # Example
//! ```
//! use ecosystem_forecast::features::significance::{fisher_exact, kendall_tau};
//! assert!((fisher_exact([[8, 2], [1, 5]]) - 0.03496503496503495).abs() < 1e-12);
//! assert!(kendall_tau(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2.0, 3.0, 5.0, 7.0, 11.0, 13.0]) < 0.01);
//! ```
//!
//! # References
//! Fisher (1922), J. R. Stat. Soc. 85; Mann and Whitney (1947), Ann. Math. Stat. 18; Hodges (1958), Ark. Mat. 3;
//! Kendall (1938), Biometrika 30; Knight (1966), JASA 61.

use statrs::function::erf::erfc;
use statrs::function::factorial::ln_binomial;

/// Most cells of the lattice of an exact Kolmogorov–Smirnov p-value.
const MOST_CELLS: usize = 10_000_000;

/// Fisher's exact test of a two-by-two table of counts: total probability of the tables with the same margins that are at
/// most as likely. One for a table with an empty row or column.
///
/// Cost: proportional to the smallest margin.
pub fn fisher_exact(table: [[u64; 2]; 2]) -> f64 {
    let [[a, b], [c, d]] = table;
    let (row, column, n) = (a + b, a + c, a + b + c + d);
    if row == 0 || column == 0 || row == n || column == n {
        return 1.0;
    }
    let all = ln_binomial(n, column);
    let log_probability = |k: u64| ln_binomial(row, k) + ln_binomial(n - row, column - k) - all;
    let (low, high) = ((row + column).saturating_sub(n), row.min(column));
    // Tables that are equally likely may differ by rounding.
    let limit = log_probability(a) + 1e-9;
    let total: f64 = (low..=high).map(log_probability).filter(|&p| p <= limit).map(f64::exp).sum();
    total.min(1.0)
}

/// Two-sided Mann–Whitney U test of two samples; NaN if one is empty, one if all values are equal.
///
/// Cost: O(n log n); exact p-values (one group of at most 8, no ties) O(n²·8).
pub fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    let (m, n) = (a.len(), b.len());
    if m == 0 || n == 0 {
        return f64::NAN;
    }
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|&v| (v, true)).chain(b.iter().map(|&v| (v, false))).collect();
    all.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    let (mut rank_sum, mut tie_sum, mut before) = (0.0, 0.0, 0.0);
    for run in all.chunk_by(|x, y| x.0 == y.0) {
        let t = run.len() as f64;
        let rank = before + f64::midpoint(t, 1.0);
        rank_sum += rank * run.iter().filter(|v| v.1).count() as f64;
        tie_sum += t * t * t - t;
        before += t;
    }
    let (mf, nf) = (m as f64, n as f64);
    let u = rank_sum - mf * (mf + 1.0) / 2.0;
    let larger = u.max(mf * nf - u);
    if m.min(n) <= 8 && tie_sum == 0.0 && m.max(n) <= 10_000 {
        return (2.0 * mann_whitney_tail(m.min(n), m.max(n), larger)).min(1.0);
    }
    let total = mf + nf;
    let variance = mf * nf / 12.0 * ((total + 1.0) - tie_sum / (total * (total - 1.0)));
    if !(variance > 0.0) {
        return 1.0;
    }
    let z = (larger - mf * nf / 2.0 - 0.5) / variance.sqrt();
    erfc(z / core::f64::consts::SQRT_2).min(1.0)
}

/// P(U ≥ u) without ties, for the smaller sample of `m`: counts of partitions by the product of q-binomials.
fn mann_whitney_tail(m: usize, n: usize, u: f64) -> f64 {
    let most = m * n;
    let mut counts = vec![0.0; most + 1];
    counts[0] = 1.0;
    // Gaussian binomial coefficient: Π (1 − q^(n+i)) / (1 − q^i).
    for i in 1..=m {
        for at in (n + i..=most).rev() {
            counts[at] -= counts[at - n - i];
        }
        for at in i..=most {
            counts[at] += counts[at - i];
        }
    }
    let total: f64 = counts.iter().sum();
    // Symmetric, so the upper tail is summed from the small end.
    let last = most - (u as usize).min(most);
    counts[..=last].iter().sum::<f64>() / total
}

/// Largest distance between the empirical distribution functions of two samples; NaN if one is empty.
pub fn kolmogorov_smirnov_statistic(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    steps_apart(a, b) as f64 / (a.len() as f64 * b.len() as f64)
}

/// The statistic times both sample sizes, an integer.
fn steps_apart(a: &[f64], b: &[f64]) -> u64 {
    let sort = |x: &[f64]| {
        let mut x = x.to_vec();
        x.sort_unstable_by(f64::total_cmp);
        x
    };
    let (a, b) = (sort(a), sort(b));
    let (mut i, mut j, mut most) = (0, 0, 0_u64);
    while i < a.len() && j < b.len() {
        let v = if a[i] <= b[j] { a[i] } else { b[j] };
        while i < a.len() && a[i] <= v {
            i += 1;
        }
        while j < b.len() && b[j] <= v {
            j += 1;
        }
        most = most.max((i as u64 * b.len() as u64).abs_diff(j as u64 * a.len() as u64));
    }
    most
}

/// Two-sided two-sample Kolmogorov–Smirnov test; NaN if one sample is empty.
///
/// Cost: the product of the sizes for exact p-values (up to 10⁷ cells), O(n log n) beyond.
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> f64 {
    let (m, n) = (a.len(), b.len());
    if m == 0 || n == 0 {
        return f64::NAN;
    }
    let steps = steps_apart(a, b);
    if m.saturating_mul(n) <= MOST_CELLS {
        return lattice_outside(m, n, steps);
    }
    let (mf, nf) = (m as f64, n as f64);
    let lambda = steps as f64 / (mf * nf) * (mf * nf / (mf + nf)).sqrt();
    kolmogorov_tail(lambda)
}

/// Share of lattice paths from (0, 0) to (m, n) that touch the region |i/m − j/n| ≥ d (Hodges 1958).
fn lattice_outside(m: usize, n: usize, steps: u64) -> f64 {
    if steps == 0 {
        return 1.0;
    }
    let mut row = vec![0.0_f64; n + 1];
    for i in 0..=m {
        for j in 0..=n {
            let apart = (i as u64 * n as u64).abs_diff(j as u64 * m as u64);
            row[j] = if apart >= steps {
                1.0
            } else if i + j == 0 {
                0.0
            } else {
                let (fi, fj) = (i as f64, j as f64);
                let from_left = if j > 0 { row[j - 1] * fj } else { 0.0 };
                let from_below = if i > 0 { row[j] * fi } else { 0.0 };
                (from_left + from_below) / (fi + fj)
            };
        }
    }
    row[n].min(1.0)
}

/// Q(λ) = 2 Σ (−1)^(k−1) exp(−2 k² λ²).
fn kolmogorov_tail(lambda: f64) -> f64 {
    if lambda < 0.2 {
        return 1.0;
    }
    let mut total = 0.0;
    for k in 1..=100 {
        let k = f64::from(k);
        let term = (-2.0 * k * k * lambda * lambda).exp();
        total += if (k as u32).is_multiple_of(2) { -term } else { term };
        if term < 1e-18 {
            break;
        }
    }
    (2.0 * total).clamp(0.0, 1.0)
}

/// Two-sided test of Kendall's τ-b being zero, by its normal limit with the variance corrected for ties; NaN for fewer than two pairs or a constant.
///
/// Uses the common length of both slices. Cost: O(n log n).
pub fn kendall_tau(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len().min(y.len());
    // Adding zero makes −0 the same as 0 for the sort, too.
    let mut pairs: Vec<(f64, f64)> = x.iter().zip(y).map(|(a, b)| (a + 0.0, b + 0.0)).collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let x_ties = Ties::of(pairs.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len));
    let both = Ties::of(pairs.chunk_by(|a, b| a == b).map(<[_]>::len));
    let mut ys: Vec<f64> = pairs.iter().map(|p| p.1).collect();
    let discordant = inversions(&mut ys);
    let y_ties = Ties::of(ys.chunk_by(|a, b| a == b).map(<[_]>::len));
    let size = n as f64;
    let total = size * (size - 1.0) / 2.0;
    if n < 2 || x_ties.pairs == total || y_ties.pairs == total {
        return f64::NAN;
    }
    let difference = total - x_ties.pairs - y_ties.pairs + both.pairs - 2.0 * discordant;
    let m = size * (size - 1.0);
    let triples = x_ties.cubic * y_ties.cubic;
    let variance = (m * (2.0 * size + 5.0) - x_ties.linear - y_ties.linear) / 18.0
        + 2.0 * x_ties.pairs * y_ties.pairs / m
        + if triples > 0.0 { triples / (9.0 * m * (size - 2.0)) } else { 0.0 };
    erfc((difference / variance.sqrt()).abs() / core::f64::consts::SQRT_2)
}

/// Sums over groups of t equal values.
#[derive(Default)]
struct Ties {
    /// Σ t (t − 1) / 2.
    pairs: f64,
    /// Σ t (t − 1) (t − 2).
    cubic: f64,
    /// Σ t (t − 1) (2 t + 5).
    linear: f64,
}

impl Ties {
    fn of(groups: impl Iterator<Item = usize>) -> Self {
        groups.filter(|&t| t > 1).fold(Self::default(), |mut sums, t| {
            let t = t as f64;
            sums.pairs += t * (t - 1.0) / 2.0;
            sums.cubic += t * (t - 1.0) * (t - 2.0);
            sums.linear += t * (t - 1.0) * (2.0 * t + 5.0);
            sums
        })
    }
}

/// Number of pairs out of order; sorts the values on the way (merge sort from below).
fn inversions(values: &mut Vec<f64>) -> f64 {
    let n = values.len();
    let mut merged = Vec::with_capacity(n);
    let mut count = 0.0;
    let mut width = 1;
    while width < n {
        merged.clear();
        for block in values.chunks(2 * width) {
            let (left, right) = block.split_at(width.min(block.len()));
            let (mut i, mut j) = (0, 0);
            while i < left.len() || j < right.len() {
                if j == right.len() || (i < left.len() && left[i] <= right[j]) {
                    merged.push(left[i]);
                    i += 1;
                } else {
                    count += (left.len() - i) as f64;
                    merged.push(right[j]);
                    j += 1;
                }
            }
        }
        core::mem::swap(values, &mut merged);
        width *= 2;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degenerate_samples_have_no_evidence() {
        assert_eq!(fisher_exact([[0, 0], [3, 4]]), 1.0);
        assert_eq!(mann_whitney(&[1.0; 20], &[1.0; 30]), 1.0);
        assert!(mann_whitney(&[], &[1.0]).is_nan());
        assert!(kendall_tau(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[1.0, 2.0]), 1.0);
    }
}
