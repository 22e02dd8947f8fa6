//! How unlikely the recent scores of a detector are.

use super::{Detector, Judgement, Score};
use crate::{error::FitError, stats::normal_cdf, window::RollingStats};

/// Judges the mean of a detector's last few scores against their distribution over a long time.
///
/// A noisy metric gives noisy scores; what counts is that scores are high more often than they used to be. With mean `μ` and
/// standard deviation `σ` of the last `long` severities and `m` the mean of the last `short`, the tail probability is
/// `Q((m − μ) / σ)` and `severity` its `−log10`, at most 15; the band and the expectation are those of the inner detector.
/// O(1) per value, memory O(long).
///
/// Ahmad, Lavin, Purdy & Agha (2017), Unsupervised real-time anomaly detection for streaming data, Neurocomputing 262.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{Detector, Likelihood, RobustZ};
/// let mut detector = Likelihood::new(RobustZ::new(200, 5.0)?, 1000, 10, 2.5)?;
/// let noise = |i: u32| f64::from((i * 7919 + i * i % 101) % 1000) / 100.0;
/// assert!((0..1200).all(|i| !detector.push(noise(i)).is_anomaly()));
/// // Three times as wide as usual: no value is five deviations off, but all of them together are odd.
/// assert!((0..30).any(|i| detector.push(5.0 + 3.0 * (noise(i) - 5.0)).is_anomaly()));
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Likelihood<D> {
    inner: D,
    threshold: f64,
    long: RollingStats,
    short: RollingStats,
}

/// Scores before the distribution is trusted.
const WARM_UP: usize = 50;
/// Largest `−log10` that is told apart.
const MOST: f64 = 15.0;

impl<D: Detector> Likelihood<D> {
    /// `short` (1 to `long`) and `long` (50 to 1,000,000) scores; an anomaly is rarer than `10^−threshold` (threshold above 0, at most
    /// 15; often 5).
    pub fn new(inner: D, long: usize, short: usize, threshold: f64) -> Result<Self, FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if !(WARM_UP..=1_000_000).contains(&long) {
            return refuse("long", long as f64, "50 to 1000000 scores");
        }
        if !(1..=long).contains(&short) {
            return refuse("short", short as f64, "1 to `long` scores");
        }
        if !(threshold > 0.0 && threshold <= MOST) {
            return refuse("threshold", threshold, "a number above 0 up to 15");
        }
        Ok(Self { inner, threshold, long: RollingStats::new(long), short: RollingStats::new(short) })
    }

    /// `−log10` of the probability of a short mean so high; `None` while learning.
    fn rarity(&self) -> Option<f64> {
        if self.long.count() < WARM_UP || self.short.count() == 0 {
            return None;
        }
        let sigma = self.long.variance().max(0.0).sqrt().max(1e-9 * (1e-3 + self.long.mean().abs()));
        let tail = normal_cdf(-(self.short.mean() - self.long.mean()) / sigma);
        Some((-tail.max(1e-300).log10()).clamp(0.0, MOST))
    }
}

impl<D: Detector> Detector for Likelihood<D> {
    fn push(&mut self, value: f64) -> Score {
        let mut score = self.inner.push(value);
        if matches!(score.judgement, Judgement::Missing | Judgement::Learning) {
            return score;
        }
        self.short.push(score.severity);
        let rarity = self.rarity();
        self.long.push(score.severity);
        score.judgement = match rarity {
            None => Judgement::Learning,
            Some(r) if r >= self.threshold => Judgement::Anomalous,
            Some(_) => Judgement::Normal,
        };
        score.severity = rarity.unwrap_or(0.0);
        score
    }
}
