//! Regression on time: trend, Fourier terms, external regressors, and autoregressive errors.
//!
//! # Model
//! `y[t] = a + b·t + Σ harmonics + Σ_j β_j·x_j[t] + u[t]`, `u[t] = Σ_k φ_k·u[t-k] + e[t]`. The mean part is fitted by ridge
//! least squares (strength 1e-6), the errors' autoregression by Yule–Walker with the order (at most 24) of the smallest AIC.
//! External regressors may be anything known in advance: calendar columns, campaigns, planned events, temperature forecasts.
//!
//! # References
//! Harvey & Shephard (1993), Structural time series models; Hyndman & Athanasopoulos (2021), Forecasting: principles and practice,
//! chapters 7 and 10 (dynamic harmonic regression).

use crate::{
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    gaps::fill_gaps,
    linear::solve_ridge,
    model::{Fitted, Forecaster},
    stats::autocorrelations,
};

/// Settings.
///
/// # Example
/// ```
/// use ecosystem_forecast::Regression;
/// // Load doubles during campaigns, which are known in advance.
/// let campaign: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i % 20 == 0))).collect();
/// let load: Vec<f64> = campaign.iter().map(|c| 50.0 + 50.0 * c).collect();
/// let fitted = Regression::new(&[]).fit_with(&load, &[campaign])?;
/// let next = fitted.predict_with(2, &[], &[vec![1.0, 0.0]])?;
/// assert!((next.point[0] - 100.0).abs() < 0.5 && (next.point[1] - 50.0).abs() < 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Regression {
    /// Pairs of period (steps, may be fractional) and number of harmonics.
    pub harmonics: Vec<(f64, usize)>,
    /// Whether a straight line is part of the mean (default true).
    pub trend: bool,
    /// Longest autoregression of the errors (default 24).
    pub error_lags: usize,
}

/// A fitted [`Regression`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedRegression {
    settings: Regression,
    coefficients: Vec<f64>,
    external: usize,
    phi: Vec<f64>,
    errors: Vec<f64>, // last ones, oldest first
    steps: usize,
    length: f64, // of the training data: unit of time
    variance: f64,
}

impl Regression {
    /// A line, and per season up to `min(period/2, 10)` harmonics.
    pub fn new(seasons: &[usize]) -> Self {
        let harmonics = seasons.iter().filter(|&&m| m >= 2).map(|&m| (m as f64, (m / 2).min(10))).collect();
        Self { harmonics, trend: true, error_lags: 24 }
    }

    /// Other harmonics: pairs of period and number.
    #[must_use]
    pub fn with_harmonics(mut self, harmonics: Vec<(f64, usize)>) -> Self {
        self.harmonics = harmonics;
        self
    }

    /// Without a line.
    #[must_use]
    pub fn without_trend(mut self) -> Self {
        self.trend = false;
        self
    }

    /// Regressors of step `t` that follow from time alone.
    fn row(&self, t: usize, length: f64, out: &mut Vec<f64>) {
        out.clear();
        out.push(1.0);
        if self.trend {
            out.push(t as f64 / length);
        }
        for &(period, count) in &self.harmonics {
            for k in 1..=count {
                let angle = std::f64::consts::TAU * (k as f64 * t as f64 / period).fract();
                out.push(angle.sin());
                if 2.0 * k as f64 + 1e-9 < period {
                    out.push(angle.cos());
                }
            }
        }
    }

    /// Learns with external regressors: one slice per regressor, as long as the values, without gaps.
    pub fn fit_with(&self, values: &[f64], external: &[Vec<f64>]) -> Result<FittedRegression, FitError> {
        for &(period, count) in &self.harmonics {
            if !(period >= 2.0 && period.is_finite()) || count > 1000 {
                return Err(FitError::Setting {
                    name: "harmonics",
                    value: period,
                    expected: "periods of at least 2 steps, at most 1000 harmonics",
                });
            }
        }
        let n = values.len();
        for x in external {
            if x.len() != n {
                return Err(FitError::Length { name: "regressor", needed: n, found: x.len() });
            }
            if let Some(index) = x.iter().position(|v| v.is_nan() || v.abs() > crate::error::MAX_MAGNITUDE) {
                return Err(FitError::OutOfRange { index, value: x[index] });
            }
        }
        let mut row = Vec::new();
        self.row(0, n.max(1) as f64, &mut row);
        let own = row.len();
        let found = check_values(values, own + external.len() + 3)?;
        let observed: Vec<usize> = (0..n).filter(|&t| !values[t].is_nan()).collect();
        let mut columns = vec![Vec::with_capacity(found); own + external.len()];
        for &t in &observed {
            self.row(t, n as f64, &mut row);
            row.extend(external.iter().map(|x| x[t]));
            columns.iter_mut().zip(&row).for_each(|(c, v)| c.push(*v));
        }
        let target: Vec<f64> = observed.iter().map(|&t| values[t]).collect();
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let coefficients = solve_ridge(&views, &target, 1e-6);
        let mut fitted = FittedRegression {
            settings: self.clone(),
            coefficients,
            external: external.len(),
            phi: Vec::new(),
            errors: Vec::new(),
            steps: 0,
            length: n as f64,
            variance: 0.0,
        };
        let residual: Vec<f64> = (0..n)
            .map(|t| {
                let x: Vec<f64> = external.iter().map(|x| x[t]).collect();
                values[t] - fitted.mean_at(t, &x)
            })
            .collect();
        fitted.learn_errors(&fill_gaps(&residual, &[]), own + external.len());
        fitted.steps = n;
        Ok(fitted)
    }
}

