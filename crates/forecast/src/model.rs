//! The two traits every model implements.

use crate::{
    error::{FitError, PredictError, UpdateError},
    forecast::Forecast,
    series::Series,
};

/// Settings of a model: learns from past values.
///
/// `values` are equally spaced, oldest first. NaN marks a missing sample.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Fitted, Forecaster, SeasonalNaive};
/// let mut fitted = SeasonalNaive::new(3).fit(&[1.0, 2.0, 3.0, 1.0, 2.0, 4.0])?;
/// assert_eq!(fitted.predict(4, &[])?.point, [1.0, 2.0, 4.0, 1.0]);
/// fitted.update(7.0)?;                        // one more observation, no new fit
/// assert_eq!(fitted.predict(3, &[])?.point, [2.0, 4.0, 7.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Forecaster {
    /// The learned model.
    type Fitted: Fitted;

    /// Learns from the values.
    fn fit(&self, values: &[f64]) -> Result<Self::Fitted, FitError>;

    /// Learns from the values of a series.
    fn fit_series(&self, series: &Series) -> Result<Self::Fitted, FitError> {
        self.fit(series.values())
    }
}

/// A learned model: predicts, and takes new observations without a new fit.
pub trait Fitted {
    /// Predicts `horizon` steps with one central interval per level (each strictly between 0 and 1).
    fn predict(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, PredictError>;

    /// Takes the next observation; NaN means it is missing. Parameters stay, states move.
    fn update(&mut self, value: f64) -> Result<(), UpdateError>;

    /// Takes several observations; stops at the first refused one.
    fn update_many(&mut self, values: &[f64]) -> Result<(), UpdateError> {
        values.iter().try_for_each(|&value| self.update(value))
    }
}
