//! Similar templates: the counting behind approximate and sample entropy.
//!
//! For every point the set of points within the tolerance is kept as a row of bits; a template of m points matches
//! another when m consecutive rows, shifted against each other, share a bit. In order of value the sets change by one
//! point at a time, so building all rows costs O(n²/64) word copies, and counting O(m·n²/64) word operations, instead of
//! O(m·n²) comparisons. Columns are done in blocks, so memory stays O(n).
//!
//! References: Pincus (1991), PNAS 88; Richman and Moorman (2000), Am. J. Physiol. 278. The bit-parallel
//! counting is our own.

/// Words per block of columns.
const WORDS: usize = 16;
/// One more word feeds the shifts.
const ROW: usize = WORDS + 1;
/// Largest template length (bits that the extra word can feed).
pub(crate) const LONGEST_TEMPLATE: usize = 62;

/// Numbers of matching templates (each with itself included) at lengths m and m + 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Matches {
    /// Σ ln(count) over templates, length m and m + 1.
    pub(crate) log_sums: [f64; 2],
    /// Σ count over templates, length m and m + 1.
    pub(crate) totals: [u64; 2],
}

/// Buffers, reused from series to series.
#[derive(Clone, Debug, Default)]
pub(crate) struct TemplateScratch {
    rows: Vec<[u64; ROW]>,
    short: Vec<u32>,
    long: Vec<u32>,
    /// ln k, extended on demand.
    logs: Vec<f64>,
}

/// Counts matches within `tolerance` (largest coordinate difference, bound included) of all templates of `m` and of
/// `m + 1` points. `order` sorts `x`. Expects m + 1 < x.len() and m ≤ [`LONGEST_TEMPLATE`].
pub(crate) fn count_matches(
    x: &[f64],
    order: &[u32],
    m: usize,
    tolerance: f64,
    s: &mut TemplateScratch,
) -> Matches {
    let n = x.len();
    // Every row is overwritten below.
    s.rows.resize(n, [0; ROW]);
    s.short.clear();
    s.short.resize(n - m + 1, 0);
    s.long.clear();
    s.long.resize(n - m, 0);
    for from in (0..n).step_by(WORDS * 64) {
        fill_rows(x, order, tolerance, from, &mut s.rows);
        for i in 0..n - m {
            let (short, long) = shared_bits(&s.rows[i..=i + m]);
            s.short[i] += short;
            s.long[i] += long;
        }
        let (_, short) = shared_bits(&s.rows[n - m..]);
        s.short[n - m] += short;
    }
    for k in s.logs.len()..=n {
        s.logs.push((k as f64).ln());
    }
    let figures = |counts: &[u32]| {
        let log_sum = counts.iter().map(|&c| s.logs[c as usize]).sum::<f64>();
        (log_sum, counts.iter().map(|&c| u64::from(c)).sum::<u64>())
    };
    let ((a, b), (c, d)) = (figures(&s.short), figures(&s.long));
    Matches { log_sums: [a, c], totals: [b, d] }
}

/// Bits of the columns `from …` of every row: which points are within the tolerance.
fn fill_rows(x: &[f64], order: &[u32], tolerance: f64, from: usize, rows: &mut [[u64; ROW]]) {
    let mut bits = [0_u64; ROW];
    let flip = |bits: &mut [u64; ROW], j: u32| {
        let at = (j as usize).wrapping_sub(from);
        if at < ROW * 64 {
            bits[at / 64] ^= 1 << (at % 64);
        }
    };
    let (mut low, mut high) = (0, 0);
    for &i in order {
        let v = x[i as usize];
        let enters = |w: f64| w <= v || w - v <= tolerance;
        while high < order.len() && enters(x[order[high] as usize]) {
            flip(&mut bits, order[high]);
            high += 1;
        }
        while low < high && v - x[order[low] as usize] > tolerance {
            flip(&mut bits, order[low]);
            low += 1;
        }
        rows[i as usize] = bits;
    }
}

