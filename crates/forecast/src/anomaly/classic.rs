//! Textbook detectors: z-score, interquartile fences, EWMA and CUSUM control charts.

use super::{Detector, Score};
use crate::{error::FitError, stats::SortedWindow};

/// Values before a detector judges.
const WARM_UP: u64 = 8;

fn check_threshold(threshold: f64) -> Result<(), FitError> {
    if threshold > 0.0 && threshold.is_finite() {
        return Ok(());
    }
    Err(FitError::Setting { name: "threshold", value: threshold, expected: "a positive number" })
}

/// Values that are judged but not learnt.
fn learnable(value: f64) -> bool {
    value.abs() <= crate::error::MAX_MAGNITUDE
}

/// Standard scores `(x − mean) / σ` of a whole slice with the population standard deviation, as `scipy.stats.zscore`.
///
/// NaN (missing) stays NaN and is left out of mean and deviation; a constant slice gives zeros (scipy gives NaN). Two passes,
/// O(n).
pub fn z_scores(values: &[f64]) -> Vec<f64> {
    let known = || values.iter().filter(|v| !v.is_nan());
    let count = known().count().max(1) as f64;
    let mean = known().sum::<f64>() / count;
    let sigma = (known().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count).sqrt();
    let one = |v: &f64| if sigma > 0.0 || v.is_nan() { (v - mean) / sigma } else { 0.0 };
    values.iter().map(one).collect()
}

/// Mean and variance of all values so far (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Running {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Running {
    fn learn(&mut self, value: f64) {
        self.count = self.count.saturating_add(1);
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Population standard deviation, never below a billionth of the level.
    fn sigma(&self) -> f64 {
        let sigma = (self.squares / self.count.max(1) as f64).max(0.0).sqrt();
        sigma.max(1e-9 * self.mean.abs()).max(1e-12)
    }
}

/// Distance from the mean of all earlier values in standard deviations. One outlier widens the band for good: take
/// [`RobustZ`](super::RobustZ) unless the data are known to be clean. O(1) per value, 24 bytes of state.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ZScore {
    threshold: f64,
    running: Running,
}

impl ZScore {
    /// Beyond `threshold` (> 0, often 3) standard deviations a value is an anomaly.
    pub fn new(threshold: f64) -> Result<Self, FitError> {
        check_threshold(threshold)?;
        Ok(Self { threshold, running: Running::default() })
    }
}

impl Detector for ZScore {
    fn push(&mut self, value: f64) -> Score {
        let score = if self.running.count < WARM_UP {
            Score::learning(value, self.running.mean)
        } else {
            Score::judge(value, self.running.mean, self.running.sigma(), self.threshold)
        };
        if learnable(value) {
            self.running.learn(value);
        }
        score
    }
}

/// Tukey's fences: anomalous beyond `threshold` interquartile ranges outside of the quartiles of the last `window` values.
///
/// `severity` is the distance from the nearer quartile in interquartile ranges. Quartiles interpolate as numpy's default.
/// O(window) per value. Tukey (1977), Exploratory Data Analysis.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Iqr {
    window: usize,
    threshold: f64,
    past: SortedWindow,
}

impl Iqr {
    /// `window` values (8 to 1,000,000) are remembered; `threshold` is often 1.5 (outside) or 3 (far out).
    pub fn new(window: usize, threshold: f64) -> Result<Self, FitError> {
        check_threshold(threshold)?;
        if !(8..=1_000_000).contains(&window) {
            return Err(FitError::Setting {
                name: "window",
                value: window as f64,
                expected: "8 to 1000000 values",
            });
        }
        Ok(Self { window, threshold, past: SortedWindow::default() })
    }

    fn judge(&self, value: f64) -> Score {
        let quartile = |p| self.past.quantile(p);
        let (low, middle, high) = (quartile(0.25), quartile(0.5), quartile(0.75));
        let range = (high - low).max(1e-9 * middle.abs()).max(1e-12);
        // The nearer quartile is the center of judgement; inside of the quartiles nothing is unusual.
        let mut score = Score::judge(value, value.clamp(low, high), range, self.threshold);
        score.expected = middle;
        (score.lower, score.upper) = (low - self.threshold * range, high + self.threshold * range);
        score
    }
}

