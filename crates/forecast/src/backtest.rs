//! Rolling-origin evaluation: forecast from several past moments, compare with what came.
//!
//! The model sees only values before the origin; a fresh fit is made at every origin.

use crate::{
    error::{FitError, PredictError},
    metrics,
    model::{Fitted, Forecaster},
};

/// Settings of a back-test.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Backtest, SeasonalNaive};
/// let values: Vec<f64> = (0..60).map(|i| f64::from(i % 6)).collect();
/// let report = Backtest::new(6).with_origins(3).with_season(6).run(&SeasonalNaive::new(6), &values)?;
/// assert_eq!(report.folds.len(), 3);
/// assert_eq!(report.mase, 0.0);
/// # Ok::<(), ecosystem_forecast::BacktestError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Backtest {
    /// Steps forecast from each origin.
    pub horizon: usize,
    /// Number of origins, the last one `horizon` steps before the end (default 3).
    pub origins: usize,
    /// Steps between two origins (default: the horizon, so that folds do not overlap).
    pub step: usize,
    /// Longest training window; `None` (default) takes everything before the origin.
    pub window: Option<usize>,
    /// Season of the MASE scale, 1 by default.
    pub season: usize,
    /// Levels of the intervals that are judged (default 0.95).
    pub levels: Vec<f64>,
}

/// Result of a back-test: means over all folds, and the folds.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct BacktestReport {
    /// Mean absolute scaled error.
    pub mase: f64,
    /// Symmetric mean absolute percentage error, percent.
    pub smape: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Per level: share of values inside the interval.
    pub coverage: Vec<f64>,
    /// Per level: mean scaled interval score.
    pub msis: Vec<f64>,
    /// Each origin, oldest first.
    pub folds: Vec<Fold>,
}

/// One origin.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Fold {
    /// Index of the first forecast value.
    pub origin: usize,
    /// What was forecast.
    pub predicted: Vec<f64>,
    /// Mean absolute scaled error of this fold.
    pub mase: f64,
    /// sMAPE of this fold, percent.
    pub smape: f64,
    /// Root mean squared error of this fold.
    pub rmse: f64,
    /// Per level: share of values inside.
    pub coverage: Vec<f64>,
    /// Per level: mean scaled interval score.
    pub msis: Vec<f64>,
}

/// Why a back-test could not run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BacktestError {
    /// Too few values for the origins asked for.
    #[error("{found} values are too few: {origins} origins with horizon {horizon} need more than {needed}")]
    TooShort {
        /// Values given.
        found: usize,
        /// Values the folds alone take.
        needed: usize,
        /// Origins asked for.
        origins: usize,
        /// Horizon asked for.
        horizon: usize,
    },
    /// The model could not be fitted at an origin.
    #[error("fit before index {origin} failed: {source}")]
    Fit {
        /// Index of the origin.
        origin: usize,
        /// What the model said.
        source: FitError,
    },
    /// The fitted model could not predict.
    #[error(transparent)]
    Predict(#[from] PredictError),
}

impl Backtest {
    /// Three non-overlapping folds of `horizon` steps at the end of the data, 95 % intervals.
    pub fn new(horizon: usize) -> Self {
        Self { horizon, origins: 3, step: horizon, window: None, season: 1, levels: vec![0.95] }
    }

    /// Number of origins.
    #[must_use]
    pub const fn with_origins(mut self, origins: usize) -> Self {
        self.origins = origins;
        self
    }

    /// Steps between origins.
    #[must_use]
    pub const fn with_step(mut self, step: usize) -> Self {
        self.step = step;
        self
    }

    /// Season of the MASE scale.
    #[must_use]
    pub const fn with_season(mut self, season: usize) -> Self {
        self.season = season;
        self
    }

    /// Longest training window.
    #[must_use]
    pub const fn with_window(mut self, window: usize) -> Self {
        self.window = Some(window);
        self
    }

