//! Distances between successive points of a two-dimensional embedding, against an exponential distribution.

use crate::features::calculators::shape::{extremes, length};
use crate::features::sum::mean;

/// Mean absolute difference between the histogram density of the distances and the exponential density with the same
/// mean; the number of bins is the larger of Freedman and Diaconis' and Sturges'. `distances` and `sorted` are scratch space.
pub(super) fn distance_misfit(z: &[f64], lag: usize, distances: &mut Vec<f64>, sorted: &mut Vec<f64>) -> f64 {
    let n = z.len();
    distances.clear();
    let count = n.saturating_sub(lag + 1);
    distances.extend((0..count).map(|i| length(z[i + 1] - z[i], z[i + lag + 1] - z[i + lag])));
    let (low, high) = extremes(distances);
    let size = distances.len() as f64;
    // Distances that differ by rounding alone count as equal.
    if !(high - low > 1e-10 * high) {
        return equal_distances(n as f64);
    }
    let spread = middle_half(distances, sorted);
    let freedman = (high - low) / (2.0 * spread / size.cbrt());
    let sturges = size.log2() + 1.0;
    // Without spread in the middle half only Sturges' rule is left; more bins than points by far serve nobody.
    let bins = if freedman.is_finite() { freedman.max(sturges) } else { sturges };
    let bins = (bins.ceil() as usize).clamp(1, 10 * n);
    let step = (high - low) / bins as f64;
    let mut counts = vec![0_u32; bins];
    for d in distances.iter() {
        let at = ((d - low) / step + super::NUDGE) as usize;
        counts[at.min(bins - 1)] += 1;
    }
    let scale = mean(distances);
    let mut misfit = 0.0;
    for (i, &c) in counts.iter().enumerate() {
        let (nudge, width) =
            if i + 1 == bins { (0.0, step * (1.0 + 2.0 * super::NUDGE)) } else { (super::NUDGE, step) };
        let centre = low + (i as f64 + 0.5 - nudge) * step;
        misfit += (f64::from(c) / size / width - (-centre / scale).exp() / scale).abs();
    }
    misfit / bins as f64
}

/// Distance of the quartiles by Hazen's rule, by selection in `scratch`.
fn middle_half(values: &[f64], scratch: &mut Vec<f64>) -> f64 {
    scratch.clear();
    scratch.extend_from_slice(values);
    let n = values.len();
    let mut quartile = |p: f64| {
        let at = (n as f64 * p - 0.5).clamp(0.0, (n - 1) as f64);
        let low = at.floor();
        let (_, &mut a, above) = scratch.select_nth_unstable_by(low as usize, f64::total_cmp);
        let b = if at > low { extremes(above).0 } else { a };
        a + (at - low) * (b - a)
    };
    let lower = quartile(0.25);
    quartile(0.75) - lower
}

/// The established value when all distances are equal (constants and straight lines among them).
pub(super) fn equal_distances(n: f64) -> f64 {
    let excess = if n > 2.0 { (n - 2.0) * (n / (n - 1.0)).sqrt() } else { 0.0 };
    (1000.0 + excess) / core::f64::consts::SQRT_2
}
