//! A forecast: point values and prediction intervals.

use crate::error::PredictError;

/// Longest horizon any model predicts: a month of minutes and some more. It bounds time and memory of one call.
pub const MAX_HORIZON: usize = 50_000;

/// Values to come, one per step of the sampling period, first the step after the last observation.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Forecast {
    /// Expected value per step.
    pub point: Vec<f64>,
    /// One entry per level asked for, in the order asked.
    pub intervals: Vec<Interval>,
}

/// A central prediction interval: the value lies inside with probability `level`, above `upper` with `(1 - level) / 2`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Interval {
    /// Probability of lying inside, strictly between 0 and 1.
    pub level: f64,
    /// Lower end per step.
    pub lower: Vec<f64>,
    /// Upper end per step.
    pub upper: Vec<f64>,
}

impl Interval {
    /// Puts an interval together from its ends.
    ///
    /// # Panics
    /// When `lower` and `upper` have different lengths.
    pub fn new(level: f64, lower: Vec<f64>, upper: Vec<f64>) -> Self {
        assert_eq!(lower.len(), upper.len(), "both ends of an interval have the same number of steps");
        Self { level, lower, upper }
    }
}

impl Forecast {
    /// A forecast without intervals.
    ///
    /// # Example
    /// ```
    /// let f = ecosystem_forecast::Forecast::from_point(vec![1.0, 2.0]);
    /// assert_eq!(f.horizon(), 2);
    /// assert!(f.intervals.is_empty());
    /// ```
    pub fn from_point(point: Vec<f64>) -> Self {
        Self { point, intervals: Vec::new() }
    }

    /// The same forecast with intervals.
    #[must_use]
    pub fn with_intervals(mut self, intervals: Vec<Interval>) -> Self {
        self.intervals = intervals;
        self
    }

    /// Number of steps predicted.
    pub fn horizon(&self) -> usize {
        self.point.len()
    }

    /// The interval of a level, if it was asked for.
    pub fn interval(&self, level: f64) -> Option<&Interval> {
        self.intervals.iter().find(|i| (i.level - level).abs() < 1e-9)
    }

    /// Raises and lowers every number into `[low, high]`, for quantities with natural limits (a share of CPU, a count).
    #[must_use]
    pub fn clamped(mut self, low: f64, high: f64) -> Self {
        self.clamp(low, high);
        self
    }

    /// [`clamped`](Self::clamped) in place.
    pub(crate) fn clamp(&mut self, low: f64, high: f64) {
        let clamp = |v: &mut Vec<f64>| v.iter_mut().for_each(|x| *x = x.max(low).min(high));
        clamp(&mut self.point);
        for interval in &mut self.intervals {
            clamp(&mut interval.lower);
            clamp(&mut interval.upper);
        }
    }

    /// Fills this forecast with means and normal intervals from `step(h)` = mean and standard deviation, called once per step in
    /// order. Keeps its allocations.
    pub(crate) fn write_normal(
        &mut self,
        horizon: usize,
        levels: &[f64],
        mut step: impl FnMut(usize) -> (f64, f64),
    ) {
        self.point.clear();
        self.intervals.resize_with(levels.len(), Interval::default);
        for band in &mut self.intervals {
            band.lower.clear();
            band.upper.clear();
        }
        for h in 0..horizon {
            let (mean, sigma) = step(h);
            self.point.push(mean);
            for band in &mut self.intervals {
                band.lower.push(mean);
                band.upper.push(sigma);
            }
        }
        for (band, &level) in self.intervals.iter_mut().zip(levels) {
            band.level = level;
            let z = crate::stats::normal_quantile(0.5 + level / 2.0);
            for (low, high) in band.lower.iter_mut().zip(&mut band.upper) {
                let (mean, reach) = (*low, z * *high);
                (*low, *high) = (mean - reach, mean + reach);
            }
        }
    }

    /// Lets `points` write the point values, then opens one band per level whose ends both lie on them. Keeps its allocations.
    pub(crate) fn write_points(
        &mut self,
        levels: &[f64],
        points: impl FnOnce(&mut Self) -> Result<(), PredictError>,
    ) -> Result<(), PredictError> {
        let mut bands = std::mem::take(&mut self.intervals);
        points(self)?;
        bands.resize_with(levels.len(), Interval::default);
        for (band, &level) in bands.iter_mut().zip(levels) {
            band.level = level;
            band.lower.clone_from(&self.point);
            band.upper.clone_from(&self.point);
        }
        self.intervals = bands;
        Ok(())
    }
}

/// Checks horizon and levels of a prediction.
pub(crate) fn check_request(horizon: usize, levels: &[f64]) -> Result<(), PredictError> {
    if horizon == 0 || horizon > MAX_HORIZON {
        return Err(PredictError::Horizon { horizon });
    }
    for (index, &level) in levels.iter().enumerate() {
        if !(level > 0.0 && level < 1.0) {
            return Err(PredictError::Level { index, level });
        }
    }
    Ok(())
}