    /// Interval levels to judge.
    #[must_use]
    pub fn with_levels(mut self, levels: &[f64]) -> Self {
        self.levels = levels.to_vec();
        self
    }

    /// Origins, oldest first.
    fn starts(&self, len: usize) -> Result<Vec<usize>, BacktestError> {
        let (origins, step) = (self.origins.max(1), self.step.max(1));
        let needed = self.horizon.saturating_add((origins - 1).saturating_mul(step));
        if self.horizon == 0 || len <= needed {
            let short = BacktestError::TooShort { found: len, needed, origins, horizon: self.horizon };
            return Err(if self.horizon == 0 { PredictError::Horizon { horizon: 0 }.into() } else { short });
        }
        Ok((0..origins).rev().map(|k| len - self.horizon - k * step).collect())
    }

    /// Fits and forecasts at every origin.
    pub fn run<F: Forecaster>(&self, model: &F, values: &[f64]) -> Result<BacktestReport, BacktestError> {
        let mut folds = Vec::new();
        for origin in self.starts(values.len())? {
            let from = self.window.map_or(0, |w| origin.saturating_sub(w));
            let train = &values[from..origin];
            let actual = &values[origin..origin + self.horizon];
            let fitted = model.fit(train).map_err(|source| BacktestError::Fit { origin, source })?;
            let forecast = fitted.predict(self.horizon, &self.levels)?;
            let scale = metrics::seasonal_scale(train, self.season);
            folds.push(Fold {
                origin,
                mase: metrics::mase(actual, &forecast.point, train, self.season),
                smape: metrics::smape(actual, &forecast.point),
                rmse: metrics::rmse(actual, &forecast.point),
                coverage: forecast
                    .intervals
                    .iter()
                    .map(|i| metrics::coverage(actual, &i.lower, &i.upper))
                    .collect(),
                msis: forecast
                    .intervals
                    .iter()
                    .map(|i| metrics::msis(actual, &i.lower, &i.upper, i.level, scale))
                    .collect(),
                predicted: forecast.point,
            });
        }
        let mean = |f: &dyn Fn(&Fold) -> f64| {
            let v: Vec<f64> = folds.iter().map(f).collect();
            crate::stats::mean_observed(&v).unwrap_or(f64::NAN)
        };
        let levels = 0..self.levels.len();
        Ok(BacktestReport {
            mase: mean(&|f| f.mase),
            smape: mean(&|f| f.smape),
            rmse: mean(&|f| f.rmse * f.rmse).sqrt(),
            coverage: levels.clone().map(|k| mean(&|f| f.coverage[k])).collect(),
            msis: levels.map(|k| mean(&|f| f.msis[k])).collect(),
            folds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Naive, SeasonalNaive};

    #[test]
    fn folds_lie_at_the_end_and_see_only_the_past() {
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        let report = Backtest::new(3).with_origins(2).run(&Naive, &values).unwrap();
        let origins: Vec<usize> = report.folds.iter().map(|f| f.origin).collect();
        assert_eq!(origins, [14, 17]);
        assert_eq!(report.folds[0].predicted, [13.0; 3]);
        assert!((report.mase - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_changed_future_does_not_change_any_forecast_before_it() {
        let mut values: Vec<f64> = (0..40).map(|i| f64::from(i * 13 % 17)).collect();
        let test = Backtest::new(4).with_origins(1);
        let before = test.run(&SeasonalNaive::new(4), &values).unwrap().folds[0].predicted.clone();
        values[36..].iter_mut().for_each(|v| *v = -5.0 * *v + 3.0);
        assert_eq!(before, test.run(&SeasonalNaive::new(4), &values).unwrap().folds[0].predicted);
    }

    #[test]
    fn too_short_data_are_named() {
        let error = Backtest::new(10).run(&Naive, &[1.0; 30]).unwrap_err();
        assert_eq!(error.to_string(), "30 values are too few: 3 origins with horizon 10 need more than 30");
    }
}
