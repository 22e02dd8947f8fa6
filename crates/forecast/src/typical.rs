//! The typical value of the same time: median over the last cycles.

use crate::{
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    model::{Fitted, Forecaster},
    stats::{mad_sigma, median_in_place},
};

/// Median of the values with the same phase in the last `cycles` seasons; with a season of 1 step, the median of the last
/// `cycles` values. Hard to beat on noisy utilisation, because the median minimises the absolute error.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Fitted, Forecaster, SeasonalMedian};
/// let fitted = SeasonalMedian::new(2, 3).fit(&[1.0, 5.0, 2.0, 6.0, 90.0, 7.0])?;
/// assert_eq!(fitted.predict(2, &[])?.point, [2.0, 6.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SeasonalMedian {
    season: usize,
    cycles: usize,
    neighbours: usize,
}

/// A fitted [`SeasonalMedian`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedSeasonalMedian {
    season: usize,
    neighbours: usize,
    recent: Vec<f64>, // ring of `season * cycles` values, NaN where unknown
    next: usize,
    sigma: f64,
}

impl SeasonalMedian {
    /// A season of `season` steps, remembered over `cycles` of them.
    pub const fn new(season: usize, cycles: usize) -> Self {
        Self { season, cycles, neighbours: 0 }
    }

    /// Also takes the values up to `neighbours` steps before and after the phase: less noise, flatter peaks.
    #[must_use]
    pub const fn with_neighbours(mut self, neighbours: usize) -> Self {
        self.neighbours = neighbours;
        self
    }
}

impl Forecaster for SeasonalMedian {
    type Fitted = FittedSeasonalMedian;

    fn fit(&self, values: &[f64]) -> Result<FittedSeasonalMedian, FitError> {
        for (name, value) in [("season", self.season), ("cycles", self.cycles)] {
            if !(1..=1 << 24).contains(&value) {
                return Err(FitError::Setting { name, value: value as f64, expected: "1 to 16777216" });
            }
        }
        check_values(values, 1)?;
        if values.len() < self.season {
            return Err(FitError::TooShort { needed: self.season, found: values.len() });
        }
        let cycles = self.cycles.min(values.len() / self.season).max(1);
        let size = self.season * cycles;
        let recent = values[values.len() - size..].to_vec();
        let mut fitted = FittedSeasonalMedian {
            season: self.season,
            neighbours: self.neighbours.min(self.season / 2),
            recent,
            next: 0,
            sigma: 0.0,
        };
        let typical = fitted.medians();
        let mut errors: Vec<f64> = fitted
            .recent
            .iter()
            .enumerate()
            .map(|(i, y)| y - typical[i % self.season])
            .filter(|e| !e.is_nan())
            .collect();
        let mean_square = errors.iter().map(|e| e * e).sum::<f64>() / errors.len().max(1) as f64;
        fitted.sigma = if mean_square > 0.0 { mean_square.sqrt() } else { mad_sigma(&mut errors) };
        Ok(fitted)
    }
}

impl FittedSeasonalMedian {
    /// Median per phase, first the coming step. A phase never observed takes the median of all.
    fn medians(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.recent.iter().copied().filter(|v| !v.is_nan()).collect();
        let overall = if all.is_empty() { 0.0 } else { median_in_place(&mut all) };
        let size = self.recent.len();
        let mut same = Vec::with_capacity(size / self.season);
        (0..self.season)
            .map(|phase| {
                same.clear();
                for i in (phase..size).step_by(self.season) {
                    let from = (self.next + i + size - self.neighbours) % size;
                    same.extend((0..=2 * self.neighbours).map(|k| self.recent[(from + k) % size]));
                }
                same.retain(|v| !v.is_nan());
                if same.is_empty() { overall } else { median_in_place(&mut same) }
            })
            .collect()
    }
}

impl Fitted for FittedSeasonalMedian {
    fn predict(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, PredictError> {
        check_request(horizon, levels)?;
        let typical = self.medians();
        let point = (0..horizon).map(|h| typical[h % self.season]).collect();
        Ok(Forecast::normal(point, &vec![self.sigma; horizon], levels))
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        self.recent[self.next] = value;
        self.next = (self.next + 1) % self.recent.len();
        Ok(())
    }
}
