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

impl Loess {
    /// Smooths `y` into `out` (same length). `weights` are robustness weights, if any.
    pub(super) fn smooth(&self, y: &[f64], weights: Option<&[f64]>, out: &mut [f64]) {
        let n = y.len();
        if n < 2 {
            out.copy_from_slice(y);
            return;
        }
        let jump = self.jump.clamp(1, n - 1);
        let q = self.window.min(n);
        let half = self.window.div_ceil(2);
        // Interior points of unweighted data share one symmetric kernel, for which line and mean coincide.
        let kernel = (weights.is_none() && self.window % 2 == 1 && self.window < n)
            .then(|| interior_kernel(self.window));
        let mut i = 0_usize;
        loop {
            let left = if self.window >= n { 0 } else { (i + 1).saturating_sub(half).min(n - q) };
            out[i] = match &kernel {
                Some(k) if i + 1 >= half && i + half <= n => {
                    let from = i + 1 - half;
                    k.iter().zip(&y[from..from + k.len()]).map(|(w, v)| w * v).sum()
                }
                _ => self.at(y, weights, i as f64, left, left + q).unwrap_or(y[i]),
            };
            if i == n - 1 {
                break;
            }
            i = (i + jump).min(n - 1);
        }
        if jump > 1 {
            fill_between(out, jump);
        }
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
        let n = y.len();
        let mut reach = (x - left as f64).max((right - 1) as f64 - x);
        if self.window > n {
            reach += ((self.window - n) / 2) as f64;
        }
        let (near, far) = (0.001 * reach, 0.999 * reach);
        let (mut total, mut first) = (0.0, 0.0);
        let weight = |j: usize| {
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
        };
        for j in left..right {
            let w = weight(j);
            total += w;
            first += w * j as f64;
        }
        if total <= 0.0 {
            return None;
        }
        let center = first / total;
        let mut slope = 0.0;
        if self.line && reach > 0.0 {
            let spread: f64 =
                (left..right).map(|j| weight(j) * (j as f64 - center).powi(2)).sum::<f64>() / total;
            if spread.sqrt() > 0.001 * (n - 1) as f64 {
                slope = (x - center) / spread;
            }
        }
        Some((left..right).map(|j| weight(j) / total * (1.0 + slope * (j as f64 - center)) * y[j]).sum())
    }
}

fn interior_kernel(window: usize) -> Vec<f64> {
    let center = (window / 2) as f64;
    let (near, far) = (0.001 * center, 0.999 * center);
    let mut kernel: Vec<f64> = (0..window)
        .map(|j| {
            let distance = (j as f64 - center).abs();
            if distance > far {
                0.0
            } else if distance <= near {
                1.0
            } else {
                let u = distance / center;
                (1.0 - u * u * u).powi(3)
            }
        })
        .collect();
    let total: f64 = kernel.iter().sum();
    kernel.iter_mut().for_each(|k| *k /= total);
    kernel
}

/// Straight lines between the estimates at `0, jump, 2·jump, …, n-1`.
fn fill_between(out: &mut [f64], jump: usize) {
    let n = out.len();
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
