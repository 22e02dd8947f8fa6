//! Counters that only grow, and start again from zero.

use super::{Detector, Judgement, Score};
use crate::error::MAX_MAGNITUDE;

/// Growth of a counter from row to row.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Growth {
    /// Growth per row since the last known value: over a gap, its mean.
    Known(f64),
    /// The counter started again; it has grown by at least this much in the row (what it had counted before the restart is lost).
    AtLeast(f64),
    /// No value, or no earlier one.
    Unknown,
}

/// Turns one counter into its growth, row by row.
///
/// A value below the last one is a restart (as in Prometheus' `increase`), unless the counter has a known modulus and went
/// from its last to its first quarter: then it wrapped around. O(1), no allocation.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{Counter, Growth};
/// let mut counter = Counter::default();
/// let rows = [100.0, 130.0, f64::NAN, 170.0, 25.0, 60.0];
/// let growth: Vec<Growth> = rows.iter().map(|v| counter.push(*v)).collect();
/// assert_eq!(growth[1..4], [Growth::Known(30.0), Growth::Unknown, Growth::Known(20.0)]);
/// assert_eq!(growth[4..], [Growth::AtLeast(25.0), Growth::Known(35.0)]);
/// assert_eq!(counter.restarts(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counter {
    modulus: Option<f64>,
    last: Option<f64>,
    /// Rows since the last known value.
    gap: u32,
    restarts: u64,
}

impl Counter {
    /// The counter wraps around at this value (2³² for old interface counters); not positive or infinite: never.
    #[must_use]
    pub fn with_modulus(mut self, modulus: f64) -> Self {
        self.modulus = (modulus > 0.0 && modulus.is_finite()).then_some(modulus);
        self
    }

    /// Restarts so far.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Takes in the next reading; NaN, negative and infinite ones are unknown.
    pub fn push(&mut self, reading: f64) -> Growth {
        self.gap = self.gap.saturating_add(1);
        if !(0.0..=MAX_MAGNITUDE).contains(&reading) {
            return Growth::Unknown;
        }
        let rows = f64::from(std::mem::take(&mut self.gap));
        let Some(last) = self.last.replace(reading) else { return Growth::Unknown };
        if reading >= last {
            return Growth::Known((reading - last) / rows);
        }
        if let Some(modulus) = self.modulus.filter(|m| last > 0.75 * m && reading < 0.25 * m) {
            return Growth::Known((modulus - last).max(0.0) / rows + reading / rows);
        }
        self.restarts = self.restarts.saturating_add(1);
        Growth::AtLeast(reading / rows)
    }
}

/// Any detector of values on the growth of a counter, which a restart cannot fool.
///
/// In the row of a restart only a lower bound of the growth is known. It is an anomaly if even the bound lies above the band, and
/// otherwise missing: a dip that is none teaches nothing and wakes nobody. A row after a gap brings the mean growth of the gap.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{Detector, Judgement, OfCounter, RobustZ};
/// let mut detector = OfCounter::new(RobustZ::new(60, 6.0)?);
/// let mut total = 0.0;
/// for row in 0..200_u32 {
///     total = if row == 150 { 40.0 } else { total + 100.0 + f64::from(row % 7) }; // the process restarts in row 150
///     assert!(!detector.push(total).is_anomaly());
/// }
/// assert!(detector.push(total + 900.0).is_anomaly());
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OfCounter<D> {
    counter: Counter,
    detector: D,
}

impl<D: Detector> OfCounter<D> {
    /// Judges the growth by this detector.
    pub fn new(detector: D) -> Self {
        Self { counter: Counter::default(), detector }
    }

    /// The counter wraps around at this value.
    #[must_use]
    pub fn with_modulus(mut self, modulus: f64) -> Self {
        self.counter = self.counter.with_modulus(modulus);
        self
    }

    /// Restarts so far.
    pub fn restarts(&self) -> u64 {
        self.counter.restarts()
    }
}

impl<D: Detector> Detector for OfCounter<D> {
    fn push(&mut self, value: f64) -> Score {
        match self.counter.push(value) {
            Growth::Known(growth) => self.detector.push(growth),
            Growth::Unknown => self.detector.push(f64::NAN),
            Growth::AtLeast(growth) => {
                let bound = self.detector.score(&[growth]).pop().unwrap_or_default();
                if bound.is_anomaly() && growth > bound.upper {
                    return self.detector.push(growth);
                }
                let mut score = self.detector.push(f64::NAN);
                score.judgement = Judgement::Missing;
                score
            }
        }
    }
}

/// Rows of metrics, some of them counters, as rows of levels and growth: for detectors of rows, which take NaN as missing.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::CounterRows;
/// let rows: Vec<Vec<f64>> = (0..50).map(|t| vec![f64::from(t % 7), f64::from(t * 30)]).collect();
/// let mut growth = CounterRows::find(&rows);
/// assert_eq!(growth.counters(), [1]);
/// growth.push(&rows[0]);
/// assert_eq!(growth.push(&rows[1]), [1.0, 30.0]);
/// assert!(growth.push(&[3.0, 5.0])[1].is_nan(), "a restart");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CounterRows {
    columns: Vec<Option<Counter>>,
}

/// Fewest steps from which a counter is told.
const LEAST_STEPS: usize = 20;

impl CounterRows {
    /// These columns of `columns` are counters; others stay as they are.
    pub fn new(columns: usize, counters: &[usize]) -> Self {
        Self { columns: (0..columns).map(|j| counters.contains(&j).then(Counter::default)).collect() }
    }

