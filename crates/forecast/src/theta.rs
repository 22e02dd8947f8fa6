//! Theta models: half the slope of the trend, plus simple exponential smoothing.
//!
//! # Model
//! With `l` the smoothed level, `A`, `B` intercept and slope of a straight line through the data and `θ ≥ 1`:
//! `μ[t] = l[t-1] + (1 - 1/θ)·((1-α)^(t-1)·A + (1-(1-α)^t)/α·B)`. The standard model has `θ = 2` and a fixed line; the
//! optimised one estimates `θ`; the dynamic ones re-estimate the line with every value. Weights by least squares.
//!
//! # References
//! Assimakopoulos & Nikolopoulos (2000), The theta model, Int. J. Forecasting 16. Fiorucci, Pellegrini, Louzada, Petropoulos
//! & Koehler (2016), Models for optimising the theta method, Int. J. Forecasting 32.

use crate::{
    codec::{Reader, Writer},
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    gaps::fill_gaps,
    minimize::{BoxBounds, nelder_mead},
    model::{Fitted, Forecaster},
    tree::ModelError,
};

/// Settings of a Theta model. Seasonal data: wrap it in [`Mstl`](crate::Mstl).
///
/// # Example
/// ```
/// use ecosystem_forecast::{Fitted, Forecaster, Theta};
/// let values: Vec<f64> = (0..60).map(|i| 20.0 + f64::from(i) + f64::from(i * 7 % 3)).collect();
/// let forecast = Theta::optimised().fit(&values)?.predict(5, &[0.9])?;
/// assert!((forecast.point[4] - 85.0).abs() < 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Theta {
    /// Estimate `θ` (else 2).
    pub optimise: bool,
    /// Re-estimate the line with every value.
    pub dynamic: bool,
}

impl Theta {
    /// `θ = 2`, fixed line: the method that won the M3 competition.
    pub const fn standard() -> Self {
        Self { optimise: false, dynamic: false }
    }

    /// `θ` estimated, fixed line (OTM).
    pub const fn optimised() -> Self {
        Self { optimise: true, dynamic: false }
    }

    /// `θ` estimated, moving line (DOTM).
    pub const fn dynamic_optimised() -> Self {
        Self { optimise: true, dynamic: true }
    }
}

/// A fitted Theta model.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedTheta {
    alpha: f64,
    theta: f64,
    dynamic: bool,
    level: f64,
    line: Line,
    steps: f64,
    power: f64, // (1 - α)^steps
    variance: f64,
}

/// Intercept and slope against `1, 2, …`, and what is needed to move them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Line {
    intercept: f64,
    slope: f64,
    mean: f64,
}

impl FittedTheta {
    /// Smoothing weight.
    pub const fn alpha(&self) -> f64 {
        self.alpha
    }

    /// `θ`.
    pub const fn theta(&self) -> f64 {
        self.theta
    }

    fn mean_after(&self, level: f64, power: f64) -> f64 {
        // power = (1-α)^(t-1) for the value with number t
        let share = 1.0 - 1.0 / self.theta;
        level
            + share
                * (power * self.line.intercept
                    + (1.0 - power * (1.0 - self.alpha)) / self.alpha * self.line.slope)
    }

    fn learn(&mut self, value: f64) {
        let value = if value.is_nan() { self.mean_after(self.level, self.power) } else { value };
        self.level += self.alpha * (value - self.level);
        self.power *= 1.0 - self.alpha;
        self.steps += 1.0;
        if self.dynamic {
            let t = self.steps;
            let old = self.line.mean;
            self.line.mean += (value - old) / t;
            if t > 1.0 {
                self.line.slope = ((t - 2.0) * self.line.slope + 6.0 * (value - old) / t) / (t + 1.0);
            }
            self.line.intercept = self.line.mean - self.line.slope * f64::midpoint(t, 1.0);
        }
    }

    /// Starts before the first value.
    fn start(settings: Theta, alpha: f64, theta: f64, level: f64, line: Line) -> Self {
        let line = if settings.dynamic { Line { intercept: 0.0, slope: 0.0, mean: 0.0 } } else { line };
        Self { alpha, theta, dynamic: settings.dynamic, level, line, steps: 0.0, power: 1.0, variance: 0.0 }
    }

