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
    fn predict(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, PredictError> {
        let mut out = Forecast::default();
        self.predict_into(horizon, levels, &mut out)?;
        Ok(out)
    }

    /// [`predict`](Self::predict) into buffers that are used again: `out` loses its contents and keeps its memory. The
    /// baselines, additive exponential smoothing, [`Theta`](crate::Theta), [`SeasonalSmoothing`](crate::SeasonalSmoothing),
    /// [`Intermittent`](crate::Intermittent) and wrappers around them need no other memory once it has grown; models that walk
    /// along their past take some for the time of the call. After an error `out` holds nothing of use.
    ///
    /// # Example
    /// ```
    /// use ecosystem_forecast::{Drift, Fitted, Forecast, Forecaster};
    /// let mut fitted = Drift.fit(&[1.0, 2.0, 3.0])?;
    /// let mut buffer = Forecast::default();
    /// for value in [4.0, 5.0] {
    ///     fitted.update(value)?;
    ///     fitted.predict_into(2, &[0.9], &mut buffer)?;
    ///     assert_eq!(buffer.point[0], value + 1.0);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError>;

    /// Predicts quantiles (each strictly between 0 and 1): one vector per quantile, in the order asked. 0.5 is the point
    /// forecast.
    ///
    /// # Example
    /// ```
    /// use ecosystem_forecast::{Fitted, Forecaster, Mean};
    /// let fitted = Mean.fit(&[1.0, 2.0, 3.0, 4.0, 5.0])?;
    /// let quantiles = fitted.predict_quantiles(1, &[0.1, 0.5, 0.9])?;
    /// assert!(quantiles[0][0] < 3.0 && quantiles[1][0] == 3.0 && quantiles[2][0] > 3.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn predict_quantiles(&self, horizon: usize, quantiles: &[f64]) -> Result<Vec<Vec<f64>>, PredictError> {
        crate::forecast::check_request(horizon, quantiles)?;
        let central = |q: f64| (2.0 * q - 1.0).abs();
        let levels: Vec<f64> = quantiles.iter().map(|&q| central(q)).filter(|l| *l > 1e-12).collect();
        let forecast = self.predict(horizon, &levels)?;
        let mut bands = forecast.intervals.into_iter();
        let mut side = |q: f64| {
            if central(q) <= 1e-12 {
                return forecast.point.clone();
            }
            bands.next().map_or_else(Vec::new, |band| if q > 0.5 { band.upper } else { band.lower })
        };
        Ok(quantiles.iter().map(|&q| side(q)).collect())
    }

    /// Takes the next observation; NaN means it is missing. Parameters stay, states move.
    fn update(&mut self, value: f64) -> Result<(), UpdateError>;

    /// Takes several observations; stops at the first refused one.
    fn update_many(&mut self, values: &[f64]) -> Result<(), UpdateError> {
        values.iter().try_for_each(|&value| self.update(value))
    }
}
