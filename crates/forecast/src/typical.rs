//! The typical value of the same time: median over the last cycles.

use crate::{
    column_medians::column_medians,
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
    level: bool,
    fine: usize,
}

/// A fitted [`SeasonalMedian`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedSeasonalMedian {
    season: usize,
    neighbours: usize,
    level: bool,
    fine: usize,
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::gaps"))]
    recent: Vec<f64>, // ring of `season * cycles` values, NaN where unknown
    next: usize,
}

impl SeasonalMedian {
    /// A season of `season` steps, remembered over `cycles` of them.
    pub const fn new(season: usize, cycles: usize) -> Self {
        Self { season, cycles, neighbours: 0, level: false, fine: 1 }
    }

    /// Only the shape comes from all cycles, the level from the last one: every cycle is taken less its own median, and the
    /// median of the last cycle is added to the typical deviation. For loads whose level moves from day to day.
    #[must_use]
    pub const fn with_level(mut self) -> Self {
        self.level = true;
        self
    }

    /// Adds a second, shorter pattern of `steps` (a divisor of the season, others have no effect): the typical deviation from
    /// the first pattern at the same place of the shorter one. An hour within a day, say: jobs at full hours would be
    /// flattened by [`with_neighbours`](Self::with_neighbours).
    #[must_use]
    pub const fn with_fine(mut self, steps: usize) -> Self {
        self.fine = steps;
        self
    }

    /// Also takes the values up to `neighbours` steps before and after the phase (of many, two evenly
    /// spread ones on each side): less noise, flatter peaks.
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
        Ok(FittedSeasonalMedian {
            season: self.season,
            neighbours: self.neighbours.min(self.season / 2),
            level: self.level,
            fine: if self.fine > 1 && self.season.is_multiple_of(self.fine) { self.fine } else { 1 },
            recent,
            next: 0,
        })
    }
}

impl FittedSeasonalMedian {
    /// Root of the mean squared distance of what is remembered from the typical values.
    fn spread(&self, typical: &[f64]) -> f64 {
        let size = self.recent.len();
        let mut errors: Vec<f64> = (0..size)
            .map(|i| self.recent[(self.next + i) % size] - typical[i % self.season])
            .filter(|e| !e.is_nan())
            .collect();
        let mean_square = errors.iter().map(|e| e * e).sum::<f64>() / errors.len().max(1) as f64;
        if mean_square > 0.0 { mean_square.sqrt() } else { mad_sigma(&mut errors) }
    }

    /// Median per phase, first the coming step. A phase never observed takes the median of all.
    fn medians(&self) -> Vec<f64> {
        let (size, m) = (self.recent.len(), self.season);
        let mut ordered: Vec<f64> = self.recent[self.next..].to_vec();
        ordered.extend_from_slice(&self.recent[..self.next]);
        let mut level = 0.0;
        if self.level && m > 1 {
            for cycle in ordered.chunks_mut(m) {
                if let Some(own) = observed_median(cycle) {
                    level = own;
                    cycle.iter_mut().for_each(|v| *v -= own);
                }
            }
        }
        let stride = (self.neighbours / 2).max(1);
        let around = self.neighbours / stride;
        let each = 2 * around + 1;
        // Row r: cycle r / each, neighbour r % each.
        let place = |r: usize, phase: usize| {
            (r / each * m + phase + size - around * stride + r % each * stride) % size
        };
        let overall = || observed_median(&ordered).unwrap_or(0.0);
        let mut typical = column_medians(&ordered, (size / m * each, m), place, overall);
        if self.fine > 1 {
            let mut same = Vec::with_capacity(size / self.fine);
            let shape: Vec<f64> = (0..self.fine)
                .map(|place| {
                    same.clear();
                    same.extend((place..size).step_by(self.fine).map(|i| ordered[i] - typical[i % m]));
                    observed_median(&same).unwrap_or(0.0)
                })
                .collect();
            typical.iter_mut().enumerate().for_each(|(i, v)| *v += shape[i % self.fine]);
        }
        if self.level && m > 1 {
            level -= observed_median(&typical).unwrap_or(0.0);
        }
        typical.iter_mut().for_each(|v| *v += level);
        typical
    }
}

/// Median of the values that are not missing.
fn observed_median(values: &[f64]) -> Option<f64> {
    let mut observed: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    (!observed.is_empty()).then(|| median_in_place(&mut observed))
}

impl Fitted for FittedSeasonalMedian {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let typical = self.medians();
        let sigma = if levels.is_empty() { 0.0 } else { self.spread(&typical) };
        out.write_normal(horizon, levels, |h| (typical[h % self.season], sigma));
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        self.recent[self.next] = value;
        self.next = (self.next + 1) % self.recent.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_of_the_last_cycle_carries_the_shape_of_all() {
        let shape = [0.0, 3.0, 9.0, 1.0];
        let mut values: Vec<f64> = (0..24).map(|i| 10.0 * (i / 4) as f64 + shape[i % 4]).collect();
        values[9] = f64::NAN;
        let mut fitted = SeasonalMedian::new(4, 6).with_level().fit(&values).unwrap();
        assert_eq!(fitted.predict(4, &[]).unwrap().point, [50.0, 53.0, 59.0, 51.0]);
        fitted.update_many(&[60.0, 63.0, 69.0, 61.0]).unwrap();
        assert_eq!(fitted.predict(4, &[]).unwrap().point, [60.0, 63.0, 69.0, 61.0]);
    }

    #[test]
    fn a_fine_pattern_survives_wide_neighbours() {
        let values: Vec<f64> =
            (0..72).map(|i| f64::from(i / 12 % 2) * 5.0 + if i % 4 == 0 { 3.0 } else { 0.0 }).collect();
        let model = SeasonalMedian::new(24, 3).with_neighbours(2);
        let (flat, fine) = (model.fit(&values).unwrap(), model.with_fine(4).fit(&values).unwrap());
        let peak = |f: &FittedSeasonalMedian| f.predict(9, &[]).unwrap().point[8];
        assert!(peak(&flat) < 0.5 && peak(&fine) > 2.5, "{} {}", peak(&flat), peak(&fine));
    }

    #[test]
    fn neighbours_of_the_first_phase_are_the_last_ones_of_the_cycle_before() {
        let values: Vec<f64> = (0..12).map(|i| [1.0, 2.0, 6.0][i % 3]).collect();
        let point =
            SeasonalMedian::new(3, 4).with_neighbours(1).fit(&values).unwrap().predict(3, &[]).unwrap().point;
        assert_eq!(point, [2.0, 2.0, 2.0]);
    }
}
