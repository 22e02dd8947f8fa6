//! Comparable scores and a threshold of its own for any detector of rows.

use super::{RowDetector, setting};
use crate::{anomaly::nearest::calibration::Calibration, error::FitError};

/// A score as a tail probability.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CalibratedScore {
    /// The detector's own score.
    pub raw: f64,
    /// `−log10` of the share of normal rows that would score as high: 0 for usual, 3 for one in a thousand; exponential beyond
    /// what the calibration rows show.
    pub rarity: f64,
    /// Rarer than the limit.
    pub alarm: bool,
}

/// A detector with scores as tail probabilities among calibration rows, so that different detectors can be compared and added.
///
/// The calibration rows must be normal and not those the detector was fitted on, or its scores are too small (split conformal
/// prediction, Laxhammar & Falkman 2011; the tail beyond the 98 % quantile is exponential, Pickands 1975).
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::rows::{Calibrated, Ecod};
/// let rows: Vec<Vec<f64>> = (0..600_u32).map(|i| vec![f64::from(i * i % 101), f64::from(i * 17 % 89)]).collect();
/// let mut detector = Calibrated::new(Ecod::fit(&rows[..300])?, &rows[300..], 1e-4)?;
/// assert!(detector.push(&[400.0, -300.0])?.alarm);
/// assert!(!detector.push(&[50.0, 40.0])?.alarm);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Calibrated<D> {
    detector: D,
    calibration: Calibration,
    limit: f64,
}

impl<D: RowDetector> Calibrated<D> {
    /// `false_share`: share of normal rows that may alarm (above 0, below 1); at least 50 calibration rows.
    pub fn new(mut detector: D, normal: &[Vec<f64>], false_share: f64) -> Result<Self, FitError> {
        if !(false_share > 0.0 && false_share < 1.0) {
            return setting("false_share", false_share, "a number strictly between 0 and 1");
        }
        if normal.len() < 50 {
            return Err(FitError::TooShort { needed: 50, found: normal.len() });
        }
        let scores: Vec<f64> = normal.iter().map(|row| detector.score_row(row)).collect::<Result<_, _>>()?;
        Ok(Self { detector, calibration: Calibration::new(scores), limit: -false_share.log10() })
    }

    /// Judges a row.
    pub fn push(&mut self, row: &[f64]) -> Result<CalibratedScore, FitError> {
        let raw = self.detector.score_row(row)?;
        let rarity = self.calibration.rarity(raw);
        Ok(CalibratedScore { raw, rarity, alarm: rarity >= self.limit })
    }

    /// Metrics in a row.
    pub fn columns(&self) -> usize {
        self.detector.columns()
    }

    /// Rarity at which an alarm begins.
    pub fn limit(&self) -> f64 {
        self.limit
    }
}