impl Detector for Iqr {
    fn push(&mut self, value: f64) -> Score {
        let score = if (self.past.len() as u64) < WARM_UP {
            let expected = if self.past.len() == 0 { value } else { self.past.quantile(0.5) };
            Score::learning(value, expected)
        } else {
            self.judge(value)
        };
        if learnable(value) {
            self.past.push(value, self.window);
        }
        score
    }
}

/// EWMA control chart: a smoothed mean beyond `threshold` of its own standard deviations from the mean of all values.
///
/// Sees shifts of half a standard deviation that single values hide. `weight` λ: the variance of the smoothed mean is
/// `σ² λ / (2 − λ) · (1 − (1 − λ)^2n)`. O(1) per value. Roberts (1959), Technometrics 1.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ewma {
    weight: f64,
    threshold: f64,
    running: Running,
    smooth: f64,
    /// `(1 − λ)^2n`
    memory: f64,
}

impl Ewma {
    /// `weight` above 0 up to 1 (often 0.2); `threshold` often 3.
    pub fn new(weight: f64, threshold: f64) -> Result<Self, FitError> {
        check_threshold(threshold)?;
        if !(weight > 0.0 && weight <= 1.0) {
            return Err(FitError::Setting {
                name: "weight",
                value: weight,
                expected: "a number above 0 up to 1",
            });
        }
        Ok(Self { weight, threshold, running: Running::default(), smooth: 0.0, memory: 1.0 })
    }
}

impl Detector for Ewma {
    fn push(&mut self, value: f64) -> Score {
        if !learnable(value) {
            return if self.running.count < WARM_UP {
                Score::learning(value, self.running.mean)
            } else {
                Score::judge(value, self.running.mean, self.running.sigma(), self.threshold)
            };
        }
        let next =
            if self.running.count == 0 { value } else { self.smooth + self.weight * (value - self.smooth) };
        let score = if self.running.count < WARM_UP {
            Score::learning(value, self.running.mean)
        } else {
            let factor = self.weight / (2.0 - self.weight) * (1.0 - self.memory);
            let mut score =
                Score::judge(next, self.running.mean, self.running.sigma() * factor.sqrt(), self.threshold);
            score.value = value;
            score
        };
        self.smooth = next;
        self.memory *= (1.0 - self.weight) * (1.0 - self.weight);
        self.running.learn(value);
        score
    }
}

/// Two-sided CUSUM: sums of deviations beyond a slack, in standard deviations of the first values.
///
/// `severity` is the larger sum; at `threshold` it is an anomaly and both sums begin anew, so a shift is reported once per
/// accumulation. The reference (mean, σ) comes from the first `training` values and stays. O(1) per value.
/// Page (1954), Biometrika 41.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cusum {
    training: u64,
    slack: f64,
    threshold: f64,
    running: Running,
    up: f64,
    down: f64,
}

impl Cusum {
    /// `training` values (at least 8) set the reference; `slack` (often 0.5) is half of the shift worth seeing, `threshold`
    /// often 5, both in standard deviations.
    pub fn new(training: u64, slack: f64, threshold: f64) -> Result<Self, FitError> {
        check_threshold(threshold)?;
        if training < WARM_UP {
            return Err(FitError::Setting {
                name: "training",
                value: training as f64,
                expected: "at least 8",
            });
        }
        if !(slack >= 0.0 && slack.is_finite()) {
            return Err(FitError::Setting {
                name: "slack",
                value: slack,
                expected: "a number of at least 0",
            });
        }
        Ok(Self { training, slack, threshold, running: Running::default(), up: 0.0, down: 0.0 })
    }
}

