//! All anomalies of a slice at once, with the statistics they were judged by.

use super::{Detector, Direction, Judgement};
use crate::{
    alert::Severity,
    stats::{mad_sigma, mean, median_in_place, variance},
};

/// Statistics of the values that are not missing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Statistics {
    /// Values, missing ones left out.
    pub count: usize,
    /// Missing values.
    pub missing: usize,
    /// Arithmetic mean; NaN without values, like all below.
    pub mean: f64,
    /// Population standard deviation.
    pub deviation: f64,
    /// Median.
    pub median: f64,
    /// Robust standard deviation: 1.4826 × median absolute deviation.
    pub robust_deviation: f64,
    /// Smallest value.
    pub least: f64,
    /// Largest value.
    pub largest: f64,
}

/// One anomalous value.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Anomaly {
    /// Position in the slice.
    pub row: usize,
    /// The value.
    pub value: f64,
    /// What was expected.
    pub expected: f64,
    /// Side of the band.
    pub direction: Direction,
    /// Distance in the detector's units.
    pub score: f64,
    /// Distance over that of the band's end, in four steps.
    pub severity: Severity,
}

/// What a detector finds in a slice.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AnomalyReport {
    /// Anomalous values, in order.
    pub anomalies: Vec<Anomaly>,
    /// Runs of neighbouring anomalies.
    pub events: usize,
    /// Share of the judged values that are anomalous; 0 when none was judged.
    pub rate: f64,
    /// Values that were judged: neither missing nor before the detector was warm.
    pub judged: usize,
    /// Statistics of the slice.
    pub statistics: Statistics,
}

fn statistics(values: &[f64]) -> Statistics {
    let mut known: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let nan = f64::NAN;
    let missing = values.iter().filter(|v| v.is_nan()).count();
    if known.is_empty() {
        let (count, least, largest) = (0, nan, nan);
        return Statistics {
            count,
            missing,
            mean: nan,
            deviation: nan,
            median: nan,
            robust_deviation: nan,
            least,
            largest,
        };
    }
    Statistics {
        count: known.len(),
        missing,
        mean: mean(&known),
        deviation: variance(&known).sqrt(),
        least: known.iter().copied().fold(f64::INFINITY, f64::min),
        largest: known.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        median: median_in_place(&mut known.clone()),
        robust_deviation: mad_sigma(&mut known),
    }
}

impl AnomalyReport {
    /// Lets the detector judge the slice value by value, as it would a stream. O(n) calls of the detector and O(n log n).
    ///
    /// # Example
    /// ```
    /// use ecosystem_forecast::anomaly::{AnomalyReport, Direction, RobustZ};
    /// let mut load: Vec<f64> = (0..200).map(|i| 40.0 + f64::from(i % 7)).collect();
    /// load[150] = 2.0;
    /// let report = AnomalyReport::of(&RobustZ::new(60, 6.0)?, &load);
    /// assert_eq!((report.anomalies[0].row, report.anomalies[0].direction), (150, Direction::Below));
    /// assert_eq!((report.events, report.statistics.least), (1, 2.0));
    /// # Ok::<(), ecosystem_forecast::FitError>(())
    /// ```
    pub fn of(detector: &impl Detector, values: &[f64]) -> Self {
        let scores = detector.score(values);
        let judged = |j: Judgement| matches!(j, Judgement::Normal | Judgement::Anomalous);
        let (mut anomalies, mut events, mut inside) = (Vec::new(), 0, false);
        for (row, s) in scores.iter().enumerate() {
            let begins = s.is_anomaly() && !inside;
            events += usize::from(begins);
            inside = s.is_anomaly();
            if s.is_anomaly() {
                let (value, expected, direction, score) = (s.value, s.expected, s.direction, s.severity);
                // Beyond the band by how many half-widths; a band of no width makes everything critical.
                let half =
                    if direction == Direction::Below { expected - s.lower } else { s.upper - expected };
                let ratio = if half > 0.0 { (value - expected).abs() / half } else { f64::INFINITY };
                let severity = Severity::of_ratio(ratio);
                anomalies.push(Anomaly { row, value, expected, direction, score, severity });
            }
        }
        let judged = scores.iter().filter(|s| judged(s.judgement)).count();
        let rate = anomalies.len() as f64 / judged.max(1) as f64;
        Self { anomalies, events, rate, judged, statistics: statistics(values) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::{RobustZ, ZScore};

    #[test]
    fn a_report_counts_events_rate_and_missing_values() {
        let mut values: Vec<f64> = (0..400).map(|i| f64::from(i % 11)).collect();
        values[300..304].fill(300.0);
        values[350] = -500.0;
        values[20] = f64::NAN;
        let report = AnomalyReport::of(&RobustZ::new(100, 8.0).unwrap(), &values);
        let rows: Vec<usize> = report.anomalies.iter().map(|a| a.row).collect();
        assert_eq!(rows, [300, 301, 302, 303, 350]);
        assert_eq!((report.events, report.statistics.missing, report.statistics.count), (2, 1, 399));
        assert!((report.rate - 5.0 / report.judged as f64).abs() < 1e-12 && report.judged < 400);
        assert!(report.anomalies.iter().all(|a| a.severity == Severity::Critical));
        assert_eq!(report.anomalies[4].direction, Direction::Below);
    }

    #[test]
    fn statistics_are_those_of_the_textbook_and_of_nothing_for_nothing() {
        // numpy 2.4.6: mean, std, median of [2, 4, 4, 4, 5, 5, 7, 9]; MAD = 0.5
        let s = statistics(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0, f64::NAN]);
        assert_eq!((s.mean, s.deviation, s.median, s.count, s.missing), (5.0, 2.0, 4.5, 8, 1));
        assert!((s.robust_deviation - 0.5 * 1.482_602_218_505_602).abs() < 1e-6);
        let none = AnomalyReport::of(&ZScore::new(3.0).unwrap(), &[f64::NAN; 4]);
        assert!(none.statistics.mean.is_nan() && none.rate == 0.0 && none.anomalies.is_empty());
    }
}
