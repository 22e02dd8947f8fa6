//! Regular series: equally spaced values with gaps.

/// Equally spaced values, oldest first; NaN marks a missing sample.
///
/// Value `i` belongs to the moment `start_unix_ms + i * period_ms`.
///
/// # Example
/// ```
/// use ecosystem_forecast::Series;
/// let cpu = Series::new(0, 300_000, vec![1.0, f64::NAN, 3.0])?;
/// assert_eq!(cpu.at_unix_ms(2), 600_000);
/// assert_eq!(cpu.missing(), 1);
/// assert_eq!(cpu.filled(&[]).values(), [1.0, 2.0, 3.0]);
/// # Ok::<(), ecosystem_forecast::SeriesError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "RawSeries"))]
pub struct Series {
    start_unix_ms: u64,
    period_ms: u64,   // INVARIANT: > 0
    values: Vec<f64>, // INVARIANT: finite or NaN
}

/// Why a series could not be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// The sampling period is zero.
    #[error("period is 0 ms: expected at least 1 ms")]
    Period,
    /// A value is infinite; missing samples are NaN.
    #[error("value {value} at index {index} is infinite: expected a finite number, or NaN for missing")]
    Infinite {
        /// Position of the value.
        index: usize,
        /// The value.
        value: f64,
    },
}

impl Series {
    /// Checks and takes the values.
    pub fn new(start_unix_ms: u64, period_ms: u64, values: Vec<f64>) -> Result<Self, SeriesError> {
        if period_ms == 0 {
            return Err(SeriesError::Period);
        }
        if let Some(index) = values.iter().position(|v| v.is_infinite()) {
            return Err(SeriesError::Infinite { index, value: values[index] });
        }
        Ok(Self { start_unix_ms, period_ms, values })
    }

    /// Moment of the first value.
    pub const fn start_unix_ms(&self) -> u64 {
        self.start_unix_ms
    }

    /// Distance of two values.
    pub const fn period_ms(&self) -> u64 {
        self.period_ms
    }

    /// The values, NaN where missing.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Number of values, missing ones included.
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// True when there is no value at all.
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Number of missing values.
    pub fn missing(&self) -> usize {
        self.values.iter().filter(|v| v.is_nan()).count()
    }

    /// Moment of value `index`, also beyond the end (saturating at the end of time).
    pub fn at_unix_ms(&self, index: usize) -> u64 {
        self.start_unix_ms.saturating_add((index as u64).saturating_mul(self.period_ms))
    }

    /// Moment just after the last value: where a forecast begins.
    pub fn end_unix_ms(&self) -> u64 {
        self.at_unix_ms(self.values.len())
    }

    /// Appends the next value (NaN when missing).
    pub fn push(&mut self, value: f64) -> Result<(), SeriesError> {
        if value.is_infinite() {
            return Err(SeriesError::Infinite { index: self.values.len(), value });
        }
        self.values.push(value);
        Ok(())
    }

    /// The newest `count` values (all of them when there are fewer).
    #[must_use]
    pub fn tail(&self, count: usize) -> Self {
        let from = self.values.len().saturating_sub(count);
        Self {
            start_unix_ms: self.at_unix_ms(from),
            period_ms: self.period_ms,
            values: self.values[from..].to_vec(),
        }
    }

    /// Splits into what was known before value `index` and what came after.
    pub fn split_at(&self, index: usize) -> (Self, Self) {
        let at = index.min(self.values.len());
        let first = Self {
            start_unix_ms: self.start_unix_ms,
            period_ms: self.period_ms,
            values: self.values[..at].to_vec(),
        };
        let second = Self {
            start_unix_ms: self.at_unix_ms(at),
            period_ms: self.period_ms,
            values: self.values[at..].to_vec(),
        };
        (first, second)
    }

    /// Gaps filled by interpolation, seasonally where a season fits; see [`fill_gaps`](crate::fill_gaps).
    #[must_use]
    pub fn filled(&self, seasons: &[usize]) -> Self {
        Self {
            start_unix_ms: self.start_unix_ms,
            period_ms: self.period_ms,
            values: crate::gaps::fill_gaps(&self.values, seasons),
        }
    }

    /// Steps of this series in a span, at least 1: 86,400,000 ms give the daily season.
    pub fn steps_in_ms(&self, span_ms: u64) -> usize {
        usize::try_from((span_ms / self.period_ms).max(1)).unwrap_or(usize::MAX)
    }
}

#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct RawSeries {
    start_unix_ms: u64,
    period_ms: u64,
    values: Vec<Option<f64>>,
}

#[cfg(feature = "serde")]
impl TryFrom<RawSeries> for Series {
    type Error = SeriesError;
    fn try_from(raw: RawSeries) -> Result<Self, SeriesError> {
        let values = raw.values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        Self::new(raw.start_unix_ms, raw.period_ms, values)
    }
}
