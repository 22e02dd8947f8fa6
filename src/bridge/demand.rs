//! Measurements to forecasts, forecasts to replicas.

use crate::forecast::anomaly::{Detector, Score, SeasonalResidual};
use crate::forecast::{Auto, FitError, Fitted, Forecast, Forecaster, PredictError, Series, SeriesError};
use crate::model::{self, Component};

/// Why a demand could not be forecast.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DemandError {
    /// The measurements are not a series.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// No model fits them.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// The horizon or a level is out of range.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The seasons or the threshold do not suit a detector.
    #[error("anomalies cannot be searched: {0}")]
    Detector(String),
}

/// What a metric will be, and what was unusual about what it was.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Demand {
    /// Name of the model that was chosen.
    pub model: String,
    /// The forecast, never negative.
    pub forecast: Forecast,
    /// A verdict for each observation.
    pub scores: Vec<Score>,
}

/// Measurements of a [`MetricsSource`](model::MetricsSource) as a series to forecast.
pub fn series(measured: &model::Series) -> Result<Series, SeriesError> {
    let period_ms = u64::try_from(measured.step.as_millis()).unwrap_or(u64::MAX);
    Series::new(measured.start.as_unix_ms(), period_ms, measured.values.clone())
}

/// Forecasts `horizon` steps with an interval at `level`, choosing the model automatically, and judges every
/// observation by its seasonal residual.
///
/// `seasons` are periods in steps, e.g. `[24, 168]` for hourly values with a day and a week. `threshold` is how many
/// robust standard deviations are unusual; 6 marks what a person would.
///
/// # Example
/// ```
/// use vm_ecosystem::{bridge, forecast::Series};
///
/// let mut load: Vec<f64> = (0..336).map(|h| 40.0 + f64::from(h % 24) + f64::from(h * 7 % 5)).collect();
/// load[300] = 400.0;
/// let demand = bridge::demand(&Series::new(0, 3_600_000, load)?, &[24, 168], 24, 0.9, 6.0)?;
/// assert!(demand.scores[300].is_anomaly());
/// assert_eq!(demand.forecast.point.len(), 24);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn demand(
    series: &Series,
    seasons: &[usize],
    horizon: usize,
    level: f64,
    threshold: f64,
) -> Result<Demand, DemandError> {
    let fitted = Auto::new(seasons).fit_series(series)?;
    let forecast = fitted.predict(horizon, &[level])?.clamped(0.0, f64::INFINITY);
    let detector =
        SeasonalResidual::new(seasons, threshold).map_err(|e| DemandError::Detector(e.to_string()))?;
    Ok(Demand { model: fitted.name().to_owned(), forecast, scores: detector.score(series.values()) })
}

/// How many replicas keep each one's use at or below `target` when the load of all together reaches `peak`, both as
/// a share of one replica's request; within the component's range, or as declared if it has none.
///
/// # Example
/// ```
/// use vm_ecosystem::{bridge, model::{Component, Kind}};
///
/// let mut web = Component::new("web".parse()?, Kind::Container);
/// web.replica_range = Some((2, 6));
/// assert_eq!(bridge::replicas_for(&web, 2.5, 0.7), 4);
/// assert_eq!(bridge::replicas_for(&web, 50.0, 0.7), 6);
/// # Ok::<(), vm_ecosystem::model::InvalidId>(())
/// ```
pub fn replicas_for(component: &Component, peak: f64, target: f64) -> u32 {
    let Some((min, max)) = component.replica_range else { return component.replicas };
    let wanted = (peak / target.max(f64::EPSILON)).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, then clamped"
    )]
    let wanted = if wanted.is_finite() { wanted as u32 } else { component.replicas };
    wanted.clamp(min, max)
}
