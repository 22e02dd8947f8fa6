//! Measures of forecast quality.
//!
//! All functions skip steps whose actual value is missing (NaN); without any comparable step the result is NaN.

/// Mean of `f(actual, predicted)` over the observed steps.
fn average(actual: &[f64], predicted: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (&y, &p) in actual.iter().zip(predicted) {
        if !y.is_nan() {
            sum += f(y, p);
            count += 1.0;
        }
    }
    if count > 0.0 { sum / count } else { f64::NAN }
}

/// Mean absolute error.
pub fn mae(actual: &[f64], predicted: &[f64]) -> f64 {
    average(actual, predicted, |y, p| (y - p).abs())
}

/// Root of the mean squared error.
pub fn rmse(actual: &[f64], predicted: &[f64]) -> f64 {
    average(actual, predicted, |y, p| (y - p) * (y - p)).sqrt()
}

/// Symmetric mean absolute percentage error in percent, 0 to 200: `mean(200·|y-p| / (|y|+|p|))`, 0/0 = 0.
///
/// # Example
/// ```
/// assert_eq!(ecosystem_forecast::metrics::smape(&[100.0], &[300.0]), 100.0);
/// ```
pub fn smape(actual: &[f64], predicted: &[f64]) -> f64 {
    average(actual, predicted, |y, p| {
        let size = y.abs() + p.abs();
        if size > 0.0 { 200.0 * (y - p).abs() / size } else { 0.0 }
    })
}

/// Mean absolute change over one season in the training data: the unit of [`mase`] and [`msis`].
pub fn seasonal_scale(train: &[f64], season: usize) -> f64 {
    let m = season.max(1);
    if train.len() <= m {
        return f64::NAN;
    }
    let (mut sum, mut count) = (0.0, 0.0);
    for (a, b) in train.iter().zip(&train[m..]) {
        let change = (a - b).abs();
        if !change.is_nan() {
            sum += change;
            count += 1.0;
        }
    }
    if count > 0.0 { sum / count } else { f64::NAN }
}

/// Mean absolute scaled error: [`mae`] in units of the in-sample seasonal naive error. Infinite when the training data
/// repeat exactly and the forecast is wrong; 0 when both are exact.
///
/// Hyndman & Koehler (2006), Another look at measures of forecast accuracy.
///
/// # Example
/// ```
/// let score = ecosystem_forecast::metrics::mase(&[3.0, 5.0], &[2.0, 5.0], &[1.0, 3.0, 5.0], 1);
/// assert_eq!(score, 0.25);
/// ```
pub fn mase(actual: &[f64], predicted: &[f64], train: &[f64], season: usize) -> f64 {
    scaled(mae(actual, predicted), seasonal_scale(train, season))
}

/// Root mean squared scaled error (M5): root of the mean squared error over the mean squared in-sample naive error.
pub fn rmsse(actual: &[f64], predicted: &[f64], train: &[f64], season: usize) -> f64 {
    let m = season.max(1);
    if train.len() <= m {
        return f64::NAN;
    }
    let scale = average(&train[m..], train, |a, b| if b.is_nan() { 0.0 } else { (a - b) * (a - b) });
    let mse = average(actual, predicted, |y, p| (y - p) * (y - p));
    scaled(mse, scale).sqrt()
}

fn scaled(error: f64, scale: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error / scale }
}

/// Overall weighted average of the M4 competition: mean of the ratios of sMAPE and MASE to those of a benchmark (Naive2).
pub fn owa(smape: f64, mase: f64, benchmark_smape: f64, benchmark_mase: f64) -> f64 {
    f64::midpoint(smape / benchmark_smape, mase / benchmark_mase)
}

