//! Seasonal ARIMA with automatic order.
//!
//! # Model
//! `φ(B)Φ(Bᵐ)(∇ᵈ∇ᴰₘ y[t] - μ) = θ(B)Θ(Bᵐ) e[t]` with `∇ = 1 - B`, `∇ₘ = 1 - Bᵐ`. Signs as in statsmodels and R: moving
//! average terms are added.
//!
//! # Fit
//! Conditional sum of squares after differencing, minimised by L-BFGS from a Hannan–Rissanen start (long autoregression, then
//! regression on its residuals); coefficients that are not stationary or not invertible are refused. Missing values are
//! filled before differencing. [`FittedArima::exact_log_likelihood`] evaluates the exact Gaussian likelihood of
//! non-seasonal models by the Kalman filter.
//!
//! # Choice
//! [`AutoArima`]: `D` by seasonal strength, `d` by repeated KPSS tests, orders by a stepwise search on AICc.
//!
//! # References
//! Box & Jenkins (1970); Hannan & Rissanen (1982), Recursive estimation of mixed autoregressive-moving average order; Hyndman &
//! Khandakar (2008), Automatic time series forecasting: the forecast package for R, JSS 27; Kwiatkowski, Phillips, Schmidt &
//! Shin (1992); Durbin & Koopman (2012), Time Series Analysis by State Space Methods.

mod auto;
mod difference;
mod estimate;
mod exact;

pub use auto::AutoArima;

use crate::{
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    gaps::fill_gaps,
    model::{Fitted, Forecaster},
    state_space::StateSpace,
};

/// Orders of a seasonal ARIMA model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "the orders of the model, by definition")]
pub struct ArimaOrder {
    /// Autoregressive terms.
    pub p: usize,
    /// Differences.
    pub d: usize,
    /// Moving-average terms.
    pub q: usize,
    /// Seasonal autoregressive terms.
    pub seasonal_p: usize,
    /// Seasonal differences.
    pub seasonal_d: usize,
    /// Seasonal moving-average terms.
    pub seasonal_q: usize,
    /// Steps of a season (0 or 1 for none).
    pub period: usize,
    /// Whether a mean (or drift, when differenced once) is estimated.
    pub mean: bool,
}

impl ArimaOrder {
    /// ARIMA(p, d, q) without season; with a mean when `d` is 0.
    pub const fn new(p: usize, d: usize, q: usize) -> Self {
        Self { p, d, q, seasonal_p: 0, seasonal_d: 0, seasonal_q: 0, period: 0, mean: d == 0 }
    }

    /// The seasonal part.
    #[must_use]
    pub const fn with_season(mut self, p: usize, d: usize, q: usize, period: usize) -> Self {
        (self.seasonal_p, self.seasonal_d, self.seasonal_q, self.period) = (p, d, q, period);
        self.mean = self.mean && d == 0;
        self
    }

    /// Coefficients without mean and variance.
    const fn coefficients(&self) -> usize {
        self.p + self.q + self.seasonal_p + self.seasonal_q
    }

    const fn reach(&self) -> usize {
        self.d + self.seasonal_d * self.period
    }

    fn check(&self) -> Result<(), FitError> {
        let seasonal = self.seasonal_p + self.seasonal_d + self.seasonal_q > 0;
        if seasonal && self.period < 2 {
            return Err(FitError::Setting {
                name: "period",
                value: self.period as f64,
                expected: "at least 2 steps for seasonal terms",
            });
        }
        let most = [self.p, self.q, self.seasonal_p, self.seasonal_q].into_iter().max().unwrap_or(0);
        if most > 12 || self.d > 2 || self.seasonal_d > 1 {
            let value = most.max(self.d).max(self.seasonal_d) as f64;
            return Err(FitError::Setting {
                name: "order",
                value,
                expected: "terms <= 12, d <= 2, seasonal d <= 1",
            });
        }
        Ok(())
    }
}