    /// Runs over values; returns the sum of squared one-step errors of observed values. A moving line knows nothing before
    /// the third value, which counts from there on.
    fn run(&mut self, values: &[f64]) -> f64 {
        let skip = if self.dynamic { 2 } else { 0 };
        let mut squares = 0.0;
        for (i, &y) in values.iter().enumerate() {
            if i >= skip && !y.is_nan() {
                let error = y - self.mean_after(self.level, self.power);
                squares += error * error;
            }
            self.learn(y);
        }
        squares
    }
}

impl Forecaster for Theta {
    type Fitted = FittedTheta;

    fn fit(&self, values: &[f64]) -> Result<FittedTheta, FitError> {
        let observed = check_values(values, 5)? as f64;
        let filled = fill_gaps(values, &[]);
        let line = straight_line(&filled);
        let spread = crate::stats::variance(&filled).sqrt();
        let begin = filled[0] / 2.0;
        let state = |x: &[f64; 3]| {
            FittedTheta::start(
                *self,
                x[0],
                if self.optimise { x[2] } else { 2.0 },
                begin + x[1] * spread,
                line,
            )
        };
        let bounds = BoxBounds {
            lower: [0.01, -20.0, 1.0],
            upper: [0.99, 20.0, 1e3],
            step: [0.2, 0.5, 1.0],
            evaluations: 250,
            tolerance: 1e-8,
        };
        let dim = if self.optimise { 3 } else { 2 };
        let cost = |x: &[f64; 3]| state(x).run(values).max(f64::MIN_POSITIVE).ln();
        let start = [0.1, 0.5, 0.9]
            .map(|a| [a, 0.0, 2.0])
            .into_iter()
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
            .unwrap_or([0.5, 0.0, 2.0]);
        let (best, _) = nelder_mead::<3, 4>(start, dim, &bounds, cost);
        let mut fitted = state(&best);
        let squares = fitted.run(values);
        fitted.variance = squares / (observed - dim as f64 - 1.0).max(1.0);
        Ok(fitted)
    }
}

fn straight_line(filled: &[f64]) -> Line {
    let n = filled.len() as f64;
    let mean = crate::stats::mean(filled);
    let weighted = filled.iter().enumerate().map(|(i, y)| (i + 1) as f64 * y).sum::<f64>() / n;
    let slope = 6.0 / (n * n - 1.0) * (2.0 * weighted - (n + 1.0) * mean);
    Line { intercept: mean - slope * f64::midpoint(n, 1.0), slope, mean }
}

impl FittedTheta {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u8(u8::from(self.dynamic));
        let line = &self.line;
        w.all(&[self.alpha, self.theta, self.level, line.intercept, line.slope, line.mean]);
        w.all(&[self.steps, self.power, self.variance]);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ModelError> {
        let dynamic = r.flag("dynamic")?;
        // The mean is divided by both.
        let (alpha, theta) = (r.within("alpha", 1e-6, 1.0)?, r.within("theta", 1.0, f64::MAX)?);
        let level = r.f64("level")?;
        let line = Line { intercept: r.f64("intercept")?, slope: r.f64("slope")?, mean: r.f64("mean")? };
        let (steps, power) = (r.positive("steps")?, r.within("power", 0.0, 1.0)?);
        Ok(Self { alpha, theta, dynamic, level, line, steps, power, variance: r.positive("variance")? })
    }
}

impl Fitted for FittedTheta {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let mut walker = self.clone();
        out.write_normal(horizon, levels, |h| {
            let mean = walker.mean_after(walker.level, walker.power);
            if self.dynamic {
                walker.learn(mean);
            } else {
                // The level follows its own mean: SES is flat, the line goes on.
                walker.level += walker.alpha * (mean - walker.level);
                walker.power *= 1.0 - walker.alpha;
            }
            (mean, (self.variance * (1.0 + h as f64 * self.alpha * self.alpha)).sqrt())
        });
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        self.learn(value);
        Ok(())
    }
}
