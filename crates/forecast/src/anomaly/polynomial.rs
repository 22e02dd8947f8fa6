//! What a polynomial through the last values does not foresee.

use super::{Detector, Score};
use crate::{
    error::{FitError, MAX_MAGNITUDE},
    stats::{mad_sigma, median_in_place},
};
use nalgebra::DMatrix;
use std::collections::VecDeque;

/// Polynomial approximation of sub-sequences: the last `window` values are approximated by a polynomial of a degree, which is
/// continued by one value; the error of that, in robust standard deviations of the errors so far, is the severity.
///
/// Follows smooth movement of any shape (ramps, waves, drifts), so that only what breaks it is an anomaly: steps, spikes, kinks.
/// Not for noise whose size changes by the hour. The continuation is a fixed linear form of the window (least squares with equal
/// weights), computed once: O(window) per value for it, O(kept errors) for the scale. A missing value is replaced by its
/// forecast. Errors beyond the band are learnt, at most three bands large, so a wilder series is normal after a while.
///
/// # References
/// Li, Ma & Mei (2007), A unifying method for outlier and change detection from data streams based on local polynomial fitting,
/// PAKDD; Savitzky & Golay (1964), Analytical Chemistry 36.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{Detector, PolynomialWindow};
/// let value = |i: u32| 0.01 * f64::from(i * i) + f64::from(i * 7 % 5);
/// let mut detector = PolynomialWindow::new(24, 2, 8.0)?;
/// assert!((0..400).all(|i| !detector.push(value(i)).is_anomaly()), "a parabola is foreseen");
/// assert!(detector.push(value(400) + 60.0).is_anomaly());
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PolynomialWindow {
    /// Weights of the last values, oldest first, whose sum of products is the forecast.
    weights: Vec<f64>,
    threshold: f64,
    recent: VecDeque<f64>,
    errors: VecDeque<f64>,
}

/// Errors that the scale rests on.
const KEPT: usize = 200;
/// Errors before a judgement.
const NEEDED: usize = 20;

impl PolynomialWindow {
    /// `window` values (at least twice the degree and 4, at most 1,000) and a polynomial of degree 0 to 5; beyond `threshold`
    /// robust standard deviations (often 6 to 10) a value is an anomaly.
    pub fn new(window: usize, degree: usize, threshold: f64) -> Result<Self, FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if degree > 5 {
            return refuse("degree", degree as f64, "0 to 5");
        }
        if !((2 * degree + 2).max(4)..=1000).contains(&window) {
            return refuse(
                "window",
                window as f64,
                "at least 4 and twice the degree and two, at most 1000 values",
            );
        }
        if !(threshold > 0.0 && threshold.is_finite()) {
            return refuse("threshold", threshold, "a positive number");
        }
        Ok(Self {
            weights: continuation(window, degree),
            threshold,
            recent: VecDeque::with_capacity(window),
            errors: VecDeque::with_capacity(KEPT),
        })
    }

    /// The forecast of the next value; `None` until a window is full.
    pub fn forecast(&self) -> Option<f64> {
        (self.recent.len() == self.weights.len())
            .then(|| self.recent.iter().zip(&self.weights).map(|(v, w)| v * w).sum())
    }

    /// Center and robust standard deviation of the errors, the latter never below a billionth of the level.
    fn scale(&self, level: f64) -> Option<(f64, f64)> {
        if self.errors.len() < NEEDED {
            return None;
        }
        let mut errors: Vec<f64> = self.errors.iter().copied().collect();
        let plain = crate::stats::variance(&errors).sqrt();
        let center = median_in_place(&mut errors);
        // A series that mostly stands still has no MAD: a third of its plain deviation then.
        let sigma = mad_sigma(&mut errors).max(0.3 * plain);
        Some((center, sigma.max(1e-9 * level.abs()).max(1e-12)))
    }

    fn remember(&mut self, value: f64) {
        if self.recent.len() == self.weights.len() {
            self.recent.pop_front();
        }
        self.recent.push_back(value);
    }
}

