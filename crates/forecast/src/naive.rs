//! Baselines: naive, seasonal naive, drift, mean.
//!
//! Every automatic choice is measured against these, and they are often hard to beat.

use crate::{
    codec::{Reader, Writer},
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    gaps::fill_gaps,
    model::{Fitted, Forecaster},
    stats::{autocorrelations, mean_observed},
    tree::ModelError,
};

/// The last value, for ever: `ŷ[n+h] = y[n]`. A random walk: the variance grows with `h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Naive;

/// The value one season ago: `ŷ[n+h] = y[n+h-m·k]`, variance `σ²·k` with `k` the number of seasons ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SeasonalNaive {
    season: usize,
}

/// Random walk with drift: the straight line through the first and the last value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Drift;

/// The mean of all values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Mean;

impl SeasonalNaive {
    /// A season of `season` steps; 1 is the same as [`Naive`].
    pub const fn new(season: usize) -> Self {
        Self { season }
    }
}

/// A fitted [`Naive`] or [`SeasonalNaive`]: the last season and the spread of seasonal differences.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedSeasonalNaive {
    last: Vec<f64>, // ring, `next` is the phase of the coming step
    next: usize,
    squares: f64,
    count: f64,
}

/// A fitted [`Drift`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedDrift {
    first: f64,
    last: f64,
    steps: f64,
    squares: f64, // sum of squared one-step differences
    count: f64,
    gap: f64, // missing steps since `last`
}

/// A fitted [`Mean`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedMean {
    mean: f64,
    squares: f64,
    count: f64,
}

impl Forecaster for Naive {
    type Fitted = FittedSeasonalNaive;
    fn fit(&self, values: &[f64]) -> Result<FittedSeasonalNaive, FitError> {
        SeasonalNaive::new(1).fit(values)
    }
}

impl Forecaster for SeasonalNaive {
    type Fitted = FittedSeasonalNaive;
    fn fit(&self, values: &[f64]) -> Result<FittedSeasonalNaive, FitError> {
        let m = self.season;
        if m == 0 {
            return Err(FitError::Setting { name: "season", value: 0.0, expected: "at least 1 step" });
        }
        check_values(values, 1)?;
        if values.len() < m {
            return Err(FitError::TooShort { needed: m, found: values.len() });
        }
        let filled = fill_gaps(values, &[m]);
        let mut fitted =
            FittedSeasonalNaive { last: filled[..m].to_vec(), next: 0, squares: 0.0, count: 0.0 };
        for &y in &values[m..] {
            fitted.learn(y);
        }
        Ok(fitted)
    }
}

impl FittedSeasonalNaive {
    fn learn(&mut self, value: f64) {
        if !value.is_nan() {
            let error = value - self.last[self.next];
            self.squares += error * error;
            self.count += 1.0;
            self.last[self.next] = value;
        }
        self.next += 1;
        if self.next == self.last.len() {
            self.next = 0;
        }
    }
}

impl FittedSeasonalNaive {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.numbers(&self.last);
        w.u32(self.next);
        w.f64(self.squares);
        w.f64(self.count);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ModelError> {
        let last = r.numbers("last season")?;
        let next = r.position("phase", last.len())?;
        Ok(Self { last, next, squares: r.positive("squares")?, count: r.positive("count")? })
    }
}

impl Fitted for FittedSeasonalNaive {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let m = self.last.len();
        let variance = self.squares / self.count.max(1.0);
        out.write_normal(horizon, levels, |h| {
            (self.last[(self.next + h) % m], (variance * (h / m + 1) as f64).sqrt())
        });
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        self.learn(value);
        Ok(())
    }
}

impl Forecaster for Drift {
    type Fitted = FittedDrift;
    fn fit(&self, values: &[f64]) -> Result<FittedDrift, FitError> {
        check_values(values, 2)?;
        let from = values.iter().position(|v| !v.is_nan()).unwrap_or(0);
        let mut fitted = FittedDrift {
            first: values[from],
            last: values[from],
            steps: 0.0,
            squares: 0.0,
            count: 0.0,
            gap: 0.0,
        };
        values[from + 1..].iter().for_each(|&v| fitted.learn(v));
        Ok(fitted)
    }
}

