//! Detectors: what was expected, how wide the band is, how far off a value lies.
//!
//! Every detector works value by value with bounded memory. Scoring a batch is the same computation, so streaming and batch
//! give identical bits.

mod classic;
mod counter;
mod counts;
mod ensemble;
pub mod evaluation;
mod filters;
mod hybrid_esd;
mod likelihood;
mod matrix_profile;
mod nearest;
mod polynomial;
mod report;
mod robust;
pub mod rows;
mod seasonal;
mod spot;

pub use classic::{Cusum, Ewma, Iqr, ZScore, z_scores};
pub use counter::{Counter, CounterRows, Growth, OfCounter};
pub use counts::{
    BernoulliCusum, CountTail, CountVerdict, PoissonCusum, height_for, negative_binomial_tail, poisson_tail,
};
pub use ensemble::{Ensemble, EnsembleSettings, Shape, Verdict};
pub use filters::{FilterSettings, FilterVerdict, MatchedFilters};
pub use hybrid_esd::{HybridEsd, hybrid_esd, seasonal_hybrid_esd};
pub use likelihood::Likelihood;
pub use matrix_profile::{LeftProfile, MatrixProfile};
pub use nearest::{NearestRows, NearestSettings, RowVerdict};
pub use polynomial::PolynomialWindow;
pub use report::{Anomaly, AnomalyReport, Statistics};
pub use robust::RobustZ;
pub use seasonal::SeasonalResidual;
pub use spot::{Pareto, Spot, SpotSettings};

/// Side on which a value left the band.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Direction {
    /// Inside the band.
    #[default]
    Inside,
    /// Above the upper end.
    Above,
    /// Below the lower end.
    Below,
}

/// What the detector could say about a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Judgement {
    /// Too little history yet: `severity` is 0.
    #[default]
    Learning,
    /// The value is missing: `severity` is 0.
    Missing,
    /// Inside the band.
    Normal,
    /// Outside the band.
    Anomalous,
}

/// The verdict on one value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Score {
    /// The value judged (NaN when missing).
    pub value: f64,
    /// What was expected before it was seen.
    pub expected: f64,
    /// Lower end of the band of normal values.
    pub lower: f64,
    /// Upper end of the band.
    pub upper: f64,
    /// Distance from the expectation in robust standard deviations, never negative.
    pub severity: f64,
    /// Side of the band.
    pub direction: Direction,
    /// What could be said.
    pub judgement: Judgement,
}

impl Score {
    /// True when the value lies outside the band.
    pub fn is_anomaly(&self) -> bool {
        self.judgement == Judgement::Anomalous
    }

    fn judge(value: f64, expected: f64, sigma: f64, threshold: f64) -> Self {
        let half = threshold * sigma;
        let (lower, upper) = (expected - half, expected + half);
        let direction = if value > upper {
            Direction::Above
        } else if value < lower {
            Direction::Below
        } else {
            Direction::Inside
        };
        let judgement = match direction {
            _ if value.is_nan() => Judgement::Missing,
            Direction::Inside => Judgement::Normal,
            _ => Judgement::Anomalous,
        };
        let distance = (value - expected).abs();
        let severity = if value.is_nan() || distance == 0.0 { 0.0 } else { (distance / sigma).min(1e6) };
        Self { value, expected, lower, upper, severity, direction, judgement }
    }

    fn learning(value: f64, expected: f64) -> Self {
        Self {
            value,
            expected,
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
            severity: 0.0,
            direction: Direction::Inside,
            judgement: if value.is_nan() { Judgement::Missing } else { Judgement::Learning },
        }
    }
}

/// Judges values one by one.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{Detector, RobustZ};
/// let mut values: Vec<f64> = (0..100).map(|i| 10.0 + f64::from(i % 5)).collect();
/// values[80] = 60.0;
/// let scores = RobustZ::new(48, 5.0)?.score(&values);
/// let found: Vec<usize> = scores.iter().enumerate().filter(|(_, s)| s.is_anomaly()).map(|(i, _)| i).collect();
/// assert_eq!(found, [80]);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
pub trait Detector: Clone {
    /// Judges the next value, then learns from it. NaN is missing; an infinite value is judged as an anomaly and not learnt.
    fn push(&mut self, value: f64) -> Score;

    /// Scores that [`push`](Self::push) would give for these values one after another, leaving the detector as it is.
    fn score(&self, values: &[f64]) -> Vec<Score> {
        let mut detector = self.clone();
        values.iter().map(|&v| detector.push(v)).collect()
    }
}
