//! Seasonal hybrid extreme studentised deviate test.

use super::{Detector, Judgement, Score};
use crate::{
    Stl,
    error::{FitError, check_values},
    stats::{mad_sigma, median_in_place},
};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::VecDeque;

/// Positions of outliers by the generalised extreme studentised deviate test with median and MAD, most extreme first.
///
/// Tests for up to `most` outliers at level `alpha`: the value farthest from the median is taken out, again and again, and the largest
/// number of them whose last still exceeds its critical value is kept, so outliers do not hide each other. Values must be
/// finite. O(most · n). Rosner (1983), Technometrics 25; the robust variant of Hochenbaum, Vallis & Kejariwal (2017).
pub fn hybrid_esd(values: &[f64], most: usize, alpha: f64) -> Result<Vec<usize>, FitError> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(FitError::Setting { name: "alpha", value: alpha, expected: "strictly between 0 and 1" });
    }
    if let Some(index) = values.iter().position(|v| !v.is_finite()) {
        return Err(FitError::OutOfRange { index, value: values[index] });
    }
    let n = values.len();
    let mut left: Vec<usize> = (0..n).collect();
    let (mut found, mut kept) = (Vec::new(), 0);
    for i in 1..=most.min(n.saturating_sub(2)) {
        let mut sample: Vec<f64> = left.iter().map(|&k| values[k]).collect();
        let center = median_in_place(&mut sample);
        let sigma = mad_sigma(&mut sample);
        // More than half of the values are equal: nothing can be said about scatter.
        if sigma <= 0.0 {
            break;
        }
        let far = |&k: &usize| (values[k] - center).abs();
        let Some(at) = (0..left.len()).reduce(|a, b| if far(&left[b]) > far(&left[a]) { b } else { a })
        else {
            break;
        };
        let deviate = far(&left[at]) / sigma;
        found.push(left.remove(at));
        if deviate > critical(n, i, alpha) {
            kept = i;
        }
    }
    found.truncate(kept);
    Ok(found)
}

/// Critical value of the i-th deviate of n values.
fn critical(n: usize, i: usize, alpha: f64) -> f64 {
    let rest = (n - i) as f64;
    let p = 1.0 - alpha / (2.0 * (rest + 1.0));
    let t = StudentsT::new(0.0, 1.0, (rest - 1.0).max(1.0)).map_or(f64::INFINITY, |d| d.inverse_cdf(p));
    t * rest / ((rest - 1.0 + t * t) * (rest + 1.0)).sqrt()
}

/// Positions of outliers of a seasonal series: STL takes the season off, the median the level, [`hybrid_esd`] tests the rest.
///
/// At most `share` (above 0, below ½) of the values. Missing values (NaN) are never outliers. The level is one median for all, so a
/// trend over the slice hides outliers: take a few weeks at a time.
///
/// Hochenbaum, Vallis & Kejariwal (2017), Automatic anomaly detection in the cloud via statistical learning, arXiv 1704.07706.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::seasonal_hybrid_esd;
/// let mut values: Vec<f64> = (0..240).map(|h| 50.0 + 30.0 * f64::from(h % 24 / 12) + f64::from(h * 7 % 5)).collect();
/// values[171] = 80.0; // normal at noon, not at three in the night
/// assert_eq!(seasonal_hybrid_esd(&values, 24, 0.02, 0.05)?, [171]);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
pub fn seasonal_hybrid_esd(
    values: &[f64],
    period: usize,
    share: f64,
    alpha: f64,
) -> Result<Vec<usize>, FitError> {
    if !(share > 0.0 && share < 0.5) {
        return Err(FitError::Setting { name: "share", value: share, expected: "above 0 and below 0.5" });
    }
    check_values(values, 8)?;
    let parts = Stl::new(period).with_robust_rounds(1).decompose(values)?;
    let known: Vec<usize> = (0..values.len()).filter(|&i| !values[i].is_nan()).collect();
    let rest: Vec<f64> = known.iter().map(|&i| values[i] - parts.season[i]).collect();
    let most = crate::stats::floor_usize(share * rest.len() as f64).max(1);
    Ok(hybrid_esd(&rest, most, alpha)?.into_iter().map(|k| known[k]).collect())
}

/// S-H-ESD on a stream: is the newest value among the outliers of the last `window` values?
///
/// The season is the median of each phase within the window (STL needs the future), the test that of [`hybrid_esd`] with at most 2 % of the
/// window. `severity` is the deviation in robust standard deviations, the band the critical value of a single outlier. Outliers in the window do
/// not widen the band; missing values keep the phase. O(window) per value and as much memory.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HybridEsd {
    period: usize,
    window: usize,
    alpha: f64,
    /// Last values, `None` where missing.
    recent: VecDeque<Option<f64>>,
}

