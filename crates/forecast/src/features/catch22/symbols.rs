//! Statistics of the series as a word over a small alphabet.

use crate::features::calculators::shape::extremes;

/// Cuts of a sorted series at one and two thirds.
pub(super) fn thirds(sorted: &[f64]) -> [f64; 2] {
    [1.0 / 3.0, 2.0 / 3.0].map(|p| hazen_quantile(sorted, p))
}

/// Hazen's quantile of sorted values (position n·p + ½, linearly interpolated); NaN without values.
pub(super) fn hazen_quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = (sorted.len() as f64 * p - 0.5).clamp(0.0, last as f64);
    let low = at.floor();
    let (a, b) = (sorted[low as usize], sorted[(at.ceil() as usize).min(last)]);
    a + (at - low) * (b - a)
}

/// 0, 1 or 2; a value on a cut belongs below it.
fn letter(v: f64, cuts: [f64; 2]) -> usize {
    usize::from(v > cuts[0]) + usize::from(v > cuts[1])
}

fn pair_counts(z: &[f64], cuts: [f64; 2]) -> [[f64; 3]; 3] {
    let mut counts = [[0.0; 3]; 3];
    let mut before = letter(z[0], cuts);
    for &v in &z[1..] {
        let now = letter(v, cuts);
        counts[before][now] += 1.0;
        before = now;
    }
    counts
}

/// Number of used cells of a table less that of its used rows and columns, plus one: the degrees of freedom that bias
/// plug-in entropies (Miller 1955).
fn freedom<const N: usize>(counts: &[[f64; N]; N]) -> f64 {
    let cells = counts.iter().flatten().filter(|&&c| c > 0.0).count() as f64;
    let rows = counts.iter().filter(|r| r.iter().any(|&c| c > 0.0)).count() as f64;
    let columns = (0..N).filter(|&j| counts.iter().any(|r| r[j] > 0.0)).count() as f64;
    cells - rows - columns + 1.0
}

/// Entropy of pairs of successive letters, with Miller's correction where it is positive.
pub(super) fn pair_entropy(z: &[f64], cuts: [f64; 2]) -> f64 {
    if z.len() < 2 {
        return 0.0;
    }
    let counts = pair_counts(z, cuts);
    let n = (z.len() - 1) as f64;
    let plug_in: f64 = counts.iter().flatten().filter(|&&c| c > 0.0).map(|c| -(c / n) * (c / n).ln()).sum();
    plug_in + freedom(&counts).max(0.0) / (2.0 * n)
}

/// Trace of the covariance matrix of the columns of the transition table.
pub(super) fn transition_trace(z: &[f64], cuts: [f64; 2]) -> f64 {
    if z.len() < 2 {
        return 1.0 / 9.0;
    }
    let counts = pair_counts(z, cuts);
    let n = (z.len() - 1) as f64;
    (0..3)
        .map(|j| {
            let column = [0, 1, 2].map(|i| counts[i][j] / n);
            let mean = column.iter().sum::<f64>() / 3.0;
            column.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 2.0
        })
        .sum()
}

/// Mutual information of the series and itself `lag` later, in five equal bins, less Miller's correction.
pub(super) fn histogram_ami(z: &[f64], lag: usize) -> f64 {
    const BINS: usize = 5;
    let Some(pairs) = z.len().checked_sub(lag).filter(|&p| p > 0) else { return 0.0 };
    let (low, high) = extremes(z);
    let step = (high - low) / BINS as f64;
    let bin = |v: f64| (((v - low) / step + super::NUDGE) as usize).min(BINS - 1);
    let mut counts = [[0.0; BINS]; BINS];
    for (a, b) in z.iter().zip(&z[lag..]) {
        counts[bin(*a)][bin(*b)] += 1.0;
    }
    let n = pairs as f64;
    let rows: [f64; BINS] = core::array::from_fn(|i| counts[i].iter().sum());
    let columns: [f64; BINS] = core::array::from_fn(|j| counts.iter().map(|r| r[j]).sum());
    let mut information = 0.0;
    for i in 0..BINS {
        for j in 0..BINS {
            let c: f64 = counts[i][j];
            if c > 0.0 {
                information += c / n * (c * n / (rows[i] * columns[j])).ln();
            }
        }
    }
    information - freedom(&counts) / (2.0 * n)
}
