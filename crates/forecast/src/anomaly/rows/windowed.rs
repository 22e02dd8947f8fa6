//! Detectors of rows on sub-sequences of one series.

use super::{Calibrated, RowDetector};
use crate::{
    anomaly::{Detector, Direction, Judgement, Score},
    error::FitError,
};
use std::collections::VecDeque;

/// Judges the last values of a series as a row: sub-sequence PCA, k-means on windows, shingled forests.
///
/// [`Windowed::rows`] makes the training rows, any detector is fitted on them, [`Windowed::new`] makes it a
/// [`Detector`] of values. With `shape` windows are centred and scaled to unit deviation, so level and amplitude do not count (a window
/// that does not move is left at zero). `severity` is the rarity. A missing value is replaced by the one before; O(window) plus the
/// detector per value.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{Detector, rows::{Calibrated, PrincipalResidual, Windowed}};
/// let value = |i: u32| (f64::from(i) / 6.0).sin() + f64::from(i * 7919 % 13) / 100.0;
/// let series: Vec<f64> = (0..1200).map(value).collect();
/// let rows = Windowed::<PrincipalResidual>::rows(&series, 24, false);
/// let fitted = PrincipalResidual::fit(&rows[..600], 0.9)?;
/// let mut detector = Windowed::new(Calibrated::new(fitted, &rows[600..], 1e-5)?, false);
/// assert!((1200..1300).all(|i| !detector.push(value(i)).is_anomaly()));
/// assert!(detector.push(value(1300) + 2.0).is_anomaly());
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Windowed<D> {
    detector: Calibrated<D>,
    shape: bool,
    recent: VecDeque<f64>,
}

fn normalise(window: &mut [f64]) {
    let mean = crate::stats::mean(window);
    let deviation = crate::stats::variance(window).sqrt();
    let flat = deviation <= 1e-9 * mean.abs().max(1e-3);
    window.iter_mut().for_each(|v| *v = if flat { 0.0 } else { (*v - mean) / deviation });
}

impl<D: RowDetector> Windowed<D> {
    /// All windows of a series as rows; those with missing values are left out.
    pub fn rows(values: &[f64], window: usize, shape: bool) -> Vec<Vec<f64>> {
        let whole = values.windows(window.max(1)).filter(|w| w.iter().all(|v| v.is_finite()));
        whole
            .map(|w| {
                let mut row = w.to_vec();
                if shape {
                    normalise(&mut row);
                }
                row
            })
            .collect()
    }

    /// Wraps a detector whose rows are windows.
    pub fn new(detector: Calibrated<D>, shape: bool) -> Self {
        Self { detector, shape, recent: VecDeque::new() }
    }

    fn rarity(&mut self, value: f64) -> Result<Option<(f64, bool)>, FitError> {
        let window = self.detector.columns();
        if self.recent.len() == window {
            self.recent.pop_front();
        }
        self.recent.push_back(value);
        if self.recent.len() < window {
            return Ok(None);
        }
        let mut row: Vec<f64> = self.recent.iter().copied().collect();
        if self.shape {
            normalise(&mut row);
        }
        let found = self.detector.push(&row)?;
        Ok(Some((found.rarity, found.alarm)))
    }
}

impl<D: RowDetector + Clone> Detector for Windowed<D> {
    fn push(&mut self, value: f64) -> Score {
        let expected = self.recent.back().copied();
        let known = if value.is_nan() { expected } else { Some(value.clamp(-1e100, 1e100)) };
        let Some(known) = known else { return Score::learning(value, value) };
        let expected = expected.unwrap_or(known);
        let mut score = Score::learning(value, expected);
        // The row has the detector's own length, so it cannot refuse.
        if let Ok(Some((rarity, alarm))) = self.rarity(known)
            && !value.is_nan()
        {
            score.severity = rarity;
            score.judgement = if alarm { Judgement::Anomalous } else { Judgement::Normal };
            score.direction = match () {
                () if !alarm => Direction::Inside,
                () if value >= expected => Direction::Above,
                () => Direction::Below,
            };
        }
        score
    }
}
