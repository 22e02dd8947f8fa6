//! Baselines: what is normal at each time of the season, learned once, merged, kept up to date.
//!
//! # Model
//! For every phase of the season (and for all values together) count, mean, variance and extremes with exact sums, and a
//! quantile sketch. Learning value by value, in any order, and merging baselines learned apart give the same bits as
//! learning everything at once. The expected value of a phase is shrunk towards the overall mean while the phase has seen
//! little: `(n·mean + k·overall) / (n + k)` with `k` = 2.
//!
//! Memory: one summary per phase, whatever is learned. Cost per value: O(1) sums, O(log buckets) for the sketch.
//!
//! # References
//! Neal (2015), Fast exact summation using small and large superaccumulators; Masson, Rim & Lee (2019), DDSketch; Efron & Morris
//! (1975), Data analysis using Stein's estimator (shrinkage of group means).

use crate::{
    error::{FitError, check_values},
    window::{Moments, QuantileSketch, Summary},
};

/// Values that the overall mean counts for in a phase.
const PRIOR: f64 = 2.0;
/// Values that a baseline needs before it judges.
const NEEDED: u64 = 50;
/// Longest season: a summary per phase is kept.
const LONGEST: usize = 10_080;

/// What is normal, by phase of the season.
///
/// # Example
/// ```
/// use ecosystem_forecast::Baseline;
/// let load: Vec<f64> = (0..240).map(|h| 10.0 + f64::from(h % 24) + 0.1 * f64::from(h % 5)).collect();
/// let baseline = Baseline::learn(24, &load)?;
/// let normal = baseline.at(6).expect("enough values");
/// assert!((normal.mean - 16.2).abs() < 1.0);
/// assert!(baseline.distance(6, 40.0).expect("enough values") > 10.0);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Baseline {
    phases: Vec<Moments>,
    all: Moments,
    sketch: QuantileSketch,
}

/// What is normal at one phase.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Normal {
    /// Expected value.
    pub mean: f64,
    /// Standard deviation around it, within the phases pooled.
    pub deviation: f64,
    /// Values that the phase rests on.
    pub count: u64,
}

impl Baseline {
    /// An empty baseline for a season of `season` steps (1 to 10,080; 1 for none).
    pub fn new(season: usize) -> Result<Self, FitError> {
        if !(1..=LONGEST).contains(&season) {
            return Err(FitError::Setting {
                name: "season",
                value: season as f64,
                expected: "1 to 10080 steps",
            });
        }
        Ok(Self {
            phases: vec![Moments::default(); season],
            all: Moments::default(),
            sketch: QuantileSketch::default(),
        })
    }

    /// Learns a slice whose first value is at step 0; NaN is missing.
    pub fn learn(season: usize, values: &[f64]) -> Result<Self, FitError> {
        let mut baseline = Self::new(season)?;
        check_values(values, 1)?;
        values.iter().enumerate().for_each(|(step, v)| baseline.push(step as u64, *v));
        Ok(baseline)
    }

    /// Learns the value of one step, in any order; what is not finite is ignored.
    pub fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let phase = self.phase(step);
        self.phases[phase].add(value);
        self.all.add(value);
        self.sketch.add(value);
    }

    /// Takes in what another baseline has learned; the seasons must be the same.
    pub fn merge(&mut self, other: &Self) -> Result<(), FitError> {
        if self.phases.len() != other.phases.len() {
            let (needed, found) = (self.phases.len(), other.phases.len());
            return Err(FitError::Length { name: "season of the other baseline", needed, found });
        }
        self.phases.iter_mut().zip(&other.phases).for_each(|(a, b)| a.merge(b));
        self.all.merge(&other.all);
        self.sketch.merge(&other.sketch);
        Ok(())
    }

    /// Values learned.
    pub fn count(&self) -> u64 {
        self.all.count()
    }

    /// Quantile over all phases within 1 %.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.sketch.quantile(q)
    }

    /// What is normal at a step; `None` before 50 values were learned.
    pub fn at(&self, step: u64) -> Option<Normal> {
        if self.count() < NEEDED {
            return None;
        }
        let own = &self.phases[self.phase(step)];
        let n = own.count() as f64;
        let sum = if own.count() > 0 { own.sum() } else { 0.0 };
        let within: f64 =
            self.phases.iter().filter(|p| p.count() > 0).map(|p| p.variance() * p.count() as f64).sum();
        let free = self.count().saturating_sub(self.phases.iter().filter(|p| p.count() > 0).count() as u64);
        // With about one value per phase nothing is known about the spread within: take the overall one.
        let variance = if free * 2 >= self.count() { within / free as f64 } else { self.all.variance() };
        Some(Normal {
            mean: (sum + PRIOR * self.all.mean()) / (n + PRIOR),
            deviation: variance.max(0.0).sqrt(),
            count: own.count(),
        })
    }

    /// Distance of a value from what is normal, in standard deviations (at least a billionth of the mean).
    pub fn distance(&self, step: u64, value: f64) -> Option<f64> {
        let normal = self.at(step)?;
        let unit = normal.deviation.max(1e-9 * normal.mean.abs()).max(f64::MIN_POSITIVE.sqrt());
        Some((value - normal.mean) / unit)
    }

    fn phase(&self, step: u64) -> usize {
        usize::try_from(step % self.phases.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merged_parts_and_any_order_equal_the_whole_bit_for_bit(
            values in prop::collection::vec(-1e6..1e6_f64, 60..150), cut in 0_usize..60, season in 1_usize..9,
        ) {
            let whole = Baseline::learn(season, &values).unwrap();
            let mut merged = Baseline::new(season).unwrap();
            let mut rest = Baseline::new(season).unwrap();
            for (step, v) in values.iter().enumerate().rev() {
                if step < cut { merged.push(step as u64, *v) } else { rest.push(step as u64, *v) }
            }
            merged.merge(&rest).unwrap();
            prop_assert_eq!(&merged, &whole);
            let (a, b) = (merged.at(3).unwrap(), whole.at(3).unwrap());
            prop_assert_eq!((a.mean.to_bits(), a.deviation.to_bits()), (b.mean.to_bits(), b.deviation.to_bits()));
        }
    }

    #[test]
    fn too_few_values_give_no_judgement_and_seasons_must_agree() {
        let mut few = Baseline::learn(4, &[1.0; 49]).unwrap();
        assert_eq!(few.at(0), None);
        few.push(49, 1.0);
        assert!(few.at(0).is_some() && few.distance(0, 1.0).unwrap().abs() < 1e-6);
        assert!(few.merge(&Baseline::new(5).unwrap()).is_err() && Baseline::new(0).is_err());
    }

    #[test]
    fn a_phase_seen_rarely_leans_on_the_overall_mean() {
        let mut baseline = Baseline::new(2).unwrap();
        (0..100).for_each(|k| baseline.push(2 * k, 10.0));
        baseline.push(1, 90.0);
        let rare = baseline.at(1).unwrap();
        assert!(rare.mean > 10.0 && rare.mean < 50.0 && rare.count == 1, "{rare:?}");
    }
}
