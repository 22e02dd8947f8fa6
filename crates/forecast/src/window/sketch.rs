//! Quantiles with bounded relative error in bounded memory.

use super::Summary;
use std::collections::BTreeMap;

/// Why a sketch could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SketchError {
    /// The accuracy is outside its range.
    #[error("relative accuracy {accuracy}, expected 0.0001 to 0.5")]
    Accuracy {
        /// As given.
        accuracy: f64,
    },
    /// Too few buckets.
    #[error("{buckets} buckets, expected at least 2")]
    Buckets {
        /// As given.
        buckets: usize,
    },
}

/// Counts in buckets whose borders grow by a constant factor (`DDSketch`, Masson et al. 2019).
///
/// A quantile read from it is within the relative accuracy of a value of that rank, as long as the values above the median
/// in absolute terms need no more than the allowed number of buckets; beyond that the buckets nearest to zero are joined.
/// Merging adds counts: order does not matter. Values that are not finite are counted apart and ignored by quantiles.
///
/// # Example
/// ```
/// use ecosystem_forecast::window::{QuantileSketch, Summary};
/// let mut sketch = QuantileSketch::default();
/// (1..=1000).for_each(|v| sketch.add(f64::from(v)));
/// let p99 = sketch.quantile(0.99).expect("not empty");
/// assert!((p99 - 990.0).abs() <= 9.91);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct QuantileSketch {
    gamma_ln: f64,
    most: usize,
    positive: BTreeMap<i32, u64>,
    negative: BTreeMap<i32, u64>,
    zeros: u64,
    ignored: u64,
}

/// One per cent, and 2,048 buckets: 17 orders of magnitude on each side of zero before any are joined.
impl Default for QuantileSketch {
    fn default() -> Self {
        Self::build(0.01, 2048)
    }
}

impl QuantileSketch {
    /// A sketch with a relative accuracy (0.0001 to 0.5) and at most `buckets` buckets on each side of zero.
    pub fn new(accuracy: f64, buckets: usize) -> Result<Self, SketchError> {
        if !(0.0001..=0.5).contains(&accuracy) {
            return Err(SketchError::Accuracy { accuracy });
        }
        if buckets < 2 {
            return Err(SketchError::Buckets { buckets });
        }
        Ok(Self::build(accuracy, buckets))
    }

    fn build(accuracy: f64, most: usize) -> Self {
        let gamma_ln = ((1.0 + accuracy) / (1.0 - accuracy)).ln();
        Self { gamma_ln, most, positive: BTreeMap::new(), negative: BTreeMap::new(), zeros: 0, ignored: 0 }
    }

    /// Number of finite values.
    pub fn count(&self) -> u64 {
        self.zeros + self.positive.values().sum::<u64>() + self.negative.values().sum::<u64>()
    }

    /// Number of values that were not finite.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// The value of rank ⌊q·(n − 1)⌋ within the relative accuracy; None without values or for q outside 0 … 1.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = (q * (count - 1) as f64) as u64;
        let mut seen = 0;
        for (&index, &c) in self.negative.iter().rev() {
            seen += c;
            if seen > rank {
                return Some(-self.centre(index));
            }
        }
        seen += self.zeros;
        if seen > rank {
            return Some(0.0);
        }
        for (&index, &c) in &self.positive {
            seen += c;
            if seen > rank {
                return Some(self.centre(index));
            }
        }
        None
    }

    /// Bucket i holds γ^(i−1) < |v| ≤ γ^i; its centre has equal relative distance from both ends.
    fn centre(&self, index: i32) -> f64 {
        let gamma = self.gamma_ln.exp();
        (2.0 * (f64::from(index) * self.gamma_ln).exp() / (1.0 + gamma)).min(f64::MAX)
    }

    fn settle(&mut self) {
        for side in [&mut self.positive, &mut self.negative] {
            while side.len() > self.most {
                let Some((_, count)) = side.pop_first() else { break };
                if let Some(mut next) = side.first_entry() {
                    *next.get_mut() += count;
                }
            }
        }
    }
}

impl Summary for QuantileSketch {
    fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.ignored += 1;
        } else if value == 0.0 {
            self.zeros += 1;
        } else {
            let index = (value.abs().ln() / self.gamma_ln).ceil() as i32;
            let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
            *side.entry(index).or_insert(0) += 1;
            if side.len() > self.most {
                self.settle();
            }
        }
    }

    /// The accuracy of `self` stays; buckets of a sketch with another accuracy are counted at their centres.
    fn merge(&mut self, other: &Self) {
        let same = self.gamma_ln.to_bits() == other.gamma_ln.to_bits();
        for (mine, theirs) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            for (&index, &count) in theirs {
                let index =
                    if same { index } else { (other.centre(index).ln() / self.gamma_ln).ceil() as i32 };
                *mine.entry(index).or_insert(0) += count;
            }
        }
        self.zeros += other.zeros;
        self.ignored += other.ignored;
        self.settle();
    }
}
