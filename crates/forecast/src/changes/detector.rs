//! Change points of one or several series, with costs and a penalty that need no tuning.

use super::search::{binary, optimal};
use crate::{
    error::{FitError, check_values},
    gaps::fill_gaps,
    stats::{mad_sigma, mean, variance},
};

/// What a part between two changes looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Segment {
    /// A level or a straight line, whichever explains the part with fewer numbers (default).
    LevelOrLine,
    /// A level.
    Level,
    /// A straight line.
    Line,
    /// A level and a spread (Gaussian likelihood): also sees changes of variance.
    LevelAndSpread,
    /// A level of the ranks: outliers weigh no more than other extremes.
    Rank,
}

/// How the cuts are found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum CutSearch {
    /// Exact (PELT).
    Optimal,
    /// Best cut first (binary segmentation): faster on long series without changes.
    Binary,
}

/// Finds the moments at which a series becomes another.
///
/// Every part costs its squared error plus, for each number that describes it (a level 1, a line 2, where it begins 1),
/// `strictness · ln n · noise`. The noise is the geometric mean of two variances, each of which fails alone: that of the
/// differences between neighbours (too small when noise comes in waves) and that of the whole series (too large: it counts
/// the changes themselves). Several series are each brought to variance 1 and their costs are added, so that they change
/// together.
///
/// Yao (1988), Estimating the number of change-points via Schwarz' criterion; Killick, Fearnhead & Eckley (2012); Fearnhead,
/// Maidstone & Letchford (2019), Detecting changes in slope with an L0 penalty.
///
/// # Example
/// ```
/// use ecosystem_forecast::ChangePoints;
/// // Memory: level, leak, level after the restart.
/// let memory: Vec<f64> = (0..150)
///     .map(|t| f64::from(t * 7 % 5) + if (50..100).contains(&t) { f64::from(t - 50) } else { 0.0 })
///     .collect();
/// let found = ChangePoints::default().find(&memory)?;
/// assert_eq!(found.len(), 2);
/// assert!(found[0].abs_diff(50) <= 8 && found[1].abs_diff(100) <= 1);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChangePoints {
    /// What a part looks like.
    pub segment: Segment,
    /// How the cuts are found.
    pub search: CutSearch,
    /// Price of a number in units of `ln n · noise`; 1 is Schwarz' criterion for independent noise, the default 2.5 allows
    /// for noise whose neighbours are somewhat alike (correlation up to about 0.4).
    pub strictness: f64,
    /// Fewest values of a part (default 5).
    pub shortest: usize,
}

impl Default for ChangePoints {
    fn default() -> Self {
        Self { segment: Segment::LevelOrLine, search: CutSearch::Optimal, strictness: 2.5, shortest: 5 }
    }
}

/// Sums by which the squared error around a level or a line is known for every part, and the price of a number.
struct Sums {
    value: Vec<f64>,
    square: Vec<f64>,
    timed: Vec<f64>,
    price: f64,
}

impl Sums {
    fn new(z: &[f64], price: f64) -> Self {
        let running = |f: &dyn Fn(usize) -> f64| {
            let mut total = 0.0;
            std::iter::once(0.0)
                .chain((0..z.len()).map(|i| {
                    total += f(i);
                    total
                }))
                .collect::<Vec<f64>>()
        };
        Self {
            value: running(&|i| z[i]),
            square: running(&|i| z[i] * z[i]),
            timed: running(&|i| i as f64 * z[i]),
            price,
        }
    }

    fn level(&self, from: usize, to: usize) -> f64 {
        let s = self.value[to] - self.value[from];
        (self.square[to] - self.square[from] - s * s / (to - from) as f64).max(0.0)
    }

    fn line(&self, from: usize, to: usize) -> f64 {
        let n = (to - from) as f64;
        let spread = n * (n * n - 1.0) / 12.0;
        let middle = f64::midpoint(from as f64, to as f64 - 1.0);
        let s = self.value[to] - self.value[from];
        let slope = self.timed[to] - self.timed[from] - middle * s;
        let less = if spread > 0.0 { slope * slope / spread } else { 0.0 };
        (self.level(from, to) - less).max(0.0)
    }

    fn cost(&self, segment: Segment, from: usize, to: usize) -> f64 {
        let w = self.price;
        match segment {
            Segment::Level | Segment::Rank => self.level(from, to) + 2.0 * w,
            Segment::Line => self.line(from, to) + 3.0 * w,
            Segment::LevelOrLine => (self.level(from, to) + 2.0 * w).min(self.line(from, to) + 3.0 * w),
            Segment::LevelAndSpread => {
                let n = (to - from) as f64;
                // A part without any spread would be infinitely likely: a hundredth of the series' variance is the least.
                n * (self.level(from, to) / n).max(0.01).ln() + 3.0 * w
            }
        }
    }
}

impl ChangePoints {
    /// First value of every new part. Missing values are filled first.
    pub fn find(&self, values: &[f64]) -> Result<Vec<usize>, FitError> {
        self.find_joint(&[values])
    }

    /// Changes that several series of equal length have together.
    pub fn find_joint(&self, series: &[&[f64]]) -> Result<Vec<usize>, FitError> {
        let n = series.first().map_or(0, |s| s.len());
        if !(self.strictness > 0.0 && self.strictness <= 1e6) {
            let expected = "above 0 to 1000000";
            return Err(FitError::Setting { name: "strictness", value: self.strictness, expected });
        }
        let shortest = self.shortest.max(2);
        for values in series {
            if values.len() != n {
                return Err(FitError::Length { name: "series", needed: n, found: values.len() });
            }
            check_values(values, 2)?;
        }
        if n < 2 * shortest {
            return Ok(Vec::new());
        }
        let sums: Vec<Sums> = series.iter().map(|v| self.sums(v)).collect();
        let cost = |from, to| sums.iter().map(|s| s.cost(self.segment, from, to)).sum::<f64>();
        let slack = sums.iter().map(|s| 3.0 * s.price).sum::<f64>();
        Ok(match self.search {
            CutSearch::Optimal => optimal(n, shortest, slack, cost),
            CutSearch::Binary => binary(n, shortest, cost),
        })
    }

