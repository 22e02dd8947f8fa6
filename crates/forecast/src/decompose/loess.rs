//! Local regression on equally spaced points.
//!
//! Cleveland (1979), Robust locally weighted regression and smoothing scatterplots, JASA 74.

/// Degree 0 (local mean) or 1 (local line), `window` nearest points, an estimate every `jump` points with straight lines
/// between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loess {
    pub(super) window: usize,
    pub(super) line: bool,
    pub(super) jump: usize,
}

/// Most coefficients that are kept for the points next to the ends; beyond, they are computed anew each time.
const KEPT: usize = 1 << 19;

/// A [`Loess`] for data of one length without robustness weights. An estimate is then a sum of the data with coefficients that
/// do not depend on them: computed once, used in every round of a decomposition.
pub(super) struct Operator {
    loess: Loess,
    length: usize,
    estimates: Vec<Estimate>,
    coefficients: Vec<f64>,
}

/// Where an estimate is made, the first value it uses, and its first coefficient (`None`: to be computed).
struct Estimate {
    at: usize,
    left: usize,
    first: Option<usize>,
}

impl Loess {
    /// Smooths `y` into `out` (same length) with robustness weights.
    pub(super) fn smooth(&self, y: &[f64], weights: &[f64], out: &mut [f64]) {
        let n = y.len();
        if n < 2 {
            out.copy_from_slice(y);
            return;
        }
        let q = self.window.min(n);
        for i in self.places(n) {
            let left = self.left(i, n);
            out[i] = self.at(y, Some(weights), i as f64, left, left + q).unwrap_or(y[i]);
        }
        fill_between(out, self.jump);
    }

    /// The smoother of `length` values.
    pub(super) fn operator(&self, length: usize) -> Operator {
        let q = self.window.min(length);
        let half = self.window.div_ceil(2);
        // Interior points share one symmetric kernel, for which line and mean coincide.
        let shared = self.window % 2 == 1 && self.window < length;
        let mut operator = Operator { loess: *self, length, estimates: Vec::new(), coefficients: Vec::new() };
        let mut row = Vec::with_capacity(q);
        let mut kernel = None;
        for i in self.places(length) {
            let left = self.left(i, length);
            let interior = shared && i + 1 >= half && i + half <= length;
            let mut first = kernel.filter(|_| interior);
            if first.is_none() && operator.coefficients.len() + q <= KEPT.max(q) {
                let known = self.coefficients(length, None, i as f64, (left, left + q), &mut row);
                first = known.then_some(operator.coefficients.len());
                operator.coefficients.extend_from_slice(if known { &row } else { &[] });
                if interior {
                    kernel = first;
                }
            }
            operator.estimates.push(Estimate { at: i, left, first });
        }
        operator
    }

    /// Positions of estimates: every `jump`-th and the last.
    fn places(&self, length: usize) -> impl Iterator<Item = usize> + use<> {
        let last = length.saturating_sub(1);
        (0..last).step_by(self.jump.clamp(1, last.max(1))).chain((length > 0).then_some(last))
    }

    /// First of the nearest points of position `i`.
    fn left(&self, i: usize, length: usize) -> usize {
        if self.window >= length {
            return 0;
        }
        (i + 1).saturating_sub(self.window.div_ceil(2)).min(length - self.window)
    }

    /// The estimate at position `x` (may lie outside `0..n`) from points `left..right`; `None` without any weight.
    pub(super) fn at(
        &self,
        y: &[f64],
        weights: Option<&[f64]>,
        x: f64,
        left: usize,
        right: usize,
    ) -> Option<f64> {
        let mut row = Vec::with_capacity(right - left);
        self.coefficients(y.len(), weights, x, (left, right), &mut row).then(|| dot(&row, &y[left..right]))
    }

    /// What each of the points `left..right` of `n` contributes to the estimate at `x`; false without any weight.
    fn coefficients(
        &self,
        n: usize,
        weights: Option<&[f64]>,
        x: f64,
        (left, right): (usize, usize),
        row: &mut Vec<f64>,
    ) -> bool {
        let mut reach = (x - left as f64).max((right - 1) as f64 - x);
        if self.window > n {
            reach += ((self.window - n) / 2) as f64;
        }
        let (near, far) = (0.001 * reach, 0.999 * reach);
        row.clear();
        row.extend((left..right).map(|j| {
            let distance = (j as f64 - x).abs();
            let w = if distance > far {
                0.0
            } else if distance <= near {
                1.0
            } else {
                let u = distance / reach;
                let c = 1.0 - u * u * u;
                c * c * c
            };
            weights.map_or(w, |r| w * r[j])
        }));
        let total: f64 = row.iter().sum();
        if total <= 0.0 {
            return false;
        }
        row.iter_mut().for_each(|w| *w /= total);
        if self.line && reach > 0.0 {
            let place = |k: usize| (left + k) as f64;
            let center: f64 = row.iter().enumerate().map(|(k, w)| w * place(k)).sum();
            let spread: f64 = row.iter().enumerate().map(|(k, w)| w * (place(k) - center).powi(2)).sum();
            if spread.sqrt() > 0.001 * (n - 1) as f64 {
                let slope = (x - center) / spread;
                row.iter_mut().enumerate().for_each(|(k, w)| *w *= 1.0 + slope * (place(k) - center));
            }
        }
        true
    }
}

impl Operator {
    /// Smooths `y` into `out`, both of the length the operator was made for.
    pub(super) fn smooth(&self, y: &[f64], out: &mut [f64]) {
        debug_assert_eq!(y.len(), self.length, "an operator is for one length");
        let q = self.loess.window.min(self.length);
        for e in &self.estimates {
            let near = &y[e.left..e.left + q];
            out[e.at] = match e.first {
                Some(first) => dot(&self.coefficients[first..first + q], near),
                None => self.loess.at(y, None, e.at as f64, e.left, e.left + q).unwrap_or(y[e.at]),
            };
        }
        fill_between(out, self.loess.jump);
    }
}

/// Σ a·b in eight sums side by side.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    let mut lanes = [0.0; 8];
    for (x, y) in a8.zip(b8) {
        for k in 0..8 {
            lanes[k] += x[k] * y[k];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Straight lines between the estimates at `0, jump, 2·jump, …, n-1`.
fn fill_between(out: &mut [f64], jump: usize) {
    let n = out.len();
    if jump < 2 || n < 2 {
        return;
    }
    let mut i = 0;
    while i < n - 1 {
        let next = (i + jump).min(n - 1);
        let (a, b) = (out[i], out[next]);
        for j in i + 1..next {
            out[j] = a + (b - a) * (j - i) as f64 / (next - i) as f64;
        }
        i = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_equals_the_regression_with_equal_weights() {
        let y: Vec<f64> = (0..97).map(|i| f64::from(i * i % 31) - 0.2 * f64::from(i)).collect();
        for (window, line, jump) in
            [(7, true, 1), (8, true, 1), (11, false, 1), (41, true, 5), (201, true, 1), (3, false, 2)]
        {
            let loess = Loess { window, line, jump };
            for n in [1, 2, 3, 10, 97] {
                let (mut plain, mut fast) = (vec![0.0; n], vec![0.0; n]);
                loess.smooth(&y[..n], &vec![1.0; n], &mut plain);
                loess.operator(n).smooth(&y[..n], &mut fast);
                for (p, f) in plain.iter().zip(&fast) {
                    assert!((p - f).abs() < 1e-9, "window {window}, {n} values: {p} and {f}");
                }
            }
        }
    }
}
