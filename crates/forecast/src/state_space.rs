//! Linear Gaussian state space models: Kalman filter with missing data.
//!
//! # Model
//! `y[t] = z'·a[t] + ε`, `a[t+1] = T·a[t] + η`, `ε ~ N(0, h)`, `η ~ N(0, Q)`. A missing observation is a step without
//! correction: states move on, uncertainty grows, the likelihood gains nothing.
//!
//! # References
//! Kalman (1960); Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter; Durbin & Koopman (2012), Time
//! Series Analysis by State Space Methods.

use crate::{
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    minimize::{BoxBounds, nelder_mead},
    model::{Fitted, Forecaster},
};
use nalgebra::{DMatrix, DVector};

/// System matrices and the state's distribution before the next observation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StateSpace {
    design: DVector<f64>,
    transition: DMatrix<f64>,
    noise: f64,
    disturbance: DMatrix<f64>,
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

/// One step of the filter: the observation's prediction error and its variance (`None` when missing).
struct Step {
    error: Option<(f64, f64)>,
}

impl StateSpace {
    /// ARMA in Harvey's form, started from the stationary distribution. `None` when that does not exist.
    pub(crate) fn arma(ar: &[f64], ma: &[f64], variance: f64) -> Option<Self> {
        let r = ar.len().max(ma.len() + 1);
        let mut transition = DMatrix::zeros(r, r);
        (0..ar.len()).for_each(|i| transition[(i, 0)] = ar[i]);
        (0..r - 1).for_each(|i| transition[(i, i + 1)] = 1.0);
        let mut selection = DVector::zeros(r);
        selection[0] = 1.0;
        (0..ma.len()).for_each(|i| selection[i + 1] = ma[i]);
        let disturbance: DMatrix<f64> = &selection * selection.transpose() * variance;
        let mut design = DVector::zeros(r);
        design[0] = 1.0;
        // Stationary covariance by doubling: P = Σ Tᵏ Q Tᵏ'.
        let (mut covariance, mut power) = (disturbance.clone(), transition.clone());
        for _ in 0..60 {
            let next = &covariance + &power * &covariance * power.transpose();
            let change = (&next - &covariance).amax();
            covariance = next;
            power = &power * &power;
            if change <= 1e-14 * covariance.amax() {
                break;
            }
        }
        covariance.iter().all(|v| v.is_finite()).then(|| Self {
            design,
            transition,
            noise: 0.0,
            disturbance,
            mean: DVector::zeros(r),
            covariance,
        })
    }

    /// Covariance of the state before the first observation, column by column.
    pub(crate) fn into_covariance(self) -> Vec<f64> {
        self.covariance.iter().copied().collect()
    }

    fn observe(&mut self, value: f64) -> Step {
        let pz: DVector<f64> = &self.covariance * &self.design;
        let f = self.design.dot(&pz) + self.noise;
        let mut step = Step { error: None };
        if !value.is_nan() && f > 0.0 {
            let error = value - self.design.dot(&self.mean);
            self.mean += &pz * (error / f);
            self.covariance -= &pz * pz.transpose() / f;
            step.error = Some((error, f));
        }
        self.mean = &self.transition * &self.mean;
        self.covariance =
            &self.transition * &self.covariance * self.transition.transpose() + &self.disturbance;
        // Rounding must not destroy symmetry.
        self.covariance = (&self.covariance + self.covariance.transpose()) * 0.5;
        step
    }

    /// Exact Gaussian log likelihood; `None` when it is not finite.
    pub(crate) fn log_likelihood(&self, values: &[f64]) -> Option<f64> {
        let mut filter = self.clone();
        let mut total = 0.0;
        for &value in values {
            if let Some((error, f)) = filter.observe(value).error {
                total -= 0.5 * ((2.0 * std::f64::consts::PI * f).ln() + error * error / f);
            }
        }
        total.is_finite().then_some(total)
    }
}

/// Local linear trend, optionally with a seasonal pattern, by maximum likelihood over the variances ("basic structural
/// model"). Handles missing data exactly: no filling.
///
/// `y = level + season + ε`, `level += slope + η`, `slope += ζ`, and the season's disturbances sum to ω. Periods up to 60 (the
/// state has `period + 1` entries, a step costs its square).
///
/// # Example
/// ```
/// use ecosystem_forecast::{Fitted, Forecaster, Structural};
/// let mut values: Vec<f64> = (0..60).map(|i| f64::from(i) + f64::from(i % 4)).collect();
/// values[20..30].fill(f64::NAN);
/// let next = Structural::new(4).fit(&values)?.predict(4, &[0.95])?;
/// assert!((next.point[3] - 66.0).abs() < 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Structural {
    period: usize,
}

/// A fitted [`Structural`] model.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedStructural {
    period: usize,
    variances: [f64; 4], // observation, level, slope, season
    mean: Vec<f64>,
    covariance: Vec<f64>, // column by column
    log_likelihood: f64,
}