/// Pinball (quantile) loss of predicted `quantile` (0 to 1).
///
/// # Example
/// ```
/// let loss = ecosystem_forecast::metrics::pinball(&[10.0], &[8.0], 0.9);
/// assert!((loss - 1.8).abs() < 1e-12);
/// ```
pub fn pinball(actual: &[f64], predicted: &[f64], quantile: f64) -> f64 {
    average(actual, predicted, |y, p| if y >= p { quantile * (y - p) } else { (1.0 - quantile) * (p - y) })
}

/// Share of observed values inside `[lower, upper]`.
pub fn coverage(actual: &[f64], lower: &[f64], upper: &[f64]) -> f64 {
    let (mut inside, mut count) = (0.0, 0.0);
    for ((&y, &l), &u) in actual.iter().zip(lower).zip(upper) {
        if !y.is_nan() {
            count += 1.0;
            inside += f64::from(u8::from(l <= y && y <= u));
        }
    }
    if count > 0.0 { inside / count } else { f64::NAN }
}

/// Mean interval score of a central interval (width plus `2/α` times what sticks out, `α = 1 - level`), not scaled.
///
/// Gneiting & Raftery (2007), Strictly proper scoring rules, prediction, and estimation.
pub fn interval_score(actual: &[f64], lower: &[f64], upper: &[f64], level: f64) -> f64 {
    let penalty = 2.0 / (1.0 - level);
    let (mut sum, mut count) = (0.0, 0.0);
    for ((&y, &l), &u) in actual.iter().zip(lower).zip(upper) {
        if !y.is_nan() {
            sum += (u - l) + penalty * ((l - y).max(0.0) + (y - u).max(0.0));
            count += 1.0;
        }
    }
    if count > 0.0 { sum / count } else { f64::NAN }
}

/// Mean scaled interval score: [`interval_score`] over [`seasonal_scale`].
pub fn msis(actual: &[f64], lower: &[f64], upper: &[f64], level: f64, scale: f64) -> f64 {
    scaled(interval_score(actual, lower, upper, level), scale)
}

/// Continuous ranked probability score of a sample of forecasts (all paths of one step) for one actual value.
///
/// `E|X - y| - ½ E|X - X'|`, computed in O(k log k) from the sorted sample.
///
/// # Example
/// ```
/// let crps = ecosystem_forecast::metrics::crps_sample(3.0, &[1.0, 3.0]);
/// assert!((crps - 0.5).abs() < 1e-12);
/// ```
pub fn crps_sample(actual: f64, sample: &[f64]) -> f64 {
    if sample.is_empty() || actual.is_nan() {
        return f64::NAN;
    }
    let mut sorted = sample.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let k = sorted.len() as f64;
    let miss = sorted.iter().map(|x| (x - actual).abs()).sum::<f64>() / k;
    let spread: f64 =
        sorted.iter().enumerate().map(|(i, x)| x * (2.0 * i as f64 + 1.0 - k)).sum::<f64>() / (k * k);
    miss - spread
}

/// Continuous ranked probability score of a normal forecast `N(mean, sigma²)`.
///
/// # Example
/// ```
/// let crps = ecosystem_forecast::metrics::crps_normal(0.0, 0.0, 1.0);
/// assert!((crps - 0.233_694_977_254_93).abs() < 1e-9);
/// ```
pub fn crps_normal(actual: f64, mean: f64, sigma: f64) -> f64 {
    if sigma <= 0.0 {
        return (actual - mean).abs();
    }
    let z = (actual - mean) / sigma;
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    sigma
        * (z * (2.0 * crate::stats::normal_cdf(z) - 1.0) + 2.0 * density - 1.0 / std::f64::consts::PI.sqrt())
}

/// Share of actual values at or below each predicted quantile: equal to the quantiles for a calibrated forecast.
///
/// `predicted[q][t]` is the forecast of quantile `quantiles[q]` for step `t`.
pub fn calibration(actual: &[f64], predicted: &[Vec<f64>]) -> Vec<f64> {
    predicted.iter().map(|q| average(actual, q, |y, p| f64::from(u8::from(y <= p)))).collect()
}

