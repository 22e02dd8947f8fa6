//! Detectors over rows of many metrics, fitted on mostly normal rows, with one interface.
//!
//! [`RowDetector::score_row`] says how odd a row is: larger is odder, the unit is the detector's own. [`Calibrated`] turns any of them
//! into comparable tail probabilities with a threshold of its own, [`Windowed`] lets them judge sub-sequences of a single
//! series. A fitted detector does not change, so rows one by one and all at once give the same bits; [`RandomCutForest`] learns on.
//!
//! Missing values (NaN) take the training mean of their metric; infinite ones count as ±1e100.

mod autoencoder;
mod calibrated;
mod copula;
mod forest;
mod histogram;
mod kmeans;
mod lof;
mod one_class;
mod principal;
mod random_cut;
mod robust_pca;
mod windowed;

pub use autoencoder::{Autoencoder, AutoencoderSettings};
pub use calibrated::{Calibrated, CalibratedScore};
pub use copula::{Copod, Ecod};
pub use forest::IsolationRows;
pub use histogram::Histograms;
pub use kmeans::{KMeans, KMeansSettings};
pub use lof::LocalOutlierFactor;
pub use one_class::{OneClassSettings, OneClassSvm};
pub use principal::PrincipalResidual;
pub use random_cut::{RandomCutForest, RandomCutSettings};
pub use robust_pca::{Decomposition, RobustPca, decompose_sparse};
pub use windowed::Windowed;

use crate::error::{FitError, MAX_MAGNITUDE};

/// Says how odd rows are.
pub trait RowDetector {
    /// Metrics in a row.
    fn columns(&self) -> usize;

    /// How odd a row is, larger is odder. Refuses a row of another length.
    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError>;

    /// Scores of rows one after another, leaving the detector as it is.
    fn score_rows(&self, rows: &[Vec<f64>]) -> Result<Vec<f64>, FitError>
    where
        Self: Clone,
    {
        let mut detector = self.clone();
        rows.iter().map(|row| detector.score_row(row)).collect()
    }
}

/// Means of the training rows, for what is missing.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Filler {
    means: Vec<f64>,
}

impl Filler {
    /// Checks training rows (equally long, values within ±1e100 or NaN) and returns them without gaps.
    pub(super) fn fit(rows: &[Vec<f64>], least: usize) -> Result<(Self, Vec<Vec<f64>>), FitError> {
        if rows.len() < least {
            return Err(FitError::TooShort { needed: least, found: rows.len() });
        }
        let columns = rows.first().map_or(0, Vec::len);
        if columns == 0 {
            return Err(FitError::Length { name: "row", needed: 1, found: 0 });
        }
        for (index, row) in rows.iter().enumerate() {
            if row.len() != columns {
                return Err(FitError::Length { name: "row", needed: columns, found: row.len() });
            }
            if let Some(&value) = row.iter().find(|v| v.abs() > MAX_MAGNITUDE) {
                return Err(FitError::OutOfRange { index, value });
            }
        }
        let mean = |j: usize| {
            let (sum, count) = rows
                .iter()
                .map(|r| r[j])
                .filter(|v| !v.is_nan())
                .fold((0.0, 0.0), |(s, c), v| (s + v, c + 1.0));
            if count > 0.0 { sum / count } else { 0.0 }
        };
        let filler = Self { means: (0..columns).map(mean).collect() };
        let full = rows.iter().map(|row| filler.filled(row)).collect();
        Ok((filler, full))
    }

    pub(super) fn columns(&self) -> usize {
        self.means.len()
    }

    fn filled(&self, row: &[f64]) -> Vec<f64> {
        row.iter()
            .zip(&self.means)
            .map(|(&v, &m)| if v.is_nan() { m } else { v.clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE) })
            .collect()
    }

    /// A row of the right length without gaps.
    pub(super) fn row(&self, row: &[f64]) -> Result<Vec<f64>, FitError> {
        if row.len() != self.means.len() {
            return Err(FitError::Length { name: "row", needed: self.means.len(), found: row.len() });
        }
        Ok(self.filled(row))
    }
}

/// Mean and standard deviation (population) of every column; a constant column has deviation 1.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Standard {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Standard {
    pub(super) fn new(rows: &[Vec<f64>]) -> Self {
        let n = rows.len().max(1) as f64;
        let columns = rows.first().map_or(0, Vec::len);
        let mean: Vec<f64> = (0..columns).map(|j| rows.iter().map(|r| r[j]).sum::<f64>() / n).collect();
        let deviation = (0..columns)
            .map(|j| (rows.iter().map(|r| (r[j] - mean[j]) * (r[j] - mean[j])).sum::<f64>() / n).sqrt())
            .map(|d| if d > 0.0 && d.is_finite() { d } else { 1.0 })
            .collect();
        Self { mean, deviation }
    }

    /// Distances from the means in standard deviations, within ±1e6.
    pub(super) fn scale(&self, row: &[f64]) -> Vec<f64> {
        row.iter()
            .zip(self.mean.iter().zip(&self.deviation))
            .map(|(v, (m, d))| ((v - m) / d).clamp(-1e6, 1e6))
            .collect()
    }
}

/// Squared distance.
pub(super) fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

pub(super) fn setting<T>(name: &'static str, value: f64, expected: &'static str) -> Result<T, FitError> {
    Err(FitError::Setting { name, value, expected })
}
