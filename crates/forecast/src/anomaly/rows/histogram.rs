//! Histogram-based outlier score.

use super::{Filler, RowDetector, setting};
use crate::error::FitError;

/// Bins of a column.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Bins {
    low: f64,
    width: f64,
    /// `−log2(density + 0.1)` of every bin.
    surprise: Vec<f64>,
}

/// Added to densities, so that an empty bin is finite; share of a bin's width within which a value beside the histogram
/// still belongs to its last bin (PyOD's defaults).
const REGULAR: f64 = 0.1;
const TOLERANCE: f64 = 0.5;

impl Bins {
    fn new(values: &[f64], bins: usize) -> Self {
        let mut low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let mut high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low >= high {
            (low, high) = (low - 0.5, low + 0.5);
        }
        let width = (high - low) / bins as f64;
        let mut counts = vec![0_usize; bins];
        for v in values {
            counts[crate::stats::floor_usize((v - low) / width).min(bins - 1)] += 1;
        }
        let density = |&c: &usize| c as f64 / (values.len() as f64 * width);
        Self { low, width, surprise: counts.iter().map(|c| -(density(c) + REGULAR).log2()).collect() }
    }

    fn surprise(&self, value: f64) -> f64 {
        let position = (value - self.low) / self.width;
        let bins = self.surprise.len();
        if position < -TOLERANCE || position > bins as f64 + TOLERANCE {
            return self.surprise.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        }
        // Bins are open below and closed above when rows are judged, the other way round when they are learnt.
        let at = crate::stats::floor_usize(position.max(0.0).ceil()).saturating_sub(1);
        self.surprise[at.min(bins - 1)]
    }
}

/// Sum over metrics of how empty their histogram is where the value lies.
///
/// Fast and blind to combinations; a value far outside is as odd as the emptiest bin, so a single mad metric among many is
/// diluted. Fit O(n · metrics), a row O(metrics), memory O(bins · metrics).
///
/// Goldstein & Dengel (2012), Histogram-based outlier score (HBOS), KI. Equal to PyOD's `HBOS` with fixed bins.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::rows::{Histograms, RowDetector};
/// let rows: Vec<Vec<f64>> = (0..300_u32).map(|i| vec![f64::from(i * i % 97)]).collect();
/// let mut detector = Histograms::fit(&rows, 10)?;
/// assert!(detector.score_row(&[500.0])? >= detector.score_row(&[30.0])?);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Histograms {
    filler: Filler,
    columns: Vec<Bins>,
}

impl Histograms {
    /// Learns from at least two rows; `bins` of equal width per metric (2 to 10,000, often 10).
    pub fn fit(rows: &[Vec<f64>], bins: usize) -> Result<Self, FitError> {
        if !(2..=10_000).contains(&bins) {
            return setting("bins", bins as f64, "2 to 10000");
        }
        let (filler, full) = Filler::fit(rows, 2)?;
        let column = |j: usize| Bins::new(&full.iter().map(|r| r[j]).collect::<Vec<_>>(), bins);
        Ok(Self { columns: (0..filler.columns()).map(column).collect(), filler })
    }
}

impl RowDetector for Histograms {
    fn columns(&self) -> usize {
        self.filler.columns()
    }

    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        let row = self.filler.row(row)?;
        Ok(self.columns.iter().zip(row).map(|(c, v)| c.surprise(v)).sum())
    }
}
