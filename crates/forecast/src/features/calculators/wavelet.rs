//! Wavelet transforms with the Mexican hat: coefficients, and peaks by ridge lines.

use crate::features::sum::dot;
use core::f64::consts::PI;

/// Half width of the support on which the wavelet is tabulated.
const SUPPORT: f64 = 8.0;
/// Number of points of the table of the wavelet's integral.
const POINTS: usize = 1 << 12;

/// Filter of one width: the integral of the wavelet, resampled to the width.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) width: usize,
    taps: Vec<f64>,
}

impl Filter {
    pub(crate) fn new(width: usize) -> Self {
        let step = 2.0 * SUPPORT / (POINTS - 1) as f64;
        let x = |i: usize| if i + 1 == POINTS { SUPPORT } else { i as f64 * step - SUPPORT };
        let scale = 2.0 / (3.0_f64.sqrt() * PI.powf(0.25));
        let mut integral = Vec::with_capacity(POINTS);
        let mut total = 0.0;
        let spacing = x(1) - x(0);
        for i in 0..POINTS {
            let square = x(i) * x(i);
            total += scale * (1.0 - square) * (-square / 2.0).exp();
            integral.push(total * spacing);
        }
        let w = width as f64;
        let count = (w * (x(POINTS - 1) - x(0))) as usize + 1;
        let taps: Vec<f64> = (0..count)
            .map(|i| (i as f64 / (w * spacing)) as usize)
            .take_while(|&at| at < POINTS)
            .map(|at| integral[at])
            .collect();
        Self { width, taps }
    }

    /// Coefficient `at` of the transform: √width times the difference of neighbouring correlations with the integral.
    pub(crate) fn coefficient(&self, x: &[f64], at: usize) -> f64 {
        if at >= x.len() {
            return f64::NAN;
        }
        // The transform keeps the middle x.len() of the x.len() + taps − 2 differences.
        let offset = (self.taps.len() - 2) / 2;
        let (after, before) = (self.convolution(x, at + offset + 1), self.convolution(x, at + offset));
        -(self.width as f64).sqrt() * (after - before)
    }

    /// Entry `k` of the full convolution with the reversed filter.
    fn convolution(&self, x: &[f64], k: usize) -> f64 {
        let from = (k + 1).saturating_sub(self.taps.len());
        let to = (k + 1).min(x.len());
        dot(&x[from..to], &self.taps[self.taps.len() - 1 - (k - from)..])
    }
}

/// Buffers of [`ridge_peaks`].
#[derive(Clone, Debug, Default)]
pub(crate) struct RidgeScratch {
    rows: Vec<Vec<f64>>,
    maxima: Vec<Vec<u32>>,
    window: Vec<f64>,
    tap: Vec<f64>,
    padded: Vec<f64>,
    /// Noise of the finest row around a column, NaN until asked for.
    noise: Vec<f64>,
    /// Widths done for the current series.
    done: usize,
}

impl RidgeScratch {
    /// Forgets the series.
    pub(crate) fn reset(&mut self) {
        self.done = 0;
        self.noise.clear();
    }
}

struct Ridge {
    /// (row, column) of the smallest width seen so far; the latest in case of a tie is not taken.
    head: (usize, usize),
    tail: usize,
    points: usize,
    gap: usize,
}

/// Number of peaks that persist over enough widths 1 … `n` of a Ricker wavelet and stand out from the noise, the tenth
/// percentile of the finest row around them.
///
/// Reference: Du, Kibbe and Lin (2006), Bioinformatics 22. Cost O(n_widths² · length).
pub(crate) fn ridge_peaks(x: &[f64], widths: usize, s: &mut RidgeScratch) -> f64 {
    if x.is_empty() {
        return f64::NAN;
    }
    s.rows.resize(widths.max(s.rows.len()), Vec::new());
    s.maxima.resize(widths.max(s.maxima.len()), Vec::new());
    s.noise.resize(x.len(), f64::NAN);
    for width in s.done + 1..=widths {
        ricker_row(x, width, &mut s.tap, &mut s.padded, &mut s.rows[width - 1]);
        let (row, maxima) = (&s.rows[width - 1], &mut s.maxima[width - 1]);
        maxima.clear();
        maxima
            .extend((1u32..).zip(row.windows(3)).filter(|(_, w)| w[1] > w[0] && w[1] > w[2]).map(|(i, _)| i));
    }
    s.done = s.done.max(widths);
    let Some(start) = (0..widths).rev().find(|&r| !s.maxima[r].is_empty()) else { return 0.0 };
    let ridges = follow_ridges(&s.maxima[..=start], start);
    let least = widths.div_ceil(4);
    let mut peaks = 0_u32;
    for ridge in ridges.iter().filter(|r| r.points >= least) {
        let (row, column) = ridge.head;
        if s.noise[column].is_nan() {
            s.noise[column] = noise_at(&s.rows[0], column, &mut s.window);
        }
        // NaN (zero over zero) is no reason to drop a peak.
        peaks += u32::from(!((s.rows[row][column] / s.noise[column]).abs() < 1.0));
    }
    f64::from(peaks)
}

