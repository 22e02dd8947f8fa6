//! Pairwise summation: error O(log n · ε) instead of O(n · ε), in a fixed order, so that counts of values above a mean
//! do not hinge on rounding. Blocks of up to 128 values are summed in eight interleaved partial sums (which also suits
//! SIMD units), longer slices are halved at a multiple of eight; this is the order used by common array libraries.
//!
//! Reference: Higham (1993), The accuracy of floating point summation, SIAM J. Sci. Comput. 14.

const BLOCK: usize = 128;

/// Σ f(x).
#[inline]
pub(crate) fn sum_by<F: Fn(f64) -> f64 + Copy>(x: &[f64], f: F) -> f64 {
    if x.len() > BLOCK {
        let half = x.len() / 2;
        let half = half - half % 8;
        return sum_by(&x[..half], f) + sum_by(&x[half..], f);
    }
    let (chunks, rest) = x.as_chunks::<8>();
    let mut total = 0.0;
    if let Some((first, others)) = chunks.split_first() {
        let mut r = first.map(f);
        for c in others {
            for (r, &v) in r.iter_mut().zip(c) {
                *r += f(v);
            }
        }
        total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    }
    for &v in rest {
        total += f(v);
    }
    total
}

/// Σ x.
pub(crate) fn sum(x: &[f64]) -> f64 {
    sum_by(x, |v| v)
}

/// Σ f(a, b) over two slices, up to the shorter one.
#[inline]
pub(crate) fn sum_by2<F: Fn(f64, f64) -> f64 + Copy>(a: &[f64], b: &[f64], f: F) -> f64 {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    if n > BLOCK {
        let half = n / 2;
        let half = half - half % 8;
        return sum_by2(&a[..half], &b[..half], f) + sum_by2(&a[half..], &b[half..], f);
    }
    let ((ca, ra), (cb, rb)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut r = [0.0; 8];
    for (a, b) in ca.iter().zip(cb) {
        for k in 0..8 {
            r[k] += f(a[k], b[k]);
        }
    }
    let mut total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (&a, &b) in ra.iter().zip(rb) {
        total += f(a, b);
    }
    total
}

/// Σ a·b.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    sum_by2(a, b, |a, b| a * b)
}

/// Arithmetic mean; NaN without values.
pub(crate) fn mean(x: &[f64]) -> f64 {
    sum(x) / x.len() as f64
}

/// Population variance around the mean; NaN without values.
pub(crate) fn variance(x: &[f64]) -> f64 {
    let m = mean(x);
    sum_by(x, |v| (v - m) * (v - m)) / x.len() as f64
}

/// Middle value of sorted values; NaN without values.
pub(crate) fn median_sorted(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    match n {
        0 => f64::NAN,
        _ if n % 2 == 1 => sorted[n / 2],
        _ => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Quantile by linear interpolation between order statistics; NaN without values.
pub(crate) fn quantile_sorted(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = last as f64 * q.clamp(0.0, 1.0);
    let low = position.floor();
    let t = position - low;
    let (a, b) = (sorted[low as usize], sorted[(low as usize + 1).min(last)]);
    // From the nearer end, so that t = 1 - ε does not overshoot.
    if t >= 0.5 { b - (b - a) * (1.0 - t) } else { a + (b - a) * t }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairwise_sums_are_closer_than_plain_sums() {
        let x = vec![0.1; 1 << 16];
        let plain: f64 = x.iter().sum();
        assert!((sum(&x) - 6553.6).abs() < 1e-11 && (plain - 6553.6).abs() > 1e-10);
        assert_eq!(sum(&[]), 0.0);
    }

    #[test]
    fn quantiles_interpolate_linearly() {
        let x = [1.0, 2.0, 4.0];
        assert_eq!(quantile_sorted(&x, 0.0), 1.0);
        assert_eq!(quantile_sorted(&x, 0.25), 1.5);
        assert_eq!(quantile_sorted(&x, 1.0), 4.0);
        assert!(quantile_sorted(&[], 0.5).is_nan());
    }
}
