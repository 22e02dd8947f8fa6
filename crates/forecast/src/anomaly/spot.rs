//! Streaming peaks over threshold: SPOT and DSPOT.

use super::{Detector, Direction, Judgement, Score};
use crate::error::{FitError, MAX_MAGNITUDE};
use std::collections::VecDeque;

/// Shape and scale of a generalised Pareto distribution of excesses.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Pareto {
    /// Shape: 0 exponential, above 0 heavy, below 0 bounded.
    pub shape: f64,
    /// Scale, above 0.
    pub scale: f64,
    /// Log-likelihood of the excesses.
    pub likelihood: f64,
}

impl Pareto {
    /// Maximum likelihood from excesses above a threshold (all above 0); `None` for fewer than two different ones.
    ///
    /// One-dimensional as in Grimshaw (1993): with `θ = shape / scale` the best shape is `mean ln(1 + θ x)`. A grid over θ on either
    /// side of zero, then golden sections around the best; shapes below −½ are left out, where the estimate has no limit distribution
    /// (Smith 1985). O(100 · n).
    pub fn fit(excesses: &[f64]) -> Option<Self> {
        const STEPS: i32 = 20;
        let largest = excesses.iter().copied().fold(0.0, f64::max);
        let mean = crate::stats::mean(excesses);
        if excesses.len() < 2
            || !(largest > 0.0 && largest.is_finite())
            || excesses.iter().any(|x| x.is_nan() || *x <= 0.0)
        {
            return None;
        }
        let n = excesses.len() as f64;
        let at = |theta: f64| -> Self {
            if (theta * mean).abs() < 1e-9 {
                return Self { shape: 0.0, scale: mean, likelihood: -n * (mean.ln() + 1.0) };
            }
            let shape = excesses.iter().map(|x| (theta * x).ln_1p()).sum::<f64>() / n;
            let scale = shape / theta;
            let bad = !(scale > 0.0 && shape > -0.5);
            Self {
                shape,
                scale,
                likelihood: if bad { f64::NEG_INFINITY } else { -n * (scale.ln() + shape + 1.0) },
            }
        };
        // From just inside of −1/max over zero to a hundred times 1/mean.
        let below = |k: i32| -(1.0 - 10_f64.powf(-8.0 * f64::from(k) / f64::from(STEPS))) / largest;
        let above = |k: i32| 10_f64.powf(-4.0 + 6.0 * f64::from(k) / f64::from(STEPS)) / mean;
        let mut grid: Vec<f64> = (1..=STEPS).rev().map(below).collect();
        grid.push(0.0);
        grid.extend((0..=STEPS).map(above));
        let best =
            (0..grid.len()).max_by(|&a, &b| at(grid[a]).likelihood.total_cmp(&at(grid[b]).likelihood))?;
        let (mut low, mut high) = (grid[best.saturating_sub(1)], grid[(best + 1).min(grid.len() - 1)]);
        let golden = (5_f64.sqrt() - 1.0) / 2.0;
        for _ in 0..30 {
            let (a, b) = (high - golden * (high - low), low + golden * (high - low));
            if at(a).likelihood >= at(b).likelihood {
                high = b;
            } else {
                low = a;
            }
        }
        let refined = at(f64::midpoint(low, high));
        let coarse = at(grid[best]);
        Some(if refined.likelihood >= coarse.likelihood { refined } else { coarse })
    }

    /// Excess that is exceeded with this probability.
    fn quantile(&self, probability: f64) -> f64 {
        if self.shape.abs() < 1e-9 {
            return -self.scale * probability.ln();
        }
        self.scale / self.shape * (probability.powf(-self.shape) - 1.0)
    }
}

/// Settings of [`Spot`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SpotSettings {
    /// Probability of a value beyond the band, per side; above 0, below the share of the calibration beyond the high threshold.
    pub risk: f64,
    /// Values for calibration, 50 to 100,000.
    pub calibration: usize,
    /// Quantile of the calibration values that is the high threshold, ½ to below 1.
    pub level: f64,
    /// Width of the moving mean that is taken off first (DSPOT); 0: none (SPOT). At most 100,000.
    pub depth: usize,
    /// Excesses kept per side; older ones make room. 20 to 100,000.
    pub excesses: usize,
}

impl Default for SpotSettings {
    /// One in ten thousand per side, a thousand values for calibration, the highest 2 % are the tail, no drift.
    fn default() -> Self {
        Self { risk: 1e-4, calibration: 1000, level: 0.98, depth: 0, excesses: 500 }
    }
}

