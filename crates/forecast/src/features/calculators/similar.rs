//! Similar stretches: how often a query occurs, and the matrix profile (distance of every stretch to its nearest other one).
//!
//! Distances are Euclidean between stretches brought to mean 0 and deviation 1, so shape counts and level does not.
//!
//! References: Mueen et al. (2017), The fastest similarity search algorithm (MASS); Yeh et al. (2016), Matrix profile I, ICDM;
//! Madrid et al. (2019), Matrix profile XX (all useful subsequence lengths), ICBK. The profile runs along diagonals, where
//! covariances of neighbours differ by two products: O(n²) time, O(n) memory.

/// Squared distances below this are rounding.
const ROUNDING: f64 = 1e-14;
/// Shortest query that has a shape.
const SHORTEST_QUERY: usize = 3;
/// The first window of the search for the longest useful one.
const FIRST_WINDOW: usize = 8;

/// Number of stretches of `x` within `threshold` of the query; NaN for queries shorter than three values or longer than `x`.
pub(crate) fn query_count(x: &[f64], query: &[f64], threshold: f64) -> f64 {
    let m = query.len();
    if m < SHORTEST_QUERY || m > x.len() {
        return f64::NAN;
    }
    let (shape, size) = centred(query);
    let near = x.windows(m).filter(|w| {
        let (other, other_size) = centred(w);
        let squared = match (size > 0.0, other_size > 0.0) {
            (false, false) => 0.0,
            (true, true) => {
                let product: f64 = shape.iter().zip(&other).map(|(a, b)| a * b).sum();
                2.0 * m as f64 * (1.0 - (product / (size * other_size)).min(1.0))
            }
            _ => m as f64, // a constant stretch has no shape: as far as an uncorrelated one, in half the square
        };
        (if squared < ROUNDING { 0.0 } else { squared.sqrt() }) <= threshold
    });
    near.count() as f64
}

/// Deviations from the mean and the root of their sum of squares.
fn centred(w: &[f64]) -> (Vec<f64>, f64) {
    if w.iter().all(|v| *v == w[0]) {
        return (vec![0.0; w.len()], 0.0);
    }
    let mean = w.iter().sum::<f64>() / w.len() as f64;
    let shape: Vec<f64> = w.iter().map(|v| v - mean).collect();
    let size = shape.iter().map(|v| v * v).sum::<f64>().sqrt();
    (shape, size)
}

/// For every stretch of `window` values the largest correlation with one that starts at least ⌈window / 4⌉ later or earlier;
/// −1 where there is none. Empty when the window does not fit.
fn best_correlations(x: &[f64], window: usize) -> Vec<f64> {
    let n = x.len();
    if window < 2 || window > n {
        return Vec::new();
    }
    let count = n - window + 1;
    let (mut means, mut inverse) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for w in x.windows(window) {
        let (shape, size) = centred(w);
        means.push(w[0] - shape[0]);
        inverse.push(if size > 0.0 { 1.0 / size } else { f64::NAN }); // never larger than anything
    }
    let mut best = vec![-1.0_f64; count];
    for lag in window.div_ceil(4)..count {
        let mut covariance: f64 = (0..window).map(|k| (x[k] - means[0]) * (x[lag + k] - means[lag])).sum();
        for row in 0..count - lag {
            let col = row + lag;
            if row > 0 {
                // One value enters, one leaves: with the old mean on one side and the new one on the other this is exact.
                covariance += (x[row + window - 1] - means[row]) * (x[col + window - 1] - means[col - 1])
                    - (x[row - 1] - means[row]) * (x[col - 1] - means[col - 1]);
            }
            let correlation = covariance * inverse[row] * inverse[col]; // NaN beside a constant stretch
            if correlation > best[row] {
                best[row] = correlation;
            }
            if correlation > best[col] {
                best[col] = correlation;
            }
        }
    }
    best
}

