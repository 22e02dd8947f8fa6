//! Ordinal patterns and phrases.

/// Entropy of the ordinal patterns of windows of `dimension` points that start every `tau` points; NaN without a window.
///
/// A window's pattern is numbered by its Lehmer code: for each point the number of earlier points in the window that rank
/// higher. Equal values within a window of up to eight points are ranked by Batcher's bitonic network for eight lanes,
/// which is what the established values of the feature rest on (they come from a vectorised sort that is not stable);
/// in longer windows they keep their order in time. Cost O(n·dimension²).
pub(crate) fn permutation_entropy(
    x: &[f64],
    dimension: usize,
    tau: usize,
    scratch: &mut PatternScratch,
) -> f64 {
    let Some(last) = x.len().checked_sub(dimension) else { return f64::NAN };
    let windows = last / tau + 1;
    scratch.counts_of_counts.clear();
    scratch.counts_of_counts.resize(windows + 1, 0);
    match dimension {
        3 => count_patterns::<3>(x, tau, scratch),
        4 => count_patterns::<4>(x, tau, scratch),
        5 => count_patterns::<5>(x, tau, scratch),
        6 => count_patterns::<6>(x, tau, scratch),
        7 => count_patterns::<7>(x, tau, scratch),
        _ => count_patterns_sorted(x, dimension, tau, scratch),
    }
    let n = windows as f64;
    let mut sum = 0.0;
    for (count, &times) in scratch.counts_of_counts.iter().enumerate().skip(1).filter(|(_, t)| **t > 0) {
        let p = count as f64 / n;
        sum += f64::from(times) * p * p.ln();
    }
    -sum
}

/// Buffers of [`permutation_entropy`] and [`lempel_ziv`].
#[derive(Clone, Debug, Default)]
pub(crate) struct PatternScratch {
    table: Vec<u32>,
    codes: Vec<u64>,
    counts_of_counts: Vec<u32>,
    symbols: Vec<usize>,
}

fn count_patterns<const D: usize>(x: &[f64], tau: usize, scratch: &mut PatternScratch) {
    let patterns: usize = (1..=D).product();
    scratch.table.clear();
    scratch.table.resize(patterns, 0);
    for w in x.windows(D).step_by(tau) {
        let w: &[f64; D] = w.try_into().expect("windows(D) yields D values");
        let (mut code, mut ties) = (0, false);
        for k in 1..D {
            let mut larger = 0;
            for i in 0..k {
                larger += usize::from(w[i] > w[k]);
                ties |= w[i] == w[k];
            }
            code = code * (k + 1) + larger;
        }
        scratch.table[if ties { tied_code(w) } else { code }] += 1;
    }
    for &c in scratch.table.iter().filter(|&&c| c > 0) {
        scratch.counts_of_counts[c as usize] += 1;
    }
}

/// The Lehmer code of a window with equal values.
fn tied_code<const D: usize>(w: &[f64; D]) -> usize {
    let places = network_order(w);
    let mut rank = [0; D];
    for (r, &place) in places[..D].iter().enumerate() {
        rank[place] = r;
    }
    (1..D).fold(0, |code, k| code * (k + 1) + (0..k).filter(|&i| rank[i] > rank[k]).count())
}

/// Places of the values of a window in ascending order, by a bitonic network that exchanges only where strictly greater.
fn network_order<const D: usize>(w: &[f64; D]) -> [usize; 8] {
    /// Pairs compared in each of the six steps, smaller value to the first place.
    const STEPS: [[(usize, usize); 4]; 6] = [
        [(0, 1), (2, 3), (4, 5), (6, 7)],
        [(0, 3), (1, 2), (4, 7), (5, 6)],
        [(0, 1), (2, 3), (4, 5), (6, 7)],
        [(0, 7), (1, 6), (2, 5), (3, 4)],
        [(0, 2), (1, 3), (4, 6), (5, 7)],
        [(0, 1), (2, 3), (4, 5), (6, 7)],
    ];
    let mut keys: [f64; 8] = core::array::from_fn(|i| w.get(i).copied().unwrap_or(f64::INFINITY));
    let mut places: [usize; 8] = core::array::from_fn(|i| i);
    for step in STEPS {
        for (a, b) in step {
            if keys[a] > keys[b] {
                keys.swap(a, b);
                places.swap(a, b);
            }
        }
    }
    places
}

fn count_patterns_sorted(x: &[f64], dimension: usize, tau: usize, scratch: &mut PatternScratch) {
    scratch.codes.clear();
    scratch.codes.extend(x.windows(dimension).step_by(tau).map(|w| {
        (1..dimension).fold(0_u64, |code, k| {
            let larger = w[..k].iter().filter(|&&v| v > w[k]).count();
            code * (k + 1) as u64 + larger as u64
        })
    }));
    scratch.codes.sort_unstable();
    for run in scratch.codes.chunk_by(|a, b| a == b) {
        scratch.counts_of_counts[run.len()] += 1;
    }
}

/// Number of complete phrases of the incremental (Lempel and Ziv 1978) parsing ÷ length, after binning into `bins` equal
/// bins, closed above.
pub(crate) fn lempel_ziv(x: &[f64], min: f64, max: f64, bins: usize, scratch: &mut PatternScratch) -> f64 {
    if x.is_empty() {
        return f64::NAN;
    }
    let step = (max - min) / bins as f64;
    let edge = |i: usize| if i + 1 == bins { max } else { (i + 1) as f64 * step + min };
    scratch.symbols.clear();
    scratch.symbols.extend(x.iter().map(|&v| {
        // Index of the first edge that is not below the value; the guess may be off by rounding.
        let mut at = if step > 0.0 { (((v - min) / step) as usize).min(bins - 1) } else { 0 };
        while at > 0 && edge(at - 1) >= v {
            at -= 1;
        }
        while at + 1 < bins && edge(at) < v {
            at += 1;
        }
        at
    }));
    // A phrase is a node of a trie; row k of the table holds the children of node k, 0 = none.
    scratch.table.clear();
    scratch.table.resize(bins, 0);
    let (mut phrases, mut node) = (0_u32, 0_usize);
    for &symbol in &scratch.symbols {
        let child = &mut scratch.table[node * bins + symbol];
        if *child == 0 {
            phrases += 1;
            *child = phrases;
            let rows = phrases as usize + 1;
            scratch.table.resize(rows * bins, 0);
            node = 0;
        } else {
            node = *child as usize;
        }
    }
    f64::from(phrases) / x.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_of_ordinal_patterns() {
        // Bandt and Pompe: two patterns occur twice, one once.
        let x = [4.0, 7.0, 9.0, 10.0, 6.0, 11.0, 3.0];
        let h = permutation_entropy(&x, 3, 1, &mut PatternScratch::default());
        let expected = -(2.0 * 0.4 * 0.4_f64.ln() + 0.2 * 0.2_f64.ln());
        assert!((h - expected).abs() < 1e-15);
        let general = permutation_entropy(&x, 2, 1, &mut PatternScratch::default());
        let expected = -(4.0 / 6.0 * (4.0_f64 / 6.0).ln() + 2.0 / 6.0 * (2.0_f64 / 6.0).ln());
        assert!((general - expected).abs() < 1e-15);
    }

    #[test]
    fn phrases_are_counted_as_in_the_textbook() {
        // 1 0 0 1 1 1 → 1, 0, 01, 11.
        let x = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        assert_eq!(lempel_ziv(&x, 0.0, 1.0, 2, &mut PatternScratch::default()), 4.0 / 6.0);
    }
}