/// Weights of a least-squares polynomial continued by one step: orthogonal basis on −1 … 1 by QR, so that high degrees keep
/// their digits.
fn continuation(window: usize, degree: usize) -> Vec<f64> {
    let at = |i: usize| 2.0 * i as f64 / (window - 1) as f64 - 1.0;
    let basis = DMatrix::from_fn(window, degree + 1, |i, k| at(i).powi(i32::try_from(k).unwrap_or(0)));
    let qr = basis.qr();
    let (q, r) = (qr.q(), qr.r());
    // forecast = p · R⁻¹ · Qᵀ · y with p the powers of the next position
    let next = DMatrix::from_fn(degree + 1, 1, |k, _| at(window).powi(i32::try_from(k).unwrap_or(0)));
    let solved = r.transpose().solve_lower_triangular(&next).unwrap_or(next);
    (q * solved).column(0).iter().copied().collect()
}

impl Detector for PolynomialWindow {
    fn push(&mut self, value: f64) -> Score {
        let Some(forecast) = self.forecast() else {
            if value.abs() <= MAX_MAGNITUDE {
                self.remember(value);
            }
            return Score::learning(value, value);
        };
        let scale = self.scale(forecast);
        let score = match scale {
            Some((center, sigma)) => Score::judge(value, forecast + center, sigma, self.threshold),
            None => Score::learning(value, forecast),
        };
        if value.abs() <= MAX_MAGNITUDE {
            let most = scale.map_or(f64::INFINITY, |(_, sigma)| 3.0 * self.threshold * sigma);
            if self.errors.len() == KEPT {
                self.errors.pop_front();
            }
            self.errors.push_back((value - forecast).clamp(-most, most));
            self.remember(value);
        } else {
            self.remember(forecast.clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE));
        }
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{anomaly::Judgement, rng::Pcg};

    #[test]
    fn the_continuation_equals_that_of_numpy_polyfit() {
        // numpy 2.4.6: polyval(polyfit(arange(8), y, d), 8) for y = [3, 1, 4, 1, 5, 9, 2, 6]
        let y = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        for (degree, wanted) in NUMPY {
            let found: f64 = continuation(8, degree).iter().zip(y).map(|(w, v)| w * v).sum();
            assert!((found - wanted).abs() < 1e-9, "{degree}: {found} {wanted}");
        }
    }

    const NUMPY: [(usize, f64); 4] =
        [(0, 3.875), (1, 6.285_714_285_714_283), (2, 6.017_857_142_857_143), (3, 2.142_857_142_857_104)];

    #[test]
    fn a_steep_wave_is_foreseen_and_a_kink_in_it_is_not() {
        let mut rng = Pcg::new(5);
        let mut values: Vec<f64> =
            (0..1000).map(|t| 500.0 * (f64::from(t) / 40.0).sin() + rng.normal()).collect();
        values[800] += 25.0; // a twentieth of the wave
        let scores = PolynomialWindow::new(16, 3, 8.0).unwrap().score(&values);
        let found: Vec<usize> = (0..1000).filter(|&i| scores[i].is_anomaly()).collect();
        assert!(found.contains(&800) && found.iter().all(|i| (800..817).contains(i)), "{found:?}");
    }

    #[test]
    fn what_is_missing_or_infinite_neither_breaks_nor_teaches() {
        let mut detector = PolynomialWindow::new(8, 1, 6.0).unwrap();
        for i in 0..100 {
            detector.push(f64::from(i) + f64::from(i % 3));
        }
        assert_eq!(detector.push(f64::NAN).judgement, Judgement::Missing);
        assert!(detector.push(f64::INFINITY).is_anomaly());
        assert!(!detector.push(102.0).is_anomaly());
        let mut flat = PolynomialWindow::new(8, 1, 6.0).unwrap();
        assert!((0..100).all(|_| !flat.push(5.0).is_anomaly()) && flat.push(5.1).is_anomaly());
        assert!(PolynomialWindow::new(3, 0, 6.0).is_err() && PolynomialWindow::new(20, 6, 6.0).is_err());
        assert!(PolynomialWindow::new(8, 1, f64::NAN).is_err());
    }
}
