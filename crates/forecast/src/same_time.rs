//! The mean of the same time: what this phase of the season was like on average.

use crate::{
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    model::{Fitted, Forecaster},
};

/// `ŷ[n+h]` = mean of all values with the phase of `n+h`; a phase never observed takes the mean of all values.
///
/// Variance: that around the phase means, pooled, times `1 + 1/count` of the phase. Learns and updates in constant time per value
/// (Welford 1962), so it can follow a stream for years; [`SeasonalMedian`](crate::SeasonalMedian) forgets and ignores bursts.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Fitted, Forecaster, SeasonalMean};
/// let fitted = SeasonalMean::new(2).fit(&[1.0, 10.0, 3.0, 12.0, f64::NAN, 14.0])?;
/// assert_eq!(fitted.predict(3, &[])?.point, [2.0, 12.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SeasonalMean {
    season: usize,
}

/// A fitted [`SeasonalMean`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedSeasonalMean {
    phases: Vec<Phase>,
    next: usize,
    overall: Phase,
    squares: f64, // around the phase means
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Phase {
    mean: f64,
    count: f64,
}

impl Phase {
    /// Takes a value; returns what it adds to the squares around the mean.
    fn learn(&mut self, value: f64) -> f64 {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        delta * (value - self.mean)
    }
}

impl SeasonalMean {
    /// A season of `season` steps.
    pub const fn new(season: usize) -> Self {
        Self { season }
    }
}

impl Forecaster for SeasonalMean {
    type Fitted = FittedSeasonalMean;

    fn fit(&self, values: &[f64]) -> Result<FittedSeasonalMean, FitError> {
        if !(1..=1 << 24).contains(&self.season) {
            let value = self.season as f64;
            return Err(FitError::Setting { name: "season", value, expected: "1 to 16777216" });
        }
        check_values(values, 1)?;
        let mut fitted = FittedSeasonalMean {
            phases: vec![Phase::default(); self.season],
            next: 0,
            overall: Phase::default(),
            squares: 0.0,
        };
        values.iter().for_each(|&v| fitted.learn(v));
        Ok(fitted)
    }
}

impl FittedSeasonalMean {
    fn learn(&mut self, value: f64) {
        if !value.is_nan() {
            self.squares += self.phases[self.next].learn(value);
            self.overall.learn(value);
        }
        self.next = (self.next + 1) % self.phases.len();
    }
}

impl Fitted for FittedSeasonalMean {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let seen = self.phases.iter().filter(|p| p.count > 0.0).count() as f64;
        let variance = self.squares / (self.overall.count - seen).max(1.0);
        out.write_normal(horizon, levels, |h| {
            let own = self.phases[(self.next + h) % self.phases.len()];
            let known = if own.count > 0.0 { own } else { self.overall };
            (known.mean, (variance * (1.0 + 1.0 / known.count)).sqrt())
        });
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        self.learn(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updating_equals_fitting_and_bands_hold_their_share() {
        let noise = |i: usize| ((i * i * i * 31 + i * i * 17 + 7 * i) % 101) as f64 / 50.0 - 1.0;
        let values: Vec<f64> = (0..480).map(|i| (i % 24) as f64 + noise(i)).collect();
        let whole = SeasonalMean::new(24).fit(&values[..456]).unwrap();
        let mut grown = SeasonalMean::new(24).fit(&values[..100]).unwrap();
        grown.update_many(&values[100..456]).unwrap();
        assert_eq!(whole, grown);
        let f = whole.predict(24, &[0.9]).unwrap();
        let band = &f.intervals[0];
        let inside = (0..24).filter(|&h| (band.lower[h]..=band.upper[h]).contains(&values[456 + h])).count();
        assert!((18..=24).contains(&inside), "{inside}");
    }

    #[test]
    fn a_season_longer_than_the_data_takes_the_mean_of_all_for_the_rest() {
        let fitted = SeasonalMean::new(4).fit(&[2.0, 4.0]).unwrap();
        assert_eq!(fitted.predict(4, &[]).unwrap().point, [3.0, 3.0, 2.0, 4.0]);
        assert!(SeasonalMean::new(0).fit(&[1.0]).is_err() && SeasonalMean::new(3).fit(&[]).is_err());
    }
}