impl Structural {
    /// A season of `period` steps (2 to 60), 0 or 1 for none.
    pub const fn new(period: usize) -> Self {
        Self { period }
    }

    /// The model with given variances (observation, level, slope, season) and a vague start around the data.
    fn model(period: usize, v: &[f64; 4], center: f64, spread: f64) -> StateSpace {
        let seasonal = period >= 2;
        let r = 2 + if seasonal { period - 1 } else { 0 };
        let mut transition = DMatrix::zeros(r, r);
        (transition[(0, 0)], transition[(0, 1)], transition[(1, 1)]) = (1.0, 1.0, 1.0);
        let mut disturbance = DMatrix::zeros(r, r);
        (disturbance[(0, 0)], disturbance[(1, 1)]) = (v[1], v[2]);
        let mut design = DVector::zeros(r);
        design[0] = 1.0;
        if seasonal {
            (2..r).for_each(|j| transition[(2, j)] = -1.0);
            (3..r).for_each(|i| transition[(i, i - 1)] = 1.0);
            disturbance[(2, 2)] = v[3];
            design[2] = 1.0;
        }
        let mut mean = DVector::zeros(r);
        mean[0] = center;
        let covariance = DMatrix::identity(r, r) * (1e4 * spread * spread);
        StateSpace { design, transition, noise: v[0], disturbance, mean, covariance }
    }

    /// Log likelihood of values under given variances (observation, level, slope, season) with the vague start
    /// `N(first value, 10⁴·variance of the data)`; for comparison with other implementations.
    pub fn log_likelihood(&self, values: &[f64], variances: &[f64; 4]) -> Option<f64> {
        let (center, spread) = location(values)?;
        Self::model(self.period, variances, center, spread).log_likelihood(values)
    }
}

/// First observed value and standard deviation.
fn location(values: &[f64]) -> Option<(f64, f64)> {
    let observed: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let center = *observed.first()?;
    Some((center, crate::stats::variance(&observed).sqrt().max(1e-9 * center.abs()).max(1e-100)))
}

impl Forecaster for Structural {
    type Fitted = FittedStructural;

    fn fit(&self, values: &[f64]) -> Result<FittedStructural, FitError> {
        if self.period > 60 {
            return Err(FitError::Setting {
                name: "period",
                value: self.period as f64,
                expected: "at most 60 steps",
            });
        }
        let found = check_values(values, 2 * self.period.max(2) + 4)?;
        let (center, spread) = location(values).ok_or(FitError::TooShort { needed: 1, found })?;
        let seasonal = self.period >= 2;
        let unit = spread * spread;
        let variances = |x: &[f64; 4]| [x[0], x[1], x[2], x[3]].map(|l| l.exp() * unit);
        let bounds = BoxBounds {
            lower: [-20.0; 4],
            upper: [4.0; 4],
            step: [1.5; 4],
            evaluations: if seasonal { 160 } else { 120 },
            tolerance: 1e-7,
        };
        let dim = if seasonal { 4 } else { 3 };
        let (best, cost) = nelder_mead::<4, 5>([-1.0, -2.0, -7.0, -5.0], dim, &bounds, |x| {
            let model = Self::model(self.period, &variances(x), center, spread);
            model.log_likelihood(values).map_or(f64::INFINITY, |l| -l / found as f64)
        });
        let variances = variances(&best);
        let mut filter = Self::model(self.period, &variances, center, spread);
        for &value in values {
            filter.observe(value);
        }
        Ok(FittedStructural {
            period: self.period,
            variances,
            mean: filter.mean.iter().copied().collect(),
            covariance: filter.covariance.iter().copied().collect(),
            log_likelihood: -cost * found as f64,
        })
    }
}

impl FittedStructural {
    /// Variances of observation, level, slope and season.
    pub const fn variances(&self) -> [f64; 4] {
        self.variances
    }

    /// Log likelihood of the training data.
    pub const fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }

    fn filter(&self) -> StateSpace {
        let mut filter = Structural::model(self.period, &self.variances, 0.0, 1.0);
        let r = filter.mean.len();
        if self.mean.len() == r && self.covariance.len() == r * r {
            filter.mean = DVector::from_column_slice(&self.mean);
            filter.covariance = DMatrix::from_column_slice(r, r, &self.covariance);
        }
        filter
    }
}

impl Fitted for FittedStructural {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let mut filter = self.filter();
        out.write_normal(horizon, levels, |_| {
            let mean = filter.design.dot(&filter.mean);
            let variance = filter.design.dot(&(&filter.covariance * &filter.design)) + filter.noise;
            filter.observe(f64::NAN);
            (mean, variance.max(0.0).sqrt())
        });
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        let mut filter = self.filter();
        filter.observe(value);
        self.mean = filter.mean.iter().copied().collect();
        self.covariance = filter.covariance.iter().copied().collect();
        Ok(())
    }
}
