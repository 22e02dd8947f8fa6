//! When is it full?

use crate::{FitError, Forecast};

/// When a quantity reaches a limit, in steps from now (1 = the next step).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Crossing {
    /// First step at which the forecast is beyond the limit; `None`: not within the horizon.
    pub expected: Option<usize>,
    /// First step at which the nearer end of the interval is: earlier is improbable.
    pub earliest: Option<usize>,
    /// First step at which the farther end of the interval is: later is improbable.
    pub latest: Option<usize>,
}

/// First steps at which a forecast and its interval at `level` reach `limit` from below (`rising`) or from above. An error when
/// the forecast has no interval at that level.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Drift, Fitted, Forecaster, failure::crossing_time};
/// let disk: Vec<f64> = (0..100).map(|t| 50.0 + 0.3 * f64::from(t) + f64::from(t * 7 % 5)).collect();
/// let forecast = Drift.fit(&disk)?.predict(90, &[0.9])?;
/// let full = crossing_time(&forecast, 0.9, 90.0, true)?;
/// assert!(full.earliest <= full.expected && full.expected.is_some_and(|t| (20..60).contains(&t)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn crossing_time(
    forecast: &Forecast,
    level: f64,
    limit: f64,
    rising: bool,
) -> Result<Crossing, FitError> {
    let Some(band) = forecast.interval(level) else {
        let expected = "a level that the forecast was asked for";
        return Err(FitError::Setting { name: "level", value: level, expected });
    };
    let beyond = |v: &f64| if rising { *v >= limit } else { *v <= limit };
    let first = |values: &[f64]| values.iter().position(beyond).map(|i| i + 1);
    let (near, far) = if rising { (&band.upper, &band.lower) } else { (&band.lower, &band.upper) };
    Ok(Crossing { expected: first(&forecast.point), earliest: first(near), latest: first(far) })
}