impl std::fmt::Display for ArimaOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ARIMA({},{},{})", self.p, self.d, self.q)?;
        if self.seasonal_p + self.seasonal_d + self.seasonal_q > 0 {
            write!(f, "({},{},{})[{}]", self.seasonal_p, self.seasonal_d, self.seasonal_q, self.period)?;
        }
        Ok(())
    }
}

/// One order, to be estimated.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Arima, ArimaOrder, Fitted, Forecaster};
/// let values: Vec<f64> = (0..80).map(|i| f64::from(i) + f64::from(i * 7 % 5)).collect();
/// let next = Arima::new(ArimaOrder::new(1, 1, 1)).fit(&values)?.predict(1, &[0.95])?;
/// assert!((next.point[0] - 82.0).abs() < 4.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Arima {
    order: ArimaOrder,
    exact: bool,
}

impl Arima {
    /// Names the order.
    pub const fn new(order: ArimaOrder) -> Self {
        Self { order, exact: false }
    }

    /// Exact maximum likelihood by the Kalman filter instead of conditional least squares: better in short series, and gaps
    /// are skipped instead of filled (a difference that touches a gap is missing). For at most 40 expanded terms, others are
    /// an error. O(n·(p + q)) per likelihood once the filter has settled.
    #[must_use]
    pub const fn with_exact(mut self) -> Self {
        self.exact = true;
        self
    }
}

/// A fitted seasonal ARIMA model.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedArima {
    order: ArimaOrder,
    ar: Vec<f64>,     // expanded: y[t] depends on y[t-1-k] by ar[k]
    ma: Vec<f64>,     // expanded
    mean: f64,        // of the differenced series
    recent: Vec<f64>, // last values, as many as differences and autoregression reach back, oldest first
    errors: Vec<f64>, // last errors, oldest first
    variance: f64,
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unbounded"))]
    aicc: f64,
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unlikely"))]
    log_likelihood: f64,
}

impl FittedArima {
    /// The order.
    pub const fn order(&self) -> ArimaOrder {
        self.order
    }

    /// Corrected Akaike criterion from the conditional likelihood; comparable among equal differences only.
    pub const fn aicc(&self) -> f64 {
        self.aicc
    }

    /// Log likelihood of the training data: exact after [`Arima::with_exact`], else given the first values; minus infinity for a model
    /// from known coefficients.
    pub const fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }

    /// Expanded autoregressive coefficients (lag 1 first).
    pub fn ar(&self) -> &[f64] {
        &self.ar
    }

    /// Expanded moving-average coefficients (lag 1 first).
    pub fn ma(&self) -> &[f64] {
        &self.ma
    }

    /// Error variance.
    pub const fn variance(&self) -> f64 {
        self.variance
    }

    /// Exact Gaussian log likelihood of values under these coefficients by the Kalman filter started from the stationary
    /// distribution; missing values (NaN) are skipped. For models without differences and with at most 20 expanded terms,
    /// `None` for others.
    pub fn exact_log_likelihood(&self, values: &[f64]) -> Option<f64> {
        if self.order.reach() > 0 || self.ar.len().max(self.ma.len() + 1) > 20 {
            return None;
        }
        let centered: Vec<f64> = values.iter().map(|v| v - self.mean).collect();
        StateSpace::arma(&self.ar, &self.ma, self.variance)?.log_likelihood(&centered)
    }

    /// Builds a model from known coefficients (expanded, lag 1 first) without differences, for filtering and comparison.
    pub fn from_coefficients(ar: &[f64], ma: &[f64], mean: f64, variance: f64) -> Self {
        let order = ArimaOrder { p: ar.len(), q: ma.len(), mean: true, ..ArimaOrder::default() };
        Self {
            order,
            ar: ar.to_vec(),
            ma: ma.to_vec(),
            mean,
            recent: vec![mean; ar.len()],
            errors: vec![0.0; ma.len()],
            variance,
            aicc: f64::INFINITY,
            log_likelihood: f64::NEG_INFINITY,
        }
    }

    /// Next value of the differenced series less its mean, from its past (oldest first) and past errors.
    fn next_centered(&self, past: &[f64], errors: &[f64]) -> f64 {
        let auto: f64 = self.ar.iter().enumerate().map(|(k, a)| a * past[past.len() - 1 - k]).sum();
        let moving: f64 = self.ma.iter().enumerate().map(|(k, m)| m * errors[errors.len() - 1 - k]).sum();
        auto + moving
    }

    /// ψ weights of the undifferenced model: response `j` steps later to a unit error.
    fn responses(&self, horizon: usize) -> Vec<f64> {
        let full = difference::expand(&self.ar, &self.order);
        let mut psi: Vec<f64> = Vec::with_capacity(horizon);
        for j in 0..horizon {
            let own = if j == 0 { 1.0 } else { self.ma.get(j - 1).copied().unwrap_or(0.0) };
            let past: f64 = full.iter().take(j).enumerate().map(|(k, a)| a * psi[j - 1 - k]).sum();
            psi.push((own + past).clamp(-1e6, 1e6));
        }
        psi
    }
}