/// Number of columns j of the block with bit j + s set in row s, for all rows but the last, and for all rows.
#[inline]
fn shared_bits(rows: &[[u64; ROW]]) -> (u32, u32) {
    let mut shared: [u64; WORDS] = core::array::from_fn(|w| rows[0][w]);
    let last = rows.len() - 1;
    for (shift, row) in rows.iter().enumerate().take(last).skip(1) {
        and_shifted(&mut shared, row, shift);
    }
    let short = ones(&shared);
    and_shifted(&mut shared, &rows[last], last);
    (short, ones(&shared))
}

#[inline]
fn and_shifted(shared: &mut [u64; WORDS], row: &[u64; ROW], shift: usize) {
    if shift == 0 {
        return;
    }
    for w in 0..WORDS {
        shared[w] &= row[w] >> shift | row[w + 1] << (64 - shift);
    }
}

/// Number of ones in 16 words: carry-save adders first, so that only five words need a population count.
#[inline]
fn ones(w: &[u64; WORDS]) -> u32 {
    #[inline]
    fn add(a: u64, b: u64, c: u64) -> (u64, u64) {
        let u = a ^ b;
        (a & b | u & c, u ^ c)
    }
    let (t0, o) = add(w[0], w[1], w[2]);
    let (t1, o) = add(o, w[3], w[4]);
    let (t2, o) = add(o, w[5], w[6]);
    let (t3, o) = add(o, w[7], w[8]);
    let (t4, o) = add(o, w[9], w[10]);
    let (t5, o) = add(o, w[11], w[12]);
    let (t6, o) = add(o, w[13], w[14]);
    let (t7, o) = add(o, w[15], 0);
    let (f0, t) = add(t0, t1, t2);
    let (f1, t) = add(t, t3, t4);
    let (f2, t) = add(t, t5, t6);
    let (f3, t) = add(t, t7, 0);
    let (e0, f) = add(f0, f1, f2);
    let (e1, f) = add(f, f3, 0);
    let (s, e) = (e0 & e1, e0 ^ e1);
    16 * s.count_ones() + 8 * e.count_ones() + 4 * f.count_ones() + 2 * t.count_ones() + o.count_ones()
}

/// |φ(m) − φ(m + 1)|, zero for series of at most m + 1 points.
pub(crate) fn approximate_entropy(n: usize, m: usize, matches: &Matches) -> f64 {
    let phi = |log_sum: f64, templates: usize| {
        let t = templates as f64;
        (log_sum - t * t.ln()) / t
    };
    (phi(matches.log_sums[0], n - m + 1) - phi(matches.log_sums[1], n - m)).abs()
}

/// −ln(A / B) with self-matches removed; infinite without a longer match, NaN without any.
pub(crate) fn sample_entropy(n: usize, m: usize, matches: &Matches) -> f64 {
    let b = matches.totals[0] - (n - m + 1) as u64;
    let a = matches.totals[1] - (n - m) as u64;
    -(a as f64 / b as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted_plainly(x: &[f64], m: usize, tolerance: f64) -> u64 {
        let templates: Vec<&[f64]> = x.windows(m).collect();
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(p, q)| (p - q).abs() <= tolerance);
        templates.iter().map(|a| templates.iter().filter(|b| near(a, b)).count() as u64).sum()
    }

    #[test]
    fn bits_count_the_same_matches_as_plain_comparison() {
        for n in [4, 5, 63, 64, 65, 130, 1030, 1100] {
            let x: Vec<f64> = (0..n).map(|i| ((i * i * 31 + i * 17) % 41) as f64 * 0.1).collect();
            let mut order: Vec<u32> = (0..n as u32).collect();
            order.sort_by(|&a, &b| x[a as usize].total_cmp(&x[b as usize]));
            for m in [1, 2, 3] {
                if m + 1 >= n {
                    continue;
                }
                for tolerance in [0.0, 0.1, 0.30000000000000004, 1.5, 9.0] {
                    let found = count_matches(&x, &order, m, tolerance, &mut TemplateScratch::default());
                    let expected = [counted_plainly(&x, m, tolerance), counted_plainly(&x, m + 1, tolerance)];
                    assert_eq!(found.totals, expected, "n {n} m {m} r {tolerance}");
                }
            }
        }
    }
}
