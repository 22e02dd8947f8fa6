//! Conformal intervals around any model: coverage from past errors instead of assumptions.

use crate::{
    error::{FitError, PredictError, UpdateError, check_values},
    forecast::{Forecast, check_request},
    model::{Fitted, Forecaster},
    stats::{floor_usize, quantile_sorted},
};

/// Wraps a model: fits it on the first part, collects its errors over the rest (moving the origin one step at a time and
/// updating without a new fit), and fits it again on everything.
///
/// Per step ahead `h` the interval at level `1-α` is `ŷ ± q_h`, `q_h` the `⌈(1-α)(k+1)⌉`-th smallest of the `k` absolute
/// errors (split conformal prediction); beyond the calibrated horizon the last step's errors are used. With
/// [`rolling`](Self::with_rolling), each [`update`](Fitted::update) also replaces the oldest one-step error, so the intervals
/// follow drifts. Coverage is at least `1-α` for exchangeable errors.
///
/// Vovk, Gammerman & Shafer (2005); Lei et al. (2018), Distribution-free predictive inference for regression, JASA 113.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Conformal, Fitted, Forecaster, Mean};
/// let values: Vec<f64> = (0..200).map(|i| f64::from(i * 7919 % 101)).collect();
/// let fitted = Conformal::new(Mean, 3).fit(&values)?;
/// let band = &fitted.predict(3, &[0.9])?.intervals[0];
/// assert!(band.lower[0] < 15.0 && band.upper[0] > 85.0);
/// assert!(fitted.upper_bound(1, 0.9)?[0] < band.upper[0]);       // one-sided: less far
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Conformal<M> {
    model: M,
    horizon: usize,
    share: f64,
    rolling: bool,
}

/// A fitted [`Conformal`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedConformal<F> {
    model: F,
    errors: Vec<Vec<f64>>, // per step ahead, oldest first
    rolling: bool,
}

impl<M> Conformal<M> {
    /// Calibrates the first `horizon` steps ahead on the last third of the data.
    pub const fn new(model: M, horizon: usize) -> Self {
        Self { model, horizon, share: 1.0 / 3.0, rolling: false }
    }

    /// Share of the data used for calibration, 0.05 to 0.9.
    #[must_use]
    pub fn with_share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// One-step errors follow updates.
    #[must_use]
    pub fn with_rolling(mut self) -> Self {
        self.rolling = true;
        self
    }
}

impl<M: Forecaster> Forecaster for Conformal<M> {
    type Fitted = FittedConformal<M::Fitted>;

    fn fit(&self, values: &[f64]) -> Result<Self::Fitted, FitError> {
        if self.horizon == 0 {
            return Err(FitError::Setting { name: "horizon", value: 0.0, expected: "at least 1 step" });
        }
        if !(0.05..=0.9).contains(&self.share) {
            return Err(FitError::Setting { name: "share", value: self.share, expected: "0.05 to 0.9" });
        }
        check_values(values, 4)?;
        let n = values.len();
        let start = n - floor_usize(self.share * n as f64).clamp(1, n - 1);
        let mut probe = self.model.fit(&values[..start])?;
        let mut errors = vec![Vec::new(); self.horizon];
        for origin in start..n {
            let ahead = self.horizon.min(n - origin);
            let Ok(forecast) = probe.predict(ahead, &[]) else { break };
            for h in 0..ahead {
                let error = values[origin + h] - forecast.point[h];
                if error.is_finite() {
                    errors[h].push(error);
                }
            }
            if probe.update(values[origin]).is_err() {
                break;
            }
        }
        for h in 1..self.horizon {
            let (known, rest) = errors.split_at_mut(h);
            if rest[0].is_empty() {
                rest[0].clone_from(&known[h - 1]);
            }
        }
        if errors[0].is_empty() {
            return Err(FitError::TooShort { needed: start + 1, found: start });
        }
        Ok(FittedConformal { model: self.model.fit(values)?, errors, rolling: self.rolling })
    }
}

impl<F: Fitted> FittedConformal<F> {
    /// Upper bound that the value exceeds with probability at most `1 - rate` (0 < rate < 1): for capacity.
    pub fn upper_bound(&self, horizon: usize, rate: f64) -> Result<Vec<f64>, PredictError> {
        check_request(horizon, &[rate])?;
        let mut line = self.model.predict(horizon, &[])?.point;
        for (h, p) in line.iter_mut().enumerate() {
            *p += conformal_quantile(self.errors_at(h).iter().copied(), rate);
        }
        Ok(line)
    }

    fn errors_at(&self, h: usize) -> &[f64] {
        &self.errors[h.min(self.errors.len() - 1)]
    }
}

/// The `⌈rate·(k+1)⌉`-th smallest, the largest when there are too few.
pub(crate) fn conformal_quantile(errors: impl Iterator<Item = f64>, rate: f64) -> f64 {
    let mut sorted: Vec<f64> = errors.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let k = sorted.len();
    let rank = floor_usize((rate * (k + 1) as f64).ceil()).clamp(1, k.max(1));
    if k == 0 { 0.0 } else { quantile_sorted(&sorted, (rank - 1) as f64 / (k - 1).max(1) as f64) }
}

impl<F: Fitted> Fitted for FittedConformal<F> {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        out.write_points(levels, |out| self.model.predict_into(horizon, &[], out))?;
        for band in &mut out.intervals {
            let calibrated: Vec<f64> = (0..self.errors.len().min(horizon))
                .map(|h| conformal_quantile(self.errors_at(h).iter().map(|e| e.abs()), band.level))
                .collect();
            for (h, (low, high)) in band.lower.iter_mut().zip(&mut band.upper).enumerate() {
                let reach = calibrated[h.min(calibrated.len() - 1)];
                (*low, *high) = (*low - reach, *high + reach);
            }
        }
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        if self.rolling
            && !value.is_nan()
            && let Ok(next) = self.model.predict(1, &[])
        {
            let error = value - next.point[0];
            if error.is_finite() {
                self.errors[0].remove(0);
                self.errors[0].push(error);
            }
        }
        self.model.update(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Naive, rng::Pcg};

    #[test]
    fn coverage_is_honest_for_heavy_tails() {
        let mut rng = Pcg::new(5);
        let mut level = 0.0;
        let values: Vec<f64> = (0..1200)
            .map(|_| {
                level += rng.normal().powi(3);
                level
            })
            .collect();
        let mut fitted = Conformal::new(Naive, 2).fit(&values[..600]).unwrap();
        let (mut inside, mut below) = (0, 0);
        for &y in &values[600..] {
            let band = &fitted.predict(1, &[0.9]).unwrap().intervals[0];
            inside += u32::from(band.lower[0] <= y && y <= band.upper[0]);
            below += u32::from(y <= fitted.upper_bound(1, 0.9).unwrap()[0]);
            fitted.update(y).unwrap();
        }
        assert!((510..=570).contains(&inside) && (505..=575).contains(&below), "{inside} {below}");
    }

    #[test]
    fn the_rank_is_the_conformal_one() {
        let errors = [3.0, 1.0, 2.0, 4.0];
        assert!((conformal_quantile(errors.into_iter(), 0.6) - 3.0).abs() < 1e-12);
        assert!((conformal_quantile(errors.into_iter(), 0.99) - 4.0).abs() < 1e-12);
    }
}
