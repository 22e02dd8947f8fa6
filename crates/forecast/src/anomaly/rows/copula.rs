//! Tails of the empirical distribution of every metric: ECOD and COPOD.

use super::{Filler, RowDetector};
use crate::error::FitError;

/// Sorted values and moments of a column.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Column {
    sorted: Vec<f64>,
    mean: f64,
    /// Sums of the second and third powers of the distances from the mean.
    second: f64,
    third: f64,
}

impl Column {
    fn new(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let second = values.iter().map(|v| (v - mean).powi(2)).sum();
        let third = values.iter().map(|v| (v - mean).powi(3)).sum();
        Self { sorted: values, mean, second, third }
    }

    /// `−ln` of the shares of values at most and at least as large, the new value counted in.
    fn tails(&self, value: f64) -> (f64, f64) {
        let n = (self.sorted.len() + 1) as f64;
        let below = self.sorted.partition_point(|v| *v < value);
        let at_most = self.sorted.partition_point(|v| *v <= value);
        let share = |count: usize| -((count + 1) as f64 / n).ln();
        (share(at_most), share(self.sorted.len() - below))
    }

    /// Sign of the skewness with the value counted in (Pébay 2008, update of the third moment by one value).
    fn skew(&self, value: f64) -> f64 {
        let n = self.sorted.len() as f64;
        let distance = value - self.mean;
        let third = self.third + distance.powi(3) * n * (n - 1.0) / (n + 1.0).powi(2)
            - 3.0 * distance * self.second / (n + 1.0);
        let second = self.second + distance * distance * n / (n + 1.0);
        // What is left of a symmetric sample by rounding has no sign.
        if third.abs() <= 1e-14 * second.powf(1.5) { 0.0 } else { third.signum() }
    }

    /// Left tail for skewness below zero, right tail above, both for none.
    fn by_skew(&self, value: f64) -> (f64, f64, f64) {
        let (left, right) = self.tails(value);
        let skew = self.skew(value);
        let skewed = if skew < 0.0 {
            left
        } else if skew > 0.0 {
            right
        } else {
            left + right
        };
        (left, right, skewed)
    }
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Columns {
    filler: Filler,
    columns: Vec<Column>,
}

impl Columns {
    fn fit(rows: &[Vec<f64>]) -> Result<Self, FitError> {
        let (filler, full) = Filler::fit(rows, 2)?;
        let columns =
            (0..filler.columns()).map(|j| Column::new(full.iter().map(|r| r[j]).collect())).collect();
        Ok(Self { filler, columns })
    }

    fn score(&self, row: &[f64], combine: impl Fn((f64, f64, f64)) -> f64) -> Result<f64, FitError> {
        let row = self.filler.row(row)?;
        Ok(self.columns.iter().zip(row).map(|(c, v)| combine(c.by_skew(v))).sum())
    }
}

/// Empirical cumulative distribution: the sum over metrics of the surprise of the rarer tail.
///
/// No setting, no distance, no assumption on shape; metrics count independently, so combinations are not seen. Fit O(n log n) per
/// metric, a row O(metrics · log n), memory O(n · metrics). The new row counts into the distribution and its skewness, as in PyOD
/// when rows are given one at a time.
///
/// Li, Zhao, Hu, Botta, Ionescu & Chen (2022), ECOD, IEEE TKDE.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::rows::{Ecod, RowDetector};
/// let rows: Vec<Vec<f64>> = (0..200_u32).map(|i| vec![f64::from(i % 17), f64::from(i % 11)]).collect();
/// let mut detector = Ecod::fit(&rows)?;
/// assert!(detector.score_row(&[40.0, -9.0])? > 2.0 * detector.score_row(&[8.0, 5.0])?);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ecod(Columns);

impl Ecod {
    /// Learns from at least two rows.
    pub fn fit(rows: &[Vec<f64>]) -> Result<Self, FitError> {
        Columns::fit(rows).map(Self)
    }
}

impl RowDetector for Ecod {
    fn columns(&self) -> usize {
        self.0.filler.columns()
    }

    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        self.0.score(row, |(left, right, skewed)| left.max(right).max(skewed))
    }
}

/// Copula-based outlier detection: as [`Ecod`], with the mean of both tails against the tail the skewness points to.
///
/// Li, Zhao, Botta, Ionescu & Hu (2020), COPOD, ICDM.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Copod(Columns);

impl Copod {
    /// Learns from at least two rows.
    pub fn fit(rows: &[Vec<f64>]) -> Result<Self, FitError> {
        Columns::fit(rows).map(Self)
    }
}

impl RowDetector for Copod {
    fn columns(&self) -> usize {
        self.0.filler.columns()
    }

    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        self.0.score(row, |(left, right, skewed)| f64::midpoint(left, right).max(skewed))
    }
}