impl Forecaster for Regression {
    type Fitted = FittedRegression;
    fn fit(&self, values: &[f64]) -> Result<FittedRegression, FitError> {
        self.fit_with(values, &[])
    }
}

impl FittedRegression {
    fn mean_at(&self, t: usize, external: &[f64]) -> f64 {
        let mut row = Vec::with_capacity(self.coefficients.len());
        self.settings.row(t, self.length, &mut row);
        row.extend_from_slice(external);
        row.iter().zip(&self.coefficients).map(|(x, b)| x * b).sum()
    }

    /// Autoregression of the errors: Levinson–Durbin up to the longest order, the smallest AIC wins.
    fn learn_errors(&mut self, residual: &[f64], used: usize) {
        let n = residual.len();
        let most = self.settings.error_lags.min(n / 10);
        let power = crate::linear::dot(residual, residual) / n as f64;
        let acf = autocorrelations(residual, most);
        let (mut phi, mut remaining) = (Vec::new(), 1.0_f64);
        let mut best = (0.0, Vec::new(), 1.0); // criterion, coefficients, remaining share of variance
        for k in 1..=most {
            let numerator = acf[k] - (1..k).map(|j| phi[j - 1] * acf[k - j]).sum::<f64>();
            let r: f64 = numerator / remaining.max(1e-12);
            let old: Vec<f64> = phi.clone();
            phi = (0..k - 1).map(|j| old[j] - r * old[k - 2 - j]).collect();
            phi.push(r);
            remaining *= (1.0 - r * r).max(1e-12);
            let criterion = n as f64 * remaining.ln() + 2.0 * k as f64;
            if criterion < best.0 {
                best = (criterion, phi.clone(), remaining);
            }
        }
        let degrees = (n as f64 - used as f64 - best.1.len() as f64).max(1.0);
        self.variance = power * best.2 * n as f64 / degrees;
        self.errors = residual[n - best.1.len()..].to_vec();
        self.phi = best.1;
    }

    /// Predicts with future values of the external regressors: one slice per regressor, at least `horizon` long.
    pub fn predict_with(
        &self,
        horizon: usize,
        levels: &[f64],
        future: &[Vec<f64>],
    ) -> Result<Forecast, PredictError> {
        let mut out = Forecast::default();
        self.write(horizon, levels, future, &mut out)?;
        Ok(out)
    }

    fn write(
        &self,
        horizon: usize,
        levels: &[f64],
        future: &[Vec<f64>],
        out: &mut Forecast,
    ) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        if future.len() != self.external {
            return Err(PredictError::Regressors {
                name: "regressors",
                needed: self.external,
                found: future.len(),
            });
        }
        if let Some(short) =
            future.iter().find(|x| x.len() < horizon || x[..horizon].iter().any(|v| !v.is_finite()))
        {
            return Err(PredictError::Regressors { name: "regressor", needed: horizon, found: short.len() });
        }
        let (mut errors, mut psi) = (self.errors.clone(), vec![0.0; self.phi.len()]);
        let (mut x, mut total) = (Vec::with_capacity(self.external), 0.0);
        out.write_normal(horizon, levels, |h| {
            x.clear();
            x.extend(future.iter().map(|x| x[h]));
            let next = self.echo(&errors);
            let mean = self.mean_at(self.steps + h, &x) + next;
            errors.push(next);
            let response = if h == 0 { 1.0 } else { self.echo(&psi) };
            psi.push(response);
            total += response * response;
            (mean, (self.variance * total).sqrt())
        });
        Ok(())
    }

    fn echo(&self, errors: &[f64]) -> f64 {
        self.phi.iter().enumerate().map(|(k, p)| p * errors[errors.len() - 1 - k]).sum()
    }

    /// Takes the next observation with the external regressors of its step.
    pub fn update_with(&mut self, value: f64, external: &[f64]) -> Result<(), UpdateError> {
        check_update(value)?;
        let expected = self.echo(&self.errors);
        let error = value - self.mean_at(self.steps, external);
        if !self.errors.is_empty() {
            self.errors.remove(0);
            self.errors.push(if error.is_nan() { expected } else { error });
        }
        self.steps += 1;
        Ok(())
    }

    /// Coefficients of constant, line, harmonics (sine, cosine), external regressors.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }
}

impl Fitted for FittedRegression {
    /// An error when the model has external regressors: use [`predict_with`](Self::predict_with).
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        self.write(horizon, levels, &[], out)
    }

    /// External regressors count as 0: use [`update_with`](Self::update_with) when there are any.
    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        self.update_with(value, &vec![0.0; self.external])
    }
}