/// Distances to the nearest other stretch, for a given window; empty when it does not fit.
fn profile_of(x: &[f64], window: usize) -> Vec<f64> {
    distances(best_correlations(x, window), window)
}

fn distances(mut best: Vec<f64>, window: usize) -> Vec<f64> {
    best.iter_mut().for_each(|c| *c = (2.0 * window as f64 * (1.0 - *c)).max(0.0).sqrt());
    best
}

/// The profile for the longest useful window: doubled from 8 while some pair is correlated above the threshold, then
/// lengthened in steps of a twentieth until no pair is. Empty when there is none at 8.
fn longest_profile(x: &[f64], threshold: f64) -> Vec<f64> {
    let strongest = |best: &[f64]| best.iter().copied().fold(-1.0, f64::max);
    let (mut window, mut last) = (FIRST_WINDOW, None);
    while window <= x.len() / 2 {
        let top = strongest(&best_correlations(x, window));
        if top > threshold {
            last = Some(window);
        }
        if top < threshold {
            break;
        }
        window *= 2;
    }
    let Some(base) = last else { return Vec::new() };
    let mut profile = (Vec::new(), base);
    for step in 1..=20_usize {
        let longer = (20 + step) * base / 20;
        let longer = longer + longer % 2;
        let best = best_correlations(x, longer);
        let enough = strongest(&best) >= threshold;
        profile = (best, longer);
        if !enough {
            break;
        }
    }
    distances(profile.0, profile.1)
}

/// The matrix profile, sorted: for `window` values, or without one for the longest useful window at the correlation
/// `threshold`.
pub(crate) fn sorted_profile(x: &[f64], window: Option<usize>, threshold: f64) -> Vec<f64> {
    let mut profile = window.map_or_else(|| longest_profile(x, threshold), |w| profile_of(x, w));
    profile.sort_unstable_by(f64::total_cmp);
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * i * 7 + 3 * i) % 23) as f64 + (i as f64 * 0.3).sin() * 6.0).collect()
    }

    #[test]
    fn the_profile_equals_the_comparison_of_all_pairs() {
        let x = series(90);
        for window in [2, 5, 8, 21, 60] {
            let fast = profile_of(&x, window);
            let count = x.len() - window + 1;
            for i in 0..count {
                let far = (0..count).filter(|j| i.abs_diff(*j) >= window.div_ceil(4));
                let best = far
                    .map(|j| {
                        let ((a, s), (b, t)) = (centred(&x[i..i + window]), centred(&x[j..j + window]));
                        a.iter().zip(&b).map(|(p, q)| p * q).sum::<f64>() / (s * t)
                    })
                    .fold(-1.0, f64::max);
                let expected = (2.0 * window as f64 * (1.0 - best)).max(0.0).sqrt();
                assert!((fast[i] - expected).abs() < 1e-6, "window {window} at {i}");
            }
        }
    }

    #[test]
    fn a_planted_shape_is_counted_whatever_its_level_and_scale() {
        let mut x = series(60);
        let query = [1.0, 4.0, 2.0, 9.0];
        for (at, scale) in [(10, 1.0), (30, 3.0)] {
            (0..4).for_each(|k| x[at + k] = 100.0 + scale * query[k]);
        }
        assert!((query_count(&x, &query, 0.0) - 2.0).abs() < 1e-12);
        assert!(query_count(&x, &query[..2], 1.0).is_nan() && query_count(&query[..3], &query, 1.0).is_nan());
    }

    #[test]
    fn short_and_constant_series_have_no_profile_or_a_far_one() {
        assert!(
            sorted_profile(&[], None, 0.98).is_empty() && sorted_profile(&[1.0; 5], Some(9), 0.98).is_empty()
        );
        assert!(sorted_profile(&[3.0; 40], None, 0.98).is_empty());
        assert!(sorted_profile(&[3.0; 40], Some(4), 0.98).iter().all(|d| (d - 4.0).abs() < 1e-12));
    }
}
