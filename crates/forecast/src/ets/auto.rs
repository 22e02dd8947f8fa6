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
    /// Steps ahead that decide between kinds of trend; `None` (default) leaves it to the AICc, which looks one step ahead.
    pub horizon: Option<usize>,
}

impl Default for AutoEts {
    fn default() -> Self {
        Self { period: 0, multiplicative_trend: false, stable_only: true, damped: true, horizon: None }
    }
}

impl AutoEts {
    /// Seasonal models with a period, beside the others.
    #[must_use]
    pub const fn with_period(mut self, period: usize) -> Self {
        self.period = period;
        self
    }

    /// The kind of trend by errors `horizon` steps ahead: of each kind the member of the smallest AICc forecasts from up to 24
    /// moments of the last half, with states from the past only (weights from all data). Among those whose mean absolute
    /// error is within a tenth of the smallest, the AICc decides. What a one-step likelihood takes for a trend in cyclic data runs
    /// away over many steps; where no kind does, the likelihood knows more.
    #[must_use]
    pub const fn with_horizon(mut self, horizon: usize) -> Self {
        self.horizon = Some(horizon);
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
        let mut kinds: Vec<FittedEts> = Vec::new(); // the best of each kind of trend
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
            if !fitted.log_likelihood.is_finite() {
                continue;
            }
            match kinds.iter_mut().find(|k| k.spec.trend == fitted.spec.trend) {
                Some(known) if fitted.aicc < known.aicc => *known = fitted,
                Some(_) => {}
                None => kinds.push(fitted),
            }
        }
        if let Some(horizon) = self.horizon {
            let horizon = horizon.clamp(1, (values.len() / 4).max(1));
            let errors: Vec<f64> = kinds.iter().map(|k| error_ahead(k, values, horizon)).collect();
            let limit = CLOSE * errors.iter().copied().fold(f64::INFINITY, f64::min);
            let mut errors = errors.into_iter();
            kinds.retain(|_| errors.next().is_some_and(|e| e <= limit));
        }
        kinds.into_iter().min_by(|a, b| a.aicc.total_cmp(&b.aicc)).ok_or(FitError::NoCandidate { tried })
    }
}

/// Most moments that forecasts of several steps are judged from.
const MOMENTS: usize = 24;
/// Errors ahead that differ by less come from few, overlapping moments: the likelihood of all values decides.
const CLOSE: f64 = 1.1;

/// Mean absolute error over `horizon` steps from several moments of the last half.
fn error_ahead(fitted: &FittedEts, values: &[f64], horizon: usize) -> f64 {
    let last = values.len() - horizon;
    let step = (last.saturating_sub(values.len() / 2) / MOMENTS).max(1);
    let mut probe = FittedEts { state: fitted.initial.clone(), next: 0, ..fitted.clone() };
    let (mut sum, mut count) = (0.0, 0.0);
    for i in 0..=last {
        if i >= values.len() / 2 && (last - i).is_multiple_of(step) {
            let mut means = probe.means();
            for h in 0..horizon {
                let error = (values[i + h] - means(h)).abs();
                if !error.is_nan() {
                    sum += error;
                    count += 1.0;
                }
            }
        }
        fit::advance(&mut probe, values[i]);
    }
    if count > 0.0 { sum / count } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fitted;

    #[test]
    fn a_cycle_is_not_taken_for_a_trend_when_many_steps_matter() {
        let wave = |t: usize| 100.0 + 20.0 * (t as f64 / 40.0 * std::f64::consts::TAU).sin();
        let values: Vec<f64> = (0..410).map(wave).collect();
        let error = |model: AutoEts| {
            let point = model.fit(&values).unwrap().predict(40, &[]).unwrap().point;
            point.iter().enumerate().map(|(h, p)| (p - wave(410 + h)).abs()).sum::<f64>() / 40.0
        };
        let (one, many) = (error(AutoEts::default()), error(AutoEts::default().with_horizon(40)));
        assert!(many < 25.0 && many < 0.7 * one, "{many} {one}");
        // A real trend stays.
        let line: Vec<f64> = (0..120).map(|i| 50.0 + 2.0 * f64::from(i) + f64::from(i * 7 % 5)).collect();
        let next = AutoEts::default().with_horizon(20).fit(&line).unwrap().predict(20, &[]).unwrap();
        assert!((next.point[19] - 330.0).abs() < 8.0, "{}", next.point[19]);
    }

    #[test]
    fn states_run_again_from_the_start_end_where_the_fit_ended() {
        let values: Vec<f64> =
            (0..96).map(|i| 30.0 + f64::from(i % 12) + f64::from(i * 7 % 5) * 0.1).collect();
        let fitted = AutoEts::default().with_period(12).fit(&values).unwrap();
        let mut probe = FittedEts { state: fitted.initial.clone(), next: 0, ..fitted.clone() };
        values.iter().for_each(|&v| fit::advance(&mut probe, v));
        let (a, b) = (probe.predict(24, &[]).unwrap().point, fitted.predict(24, &[]).unwrap().point);
        assert!(a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-9), "{a:?} {b:?}");
    }
}
