//! Many series at once.

use crate::{
    error::{FitError, PredictError},
    forecast::Forecast,
    model::{Fitted, Forecaster},
};

/// Why one series of many has no forecast.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// The model could not be fitted.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// The fitted model could not predict.
    #[error(transparent)]
    Predict(#[from] PredictError),
}

/// Series per parallel task: enough work to make scheduling free.
#[cfg(feature = "parallel")]
const CHUNK: usize = 16;

/// Fits and forecasts every series with the same settings. One bad series does not spoil the others.
///
/// With feature `parallel` the series are spread over rayon's threads; every series is computed on its own, so the result
/// has the same bits on any number of threads and without the feature.
///
/// # Example
/// ```
/// use ecosystem_forecast::{SeasonalNaive, forecast_many};
/// let fleet: [&[f64]; 2] = [&[1.0, 2.0, 1.0, 2.0], &[f64::INFINITY]];
/// let results = forecast_many(&SeasonalNaive::new(2), &fleet, 2, &[]);
/// assert_eq!(results[0].as_ref().map(|f| f.point.clone()), Ok(vec![1.0, 2.0]));
/// assert!(results[1].is_err());
/// ```
pub fn forecast_many<M>(
    model: &M,
    series: &[&[f64]],
    horizon: usize,
    levels: &[f64],
) -> Vec<Result<Forecast, FleetError>>
where
    M: Forecaster + Sync,
{
    let one = |values: &&[f64]| -> Result<Forecast, FleetError> {
        Ok(model.fit(values)?.predict(horizon, levels)?)
    };
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        series.par_iter().with_min_len(CHUNK).map(one).collect()
    }
    #[cfg(not(feature = "parallel"))]
    {
        series.iter().map(one).collect()
    }
}
