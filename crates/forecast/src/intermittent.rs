//! Intermittent demand: many zeros, some values.
//!
//! # Models
//! Croston smooths the size of demands and the interval between them separately and forecasts size / interval; SBA multiplies
//! that by `1 - α/2` against its bias; TSB smooths the probability of a demand in every step, so that it falls while nothing
//! happens.
//!
//! # References
//! Croston (1972), Forecasting and stock control for intermittent demands; Syntetos & Boylan (2005), The accuracy of
//! intermittent demand estimates; Teunter, Syntetos & Babai (2011), Intermittent demand: linking forecasting to obsolescence.

use crate::{
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    model::{Fitted, Forecaster},
};

/// Which of the models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum IntermittentKind {
    /// Croston's original.
    Croston,
    /// Syntetos–Boylan approximation.
    Sba,
    /// Teunter–Syntetos–Babai.
    #[default]
    Tsb,
}

/// Settings.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Fitted, Forecaster, Intermittent, IntermittentKind};
/// let jobs = [0.0, 0.0, 6.0, 0.0, 0.0, 6.0, 0.0, 0.0, 6.0];
/// let rate = Intermittent::new(IntermittentKind::Croston).fit(&jobs)?.predict(1, &[])?.point[0];
/// assert_eq!(rate, 2.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Intermittent {
    /// Model.
    pub kind: IntermittentKind,
    /// Weight of a new demand size, above 0 to 1 (default 0.1).
    pub alpha: f64,
    /// Weight of a new interval or occurrence, above 0 to 1 (default 0.1).
    pub beta: f64,
}

/// A fitted [`Intermittent`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedIntermittent {
    settings: Intermittent,
    size: f64,
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unbounded"))]
    interval: f64,
    probability: f64,
    since: f64,
    squares: f64,
    count: f64,
}

impl Intermittent {
    /// Default weights.
    pub const fn new(kind: IntermittentKind) -> Self {
        Self { kind, alpha: 0.1, beta: 0.1 }
    }

    /// Other weights.
    #[must_use]
    pub const fn with_weights(mut self, alpha: f64, beta: f64) -> Self {
        (self.alpha, self.beta) = (alpha, beta);
        self
    }
}

impl Forecaster for Intermittent {
    type Fitted = FittedIntermittent;

    fn fit(&self, values: &[f64]) -> Result<FittedIntermittent, FitError> {
        for (name, value) in [("alpha", self.alpha), ("beta", self.beta)] {
            if !(value > 0.0 && value <= 1.0) {
                return Err(FitError::Setting { name, value, expected: "above 0 to 1" });
            }
        }
        check_values(values, 1)?;
        if let Some(index) = values.iter().position(|v| *v < 0.0) {
            return Err(FitError::NotPositive { index, value: values[index] });
        }
        let first = values.iter().position(|v| *v > 0.0);
        let known = values.iter().position(|v| !v.is_nan());
        let mut fitted = FittedIntermittent {
            settings: *self,
            size: first.map_or(0.0, |i| values[i]),
            interval: first.map_or(f64::INFINITY, |i| (i + 1) as f64),
            // The smoothed share starts at the first value known: nothing, unless that was a demand.
            probability: match first {
                Some(at) if known == Some(at) => 1.0,
                Some(_) => self.beta,
                None => 0.0,
            },
            since: 0.0,
            squares: 0.0,
            count: 0.0,
        };
        if let Some(first) = first {
            values[first + 1..].iter().for_each(|&v| fitted.learn(v));
        }
        Ok(fitted)
    }
}

impl FittedIntermittent {
    fn rate(&self) -> f64 {
        match self.settings.kind {
            IntermittentKind::Croston => self.size / self.interval,
            IntermittentKind::Sba => (1.0 - self.settings.beta / 2.0) * self.size / self.interval,
            IntermittentKind::Tsb => self.size * self.probability,
        }
    }

    fn learn(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let error = value - self.rate();
        self.squares += error * error;
        self.count += 1.0;
        self.since += 1.0;
        let Intermittent { alpha, beta, .. } = self.settings;
        if value > 0.0 {
            if self.interval.is_finite() {
                self.size += alpha * (value - self.size);
                self.interval += beta * (self.since - self.interval);
            } else {
                (self.size, self.interval) = (value, self.since);
            }
            self.since = 0.0;
            self.probability += beta * (1.0 - self.probability);
        } else {
            self.probability -= beta * self.probability;
        }
    }
}

impl Fitted for FittedIntermittent {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let sigma = (self.squares / self.count.max(1.0)).sqrt();
        out.write_normal(horizon, levels, |_| (self.rate(), sigma));
        out.clamp(0.0, f64::INFINITY);
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        if value < 0.0 {
            return Err(UpdateError::NotPositive { value });
        }
        self.learn(value);
        Ok(())
    }
}