/// Result of a Diebold–Mariano test.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DieboldMariano {
    /// Test statistic with the small-sample correction; negative when the first forecast has the smaller loss.
    pub statistic: f64,
    /// Two-sided probability under equal accuracy (Student t, n - 1 degrees of freedom).
    pub p_value: f64,
}

/// Tests whether two forecasts of `horizon` steps differ in squared loss; `None` with fewer than `horizon + 2` common steps
/// or without any difference.
///
/// Diebold & Mariano (1995); correction of Harvey, Leybourne & Newbold (1997).
pub fn diebold_mariano(
    actual: &[f64],
    first: &[f64],
    second: &[f64],
    horizon: usize,
) -> Option<DieboldMariano> {
    use statrs::distribution::{ContinuousCDF, StudentsT};
    let d: Vec<f64> = actual
        .iter()
        .zip(first.iter().zip(second))
        .map(|(y, (a, b))| (y - a).powi(2) - (y - b).powi(2))
        .filter(|v| !v.is_nan())
        .collect();
    let h = horizon.max(1);
    if d.len() < h + 2 {
        return None;
    }
    let n = d.len() as f64;
    let mean = crate::stats::mean(&d);
    let covariance =
        |lag: usize| d.iter().zip(&d[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / n;
    let mut variance = covariance(0) + 2.0 * (1..h).map(covariance).sum::<f64>();
    if variance <= 0.0 {
        variance = covariance(0); // the truncated sum may be negative: fall back to lag 0
    }
    if variance <= 0.0 {
        return None;
    }
    let k = h as f64;
    let correction = ((n + 1.0 - 2.0 * k + k * (k - 1.0) / n) / n).max(0.0).sqrt();
    let statistic = mean / (variance / n).sqrt() * correction;
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
    Some(DieboldMariano { statistic, p_value: 2.0 * (1.0 - t.cdf(statistic.abs())) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_actuals_are_skipped() {
        assert!((mae(&[1.0, f64::NAN, 3.0], &[2.0, 9.0, 3.0]) - 0.5).abs() < 1e-12);
        assert!(mae(&[f64::NAN], &[1.0]).is_nan());
    }

    #[test]
    fn msis_adds_width_and_forty_times_the_miss_at_95_percent() {
        let score = msis(&[5.0, 1.0], &[0.0, 2.0], &[4.0, 4.0], 0.95, 1.0);
        assert!((score - f64::midpoint(4.0 + 40.0, 2.0 + 40.0)).abs() < 1e-9);
    }

    #[test]
    fn crps_of_a_large_normal_sample_approaches_the_closed_form() {
        let sample: Vec<f64> =
            (1..2000).map(|i| crate::stats::normal_quantile(f64::from(i) / 2000.0)).collect();
        assert!((crps_sample(0.7, &sample) - crps_normal(0.7, 0.0, 1.0)).abs() < 1e-3);
    }

    #[test]
    fn diebold_mariano_finds_the_better_forecast_and_is_antisymmetric() {
        let actual: Vec<f64> = (0..100).map(|i| f64::from(i % 7)).collect();
        let good: Vec<f64> =
            actual.iter().enumerate().map(|(i, y)| y + if i % 2 == 0 { 0.1 } else { -0.12 }).collect();
        let bad: Vec<f64> =
            actual.iter().enumerate().map(|(i, y)| y + if i % 3 == 0 { 1.0 } else { -0.7 }).collect();
        let test = diebold_mariano(&actual, &good, &bad, 1).unwrap();
        let back = diebold_mariano(&actual, &bad, &good, 1).unwrap();
        assert!(test.statistic < -5.0 && test.p_value < 1e-4, "{test:?}");
        assert!((test.statistic + back.statistic).abs() < 1e-12);
        assert!(diebold_mariano(&actual, &good, &good, 1).is_none());
    }
}