impl SpotSettings {
    /// Probability of a value beyond the band.
    #[must_use]
    pub fn with_risk(mut self, risk: f64) -> Self {
        self.risk = risk;
        self
    }

    /// Values for calibration.
    #[must_use]
    pub fn with_calibration(mut self, values: usize) -> Self {
        self.calibration = values;
        self
    }

    /// Width of the moving mean that is taken off.
    #[must_use]
    pub fn with_depth(mut self, rows: usize) -> Self {
        self.depth = rows;
        self
    }
}

/// One tail.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Side {
    /// High threshold, and the value that is exceeded with the wanted probability.
    high: f64,
    extreme: f64,
    excesses: VecDeque<f64>,
    /// Excesses so far, those forgotten included.
    peaks: u64,
}

impl Side {
    fn new(sorted: &[f64], settings: &SpotSettings) -> Self {
        let high = crate::stats::quantile_sorted(sorted, settings.level);
        let excesses: VecDeque<f64> = sorted.iter().filter(|v| **v > high).map(|v| v - high).collect();
        let peaks = excesses.len() as u64;
        let mut side = Self { high, extreme: high, excesses, peaks };
        side.update(sorted.len() as u64, settings.risk);
        side
    }

    fn update(&mut self, seen: u64, risk: f64) {
        let all: Vec<f64> = self.excesses.iter().copied().collect();
        let share = risk * seen as f64 / self.peaks.max(1) as f64;
        self.extreme = match Pareto::fit(&all) {
            Some(tail) => self.high + tail.quantile(share.min(1.0)),
            // All excesses alike (or none): that much again above the largest.
            None => {
                self.high + 2.0 * all.iter().copied().fold(0.0, f64::max) + 1e-9 * (1e-3 + self.high.abs())
            }
        };
    }

    /// Distance from the high threshold in units of the distance to the extreme one; an extreme value is learnt as one at most twice as far out.
    ///
    /// The paper drops extreme values. With a risk of 1 in 1,000 that cuts a twentieth off the tail, the next fit ends sooner, and the band
    /// closes in on itself: five times the wanted alarms on exponential noise.
    fn push(&mut self, value: f64, seen: u64, settings: &SpotSettings) -> f64 {
        let excess = value - self.high;
        let severity = (excess / (self.extreme - self.high).max(f64::MIN_POSITIVE)).clamp(0.0, 1e6);
        if excess > 0.0 {
            if self.excesses.len() == settings.excesses {
                self.excesses.pop_front();
            }
            self.excesses.push_back(excess.min(2.0 * (self.extreme - self.high)));
            self.peaks = self.peaks.saturating_add(1);
            self.update(seen, settings.risk);
        }
        severity
    }
}

/// Alarms at values that a generalised Pareto tail makes rarer than a chosen probability, on either side.
///
/// The only setting that matters is the risk: no distribution of the bulk, no unit. `severity` is 1 at the band's edge. Extreme
/// values are learnt as at most twice as far out as the edge, so one outlier moves it little. With `depth` the mean of the last `depth` normal values is taken off first, so a slow drift is
/// no anomaly (DSPOT). O(1) per value, O(100 · excesses) at the 2 % of values that are peaks; memory O(calibration).
///
/// Siffer, Fouque, Termier & Largouët (2017), Anomaly detection in streams with extreme value theory, KDD.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{Detector, Spot, SpotSettings};
/// let mut spot = Spot::new(&SpotSettings::default().with_calibration(500))?;
/// let noise = |i: u32| f64::from((i * 7919 + i * i % 101) % 1000) / 100.0;
/// assert!((0..1500).all(|i| !spot.push(noise(i)).is_anomaly()));
/// assert!(spot.push(40.0).is_anomaly());
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Spot {
    settings: SpotSettings,
    /// Values for calibration, until there are enough.
    first: Vec<f64>,
    sides: Option<(Side, Side)>,
    seen: u64,
    /// Last normal values, for their mean.
    recent: VecDeque<f64>,
}

