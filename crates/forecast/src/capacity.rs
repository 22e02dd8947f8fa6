//! Capacity lines: a one-sided bound that demand exceeds at most at a chosen rate.
//!
//! # Method
//! The automatic forecast is back-tested at past origins. Its errors, in units of their mean size per quarter of the
//! horizon, give the quantile at the chosen rate (one-sided conformal prediction); the line is forecast plus that quantile
//! times the size, a little farther away the fewer origins there were.
//!
//! # References
//! Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World; Koenker & Bassett (1978), Regression quantiles.

use crate::{
    auto::{Auto, FittedAuto, Growth, fit::Backtested},
    error::{FitError, PredictError, UpdateError},
    model::Fitted,
    stats::quantile_sorted,
};

/// Weights were chosen on the same origins, which overlap: the distance grows by `1 + ALLOWANCE / origins`.
const ALLOWANCE: f64 = 1.4;

/// Weighted means of equal numbers differ from them in the last digits; a load that never changes must fit below its line.
const ROUNDING: f64 = 1e-12;

/// Settings of a capacity line.
///
/// # Example
/// ```
/// use ecosystem_forecast::Capacity;
/// let load: Vec<f64> = (0..24 * 10).map(|h| 40.0 + f64::from(h % 24) + f64::from(h * 31 % 17)).collect();
/// let line = Capacity::new(&[24], 0.95)?.with_horizon(24).fit(&load)?.line(24)?;
/// assert!(line[12] > 50.0 && line[12] < 90.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Capacity {
    auto: Auto,
    rate: f64,
}

/// A fitted capacity line.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedCapacity {
    forecast: FittedAuto,
    rate: f64,
    distance: f64, // above the forecast, in units of `growth`
    growth: Growth,
}

impl Capacity {
    /// `rate` is the share of steps that must fit below the line, 0.5 to 1 (exclusive): 0.95 allows 5 % violations.
    pub fn new(seasons: &[usize], rate: f64) -> Result<Self, FitError> {
        if !(rate > 0.5 && rate < 1.0) {
            return Err(FitError::Setting { name: "rate", value: rate, expected: "between 0.5 and 1" });
        }
        Ok(Self { auto: Auto::new(seasons), rate })
    }

    /// Steps ahead that matter; see [`Auto::with_horizon`].
    #[must_use]
    pub fn with_horizon(mut self, horizon: usize) -> Self {
        self.auto = self.auto.with_horizon(horizon);
        self
    }

    /// Only cheap candidates; see [`Auto::with_cheap`].
    #[must_use]
    pub fn with_cheap(mut self) -> Self {
        self.auto = self.auto.with_cheap();
        self
    }

    /// Learns the line.
    pub fn fit(&self, values: &[f64]) -> Result<FittedCapacity, FitError> {
        let Backtested { fitted, combined, origins } = self.auto.fit_backtested(values)?;
        let errors: Vec<(usize, f64)> = origins.errors(&combined, values).map(|(h, _, e)| (h, e)).collect();
        let growth = Growth::learn(errors.iter().copied(), origins.horizon);
        let mut scaled: Vec<f64> = errors.iter().map(|&(h, e)| e / growth.at(h)).collect();
        scaled.sort_unstable_by(f64::total_cmp);
        let stretch = 1.0 + ALLOWANCE / origins.starts.len().max(1) as f64;
        let distance = if scaled.is_empty() { 0.0 } else { stretch * quantile_sorted(&scaled, self.rate) };
        Ok(FittedCapacity { forecast: fitted, rate: self.rate, distance, growth })
    }
}

impl FittedCapacity {
    /// The line for the next `horizon` steps.
    pub fn line(&self, horizon: usize) -> Result<Vec<f64>, PredictError> {
        let point = self.forecast.predict(horizon, &[])?.point;
        let above = |h: usize, p: f64| p + self.distance * self.growth.at(h) + ROUNDING * p.abs();
        Ok(point.iter().enumerate().map(|(h, p)| above(h, *p)).collect())
    }

    /// Share of steps that should fit below the line.
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// The expected demand behind the line.
    pub const fn forecast(&self) -> &FittedAuto {
        &self.forecast
    }

    /// Takes the next observation into the expected demand; the distance of the line stays until the next fit.
    pub fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        self.forecast.update(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_never_changes_fits_below_its_line() {
        for constant in [5.0, 0.1, 1e-9, 123_456.789, 0.0] {
            let line = Capacity::new(&[24], 0.95).unwrap().with_horizon(24).fit(&[constant; 240]).unwrap();
            let line = line.line(24).unwrap();
            assert!(
                line.iter().all(|u| *u >= constant && *u <= constant * (1.0 + 1e-9)),
                "{constant}: {line:?}"
            );
        }
    }
}