    fn sums(&self, values: &[f64]) -> Sums {
        let mut z = fill_gaps(values, &[]);
        if self.segment == Segment::Rank {
            z = ranks(&z);
        }
        let (center, spread) = (mean(&z), variance(&z).sqrt());
        if spread > 1e-12 * center.abs() && spread > 0.0 {
            z.iter_mut().for_each(|v| *v = (*v - center) / spread);
        } else {
            z.fill(0.0);
        }
        let mut steps: Vec<f64> = z.windows(2).map(|w| w[1] - w[0]).collect();
        let size = 1.2533 * steps.iter().map(|d| d.abs()).sum::<f64>() / steps.len().max(1) as f64;
        let robust = mad_sigma(&mut steps);
        // Steps that are mostly equal have no median deviation: their mean size tells then.
        let near = (if robust > 0.0 { robust } else { size }) / std::f64::consts::SQRT_2;
        let ln = (z.len() as f64).ln();
        let noise = if self.segment == Segment::LevelAndSpread { 1.0 } else { near.clamp(1e-6, 1.0) };
        Sums::new(&z, self.strictness * ln * noise)
    }
}

/// Ranks from 1, the mean rank for equal values.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut out = vec![0.0; values.len()];
    let mut at = 0;
    while at < order.len() {
        let tied =
            order[at..].iter().take_while(|&&i| values[i].total_cmp(&values[order[at]]).is_eq()).count();
        order[at..at + tied].iter().for_each(|&i| out[i] = at as f64 + f64::midpoint(1.0, tied as f64));
        at += tied;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    fn with(segment: Segment, search: CutSearch) -> ChangePoints {
        ChangePoints { segment, search, ..ChangePoints::default() }
    }

    #[test]
    fn noise_white_or_slow_rarely_changes() {
        let mut found = 0;
        for seed in 0..20 {
            let mut rng = Pcg::new(seed);
            let white: Vec<f64> = (0..300).map(|_| rng.normal()).collect();
            let mut level = 0.0;
            let slow: Vec<f64> = (0..300)
                .map(|_| {
                    level = 0.3 * level + rng.normal();
                    level
                })
                .collect();
            found += ChangePoints::default().find(&white).unwrap().len();
            found += ChangePoints::default().find(&slow).unwrap().len();
        }
        assert!(found <= 2, "{found} changes in 40 series without any");
    }

    #[test]
    fn levels_slopes_and_spreads_are_found_by_their_costs() {
        let mut rng = Pcg::new(5);
        let noise: Vec<f64> = (0..400).map(|_| rng.normal()).collect();
        let level: Vec<f64> =
            noise.iter().enumerate().map(|(i, e)| e + if i < 150 { 0.0 } else { 6.0 }).collect();
        let spread: Vec<f64> =
            noise.iter().enumerate().map(|(i, e)| e * if i < 200 { 1.0 } else { 6.0 }).collect();
        for segment in [Segment::LevelOrLine, Segment::Level, Segment::Line, Segment::Rank] {
            for search in [CutSearch::Optimal, CutSearch::Binary] {
                let found = with(segment, search).find(&level).unwrap();
                assert!(found.len() == 1 && found[0].abs_diff(150) <= 2, "{segment:?} {search:?} {found:?}");
            }
        }
        let found = with(Segment::LevelAndSpread, CutSearch::Optimal).find(&spread).unwrap();
        assert!(found.len() == 1 && found[0].abs_diff(200) <= 5, "{found:?}");
    }

    #[test]
    fn the_pruned_search_finds_the_exhaustive_optimum() {
        let mut rng = Pcg::new(6);
        for _ in 0..20 {
            let values: Vec<f64> = (0..60)
                .map(|i| rng.normal() + if i % 23 < 11 { 3.0 } else { f64::from(i % 23) * 0.3 })
                .collect();
            let detector = ChangePoints { strictness: 0.5, ..ChangePoints::default() };
            let sums = detector.sums(&values);
            let total = |cuts: &[usize]| -> f64 {
                let ends = cuts.iter().copied().chain([60]);
                let starts = std::iter::once(0).chain(cuts.iter().copied());
                starts.zip(ends).map(|(a, b)| sums.cost(Segment::LevelOrLine, a, b)).sum()
            };
            let found = detector.find(&values).unwrap();
            let full = optimal(60, 5, f64::INFINITY, |a, b| sums.cost(Segment::LevelOrLine, a, b));
            assert!((total(&found) - total(&full)).abs() < 1e-9, "{found:?} {full:?}");
        }
    }

    #[test]
    fn series_that_change_together_are_cut_together() {
        let mut rng = Pcg::new(7);
        let mut shifted = |at: usize| -> Vec<f64> {
            (0..200).map(|i| rng.normal() + if i < at { 0.0 } else { 3.0 }).collect()
        };
        let (a, b) = (shifted(80), shifted(80));
        let found = ChangePoints::default().find_joint(&[&a, &b]).unwrap();
        assert!(found.len() == 1 && found[0].abs_diff(80) <= 2, "{found:?}");
        assert!(ChangePoints::default().find_joint(&[&a, &b[1..]]).is_err());
        assert!(ChangePoints::default().find(&[1.0; 50]).unwrap().is_empty());
    }
}
