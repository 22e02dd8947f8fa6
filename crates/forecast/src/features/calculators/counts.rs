//! Counts of values, runs and crossings.

/// Longest run of values for which `inside` holds.
pub(crate) fn longest_run(x: &[f64], inside: impl Fn(f64) -> bool) -> f64 {
    let (mut longest, mut current) = (0_usize, 0_usize);
    for &v in x {
        current = if inside(v) { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    longest as f64
}

/// Number of values for which `inside` holds.
pub(crate) fn count(x: &[f64], inside: impl Fn(f64) -> bool) -> f64 {
    x.iter().map(|&v| u64::from(inside(v))).sum::<u64>() as f64
}

/// Number of times the series goes from at or below `level` to above it or back.
pub(crate) fn crossings(x: &[f64], level: f64) -> f64 {
    x.windows(2).map(|w| u64::from((w[0] > level) != (w[1] > level))).sum::<u64>() as f64
}

/// First digit of the shortest decimal spelling, for positive finite values.
///
/// `v ≥ d·10^e` in floating point, with the right side rounded to nearest, is the same as the shortest spelling being at
/// least `d·10^e`, because rounding is monotone; so comparisons with a table replace printing.
fn leading_digit(v: f64, table: &DigitTable) -> usize {
    let at = table.bounds.partition_point(|&b| b <= v);
    match at {
        0 => 0,
        _ => (at - 1) % 9 + 1,
    }
}

/// The bounds 1, 2 … 9 · 10^e for every exponent of a double.
#[derive(Clone, Debug)]
pub(crate) struct DigitTable {
    bounds: Vec<f64>,
    benford: [f64; 9],
}

/// Smallest decimal exponent of a double (the least subnormal is 4.9e-324).
const LEAST_EXPONENT: i32 = -324;

impl DigitTable {
    pub(crate) fn new() -> Self {
        let bounds = (LEAST_EXPONENT..=308)
            .flat_map(|e| (1..=9).map(move |d| format!("{d}e{e}").parse().unwrap_or(f64::INFINITY)))
            .collect();
        Self { bounds, benford: core::array::from_fn(|i| (1.0 + 1.0 / (i + 1) as f64).log10()) }
    }

    /// The part of the table for one decade around `v`.
    fn near(&self, v: f64) -> usize {
        // log10(2) · binary exponent is at most one decade below the decimal exponent.
        let exponent = ((v.to_bits() >> 52) & 0x7ff) as i32 - 1023;
        let decade = (f64::from(exponent) * core::f64::consts::LOG10_2).floor() as i32;
        let mut d = (decade - 1 - LEAST_EXPONENT).max(0) as usize * 9;
        while d < self.bounds.len() && self.bounds[d] <= v {
            d += 9;
        }
        d.saturating_sub(9)
    }
}

/// Correlation of the shares of the leading digits 1 … 9 with Benford's law; NaN if all shares are equal.
pub(crate) fn benford_correlation(x: &[f64], table: &DigitTable) -> f64 {
    let mut counts = [0_u64; 10];
    for &v in x {
        let v = v.abs();
        let digit = if v < f64::MIN_POSITIVE {
            if v == 0.0 { 0 } else { leading_digit(v, table) }
        } else {
            let d = table.near(v);
            let decade = &table.bounds[d..(d + 9).min(table.bounds.len())];
            decade.iter().filter(|&&b| b <= v).count()
        };
        counts[digit] += 1;
    }
    let n = x.len() as f64;
    let shares: [f64; 9] = core::array::from_fn(|i| counts[i + 1] as f64 / n);
    correlation(&table.benford, &shares)
}

fn correlation(a: &[f64; 9], b: &[f64; 9]) -> f64 {
    let (ma, mb) = (a.iter().sum::<f64>() / 9.0, b.iter().sum::<f64>() / 9.0);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - ma) * (y - mb);
        aa += (x - ma) * (x - ma);
        bb += (y - mb) * (y - mb);
    }
    if bb == 0.0 { f64::NAN } else { (ab / aa.sqrt() / bb.sqrt()).clamp(-1.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_digits_are_those_of_the_shortest_spelling() {
        let table = DigitTable::new();
        let mut v = 3.1e-310_f64;
        while v < 1e300 {
            for w in [v, f64::from_bits(v.to_bits() - 1), f64::from_bits(v.to_bits() + 1)] {
                let expected = format!("{w:e}").bytes().next().map(|b| usize::from(b - b'0'));
                assert_eq!(Some(leading_digit(w, &table)), expected, "{w:e}");
                if w >= f64::MIN_POSITIVE {
                    let d = table.near(w);
                    let digit = table.bounds[d..d + 9].iter().filter(|&&b| b <= w).count();
                    assert_eq!(Some(digit), expected, "{w:e}");
                }
            }
            v *= 1.37;
        }
        for (w, digit) in [(0.3, 3), (1.0, 1), (10.0, 1), (9.9e22, 9), (1e23, 1), (0.1, 1)] {
            let d = table.near(w);
            assert_eq!(table.bounds[d..d + 9].iter().filter(|&&b| b <= w).count(), digit, "{w}");
        }
    }

    #[test]
    fn runs_and_crossings() {
        let x = [1.0, 2.0, 2.0, 0.0, 3.0];
        assert_eq!(longest_run(&x, |v| v > 1.0), 2.0);
        assert_eq!(crossings(&x, 1.0), 3.0);
        assert_eq!(count(&x, |v| v == 2.0), 2.0);
    }
}
