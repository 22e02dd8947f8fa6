//! Orders by tests and stepwise search.

use super::{Arima, ArimaOrder, FittedArima, difference};
use crate::{
    decompose::decompose,
    error::{FitError, check_values},
    gaps::fill_gaps,
    model::Forecaster,
    stats::{mean, variance},
};

/// Seasonal ARIMA with automatic order, up to ARIMA(5,2,5)(2,1,2).
///
/// The stepwise search compares orders by conditional least squares on filled data. When values are missing, or the series is
/// short, the best few are then fitted again by exact maximum likelihood, which skips gaps, and the smallest exact AICc wins
/// (orders of more than 40 expanded terms keep their conditional fit and are out of this second round).
///
/// # Example
/// ```
/// use ecosystem_forecast::{AutoArima, Fitted, Forecaster};
/// let walk: Vec<f64> = (0..100).scan(0.0, |s, i| { *s += f64::from(i * 7919 % 13) - 5.0; Some(*s) }).collect();
/// let fitted = AutoArima::new(0).fit(&walk)?;
/// assert_eq!(fitted.order().d, 1);
/// assert_eq!(fitted.predict(5, &[0.9])?.horizon(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AutoArima {
    /// Steps of a season, 0 or 1 for none.
    pub period: usize,
    /// Most models tried (default 60).
    pub models: usize,
    /// Orders that are fitted again by exact maximum likelihood when values are missing or there are at most
    /// [`SHORT`](Self::SHORT) of them (default 3; 0 for never).
    pub finalists: usize,
}

impl AutoArima {
    /// Up to this many values the conditional likelihood, which drops the first ones, is a poor stand-in for the exact one.
    pub const SHORT: usize = 150;

    /// A season of `period` steps, 0 for none.
    pub const fn new(period: usize) -> Self {
        Self { period, models: 60, finalists: 3 }
    }

    /// Tries at most `models` orders.
    #[must_use]
    pub const fn with_models(mut self, models: usize) -> Self {
        self.models = models;
        self
    }

    /// Fits the best `finalists` orders again by exact maximum likelihood; see the field.
    #[must_use]
    pub const fn with_finalists(mut self, finalists: usize) -> Self {
        self.finalists = finalists;
        self
    }
}

impl Forecaster for AutoArima {
    type Fitted = FittedArima;

    fn fit(&self, values: &[f64]) -> Result<FittedArima, FitError> {
        check_values(values, 10)?;
        let seasonal = self.period >= 2 && values.len() >= 3 * self.period;
        let period = if seasonal { self.period } else { 0 };
        let filled = fill_gaps(values, if seasonal { std::slice::from_ref(&period) } else { &[] });
        let seasonal_d = usize::from(seasonal && seasonal_strength(&filled, period) > 0.64);
        let mut base = ArimaOrder { seasonal_d, period, ..ArimaOrder::default() };
        while base.d < 2 && kpss(&difference::apply(&filled, &base)) > 0.463 {
            base.d += 1;
        }
        base.mean = base.d + base.seasonal_d <= 1;
        let mut search = Search {
            filled: &filled,
            tried: Vec::new(),
            ranked: Vec::new(),
            best: None,
            left: self.models.max(4),
        };
        let (sp, sq) = if seasonal { (1, 1) } else { (0, 0) };
        for (p, q, sp, sq) in [(2, 2, sp, sq), (0, 0, 0, 0), (1, 0, sp, 0), (0, 1, 0, sq)] {
            search.consider(ArimaOrder { p, q, seasonal_p: sp, seasonal_q: sq, ..base });
        }
        while search.improve(seasonal) {}
        let Search { tried, best, mut ranked, .. } = search;
        if values.len() <= Self::SHORT || values.iter().any(|v| v.is_nan()) {
            ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
            ranked.truncate(self.finalists);
            if let Some(exact) = most_likely(&ranked, values) {
                return Ok(exact);
            }
        }
        best.ok_or(FitError::NoCandidate { tried: tried.len() })
    }
}

/// The order of the smallest exact AICc, fitted on data with gaps; `None` when none can be fitted so.
fn most_likely(ranked: &[(f64, ArimaOrder)], values: &[f64]) -> Option<FittedArima> {
    ranked
        .iter()
        .filter_map(|&(_, order)| Arima::new(order).with_exact().fit(values).ok())
        .filter(|fitted| fitted.aicc.is_finite())
        .min_by(|a, b| a.aicc.total_cmp(&b.aicc))
}

struct Search<'a> {
    filled: &'a [f64],
    tried: Vec<ArimaOrder>,
    ranked: Vec<(f64, ArimaOrder)>, // conditional AICc of what could be fitted
    best: Option<FittedArima>,
    left: usize,
}

