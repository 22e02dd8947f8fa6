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
            let mut fours = self.sums.chunks_exact(4 * window);
            let mut spread = 0.0;
            for four in &mut fours {
                let blocks = core::array::from_fn(|k| &four[k * window..(k + 1) * window]);
                spread += block_spreads::<4>(blocks, measure).iter().sum::<f64>();
            }
            for block in fours.remainder().chunks_exact(window) {
                spread += block_spreads([block], measure)[0];
            }
            let count = (self.sums.len() / window) as f64;
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

/// Squared range, or mean square, of the residuals of equally long blocks from their straight lines. Several blocks side
/// by side keep the processor's pipelines full where a single sum would wait for itself.
fn block_spreads<const N: usize>(blocks: [&[f64]; N], measure: Measure) -> [f64; N] {
    let length = blocks[0].len();
    let n = length as f64;
    let centre = (n - 1.0) / 2.0;
    let (mut sums, mut products) = ([0.0; N], [0.0; N]);
    for i in 0..length {
        let at = i as f64 - centre;
        for k in 0..N {
            let v = blocks[k][i];
            sums[k] += v;
            products[k] += at * v;
        }
    }
    let means = sums.map(|s| s / n);
    let slopes = products.map(|p| p / (n * (n * n - 1.0) / 12.0));
    let residual = |i: usize, at: f64, k: usize| blocks[k][i] - means[k] - slopes[k] * at;
    match measure {
        Measure::MeanSquare => {
            let mut squares = [0.0; N];
            for i in 0..length {
                let at = i as f64 - centre;
                for k in 0..N {
                    squares[k] += residual(i, at, k).powi(2);
                }
            }
            squares.map(|s| s / n)
        }
        Measure::Range => {
            let (mut lows, mut highs) = ([f64::INFINITY; N], [f64::NEG_INFINITY; N]);
            for i in 0..length {
                let at = i as f64 - centre;
                for k in 0..N {
                    let r = residual(i, at, k);
                    lows[k] = if r < lows[k] { r } else { lows[k] };
                    highs[k] = if r > highs[k] { r } else { highs[k] };
                }
            }
            core::array::from_fn(|k| (highs[k] - lows[k]) * (highs[k] - lows[k]))
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