impl Detector for Cusum {
    fn push(&mut self, value: f64) -> Score {
        let (mean, sigma) = (self.running.mean, self.running.sigma());
        if self.running.count < self.training {
            if learnable(value) {
                self.running.learn(value);
            }
            return Score::learning(value, mean);
        }
        if !learnable(value) {
            return Score::judge(value, mean, sigma, self.threshold);
        }
        let z = (value - mean) / sigma;
        self.up = (self.up + z - self.slack).max(0.0);
        self.down = (self.down - z - self.slack).max(0.0);
        // The larger sum is judged as a distance, so that direction and severity come out as everywhere.
        let signed = if self.up >= self.down { self.up } else { -self.down };
        let mut score = Score::judge(signed, 0.0, 1.0, self.threshold);
        (score.value, score.expected) = (value, mean);
        (score.lower, score.upper) = (mean - self.threshold * sigma, mean + self.threshold * sigma);
        if score.is_anomaly() {
            (self.up, self.down) = (0.0, 0.0);
        }
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{anomaly::Judgement, rng::Pcg};

    // scipy 1.17.1: scipy.stats.zscore([2, 4, 4, 4, 5, 5, 7, 9.5]).
    const SAMPLE: [f64; 8] = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.5];

    const SCIPY: [f64; 8] = [
        -1.4393100638428142,
        -0.49935247112913966,
        -0.49935247112913966,
        -0.49935247112913966,
        -0.029373674772302332,
        -0.029373674772302332,
        0.9105839179413723,
        2.0855309088334657,
    ];

    #[test]
    fn z_scores_equal_scipy() {
        for (found, wanted) in z_scores(&SAMPLE).iter().zip(SCIPY) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
        assert!(z_scores(&[3.0, f64::NAN, 3.0])[1].is_nan());
        assert!(z_scores(&[3.0; 4]).iter().all(|z| *z == 0.0));
    }

    #[test]
    fn fences_equal_those_of_numpy_quartiles() {
        // numpy 2.4.6: quantile(SAMPLE, [.25, .75]) = 4.0, 5.5; fences at 1.5 ranges: 1.75 and 7.75.
        let mut detector = Iqr::new(8, 1.5).unwrap();
        SAMPLE.iter().for_each(|&v| {
            detector.push(v);
        });
        let score = detector.clone().push(7.76);
        assert!((score.lower - 1.75).abs() < 1e-12 && (score.upper - 7.75).abs() < 1e-12);
        assert!(score.is_anomaly() && !detector.clone().push(7.74).is_anomaly());
        assert!((detector.push(10.0).severity - 3.0).abs() < 1e-12);
    }

    fn noise_then_shift(shift: f64) -> Vec<f64> {
        let mut rng = Pcg::new(4);
        (0..600).map(|i| 20.0 + rng.normal() + if i >= 400 { shift } else { 0.0 }).collect()
    }

    #[test]
    fn charts_see_a_shift_of_one_sigma_that_single_values_hide() {
        let values = noise_then_shift(1.5);
        let late = |scores: &[Score]| scores[400..440].iter().any(Score::is_anomaly);
        assert!(late(&Ewma::new(0.2, 3.0).unwrap().score(&values)));
        let cusum = Cusum::new(200, 0.5, 8.0).unwrap().score(&values);
        assert!(late(&cusum) && !cusum[..400].iter().any(Score::is_anomaly));
        assert!(!late(&ZScore::new(5.0).unwrap().score(&values)));
    }

    fn answers_everything(mut detector: impl Detector) {
        for i in 0..40 {
            detector.push(f64::from(i % 5));
        }
        assert_eq!(detector.push(f64::NAN).judgement, Judgement::Missing);
        assert!(detector.push(f64::INFINITY).is_anomaly());
        assert!(detector.push(2.0).severity.is_finite());
    }

    #[test]
    fn missing_and_infinite_values_are_judged_and_not_learnt() {
        answers_everything(ZScore::new(4.0).unwrap());
        answers_everything(Iqr::new(32, 3.0).unwrap());
        answers_everything(Ewma::new(0.2, 4.0).unwrap());
        answers_everything(Cusum::new(20, 0.5, 5.0).unwrap());
        assert!(ZScore::new(0.0).is_err() && Iqr::new(3, 1.0).is_err());
        assert!(Ewma::new(1.5, 3.0).is_err() && Cusum::new(2, 0.5, 5.0).is_err());
    }
}
