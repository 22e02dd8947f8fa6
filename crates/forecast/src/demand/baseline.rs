//! Decaying histogram of usage: the baseline of vertical autoscalers.

/// Why a histogram could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{name} is {value}: expected {expected}")]
pub struct HistogramError {
    name: &'static str,
    value: f64,
    expected: &'static str,
}

/// Usage samples in exponentially growing buckets whose weights halve every `half_life_ms`.
///
/// The percentile of the histogram times a safety margin is the recommendation of Kubernetes' Vertical Pod Autoscaler
/// (first bucket 0.01 cores, growth 5 %, half-life 24 h, 90th percentile, margin 15 %).
///
/// # Example
/// ```
/// use ecosystem_forecast::demand::DecayingHistogram;
/// let hour = 3_600_000;
/// let mut cpu = DecayingHistogram::new(0.01, 1.05, 24 * hour)?;
/// for h in 0..200 {
///     cpu.push(h * hour, if h < 100 { 4.0 } else { 1.0 });
/// }
/// let target = cpu.percentile(0.9).expect("has samples");
/// assert!((0.95..1.1).contains(&target), "{target}");            // the high hours are four half-lives ago
/// # Ok::<(), ecosystem_forecast::demand::HistogramError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DecayingHistogram {
    first: f64,
    growth: f64,
    half_life_ms: u64,
    reference_unix_ms: u64,
    weights: Vec<f64>,
    total: f64,
}

/// Most buckets.
const MAX_BUCKETS: usize = 1000;
/// The reference moves after so many half-lives, before weights overflow.
const SHIFT_AFTER: f64 = 100.0;

impl DecayingHistogram {
    /// `first` is the width of the first bucket (> 0), each next one is `growth` (1.001 to 2) times as wide.
    pub fn new(first: f64, growth: f64, half_life_ms: u64) -> Result<Self, HistogramError> {
        if !(first > 0.0 && first.is_finite()) {
            return Err(HistogramError { name: "first bucket", value: first, expected: "a positive number" });
        }
        if !(1.001..=2.0).contains(&growth) {
            return Err(HistogramError { name: "growth", value: growth, expected: "1.001 to 2" });
        }
        if half_life_ms == 0 {
            return Err(HistogramError { name: "half-life", value: 0.0, expected: "at least 1 ms" });
        }
        Ok(Self { first, growth, half_life_ms, reference_unix_ms: 0, weights: Vec::new(), total: 0.0 })
    }

    /// Bucket of a value: bucket `i` starts at `first·(growth^i - 1)/(growth - 1)`.
    fn bucket(&self, value: f64) -> usize {
        if value <= 0.0 {
            return 0;
        }
        let position = (value * (self.growth - 1.0) / self.first).ln_1p() / self.growth.ln();
        crate::stats::floor_usize(position).min(MAX_BUCKETS - 1)
    }

    fn start(&self, bucket: usize) -> f64 {
        self.first * (self.growth.powf(bucket as f64) - 1.0) / (self.growth - 1.0)
    }

    /// Adds a usage sample; NaN, infinities and negative values are ignored.
    pub fn push(&mut self, at_unix_ms: u64, value: f64) {
        if !(value >= 0.0 && value.is_finite()) {
            return;
        }
        if self.total <= 0.0 {
            self.reference_unix_ms = at_unix_ms;
        }
        let ages = |at: u64, reference: u64| (at as f64 - reference as f64) / self.half_life_ms as f64;
        let mut exponent = ages(at_unix_ms, self.reference_unix_ms);
        if exponent > SHIFT_AFTER {
            let scale = (-exponent).exp2();
            self.weights.iter_mut().for_each(|w| *w *= scale);
            self.total *= scale;
            self.reference_unix_ms = at_unix_ms;
            exponent = 0.0;
        }
        let weight = exponent.exp2();
        let bucket = self.bucket(value);
        if self.weights.len() <= bucket {
            self.weights.resize(bucket + 1, 0.0);
        }
        self.weights[bucket] += weight;
        self.total += weight;
    }

    /// Upper end of the bucket in which the weighted percentile (0 to 1) lies; `None` without samples.
    pub fn percentile(&self, p: f64) -> Option<f64> {
        let sum: f64 = self.weights.iter().sum();
        if sum <= 0.0 || !(0.0..=1.0).contains(&p) {
            return None;
        }
        let mut seen = 0.0;
        for (i, w) in self.weights.iter().enumerate() {
            seen += w;
            if *w > 0.0 && seen >= p * sum * (1.0 - 1e-12) {
                return Some(self.start(i + 1));
            }
        }
        Some(self.start(self.weights.len()))
    }
}