/// Links maxima from the widest row to the finest.
fn follow_ridges(maxima: &[Vec<u32>], start: usize) -> Vec<Ridge> {
    // A line may skip as many rows as the smallest width.
    const MOST_GAP: usize = 1;
    let mut open: Vec<Ridge> = maxima[start]
        .iter()
        .map(|&c| Ridge { head: (start, c as usize), tail: c as usize, points: 1, gap: 0 })
        .collect();
    let mut closed = Vec::new();
    let mut tails = Vec::new();
    for row in (0..start).rev() {
        for line in &mut open {
            line.gap += 1;
        }
        tails.clear();
        tails.extend(open.iter().map(|l| l.tail));
        let most = (row + 1) as f64 / 4.0;
        for &column in &maxima[row] {
            let column = column as usize;
            // The nearest line, the first of several.
            let nearest = tails.iter().enumerate().min_by_key(|(_, t)| t.abs_diff(column));
            match nearest {
                Some((at, tail)) if tail.abs_diff(column) as f64 <= most => {
                    let line = &mut open[at];
                    if line.head.0 != row {
                        line.head = (row, column);
                    }
                    line.tail = column;
                    line.points += 1;
                    line.gap = 0;
                }
                _ => open.push(Ridge { head: (row, column), tail: column, points: 1, gap: 0 }),
            }
        }
        let mut i = 0;
        while i < open.len() {
            if open[i].gap > MOST_GAP { closed.push(open.remove(i)) } else { i += 1 }
        }
    }
    closed.append(&mut open);
    closed
}

/// Tenth percentile of the finest row in a window of a twentieth of the series around a column.
fn noise_at(finest: &[f64], column: usize, window: &mut Vec<f64>) -> f64 {
    let size = finest.len().div_ceil(20);
    let (from, to) = (column.saturating_sub(size / 2), (column + size / 2 + size % 2).min(finest.len()));
    window.clear();
    window.extend_from_slice(&finest[from..to]);
    let position = (window.len() - 1) as f64 * 0.1;
    let low = position as usize;
    let (_, &mut a, rest) = window.select_nth_unstable_by(low, f64::total_cmp);
    let fraction = position - low as f64;
    if fraction == 0.0 {
        return a;
    }
    let b = rest.iter().copied().fold(f64::INFINITY, f64::min);
    a * (1.0 - fraction) + b * fraction
}

/// Convolution with the Ricker wavelet of a width, cut to the series' place.
fn ricker_row(x: &[f64], width: usize, taps: &mut Vec<f64>, padded: &mut Vec<f64>, row: &mut Vec<f64>) {
    /// Values computed side by side.
    const LANES: usize = 8;
    let count = (10 * width).min(x.len());
    let w = width as f64;
    let scale = 2.0 / ((3.0 * w).sqrt() * PI.powf(0.25));
    taps.clear();
    taps.extend((0..count).map(|i| {
        let at = i as f64 - (count as f64 - 1.0) / 2.0;
        let square = at * at / (w * w);
        scale * (1.0 - square) * (-square / 2.0).exp()
    }));
    // The wavelet is even, so convolution is correlation; row[i] = Σ tap[k] · x[i + k − before].
    let before = count - 1 - (count - 1) / 2;
    padded.clear();
    padded.resize(before, 0.0);
    padded.extend_from_slice(x);
    padded.resize(x.len() + count + LANES, 0.0);
    row.clear();
    row.resize(x.len(), 0.0);
    for (block, out) in row.chunks_mut(LANES).enumerate() {
        let mut sums = [0.0; LANES];
        for (k, &tap) in taps.iter().enumerate() {
            let values = &padded[block * LANES + k..][..LANES];
            for (s, v) in sums.iter_mut().zip(values) {
                *s += tap * v;
            }
        }
        out.copy_from_slice(&sums[..out.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_counted_as_by_the_reference() {
        // tsfresh 0.21.2 (scipy 1.17.1).
        let x: Vec<f64> = (0..200)
            .map(|i| f64::from(i * 7919 % 101) / 101.0 + if [40, 100, 160].contains(&i) { 5.0 } else { 0.0 })
            .collect();
        let mut scratch = RidgeScratch::default();
        assert_eq!((ridge_peaks(&x, 5, &mut scratch), ridge_peaks(&x, 1, &mut scratch)), (9.0, 33.0));
    }
}