impl Spot {
    /// A detector that has seen nothing.
    pub fn new(settings: &SpotSettings) -> Result<Self, FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if !(50..=100_000).contains(&settings.calibration) {
            return refuse("calibration", settings.calibration as f64, "50 to 100000 values");
        }
        if !(0.5..1.0).contains(&settings.level) {
            return refuse("level", settings.level, "a number from 0.5 to below 1");
        }
        if !(settings.risk > 0.0 && settings.risk < 1.0 - settings.level) {
            return refuse("risk", settings.risk, "a number above 0 and below 1 − `level`");
        }
        if settings.depth > 100_000 {
            return refuse("depth", settings.depth as f64, "0 to 100000 values");
        }
        if !(20..=100_000).contains(&settings.excesses) {
            return refuse("excesses", settings.excesses as f64, "20 to 100000");
        }
        Ok(Self {
            settings: settings.clone(),
            first: Vec::new(),
            sides: None,
            seen: 0,
            recent: VecDeque::new(),
        })
    }

    /// Mean of the last normal values, exact whatever came before.
    fn base(&self) -> f64 {
        let n = self.recent.len();
        if n == 0 { 0.0 } else { self.recent.iter().sum::<f64>() / n as f64 }
    }

    fn remember(&mut self, value: f64) {
        if self.settings.depth > 0 {
            if self.recent.len() == self.settings.depth {
                self.recent.pop_front();
            }
            self.recent.push_back(value);
        }
    }

    fn calibrate(&mut self, value: f64, base: f64) -> Score {
        let ready = self.recent.len() == self.settings.depth;
        self.remember(value);
        if ready {
            self.first.push(value - base);
        }
        if self.first.len() == self.settings.calibration {
            let mut sorted = core::mem::take(&mut self.first);
            sorted.sort_unstable_by(f64::total_cmp);
            let mirrored: Vec<f64> = sorted.iter().rev().map(|v| -v).collect();
            self.sides = Some((Side::new(&sorted, &self.settings), Side::new(&mirrored, &self.settings)));
            self.seen = self.settings.calibration as u64;
        }
        Score::learning(value, base)
    }
}

impl Detector for Spot {
    fn push(&mut self, value: f64) -> Score {
        let base = self.base();
        let learnable = value.abs() <= MAX_MAGNITUDE;
        if self.sides.is_none() {
            return if learnable { self.calibrate(value, base) } else { Score::learning(value, base) };
        }
        let seen = self.seen.saturating_add(u64::from(learnable));
        let Some((upper, lower)) = &mut self.sides else { return Score::learning(value, base) };
        let (bottom, top) = (base - lower.extreme, base + upper.extreme);
        let mut score = Score { value, expected: base, lower: bottom, upper: top, ..Score::default() };
        if value.is_nan() {
            score.judgement = Judgement::Missing;
            return score;
        }
        score.direction = match () {
            () if value > top => Direction::Above,
            () if value < bottom => Direction::Below,
            () => Direction::Inside,
        };
        let normal = score.direction == Direction::Inside;
        score.judgement = if normal { Judgement::Normal } else { Judgement::Anomalous };
        if !learnable {
            score.severity = 1e6;
            return score;
        }
        self.seen = seen;
        let settings = &self.settings;
        score.severity =
            upper.push(value - base, seen, settings).max(lower.push(base - value, seen, settings));
        if normal {
            self.remember(value);
        }
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn the_share_beyond_the_band_is_the_risk_for_light_and_heavy_tails() {
        for heavy in [false, true] {
            let mut rng = Pcg::new(3);
            let mut draw = || {
                let u = 1.0 - rng.uniform();
                let size = if heavy { u.powf(-0.3) } else { -u.ln() };
                if rng.uniform() < 0.5 { size } else { -size }
            };
            let settings = SpotSettings { excesses: 200, ..SpotSettings::default().with_risk(2e-3) };
            let mut spot = Spot::new(&settings).unwrap();
            let alarms = (0..21_000).filter(|_| spot.push(draw()).is_anomaly()).count();
            // Twice 2 in 1000 of 20,000 is 80.
            assert!((40..=140).contains(&alarms), "heavy {heavy}: {alarms}");
        }
    }

    #[test]
    fn a_drift_is_followed_and_a_jump_is_seen() {
        let mut rng = Pcg::new(5);
        let mut spot = Spot::new(&SpotSettings::default().with_depth(50).with_calibration(500)).unwrap();
        let alarms =
            (0..5000).filter(|&i| spot.push(f64::from(i) * 0.01 + rng.normal()).is_anomaly()).count();
        assert!(alarms <= 5, "{alarms}");
        let score = spot.push(62.0);
        assert!(score.direction == Direction::Above && score.severity > 1.0 && score.upper < 60.0);
    }

    #[test]
    fn constants_and_wild_values_do_not_break_it() {
        let mut spot = Spot::new(&SpotSettings::default().with_calibration(60)).unwrap();
        (0..100).for_each(|_| {
            spot.push(5.0);
        });
        assert!(!spot.push(5.0).is_anomaly() && spot.push(6.0).is_anomaly());
        assert_eq!(spot.push(f64::NAN).judgement, Judgement::Missing);
        assert!(spot.push(f64::INFINITY).is_anomaly() && spot.push(-1e300).is_anomaly());
    }
}
