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
}

impl AutoArima {
    /// A season of `period` steps, 0 for none.
    pub const fn new(period: usize) -> Self {
        Self { period, models: 60 }
    }

    /// Tries at most `models` orders.
    #[must_use]
    pub const fn with_models(mut self, models: usize) -> Self {
        self.models = models;
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
        let mut search = Search { filled: &filled, tried: Vec::new(), best: None, left: self.models.max(4) };
        let (sp, sq) = if seasonal { (1, 1) } else { (0, 0) };
        for (p, q, sp, sq) in [(2, 2, sp, sq), (0, 0, 0, 0), (1, 0, sp, 0), (0, 1, 0, sq)] {
            search.consider(ArimaOrder { p, q, seasonal_p: sp, seasonal_q: sq, ..base });
        }
        while search.improve(seasonal) {}
        let tried = search.tried.len();
        search.best.ok_or(FitError::NoCandidate { tried })
    }
}

struct Search<'a> {
    filled: &'a [f64],
    tried: Vec<ArimaOrder>,
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
    let Ok(parts) = decompose(filled, &[period], true) else { return 0.0 };
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
