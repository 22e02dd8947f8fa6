//! Fluctuation analysis: how the spread of the detrended cumulative sum grows with the window, and where the growth
//! changes.
//!
//! References: Peng et al. (1994), Phys. Rev. E 49; Caccia et al. (1997), Physica A 246.

/// What measures the spread within a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Measure {
    /// Range of the residuals from a straight line.
    Range,
    /// Mean square of the residuals from a straight line.
    MeanSquare,
}

/// Number of logarithmically spaced windows before duplicates are removed.
const SCALES: usize = 50;
/// Smallest window.
const SMALLEST: f64 = 5.0;
/// Smallest number of scales on each side of the break.
const LEAST_SIDE: usize = 8;

/// Window lengths and buffers.
#[derive(Clone, Debug, Default)]
pub(super) struct Fluctuation {
    windows: Vec<usize>,
    sums: Vec<f64>,
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Fluctuation {
    /// Share of scales before the break between two straight lines in the log-log plot of spread against window; one for
    /// too few scales. Every `stride`-th value of the series is used.
    pub(super) fn share(&mut self, z: &[f64], stride: usize, measure: Measure) -> f64 {
        self.sums.clear();
        let mut total = 0.0;
        self.sums.extend(z.iter().step_by(stride).map(|v| {
            total += v;
            total
        }));
        self.spread_windows(self.sums.len() / 2);
        self.x.clear();
        self.y.clear();
        for &window in &self.windows {
            let blocks = self.sums.chunks_exact(window);
            let count = blocks.len() as f64;
            let spread: f64 = blocks.map(|b| block_spread(b, measure)).sum();
            self.x.push((window as f64).ln());
            self.y.push((spread / count).sqrt().ln());
        }
        let scales = self.windows.len();
        let side = LEAST_SIDE.max((scales + 2) / 4);
        if scales < 2 * side || self.y.iter().any(|v| !v.is_finite()) {
            return 1.0;
        }
        best_break(&self.x, &self.y, side) as f64 / scales as f64
    }

    fn spread_windows(&mut self, largest: usize) {
        self.windows.clear();
        if (largest as f64) < SMALLEST {
            return;
        }
        let (low, high) = (SMALLEST.ln(), (largest as f64).ln());
        let step = (high - low) / (SCALES - 1) as f64;
        self.windows.extend((0..SCALES).map(|i| (low + i as f64 * step).exp().round() as usize));
        self.windows.dedup();
    }
}

/// Squared range, or mean square, of the residuals of a block from its straight line.
fn block_spread(block: &[f64], measure: Measure) -> f64 {
    let n = block.len() as f64;
    let centre = (n - 1.0) / 2.0;
    let (mut sum, mut product) = (0.0, 0.0);
    for (i, v) in block.iter().enumerate() {
        sum += v;
        product += (i as f64 - centre) * v;
    }
    let mean = sum / n;
    let slope = product / (n * (n * n - 1.0) / 12.0);
    let residual = |i: usize, v: f64| v - mean - slope * (i as f64 - centre);
    match measure {
        Measure::MeanSquare => {
            block.iter().enumerate().map(|(i, &v)| residual(i, v).powi(2)).sum::<f64>() / n
        }
        Measure::Range => {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for (i, &v) in block.iter().enumerate() {
                let r = residual(i, v);
                low = if r < low { r } else { low };
                high = if r > high { r } else { high };
            }
            (high - low) * (high - low)
        }
    }
}

/// Number of points of the first of two straight lines (sharing one point) with the least total squared error, with at
/// least `side` points before the break and as many behind it.
fn best_break(x: &[f64], y: &[f64], side: usize) -> usize {
    let n = x.len();
    let mut best = (f64::INFINITY, side);
    for i in side..=n - side {
        let error = line_error(&x[..i], &y[..i]) + line_error(&x[i - 1..], &y[i - 1..]);
        if error < best.0 {
            best = (error, i);
        }
    }
    best.1
}

/// Residual sum of squares of a straight line.
fn line_error(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xx, mut xy) = (0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        xx += (a - mx) * (a - mx);
        xy += (a - mx) * (b - my);
    }
    let slope = xy / xx;
    x.iter().zip(y).map(|(a, b)| (b - my - slope * (a - mx)).powi(2)).sum()
}
