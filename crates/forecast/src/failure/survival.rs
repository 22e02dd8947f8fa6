//! How long parts live, when some have not failed yet.

/// Why survival times could not be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SurvivalError {
    /// No times, or lists of different lengths.
    #[error("{times} times and {events} events: expected as many of one as of the other, at least 1")]
    Length {
        /// Times.
        times: usize,
        /// Events.
        events: usize,
    },
    /// A time that is negative or not finite.
    #[error("time {value} at index {index}: expected a finite number from 0 on")]
    Time {
        /// Position.
        index: usize,
        /// The offending value.
        value: f64,
    },
}

pub(super) fn check_times(times: &[f64], events: &[bool]) -> Result<(), SurvivalError> {
    if times.is_empty() || times.len() != events.len() {
        return Err(SurvivalError::Length { times: times.len(), events: events.len() });
    }
    match times.iter().position(|t| !(t.is_finite() && *t >= 0.0)) {
        Some(index) => Err(SurvivalError::Time { index, value: times[index] }),
        None => Ok(()),
    }
}

/// The curve at one failure time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SurvivalPoint {
    /// Time.
    pub time: f64,
    /// Parts under observation just before.
    pub at_risk: usize,
    /// Failures at this time.
    pub failures: usize,
    /// Share that lives longer.
    pub survival: f64,
    /// Standard error of the share (Greenwood).
    pub error: f64,
    /// Cumulative hazard (Nelson–Aalen).
    pub hazard: f64,
}

/// The product-limit estimate of survival.
///
/// Kaplan & Meier (1958), Nonparametric estimation from incomplete observations, JASA 53. Cost O(n log n).
///
/// # Example
/// ```
/// use ecosystem_forecast::failure::KaplanMeier;
/// // Disks by age in days; three of them still run.
/// let curve = KaplanMeier::fit(&[5.0, 6.0, 6.0, 8.0, 9.0, 9.0], &[true, true, false, true, false, false])?;
/// assert!((curve.survival(6.5) - 5.0 / 6.0 * 4.0 / 5.0).abs() < 1e-12);
/// # Ok::<(), ecosystem_forecast::failure::SurvivalError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KaplanMeier {
    points: Vec<SurvivalPoint>,
}

impl KaplanMeier {
    /// From times and whether the part failed then (or was only seen until then).
    pub fn fit(times: &[f64], failed: &[bool]) -> Result<Self, SurvivalError> {
        check_times(times, failed)?;
        let mut rows: Vec<(f64, bool)> = times.iter().copied().zip(failed.iter().copied()).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut points, mut at) = (Vec::new(), 0);
        let (mut survival, mut hazard, mut greenwood) = (1.0, 0.0, 0.0);
        while at < rows.len() {
            let time = rows[at].0;
            let tied = rows[at..].iter().take_while(|r| r.0 == time).count();
            let failures = rows[at..at + tied].iter().filter(|r| r.1).count();
            let at_risk = rows.len() - at;
            at += tied;
            if failures == 0 {
                continue;
            }
            let (d, n) = (failures as f64, at_risk as f64);
            survival *= 1.0 - d / n;
            hazard += d / n;
            greenwood += if d < n { d / (n * (n - d)) } else { 0.0 };
            let error = survival * f64::sqrt(greenwood);
            points.push(SurvivalPoint { time, at_risk, failures, survival, error, hazard });
        }
        Ok(Self { points })
    }

    /// The curve at every failure time.
    pub fn points(&self) -> &[SurvivalPoint] {
        &self.points
    }

    fn at(&self, time: f64) -> Option<&SurvivalPoint> {
        self.points[..self.points.partition_point(|p| p.time <= time)].last()
    }

    /// Share that lives longer than `time`.
    pub fn survival(&self, time: f64) -> f64 {
        self.at(time).map_or(1.0, |p| p.survival)
    }

    /// Lower and upper limit of the share at a confidence level, by the log–log transform (stays within 0 and 1).
    pub fn interval(&self, time: f64, level: f64) -> (f64, f64) {
        let Some(p) = self.at(time) else { return (1.0, 1.0) };
        if p.survival <= 0.0 || p.survival >= 1.0 {
            return (p.survival, p.survival);
        }
        let z = crate::stats::normal_quantile(0.5 + level.clamp(0.0, 1.0 - 1e-12) / 2.0);
        let log = p.survival.ln();
        let theta = z * p.error / (p.survival * log);
        (p.survival.powf((-theta).exp()), p.survival.powf(theta.exp()))
    }

    /// Probability that a part of this age fails within the next `horizon`.
    pub fn failure_within(&self, age: f64, horizon: f64) -> f64 {
        let now = self.survival(age);
        if now > 0.0 { 1.0 - self.survival(age + horizon) / now } else { 1.0 }
    }

    /// First time by which half of the parts have failed; `None` when fewer have.
    pub fn median(&self) -> Option<f64> {
        self.points.iter().find(|p| p.survival <= 0.5).map(|p| p.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_of_the_leukaemia_trial_is_that_of_the_textbook() {
        // Freireich et al. (1963), treated group, as printed in Kalbfleisch & Prentice: S(6) 0.8571, S(7) 0.8067,
        // S(10) 0.7529, S(13) 0.6902, S(16) 0.6275, S(22) 0.5378, S(23) 0.4482.
        let times = [
            6., 6., 6., 6., 7., 9., 10., 10., 11., 13., 16., 17., 19., 20., 22., 23., 25., 32., 32., 34., 35.,
        ];
        let failed = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0].map(|e| e == 1);
        let curve = KaplanMeier::fit(&times, &failed).unwrap();
        let expected = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482];
        assert_eq!(curve.points().len(), expected.len());
        for (p, e) in curve.points().iter().zip(expected) {
            assert!((p.survival - e).abs() < 5e-5, "{p:?}");
        }
        assert_eq!(curve.median(), Some(23.0));
        // Greenwood's standard error at 6 weeks: 0.0764
        assert!((curve.points()[0].error - 0.0764).abs() < 5e-5);
        let (low, high) = curve.interval(10.0, 0.95);
        assert!(low < 0.7529 && high > 0.7529 && low > 0.4 && high < 1.0);
    }

    #[test]
    fn bad_times_are_errors() {
        assert!(KaplanMeier::fit(&[], &[]).is_err() && KaplanMeier::fit(&[1.0], &[]).is_err());
        assert!(KaplanMeier::fit(&[f64::NAN], &[true]).is_err());
    }
}
