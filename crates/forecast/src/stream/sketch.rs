//! Mergeable quantile sketch with relative error.

use std::collections::BTreeMap;

/// Counts per logarithmic bucket: any quantile is within a relative error of the true value, however many values were added.
///
/// Order of arrival and of merging never changes the result: the state is a set of integer counts. At most
/// [`MAX_BUCKETS`](Self::MAX_BUCKETS) buckets per sign are kept; beyond that the smallest magnitudes are merged.
///
/// Masson, Rim & Lee (2019), DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees, PVLDB 12.
///
/// # Example
/// ```
/// use ecosystem_forecast::stream::QuantileSketch;
/// let mut sketch = QuantileSketch::new(0.01)?;
/// (1..=1000).for_each(|v| sketch.push(f64::from(v)));
/// let p99 = sketch.quantile(0.99).expect("not empty");
/// assert!((p99 / 990.0 - 1.0).abs() < 0.011);
/// # Ok::<(), ecosystem_forecast::stream::SketchError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct QuantileSketch {
    accuracy: f64,
    positive: BTreeMap<i32, u64>,
    negative: BTreeMap<i32, u64>,
    zeros: u64,
}

/// Why sketches could not be made or merged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SketchError {
    /// Relative accuracy out of range.
    #[error("accuracy is {accuracy}: expected 0.0001 to 0.5")]
    Accuracy {
        /// What was given.
        accuracy: f64,
    },
    /// Sketches of different accuracy have different buckets.
    #[error("sketches of accuracy {left} and {right} cannot be merged")]
    Different {
        /// Of this sketch.
        left: f64,
        /// Of the other one.
        right: f64,
    },
}

impl QuantileSketch {
    /// Most buckets per sign.
    pub const MAX_BUCKETS: usize = 4096;

    /// `accuracy` is the relative error of quantiles, 0.0001 to 0.5.
    pub fn new(accuracy: f64) -> Result<Self, SketchError> {
        if !(1e-4..=0.5).contains(&accuracy) {
            return Err(SketchError::Accuracy { accuracy });
        }
        Ok(Self { accuracy, positive: BTreeMap::new(), negative: BTreeMap::new(), zeros: 0 })
    }

    fn gamma(&self) -> f64 {
        (1.0 + self.accuracy) / (1.0 - self.accuracy)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "|ln x| < 745 and accuracy >= 1e-4 bound the index by 4 million"
    )]
    fn index(&self, magnitude: f64) -> i32 {
        (magnitude.ln() / self.gamma().ln()).ceil() as i32
    }

    /// Adds a value; NaN and infinities are ignored.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if value.abs() < 1e-300 {
            self.zeros = self.zeros.saturating_add(1);
            return;
        }
        let index = self.index(value.abs());
        let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
        let slot = side.entry(index).or_insert(0);
        *slot = slot.saturating_add(1);
        collapse(side);
    }

    /// Adds all values of another sketch of the same accuracy.
    pub fn merge(&mut self, other: &Self) -> Result<(), SketchError> {
        if self.accuracy.to_bits() != other.accuracy.to_bits() {
            return Err(SketchError::Different { left: self.accuracy, right: other.accuracy });
        }
        for (side, from) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            for (&index, &count) in from {
                let slot = side.entry(index).or_insert(0);
                *slot = slot.saturating_add(count);
            }
            collapse(side);
        }
        self.zeros = self.zeros.saturating_add(other.zeros);
        Ok(())
    }

    /// Values added.
    pub fn count(&self) -> u64 {
        let sum = |side: &BTreeMap<i32, u64>| side.values().fold(0_u64, |a, &c| a.saturating_add(c));
        sum(&self.positive).saturating_add(sum(&self.negative)).saturating_add(self.zeros)
    }

    /// The `p`-quantile (lower order statistic), `None` when empty or `p` outside 0 to 1.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&p) {
            return None;
        }
        let rank = p * (count - 1) as f64;
        let middle = |index: i32| 2.0 * self.gamma().powi(index) / (self.gamma() + 1.0);
        let mut seen = 0_u64;
        let negative = self.negative.iter().rev().map(|(&i, &c)| (-middle(i), c));
        let zero = std::iter::once((0.0, self.zeros));
        let positive = self.positive.iter().map(|(&i, &c)| (middle(i), c));
        for (value, c) in negative.chain(zero).chain(positive) {
            seen = seen.saturating_add(c);
            if c > 0 && seen as f64 > rank {
                return Some(value);
            }
        }
        None
    }
}

/// Merges the buckets of smallest magnitude until the bound holds.
fn collapse(side: &mut BTreeMap<i32, u64>) {
    while side.len() > QuantileSketch::MAX_BUCKETS {
        let Some((_, count)) = side.pop_first() else { return };
        if let Some(mut next) = side.first_entry() {
            let slot = next.get_mut();
            *slot = slot.saturating_add(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_relatively_accurate_and_merging_commutes(
            values in prop::collection::vec(-1e6..1e6_f64, 2..300), cut in 0_usize..300, p in 0.0..1.0_f64,
        ) {
            let mut whole = QuantileSketch::new(0.02).unwrap();
            let (mut a, mut b) = (whole.clone(), whole.clone());
            for (i, &v) in values.iter().enumerate() {
                whole.push(v);
                if i < cut { a.push(v) } else { b.push(v) }
            }
            let mut ab = a.clone();
            ab.merge(&b).unwrap();
            b.merge(&a).unwrap();
            prop_assert_eq!(&ab, &b);
            prop_assert_eq!(&ab, &whole);
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let rank = (p * (sorted.len() - 1) as f64).floor();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small index")]
            let exact = sorted[rank as usize];
            let found = whole.quantile(p).unwrap();
            prop_assert!((found - exact).abs() <= 0.0201 * exact.abs() + 1e-12, "{} {}", found, exact);
        }
    }

    #[test]
    fn different_accuracies_do_not_merge() {
        let mut a = QuantileSketch::new(0.01).unwrap();
        assert!(a.merge(&QuantileSketch::new(0.02).unwrap()).is_err());
        assert!(QuantileSketch::new(0.0).is_err());
        assert_eq!(a.quantile(0.5), None);
    }
}