impl FittedDrift {
    fn learn(&mut self, value: f64) {
        self.gap += 1.0;
        if value.is_nan() {
            return;
        }
        let change = value - self.last;
        self.squares += change * change / self.gap;
        self.count += 1.0;
        self.steps += self.gap;
        self.gap = 0.0;
        self.last = value;
    }
}

impl FittedDrift {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.all(&[self.first, self.last, self.steps, self.squares, self.count, self.gap]);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            first: r.f64("first")?,
            last: r.f64("last")?,
            steps: r.positive("steps")?,
            squares: r.positive("squares")?,
            count: r.positive("count")?,
            gap: r.positive("gap")?,
        })
    }
}

impl Fitted for FittedDrift {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let slope = if self.steps > 0.0 { (self.last - self.first) / self.steps } else { 0.0 };
        let variance = if self.count > 1.0 {
            (self.squares / self.count - slope * slope).max(0.0) * self.count / (self.count - 1.0)
        } else {
            0.0
        };
        let ahead = |h: usize| self.gap + (h + 1) as f64;
        out.write_normal(horizon, levels, |h| {
            let sigma = (variance * ahead(h) * (1.0 + ahead(h) / self.steps.max(1.0))).sqrt();
            (self.last + slope * ahead(h), sigma)
        });
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        self.learn(value);
        Ok(())
    }
}

impl Forecaster for Mean {
    type Fitted = FittedMean;
    fn fit(&self, values: &[f64]) -> Result<FittedMean, FitError> {
        let count = check_values(values, 1)? as f64;
        let mean = mean_observed(values).unwrap_or(0.0);
        let squares = values.iter().filter(|v| !v.is_nan()).map(|v| (v - mean) * (v - mean)).sum();
        Ok(FittedMean { mean, squares, count })
    }
}

impl FittedMean {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.all(&[self.mean, self.squares, self.count]);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ModelError> {
        let (mean, squares) = (r.f64("mean")?, r.positive("squares")?);
        Ok(Self { mean, squares, count: r.within("count", 1.0, f64::MAX)? })
    }
}

impl Fitted for FittedMean {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let variance = self.squares / (self.count - 1.0).max(1.0) * (1.0 + 1.0 / self.count);
        out.write_normal(horizon, levels, |_| (self.mean, variance.sqrt()));
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        if !value.is_nan() {
            self.count += 1.0;
            let delta = value - self.mean; // Welford (1962)
            self.mean += delta / self.count;
            self.squares += delta * (value - self.mean);
        }
        Ok(())
    }
}

/// Naive on classically, multiplicatively deseasonalised data when the season is significant at 90 %, else naive: the
/// benchmark of the M4 competition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Naive2 {
    season: usize,
}

/// A fitted [`Naive2`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedNaive2 {
    factors: Vec<f64>, // of the coming steps, a ring
    next: usize,
    adjusted: FittedSeasonalNaive,
}

impl Naive2 {
    /// A season of `season` steps.
    pub const fn new(season: usize) -> Self {
        Self { season }
    }

    /// The test of the competition: `|acf_m| > 1.645·sqrt((1 + 2·Σ_{k<m} acf_k²)/n)`.
    fn significant(self, filled: &[f64]) -> bool {
        let m = self.season;
        if m < 2 || filled.len() < 3 * m {
            return false;
        }
        let acf = autocorrelations(filled, m);
        let before: f64 = acf[1..m].iter().map(|r| r * r).sum();
        acf[m].abs() > 1.645 * ((1.0 + 2.0 * before) / filled.len() as f64).sqrt()
    }
}

impl Forecaster for Naive2 {
    type Fitted = FittedNaive2;
    fn fit(&self, values: &[f64]) -> Result<FittedNaive2, FitError> {
        check_values(values, 1)?;
        let filled = fill_gaps(values, &[self.season]);
        let mut factors = vec![1.0];
        if self.significant(&filled) {
            factors = multiplicative_factors(&filled, self.season);
        }
        let m = factors.len();
        let adjusted: Vec<f64> = values.iter().enumerate().map(|(i, y)| y / factors[i % m]).collect();
        Ok(FittedNaive2 { next: values.len() % m, adjusted: Naive.fit(&adjusted)?, factors })
    }
}