impl HybridEsd {
    /// `period` in steps (1: no season) and a `window` of at least three periods (24 to 100,000 values); `alpha` often 0.001.
    pub fn new(period: usize, window: usize, alpha: f64) -> Result<Self, FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if !(24..=100_000).contains(&window) {
            return refuse("window", window as f64, "24 to 100000 values");
        }
        if period == 0 || period > window / 3 {
            return refuse("period", period as f64, "1 to a third of the window");
        }
        if !(alpha > 0.0 && alpha < 1.0) {
            return refuse("alpha", alpha, "strictly between 0 and 1");
        }
        Ok(Self { period, window, alpha, recent: VecDeque::new() })
    }

    /// What is left without the median of its phase, and the median of the newest phase; the newest value comes last.
    fn rest(&self) -> (Vec<f64>, f64) {
        let n = self.recent.len();
        let mut rest = vec![f64::NAN; n];
        let mut newest = 0.0;
        for phase in 0..self.period.min(n) {
            let rows = || (phase..n).step_by(self.period);
            let mut known: Vec<f64> = rows().filter_map(|i| self.recent[i]).collect();
            let median = median_in_place(&mut known);
            rows().for_each(|i| rest[i] = self.recent[i].map_or(f64::NAN, |v| v - median));
            if (n - 1) % self.period == phase {
                newest = median;
            }
        }
        (rest, newest)
    }
}

impl Detector for HybridEsd {
    fn push(&mut self, value: f64) -> Score {
        let learnable = value.abs() <= crate::error::MAX_MAGNITUDE;
        if self.recent.len() == self.window {
            self.recent.pop_front();
        }
        self.recent.push_back(learnable.then_some(value));
        let (rest, season) = self.rest();
        let mut known: Vec<f64> = rest.iter().copied().filter(|v| !v.is_nan()).collect();
        if self.recent.len() < 2 * self.period || known.len() < 12 {
            return Score::learning(value, if season.is_nan() { value } else { season });
        }
        let tested = known.clone();
        let center = median_in_place(&mut known);
        let sigma = mad_sigma(&mut known).max(1e-9 * season.abs()).max(1e-12);
        let limit = critical(tested.len(), 1, self.alpha);
        let mut score = Score::judge(value, season + center, sigma, limit);
        if learnable && score.judgement != Judgement::Missing {
            let most = (tested.len() / 50).max(1);
            let found = hybrid_esd(&tested, most, self.alpha).unwrap_or_default();
            // Among several outliers a smaller one may count that a test for one would not see.
            if found.contains(&(tested.len() - 1)) && score.severity > 0.0 {
                score.judgement = Judgement::Anomalous;
            } else {
                score.judgement = Judgement::Normal;
            }
        }
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn the_example_of_the_paper_has_three_outliers() {
        // Rosner (1983), table: with mean and deviation three outliers at 5 %; median and MAD find at least these.
        let values = [
            -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58, 1.65,
            1.69, 1.70, 1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23, 2.24,
            2.26, 2.35, 2.37, 2.40, 2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30, 3.59,
            3.68, 4.30, 4.64, 5.34, 5.42, 6.01,
        ];
        let found = hybrid_esd(&values, 10, 0.05).unwrap();
        assert!([53, 52, 51].iter().all(|i| found.contains(i)), "{found:?}");
        // The critical values of that table: 3.158, 3.151, 3.143.
        for (i, wanted) in [(1, 3.158), (2, 3.151), (3, 3.143)] {
            assert!((critical(54, i, 0.05) - wanted).abs() < 1e-3);
        }
    }

    #[test]
    fn the_stream_sees_what_is_wrong_for_its_hour_and_keeps_quiet_otherwise() {
        let mut rng = Pcg::new(8);
        let mut detector = HybridEsd::new(24, 24 * 14, 0.001).unwrap();
        let mut found = Vec::new();
        for h in 0..24 * 30_usize {
            let mut value = 50.0 + 20.0 * (h as f64 / 24.0 * std::f64::consts::TAU).sin() + rng.normal();
            if h == 500 || h == 600 {
                value += 12.0;
            }
            let score = detector.push(if h == 450 { f64::NAN } else { value });
            if score.is_anomaly() {
                found.push(h);
            }
        }
        assert!(found.contains(&500) && found.contains(&600) && found.len() <= 4, "{found:?}");
    }
}