    /// Finds the counters: columns that never are negative, rise in nine of ten steps, and when they fall, fall to less than half
    /// (a restart), at most once in twenty steps.
    pub fn find(rows: &[Vec<f64>]) -> Self {
        let columns = rows.first().map_or(0, Vec::len);
        let is_counter = |j: usize| {
            let known: Vec<f64> =
                rows.iter().filter_map(|r| r.get(j).copied()).filter(|v| !v.is_nan()).collect();
            let steps = known.len().saturating_sub(1);
            let up = known.windows(2).filter(|w| w[1] > w[0]).count();
            let restarts = known.windows(2).filter(|w| w[1] < 0.5 * w[0]).count();
            let down = known.windows(2).filter(|w| w[1] < w[0]).count();
            steps >= LEAST_STEPS
                && known.iter().all(|v| *v >= 0.0)
                && 10 * up >= 9 * steps
                && down == restarts
                && 20 * restarts <= steps
        };
        Self { columns: (0..columns).map(|j| is_counter(j).then(Counter::default)).collect() }
    }

    /// Positions of the counters.
    pub fn counters(&self) -> Vec<usize> {
        self.columns.iter().enumerate().filter(|(_, c)| c.is_some()).map(|(j, _)| j).collect()
    }

    /// The next row with growth in place of counters; NaN in the first row and at restarts.
    pub fn push(&mut self, row: &[f64]) -> Vec<f64> {
        let mut out = row.to_vec();
        for (value, counter) in out.iter_mut().zip(&mut self.columns) {
            if let Some(counter) = counter {
                *value = match counter.push(*value) {
                    Growth::Known(growth) => growth,
                    Growth::AtLeast(_) | Growth::Unknown => f64::NAN,
                };
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        anomaly::{Ensemble, EnsembleSettings, RobustZ},
        rng::Pcg,
    };

    /// A day of requests, restarted at some rows; `burst` rows ten times as many.
    fn readings(restarts: &[usize], burst: &[usize], seed: u64) -> Vec<f64> {
        let (mut rng, mut total) = (Pcg::new(seed), 5000.0);
        (0..1500)
            .map(|t| {
                let usual =
                    200.0 + 50.0 * (t as f64 / 288.0 * std::f64::consts::TAU).sin() + 5.0 * rng.normal();
                let growth = if burst.contains(&t) { 10.0 * usual } else { usual };
                // A restart loses what was counted since the last reading, here the first half of the row.
                total = if restarts.contains(&t) { 0.5 * growth } else { total + growth };
                total
            })
            .collect()
    }

    #[test]
    fn restarts_raise_no_alarm_where_plain_differences_do() {
        let restarts = [700, 900, 901, 1200];
        let values = readings(&restarts, &[], 3);
        let alarms = |scores: &[Score]| scores.iter().filter(|s| s.is_anomaly()).count();
        let detector = RobustZ::new(288, 8.0).unwrap();
        let differences: Vec<f64> = values.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(alarms(&detector.score(&differences)) >= restarts.len() - 1, "the control sees them");
        let mut ours = OfCounter::new(detector);
        let scores: Vec<Score> = values.iter().map(|v| ours.push(*v)).collect();
        assert_eq!(alarms(&scores), 0);
        assert!(restarts.iter().all(|r| scores[*r].judgement == Judgement::Missing));
        assert_eq!(ours.restarts(), restarts.len() as u64);
    }

    #[test]
    fn a_burst_is_seen_even_in_the_row_of_a_restart_and_also_by_the_ensemble() {
        let values = readings(&[1000], &[1000, 1300], 4);
        let seen = |scores: Vec<Score>| [1000, 1300].map(|r: usize| scores[r].is_anomaly());
        assert_eq!(seen(OfCounter::new(RobustZ::new(288, 8.0).unwrap()).score(&values)), [true, true]);
        let ensemble = Ensemble::new(&EnsembleSettings::default()).unwrap();
        assert_eq!(seen(OfCounter::new(ensemble).score(&values)), [true, true]);
    }

    #[test]
    fn a_counter_of_32_bits_wraps_around_and_does_not_restart() {
        let modulus = 4_294_967_296.0;
        let mut counter = Counter::default().with_modulus(modulus);
        counter.push(modulus - 100.0);
        assert_eq!(counter.push(50.0), Growth::Known(150.0));
        assert_eq!(counter.push(20.0), Growth::AtLeast(20.0), "not from the last quarter: a restart");
        assert_eq!(counter.restarts(), 1);
    }

    #[test]
    fn strange_readings_are_unknown_and_disturb_nothing() {
        let mut counter = Counter::default();
        counter.push(10.0);
        for strange in [f64::NAN, f64::INFINITY, -1.0, 1e200] {
            assert_eq!(counter.push(strange), Growth::Unknown);
        }
        assert_eq!(counter.push(60.0), Growth::Known(10.0), "fifty in five rows");
    }

    #[test]
    fn columns_that_only_grow_are_found_restarts_or_not() {
        let (mut rng, mut total) = (Pcg::new(6), 0.0);
        let rows: Vec<Vec<f64>> = readings(&[400], &[], 5)
            .into_iter()
            .map(|counter| {
                total += rng.normal();
                vec![rng.normal(), counter, 7.0, total]
            })
            .collect();
        assert_eq!(CounterRows::find(&rows).counters(), [1], "noise, a constant and a random walk are none");
        assert_eq!(CounterRows::find(&rows[..10]).counters(), [0_usize; 0], "too few");
        let mut growth = CounterRows::new(4, &[1]);
        let out: Vec<Vec<f64>> = rows.iter().map(|r| growth.push(r)).collect();
        assert!(out[0][1].is_nan() && out[400][1].is_nan() && (out[401][1] - 200.0).abs() < 80.0);
        assert_eq!(out[5][0].to_bits(), rows[5][0].to_bits());
    }
}
