//! Histograms with equal bins, and entropies of shares.

/// Counts values in `bins` equal bins from the smallest to the largest value, the last bin closed.
pub(crate) fn equal_bins(
    x: impl Iterator<Item = f64>,
    min: f64,
    max: f64,
    bins: usize,
    counts: &mut Vec<u32>,
) {
    counts.clear();
    counts.resize(bins, 0);
    // A constant series gets a range of one around it.
    let (low, high) = if min == max { (min - 0.5, max + 0.5) } else { (min, max) };
    let width = high - low;
    let step = width / bins as f64;
    let edge = |i: usize| if i == bins { high } else { i as f64 * step + low };
    for v in x {
        let mut at = ((v - low) / width * bins as f64) as usize;
        at = at.min(bins - 1);
        // Rounding may put a value beside its bin; the edges decide.
        if v < edge(at) {
            at = at.saturating_sub(1);
        } else if at + 1 < bins && v >= edge(at + 1) {
            at += 1;
        }
        counts[at] += 1;
    }
}

/// −Σ p·ln p over the shares of the counts.
pub(crate) fn entropy(counts: &[u32], total: usize) -> f64 {
    let n = total as f64;
    let mut sum = 0.0;
    for &c in counts.iter().filter(|&&c| c > 0) {
        let p = f64::from(c) / n;
        sum += p * p.ln();
    }
    -sum
}
