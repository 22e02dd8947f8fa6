//! Robust z-score: median and MAD of a sliding window.

use super::{Detector, Score};
use crate::{error::FitError, stats::SortedWindow};

/// Distance from the median of the last `window` values in units of 1.4826 · MAD.
///
/// Half of the window may be arbitrarily wrong without moving the band (breakdown point 50 %). A window whose MAD is zero
/// (more than half equal values) falls back to 1.2533 · mean absolute deviation, then to a billionth of the median.
///
/// Cost of a value: O(window) for keeping the window sorted and for the MAD; memory O(window).
/// Iglewicz & Hoaglin (1993), How to Detect and Handle Outliers.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RobustZ {
    window: usize,
    threshold: f64,
    past: SortedWindow,
}

/// Fewest values before the detector judges.
const WARM_UP: usize = 8;

impl RobustZ {
    /// `window` values (8 to 1,000,000) are remembered; beyond `threshold` (> 0, often 3.5 to 6) deviations a value is an anomaly.
    pub fn new(window: usize, threshold: f64) -> Result<Self, FitError> {
        if !(WARM_UP..=1_000_000).contains(&window) {
            return Err(FitError::Setting {
                name: "window",
                value: window as f64,
                expected: "8 to 1000000 values",
            });
        }
        if !(threshold > 0.0 && threshold.is_finite()) {
            return Err(FitError::Setting {
                name: "threshold",
                value: threshold,
                expected: "a positive number",
            });
        }
        Ok(Self { window, threshold, past: SortedWindow::default() })
    }

    /// Median and robust standard deviation of the window.
    fn center_and_sigma(&self) -> (f64, f64) {
        let center = self.past.quantile(0.5);
        let mad = mad_sorted(self.past.sorted(), center);
        let mut sigma = 1.482_602_218_505_602 * mad;
        if sigma <= 0.0 {
            let sum: f64 = self.past.sorted().iter().map(|v| (v - center).abs()).sum();
            let mean = sum / self.past.len() as f64;
            sigma = 1.253_314_137_315_5 * mean;
        }
        (center, sigma.max(center.abs() * 1e-9).max(1e-12))
    }
}

/// Median of `|v - center|` of a sorted slice: two pointers walk inwards from the ends, largest distance first.
fn mad_sorted(sorted: &[f64], center: f64) -> f64 {
    let n = sorted.len();
    let (mut low, mut high) = (0, n - 1);
    let mut take = || {
        let (left, right) = (center - sorted[low], sorted[high] - center);
        if left > right {
            low += 1;
            left
        } else {
            high = high.saturating_sub(1);
            right
        }
    };
    // Distances come out from the largest to the smallest; the median is number n/2 (and its neighbour for even n).
    let mut previous = 0.0;
    let mut last = 0.0;
    for _ in 0..=n / 2 {
        previous = last;
        last = take();
    }
    if n % 2 == 1 { last } else { f64::midpoint(previous, last) }
}

impl Detector for RobustZ {
    fn push(&mut self, value: f64) -> Score {
        let score = if self.past.len() < WARM_UP {
            let expected = if self.past.len() == 0 { value } else { self.past.quantile(0.5) };
            Score::learning(value, expected)
        } else {
            let (center, sigma) = self.center_and_sigma();
            Score::judge(value, center, sigma, self.threshold)
        };
        if value.is_finite() {
            self.past.push(value, self.window);
        }
        score
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{anomaly::Judgement, stats::mad_sigma};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sliding_median_and_mad_equal_the_direct_ones(values in prop::collection::vec(-100.0..100.0_f64, 9..200)) {
            let mut detector = RobustZ::new(32, 4.0).unwrap();
            for (i, &v) in values.iter().enumerate() {
                detector.push(v);
                if i >= WARM_UP {
                    let from = (i + 1).saturating_sub(32);
                    let mut window = values[from..=i].to_vec();
                    let sigma = mad_sigma(&mut window);
                    let (_, found) = detector.center_and_sigma();
                    if sigma > 1e-9 {
                        prop_assert!((sigma - found).abs() <= 1e-9 * sigma, "{} {}", sigma, found);
                    }
                }
            }
        }

        #[test]
        fn streaming_equals_batch_bit_for_bit(values in prop::collection::vec(prop_oneof![9 => -1e3..1e3_f64, 1 => Just(f64::NAN)], 0..120)) {
            let mut stream = RobustZ::new(16, 4.0).unwrap();
            let batch = stream.score(&values);
            for (v, b) in values.iter().zip(batch) {
                let s = stream.push(*v);
                prop_assert_eq!(s.severity.to_bits(), b.severity.to_bits());
                prop_assert_eq!(s.expected.to_bits(), b.expected.to_bits());
            }
        }
    }

    #[test]
    fn missing_and_infinite_values_do_not_spoil_the_window() {
        let mut detector = RobustZ::new(16, 4.0).unwrap();
        (0..20).for_each(|i| {
            detector.push(f64::from(i % 4));
        });
        let before = detector.clone();
        assert_eq!(detector.push(f64::NAN).judgement, Judgement::Missing);
        assert!(detector.push(f64::INFINITY).is_anomaly());
        assert_eq!(detector, before);
    }

    #[test]
    fn a_constant_series_flags_any_change() {
        let mut detector = RobustZ::new(16, 4.0).unwrap();
        (0..20).for_each(|_| {
            detector.push(5.0);
        });
        assert!(!detector.push(5.0).is_anomaly());
        assert!(detector.push(5.1).is_anomaly());
    }
}
