//! Seasonal residual detector: robust multi-seasonal exponential smoothing.

use super::{Detector, Score};
use crate::error::FitError;

/// Expects level plus one pattern per season, and judges the residual against its robust spread.
///
/// # Model
/// `expected = level + Σ pattern_k[phase_k]`. Each value is first pulled to within ±2 robust standard deviations of what
/// was expected (Huber's ψ), then level, patterns and spread learn from the cleaned value, so an outlier moves them by a
/// bounded amount. A pattern position learns with weight `1/visits` at first and a fixed weight later. The spread is a
/// smoothed bounded scale (biweight ρ), as in robust Holt–Winters. While the shortest season has not been seen twice, the
/// verdict is `Learning`.
///
/// Cost of a value O(number of seasons), memory O(sum of seasons).
///
/// Gelper, Fried & Croux (2010), Robust forecasting with exponential and Holt–Winters smoothing, J. Forecasting 29.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{Detector, SeasonalResidual};
/// let mut values: Vec<f64> = (0..24 * 14).map(|h| 50.0 + 30.0 * f64::from(h % 24 / 12) + f64::from(h * 7 % 5)).collect();
/// values[24 * 12 + 3] = 80.0;                     // normal at noon, not at three in the night
/// let scores = SeasonalResidual::new(&[24], 6.0)?.score(&values);
/// assert!(scores[24 * 12 + 3].is_anomaly());
/// assert_eq!(scores.iter().filter(|s| s.is_anomaly()).count(), 1);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SeasonalResidual {
    threshold: f64,
    level: f64,
    sigma: f64,
    seen: u64,   // steps, missing ones included: gives the phase
    learnt: u64, // observed values
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Pattern {
    values: Vec<f64>,
    visits: Vec<u32>,
}

/// Weights of level, pattern and spread once learnt.
const LEVEL_WEIGHT: f64 = 0.02;
const PATTERN_WEIGHT: f64 = 0.1;
const SPREAD_WEIGHT: f64 = 0.02;
/// Bound of Huber's ψ in standard deviations, and of the biweight ρ with its consistency factor (Gelper et al. 2010).
const CLEAN_AT: f64 = 2.0;
const RHO_FACTOR: f64 = 2.52;
/// Longest season that is kept: bounds the memory.
const MAX_SEASON: usize = 200_000;

impl SeasonalResidual {
    /// Seasons in steps (each 2 to 200,000; shortest first is natural, any order works); `threshold` in robust standard
    /// deviations, often 4 to 8.
    pub fn new(seasons: &[usize], threshold: f64) -> Result<Self, FitError> {
        if let Some(&bad) = seasons.iter().find(|m| !(2..=MAX_SEASON).contains(*m)) {
            return Err(FitError::Setting {
                name: "seasons",
                value: bad as f64,
                expected: "2 to 200000 steps",
            });
        }
        if !(threshold > 0.0 && threshold.is_finite()) {
            return Err(FitError::Setting {
                name: "threshold",
                value: threshold,
                expected: "a positive number",
            });
        }
        let mut sorted = seasons.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let patterns = sorted.iter().map(|&m| Pattern { values: vec![0.0; m], visits: vec![0; m] }).collect();
        Ok(Self { threshold, level: 0.0, sigma: 0.0, seen: 0, learnt: 0, patterns })
    }

    fn phase(&self, pattern: &Pattern) -> usize {
        usize::try_from(self.seen % pattern.values.len() as u64).unwrap_or(0)
    }

    fn expected(&self) -> f64 {
        self.level + self.patterns.iter().map(|p| p.values[self.phase(p)]).sum::<f64>()
    }

    /// True while the shortest season (or eight values without seasons) has not been seen twice at this phase.
    fn learning(&self) -> bool {
        self.learnt < 8 || self.patterns.first().is_some_and(|p| p.visits[self.phase(p)] < 2)
    }

