//! Choice among the family by AICc.

use super::{EtsError, EtsSeason, EtsSpec, EtsTrend, FittedEts, fit};
use crate::{
    error::{FitError, check_values},
    gaps::fill_gaps,
    model::Forecaster,
};

/// Fits the members of the family that the data allow and keeps the one with the smallest AICc.
///
/// By default unstable combinations are left out (additive error with a multiplicative part) and so are multiplicative
/// trends, as in R's `ets`. Models that multiply need positive data and are skipped otherwise.
///
/// # Example
/// ```
/// use ecosystem_forecast::{AutoEts, Fitted, Forecaster};
/// let line: Vec<f64> = (0..60).map(|i| 100.0 + 2.0 * f64::from(i) + f64::from(i * 7 % 5)).collect();
/// let fitted = AutoEts::default().fit(&line)?;
/// assert!((fitted.predict(10, &[])?.point[9] - 240.0).abs() < 4.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AutoEts {
    /// Steps of a season; 0 or 1 for none (the default).
    pub period: usize,
    /// Whether multiplicative trends are tried; they explode easily, so no by default.
    pub multiplicative_trend: bool,
    /// Whether combinations with infinite or unstable variance are left out (default true).
    pub stable_only: bool,
    /// Whether the damped variants are tried (default true).
    pub damped: bool,
}

impl Default for AutoEts {
    fn default() -> Self {
        Self { period: 0, multiplicative_trend: false, stable_only: true, damped: true }
    }
}

impl AutoEts {
    /// Seasonal models with a period, beside the others.
    #[must_use]
    pub const fn with_period(mut self, period: usize) -> Self {
        self.period = period;
        self
    }

    /// Every one of the 30 models.
    #[must_use]
    pub const fn with_whole_family(mut self) -> Self {
        self.multiplicative_trend = true;
        self.stable_only = false;
        self
    }

    fn allows(&self, spec: EtsSpec, positive: bool) -> bool {
        let multiplicative = matches!(spec.trend, EtsTrend::Multiplicative | EtsTrend::MultiplicativeDamped);
        let unstable = spec.error == EtsError::Additive
            && (multiplicative || spec.season == EtsSeason::Multiplicative)
            || spec.error == EtsError::Multiplicative && multiplicative && spec.season == EtsSeason::Additive;
        (positive || !spec.needs_positive())
            && (self.multiplicative_trend || !multiplicative)
            && !(self.stable_only && unstable)
            && (self.damped || !spec.damped())
    }
}

impl Forecaster for AutoEts {
    type Fitted = FittedEts;

    fn fit(&self, values: &[f64]) -> Result<FittedEts, FitError> {
        check_values(values, 4)?;
        // Relative errors of values next to zero say nothing: require positive data away from zero.
        let positive = values.iter().all(|v| v.is_nan() || *v > 0.0);
        let seasonal = self.period >= 2 && values.len() >= 2 * self.period + 2;
        let filled = fill_gaps(values, if seasonal { std::slice::from_ref(&self.period) } else { &[] });
        let mut best: Option<FittedEts> = None;
        let mut additive: Vec<FittedEts> = Vec::new();
        let mut tried = 0;
        for spec in EtsSpec::family(if seasonal { self.period } else { 0 }) {
            if !self.allows(spec, positive) || fit::check(spec, values).is_err() {
                continue;
            }
            tried += 1;
            let sibling =
                additive.iter().find(|f| f.spec.trend == spec.trend && f.spec.season == spec.season);
            let fitted = fit::fit_checked(spec, values, &filled, sibling);
            if spec.error == EtsError::Additive && spec.season == EtsSeason::None {
                additive.push(fitted.clone());
            }
            if fitted.log_likelihood.is_finite() && best.as_ref().is_none_or(|b| fitted.aicc < b.aicc) {
                best = Some(fitted);
            }
        }
        best.ok_or(FitError::NoCandidate { tried })
    }
}