/// Classical decomposition: mean ratio to the centred moving average per phase, normalised to mean 1.
fn multiplicative_factors(filled: &[f64], m: usize) -> Vec<f64> {
    let average = crate::stats::centered_average(filled, m);
    let (mut sum, mut count) = (vec![0.0; m], vec![0.0; m]);
    for (i, (y, a)) in filled.iter().zip(&average).enumerate() {
        if a.abs() > 1e-12 {
            sum[i % m] += y / a;
            count[i % m] += 1.0;
        }
    }
    let factors: Vec<f64> = sum.iter().zip(&count).map(|(s, c)| if *c > 0.0 { s / c } else { 1.0 }).collect();
    let mean = crate::stats::mean(&factors);
    let usable = mean.abs() > 1e-12 && factors.iter().all(|f| (f / mean).abs() > 1e-6);
    if usable { factors.iter().map(|f| f / mean).collect() } else { vec![1.0; m] }
}

impl Fitted for FittedNaive2 {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        self.adjusted.predict_into(horizon, levels, out)?;
        for h in 0..horizon {
            let factor = self.factors[(self.next + h) % self.factors.len()];
            out.point[h] *= factor;
            for band in &mut out.intervals {
                band.lower[h] *= factor;
                band.upper[h] *= factor;
                if factor < 0.0 {
                    std::mem::swap(&mut band.lower[h], &mut band.upper[h]);
                }
            }
        }
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        self.adjusted.update(value / self.factors[self.next])?;
        self.next = (self.next + 1) % self.factors.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seasonal_naive_repeats_the_last_season_and_widens_per_season() {
        let fitted = SeasonalNaive::new(2).fit(&[1.0, 5.0, 2.0, 7.0, 2.0, 6.0]).unwrap();
        let f = fitted.predict(5, &[0.9]).unwrap();
        assert_eq!(f.point, [2.0, 6.0, 2.0, 6.0, 2.0]);
        let width = |h: usize| f.intervals[0].upper[h] - f.intervals[0].lower[h];
        assert!((width(2) / width(0) - 2.0_f64.sqrt()).abs() < 1e-12);
        assert!((width(1) - width(0)).abs() < 1e-12);
    }

    #[test]
    fn drift_continues_the_line_across_gaps() {
        let fitted = Drift.fit(&[0.0, 1.0, f64::NAN, 3.0, f64::NAN]).unwrap();
        let point = fitted.predict(2, &[]).unwrap().point;
        assert!((point[0] - 5.0).abs() < 1e-12 && (point[1] - 6.0).abs() < 1e-12, "{point:?}");
    }

    #[test]
    fn updating_equals_fitting_on_the_longer_series() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let mut mean = Mean.fit(&values[..4]).unwrap();
        let mut drift = Drift.fit(&values[..4]).unwrap();
        let mut seasonal = SeasonalNaive::new(2).fit(&values[..4]).unwrap();
        mean.update_many(&values[4..]).unwrap();
        drift.update_many(&values[4..]).unwrap();
        seasonal.update_many(&values[4..]).unwrap();
        assert_eq!(drift, Drift.fit(&values).unwrap());
        assert_eq!(seasonal, SeasonalNaive::new(2).fit(&values).unwrap());
        let (a, b) =
            (mean.predict(1, &[0.9]).unwrap(), Mean.fit(&values).unwrap().predict(1, &[0.9]).unwrap());
        assert!((a.intervals[0].upper[0] - b.intervals[0].upper[0]).abs() < 1e-12);
    }

    #[test]
    fn bad_requests_are_named() {
        let fitted = Naive.fit(&[1.0, 2.0]).unwrap();
        assert_eq!(
            fitted.predict(0, &[]).unwrap_err().to_string(),
            "horizon is 0: expected 1 to 50000 steps"
        );
        assert!(matches!(fitted.predict(1, &[0.5, 1.0]), Err(PredictError::Level { index: 1, .. })));
        assert!(matches!(Naive.fit(&[f64::NAN]), Err(FitError::TooShort { needed: 1, found: 0 })));
        assert!(matches!(Naive.fit(&[1.0, f64::INFINITY]), Err(FitError::OutOfRange { index: 1, .. })));
        assert!(matches!(SeasonalNaive::new(0).fit(&[1.0]), Err(FitError::Setting { .. })));
    }
}