    fn learn(&mut self, value: f64, expected: f64, learning: bool) {
        let residual = value - expected;
        if self.learnt == 0 {
            self.level = value;
            self.learnt = 1;
            return;
        }
        let first_cycle = self.patterns.first().is_some_and(|p| self.learnt < p.values.len() as u64);
        let clean = if self.sigma > 0.0 && !learning {
            residual.clamp(-CLEAN_AT * self.sigma, CLEAN_AT * self.sigma)
        } else {
            residual
        };
        // Spread: biweight ρ of the residual; plain average of absolute residuals while learning.
        if !first_cycle {
            let size = residual.abs();
            if self.sigma <= 0.0 {
                self.sigma = size.max(1e-12 * value.abs());
            } else if learning {
                self.sigma += (1.2533 * size.min(5.0 * self.sigma) - self.sigma) / 20.0;
            } else {
                let rho = biweight(residual / self.sigma);
                let squared = SPREAD_WEIGHT * rho * self.sigma * self.sigma
                    + (1.0 - SPREAD_WEIGHT) * self.sigma * self.sigma;
                self.sigma = squared.sqrt();
            }
            self.sigma = self.sigma.max(1e-9 * self.level.abs()).max(1e-12);
        }
        let level_weight = if first_cycle { 1.0 / (self.learnt + 1) as f64 } else { LEVEL_WEIGHT };
        let mut rest = clean;
        let seen = self.seen;
        // In the first long cycle the short pattern learns first and the long one takes the rest; later the long one goes
        // first, so that what every week repeats does not disturb the daily pattern.
        let known = self.patterns.last().is_none_or(|p| p.visits[self.phase(p)] > 0);
        let count = self.patterns.len();
        for k in 0..count {
            let pattern = &mut self.patterns[if known { count - 1 - k } else { k }];
            let at = usize::try_from(seen % pattern.values.len() as u64).unwrap_or(0);
            pattern.visits[at] = pattern.visits[at].saturating_add(1);
            let weight = PATTERN_WEIGHT.max(1.0 / f64::from(pattern.visits[at]));
            pattern.values[at] += weight * rest;
            rest -= weight * rest;
        }
        self.level += level_weight * if first_cycle { clean } else { rest };
        self.learnt += 1;
    }
}

/// Biweight ρ with bound `2`: close to `x²` near zero, constant beyond the bound.
fn biweight(x: f64) -> f64 {
    if x.abs() >= CLEAN_AT {
        return RHO_FACTOR;
    }
    let u = 1.0 - (x / CLEAN_AT).powi(2);
    RHO_FACTOR * (1.0 - u * u * u)
}

impl Detector for SeasonalResidual {
    fn push(&mut self, value: f64) -> Score {
        let expected = if self.learnt == 0 { value } else { self.expected() };
        let learning = self.learning();
        let score = if learning {
            Score::learning(value, expected)
        } else {
            Score::judge(value, expected, self.sigma, self.threshold)
        };
        if value.is_finite() && value.abs() <= crate::error::MAX_MAGNITUDE {
            self.learn(value, expected, learning);
        }
        self.seen = self.seen.wrapping_add(1);
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    fn two_weeks(seed: u64) -> Vec<f64> {
        let mut rng = Pcg::new(seed);
        (0..24 * 28)
            .map(|h| {
                let day = (f64::from(h % 24) / 24.0 * std::f64::consts::TAU).sin();
                let weekend = if h / 24 % 7 >= 5 { -15.0 } else { 0.0 };
                100.0 + 20.0 * day + weekend + 2.0 * rng.normal()
            })
            .collect()
    }

    #[test]
    fn spikes_are_found_and_noise_is_not() {
        let mut values = two_weeks(1);
        for at in [500, 560, 600, 640] {
            values[at] += 40.0;
        }
        let scores = SeasonalResidual::new(&[24, 168], 6.0).unwrap().score(&values);
        let found: Vec<usize> = (400..672).filter(|&i| scores[i].is_anomaly()).collect();
        assert_eq!(found, [500, 560, 600, 640]);
        assert!(scores[500].severity > 8.0 && scores[500].value > scores[500].upper);
    }

    #[test]
    fn streaming_equals_batch_with_gaps_bit_for_bit() {
        let mut values = two_weeks(2);
        values[100] = f64::NAN;
        values[300..330].fill(f64::NAN);
        let mut stream = SeasonalResidual::new(&[24], 5.0).unwrap();
        for (v, b) in values.iter().zip(stream.score(&values)) {
            let s = stream.push(*v);
            assert_eq!(
                (s.expected.to_bits(), s.severity.to_bits()),
                (b.expected.to_bits(), b.severity.to_bits())
            );
        }
    }

    #[test]
    fn the_band_covers_most_normal_values_and_stays_narrow() {
        let scores = SeasonalResidual::new(&[24, 168], 3.0).unwrap().score(&two_weeks(3));
        let late = &scores[400..];
        let inside = late.iter().filter(|s| !s.is_anomaly()).count() as f64 / late.len() as f64;
        let width = late.iter().map(|s| s.upper - s.lower).sum::<f64>() / late.len() as f64;
        assert!(inside > 0.97 && width < 24.0, "inside {inside}, width {width}");
    }
}
