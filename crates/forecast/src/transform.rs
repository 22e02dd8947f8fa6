//! Transformations that make a series easier to model: logarithm and Box–Cox.

use crate::{
    error::{FitError, PredictError, UpdateError},
    forecast::Forecast,
    model::{Fitted, Forecaster},
};

/// A monotone map of values.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Transform {
    /// Natural logarithm; values must be > 0.
    Log,
    /// `ln(1 + x)`; values must be > -1. For counts with zeros.
    Log1p,
    /// `(x^λ - 1)/λ`, the logarithm for λ = 0; values must be > 0. Box & Cox (1964).
    BoxCox(f64),
}

/// A model of transformed values. Points are transformed back as they are, so they are medians when the model's are means of
/// a symmetric distribution; ends of intervals keep their probability exactly.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Drift, Fitted, Forecaster, Transform, Transformed};
/// let growth = [1.0, 2.0, 4.0, 8.0];
/// let next = Transformed::new(Transform::Log, Drift).fit(&growth)?.predict(1, &[])?;
/// assert!((next.point[0] - 16.0).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Transformed<M> {
    transform: Transform,
    model: M,
}

/// A fitted [`Transformed`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedTransformed<F> {
    transform: Transform,
    model: F,
}

impl Transform {
    /// Maps a value; NaN stays NaN, values outside the domain give NaN.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::Log => {
                if x > 0.0 {
                    x.ln()
                } else {
                    f64::NAN
                }
            }
            Self::Log1p => {
                if x > -1.0 {
                    x.ln_1p()
                } else {
                    f64::NAN
                }
            }
            Self::BoxCox(lambda) if lambda.abs() < 1e-12 => Self::Log.apply(x),
            Self::BoxCox(lambda) => {
                if x > 0.0 {
                    (x.powf(lambda) - 1.0) / lambda
                } else {
                    f64::NAN
                }
            }
        }
    }

    /// Maps back; results stay finite (below 1e150).
    pub fn invert(self, x: f64) -> f64 {
        match self {
            Self::Log => x.min(345.0).exp(),
            Self::Log1p => x.min(345.0).exp_m1(),
            Self::BoxCox(lambda) if lambda.abs() < 1e-12 => Self::Log.invert(x),
            Self::BoxCox(lambda) => (lambda * x + 1.0).max(0.0).powf(1.0 / lambda).min(1e150),
        }
    }

    fn domain(self, index: usize, value: f64) -> Result<f64, FitError> {
        let mapped = self.apply(value);
        if mapped.is_nan() && !value.is_nan() {
            Err(FitError::NotPositive { index, value })
        } else {
            Ok(mapped)
        }
    }

    /// The λ in [-1, 2] that makes the variation of cycles of `season` values least dependent on their level.
    ///
    /// Guerrero (1993), Time-series analysis supported by power transformations, J. Forecasting 12. Needs two full cycles of
    /// positive values, else 1 (no change).
    pub fn guerrero(values: &[f64], season: usize) -> Self {
        let m = season.max(2);
        if values.len() < 2 * m || values.iter().any(|v| v.is_nan() || *v <= 0.0) {
            return Self::BoxCox(1.0);
        }
        let cycles: Vec<(f64, f64)> = values[values.len() % m..]
            .chunks_exact(m)
            .map(|c| {
                let mean = crate::stats::mean(c);
                let squares: f64 = c.iter().map(|v| (v - mean) * (v - mean)).sum();
                (mean, (squares / (m - 1) as f64).sqrt())
            })
            .collect();
        let variation = |lambda: f64| {
            let ratios: Vec<f64> = cycles.iter().map(|(mean, sd)| sd / mean.powf(1.0 - lambda)).collect();
            let mean = crate::stats::mean(&ratios);
            if mean > 0.0 { crate::stats::variance(&ratios).sqrt() / mean } else { f64::INFINITY }
        };
        // Golden-section search; the criterion is smooth with one valley in practice.
        let (mut a, mut b) = (-1.0, 2.0);
        let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
        for _ in 0..40 {
            let (c, d) = (b - ratio * (b - a), a + ratio * (b - a));
            if variation(c) <= variation(d) { b = d } else { a = c }
        }
        Self::BoxCox(f64::midpoint(a, b))
    }
}

impl<M> Transformed<M> {
    /// Transforms before, and back after.
    pub const fn new(transform: Transform, model: M) -> Self {
        Self { transform, model }
    }
}

impl<M: Forecaster> Forecaster for Transformed<M> {
    type Fitted = FittedTransformed<M::Fitted>;

    fn fit(&self, values: &[f64]) -> Result<Self::Fitted, FitError> {
        let mapped = values
            .iter()
            .enumerate()
            .map(|(i, &v)| self.transform.domain(i, v))
            .collect::<Result<Vec<f64>, _>>()?;
        Ok(FittedTransformed { transform: self.transform, model: self.model.fit(&mapped)? })
    }
}

impl<F: Fitted> Fitted for FittedTransformed<F> {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        self.model.predict_into(horizon, levels, out)?;
        let back = |v: &mut Vec<f64>| v.iter_mut().for_each(|x| *x = self.transform.invert(*x));
        back(&mut out.point);
        for band in &mut out.intervals {
            back(&mut band.lower);
            back(&mut band.upper);
        }
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        let mapped = self.transform.apply(value);
        if mapped.is_nan() && !value.is_nan() {
            return Err(UpdateError::NotPositive { value });
        }
        self.model.update(mapped)
    }
}