impl Forecaster for Arima {
    type Fitted = FittedArima;

    fn fit(&self, values: &[f64]) -> Result<FittedArima, FitError> {
        self.order.check()?;
        let order = &self.order;
        let terms =
            (order.p + order.seasonal_p * order.period).max(order.q + order.seasonal_q * order.period);
        check_values(values, order.reach() + 2 * order.coefficients() + 6)?;
        let needed = order.reach() + terms + 2 * order.coefficients() + 6;
        if values.len() < needed {
            return Err(FitError::TooShort { needed, found: values.len() });
        }
        let filled =
            fill_gaps(values, if order.period > 1 { std::slice::from_ref(&order.period) } else { &[] });
        if !self.exact {
            return estimate::fit(*order, &filled);
        }
        let expanded =
            (order.p + order.seasonal_p * order.period).max(order.q + order.seasonal_q * order.period + 1);
        if expanded > exact::MOST_TERMS {
            return Err(FitError::Setting {
                name: "expanded terms with exact likelihood",
                value: expanded as f64,
                expected: "at most 40",
            });
        }
        estimate::fit_exact(*order, values, &filled)
    }
}

impl Fitted for FittedArima {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let mut path = self.recent.clone();
        let mut errors = self.errors.clone();
        let reach = self.order.reach();
        let low = path.len();
        let mut differenced: Vec<f64> =
            difference::apply(&path, &self.order).iter().map(|v| v - self.mean).collect();
        for _ in 0..horizon {
            let next = self.next_centered(&differenced, &errors);
            differenced.push(next);
            errors.push(0.0);
            let value = next + self.mean + difference::carried(&path, &self.order);
            path.push(value.clamp(-1e150, 1e150));
        }
        debug_assert!(low >= reach, "enough values to undo the differences");
        let responses = if levels.is_empty() { Vec::new() } else { self.responses(horizon) };
        let mut total = 0.0;
        out.write_normal(horizon, levels, |h| {
            total += responses.get(h).map_or(0.0, |r| r * r);
            (path[low + h], (self.variance * total).sqrt())
        });
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        let differenced: Vec<f64> =
            difference::apply(&self.recent, &self.order).iter().map(|v| v - self.mean).collect();
        let expected = self.next_centered(&differenced, &self.errors)
            + self.mean
            + difference::carried(&self.recent, &self.order);
        let (value, error) = if value.is_nan() { (expected, 0.0) } else { (value, value - expected) };
        if !self.recent.is_empty() {
            self.recent.remove(0);
            self.recent.push(value);
        }
        if !self.errors.is_empty() {
            self.errors.remove(0);
            self.errors.push(error);
        }
        Ok(())
    }
}
