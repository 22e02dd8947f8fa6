//! Change points, and the training window that follows from them.

mod detector;
mod online;
mod search;

pub use detector::{ChangePoints, CutSearch, Segment};
pub use online::OnlineChanges;

use crate::{gaps::fill_gaps, stats::mad_sigma};

/// Moments at which the mean level changes: indices of the first value of each new segment.
///
/// PELT with squared-error cost and penalty `penalty · σ² · ln n` (`penalty` around 3 to 10), `σ` from the median absolute
/// first difference, segments of at least `shortest` values. Exact optimum of the penalised cost; O(n) to O(n²).
///
/// Killick, Fearnhead & Eckley (2012), Optimal detection of changepoints with a linear computational cost, JASA 107.
///
/// # Example
/// ```
/// let values: Vec<f64> = (0..100).map(|i| f64::from(i % 3) + if i < 60 { 0.0 } else { 10.0 }).collect();
/// assert_eq!(ecosystem_forecast::change_points(&values, 5.0, 5), [60]);
/// ```
pub fn change_points(values: &[f64], penalty: f64, shortest: usize) -> Vec<usize> {
    let shortest = shortest.max(1);
    let n = values.len();
    if n < 2 * shortest || n < 4 || values.iter().any(|v| v.is_infinite()) {
        return Vec::new();
    }
    let filled = fill_gaps(values, &[]);
    let mut steps: Vec<f64> = filled.windows(2).map(|w| w[1] - w[0]).collect();
    // Differences that are mostly equal have no MAD: their mean size then tells the noise.
    let mean_size = 1.2533 * steps.iter().map(|d| d.abs()).sum::<f64>() / steps.len() as f64;
    let robust = mad_sigma(&mut steps);
    let size = filled.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
    let spread = if robust > 0.0 { robust } else { mean_size };
    let sigma = (spread / std::f64::consts::SQRT_2).max(1e-9 * size).max(1e-300);
    let beta = penalty.max(0.0) * sigma * sigma * (n as f64).ln();
    let (mut sum, mut square) = (vec![0.0; n + 1], vec![0.0; n + 1]);
    for (i, v) in filled.iter().enumerate() {
        let centered = v - filled[0];
        sum[i + 1] = sum[i] + centered;
        square[i + 1] = square[i] + centered * centered;
    }
    let cost = |from: usize, to: usize| {
        let s = sum[to] - sum[from];
        (square[to] - square[from] - s * s / (to - from) as f64).max(0.0)
    };
    search::optimal(n, shortest, beta, |from, to| cost(from, to) + beta)
}

/// How many of the newest values to learn from: everything since the last change of level, but at least `at_least` values.
///
/// Values are averaged per season first, so that a season is not taken for a change.
///
/// # Example
/// ```
/// let values: Vec<f64> = (0..240).map(|i| f64::from(i % 24) + if i < 120 { 0.0 } else { 500.0 }).collect();
/// assert_eq!(ecosystem_forecast::training_window(&values, 24, 48), 120);
/// ```
pub fn training_window(values: &[f64], season: usize, at_least: usize) -> usize {
    let m = season.max(1);
    let offset = values.len() % m;
    let cycles = crate::resample::downsample(&values[offset..], m, crate::resample::Aggregate::Mean);
    let last = change_points(&cycles, 6.0, 2).last().copied().unwrap_or(0);
    let since = if last == 0 { values.len() } else { values.len() - offset - last * m };
    since.max(at_least).min(values.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn noise_alone_has_no_change_and_three_levels_have_two() {
        let mut rng = Pcg::new(11);
        let noise: Vec<f64> = (0..400).map(|_| rng.normal()).collect();
        assert!(change_points(&noise, 6.0, 10).is_empty());
        let levels: Vec<f64> = noise
            .iter()
            .enumerate()
            .map(|(i, e)| {
                e + if i < 150 {
                    0.0
                } else if i < 300 {
                    4.0
                } else {
                    -3.0
                }
            })
            .collect();
        let found = change_points(&levels, 6.0, 10);
        assert_eq!(found.len(), 2);
        assert!(found[0].abs_diff(150) <= 3 && found[1].abs_diff(300) <= 3, "{found:?}");
    }

    #[test]
    fn the_pruned_search_finds_the_exhaustive_optimum() {
        let mut rng = Pcg::new(12);
        for _ in 0..20 {
            let values: Vec<f64> =
                (0..30).map(|i| rng.normal() + if i % 13 < 6 { 3.0 } else { 0.0 }).collect();
            assert_eq!(change_points(&values, 2.0, 2), exhaustive(&values, 2.0, 2));
        }
    }

    /// Optimal partitioning without pruning.
    fn exhaustive(values: &[f64], penalty: f64, shortest: usize) -> Vec<usize> {
        let n = values.len();
        let mut steps: Vec<f64> = values.windows(2).map(|w| w[1] - w[0]).collect();
        let sigma = mad_sigma(&mut steps) / std::f64::consts::SQRT_2;
        let beta = penalty * sigma * sigma * (n as f64).ln();
        let cost = |a: usize, b: usize| {
            let m = crate::stats::mean(&values[a..b]);
            values[a..b].iter().map(|v| (v - m) * (v - m)).sum::<f64>()
        };
        let mut best = vec![(f64::INFINITY, 0); n + 1];
        best[0] = (-beta, 0);
        for end in shortest..=n {
            for start in 0..=end - shortest {
                let total = best[start].0 + cost(start, end) + beta;
                if total < best[end].0 - 1e-12 {
                    best[end] = (total, start);
                }
            }
        }
        let mut points = Vec::new();
        let mut end = best[n].1;
        while end > 0 {
            points.insert(0, end);
            end = best[end].1;
        }
        points
    }
}