impl Search<'_> {
    fn consider(&mut self, order: ArimaOrder) -> bool {
        if self.left == 0 || self.tried.contains(&order) {
            return false;
        }
        self.tried.push(order);
        self.left -= 1;
        let Ok(fitted) = Arima::new(order).fit(self.filled) else { return false };
        self.ranked.push((fitted.aicc, order));
        let better = self.best.as_ref().is_none_or(|b| fitted.aicc < b.aicc);
        if better {
            self.best = Some(fitted);
        }
        better
    }

    /// Tries all neighbours of the best order; true when one is better.
    fn improve(&mut self, seasonal: bool) -> bool {
        let Some(o) = self.best.as_ref().map(|b| b.order) else { return false };
        let change =
            |v: usize, up: bool, most: usize| if up { (v < most).then_some(v + 1) } else { v.checked_sub(1) };
        let mut next = Vec::new();
        for up in [false, true] {
            next.extend(change(o.p, up, 5).map(|p| ArimaOrder { p, ..o }));
            next.extend(change(o.q, up, 5).map(|q| ArimaOrder { q, ..o }));
            next.extend(change(o.p, up, 5).zip(change(o.q, up, 5)).map(|(p, q)| ArimaOrder { p, q, ..o }));
            if seasonal {
                next.extend(change(o.seasonal_p, up, 2).map(|seasonal_p| ArimaOrder { seasonal_p, ..o }));
                next.extend(change(o.seasonal_q, up, 2).map(|seasonal_q| ArimaOrder { seasonal_q, ..o }));
            }
        }
        if o.d + o.seasonal_d <= 1 {
            next.push(ArimaOrder { mean: !o.mean, ..o });
        }
        next.into_iter().any(|order| self.consider(order))
    }
}

/// `max(0, 1 - Var(remainder)/Var(season + remainder))` of an STL decomposition (Wang, Smith & Hyndman 2006).
fn seasonal_strength(filled: &[f64], period: usize) -> f64 {
    let Ok(parts) = decompose(filled, &[period], true, true) else { return 0.0 };
    let Some(season) = parts.seasons.first() else { return 0.0 };
    let both: Vec<f64> = season.iter().zip(&parts.remainder).map(|(s, r)| s + r).collect();
    let total = variance(&both);
    if total > 0.0 { (1.0 - variance(&parts.remainder) / total).max(0.0) } else { 0.0 }
}

/// KPSS statistic for level stationarity (5 % critical value 0.463) with a Bartlett window of `3·√n/13` lags.
fn kpss(values: &[f64]) -> f64 {
    let n = values.len();
    if n < 8 {
        return 0.0;
    }
    let m = mean(values);
    let e: Vec<f64> = values.iter().map(|v| v - m).collect();
    let mut sum = 0.0;
    let partial: f64 = e
        .iter()
        .map(|v| {
            sum += v;
            sum * sum
        })
        .sum();
    let lags = crate::stats::floor_usize(3.0 * (n as f64).sqrt() / 13.0);
    let covariance = |l: usize| e.iter().zip(&e[l..]).map(|(a, b)| a * b).sum::<f64>() / n as f64;
    let long_run = covariance(0)
        + 2.0 * (1..=lags).map(|l| (1.0 - l as f64 / (lags + 1) as f64) * covariance(l)).sum::<f64>();
    if long_run > 0.0 { partial / (n * n) as f64 / long_run } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Fitted, rng::Pcg};

    /// An AR(2) of which a fifth is missing in bursts.
    fn with_gaps(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = Pcg::new(seed);
        let (mut a, mut b) = (0.0, 0.0);
        let mut values: Vec<f64> = (0..n)
            .map(|_| {
                (a, b) = (1.3 * a - 0.6 * b + rng.normal(), a);
                20.0 + a
            })
            .collect();
        for start in (30..n - 20).step_by(50) {
            values[start..start + 10].fill(f64::NAN);
        }
        values
    }

    #[test]
    fn gaps_are_skipped_not_believed() {
        let (mut exact, mut conditional) = (0.0, 0.0);
        for seed in 0..6 {
            let values = with_gaps(300, seed);
            let fitted = AutoArima::new(0).fit(&values).unwrap();
            let filled = AutoArima::new(0).with_finalists(0).fit(&values).unwrap();
            // One-step variance of the process is 1; straight lines in the gaps look like less.
            exact += (fitted.variance().ln()).abs() / 6.0;
            conditional += (filled.variance().ln()).abs() / 6.0;
            assert!(fitted.predict(10, &[0.9]).unwrap().point.iter().all(|p| p.is_finite()));
        }
        assert!(exact < 0.12 && exact < conditional, "{exact} {conditional}");
    }

    #[test]
    fn a_series_of_nothing_but_gaps_and_few_values_is_an_error_or_finite() {
        let mut values = vec![f64::NAN; 100];
        assert!(AutoArima::new(12).fit(&values).is_err());
        values.iter_mut().step_by(8).for_each(|v| *v = 3.0);
        let fitted = AutoArima::new(12).fit(&values).unwrap();
        assert!(fitted.predict(5, &[0.9]).unwrap().point.iter().all(|p| (p - 3.0).abs() < 1e-6));
    }
}
